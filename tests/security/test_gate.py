"""The gate of an emitter is a type: mypy refuses a text that has not passed it, and nothing else makes that type."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest
from mypy import api

import archdsl
from archdsl.gate import identifier, level, named, quoted, text_of
from tests.support.mutated_graphs import PAYLOADS

HERE = Path(archdsl.__file__).parent
TEMPLATES = {"python", "dot", "joined"}  # their first argument is a text of ours
GATED = {"Python", "Dot"}  # types that the gate alone makes
REFUSED = {
    "a string for a part": 'dot("{}", graph.name)',
    "a string for a line": "line: Dot = graph.name",
    "an f-string for a line": 'line: Dot = f"{graph.name};"',
    "a sum for a line": 'line: Dot = quoted("a") + graph.name',
    "DOT for Python": 'python("{}", quoted(graph.name))',
    "a string for Python": 'python("self.{}", graph.nodes[0].path)',
    "an f-string for Python": 'line: Python = f"self.{graph.nodes[0].path}"',
    "a string for a module's parent": 'child(graph.name, "a")',
    "an f-string for a module's parent": 'child(f"self.{graph.name}", "a")',
    "a join for Python": 'line: Python = ", ".join([identifier("a")])',
}


@pytest.mark.slow
def test_mypy_refuses_what_has_not_passed_the_gate(tmp_path: Path) -> None:
    head = [
        "from archdsl.gate import Dot, Python, dot, identifier, python, quoted",
        "from archdsl.graph.graph import Graph",
    ]
    body = [f"def f{at}(graph: Graph) -> None:\n    {text}" for at, text in enumerate(REFUSED.values())]
    fine = 'def g(graph: Graph) -> Dot:\n    return dot("{} {}", quoted(graph.name), 3)'
    path = tmp_path / "emitter.py"
    path.write_text("\n".join([*head, fine, *body]) + "\n")
    out, _, _ = api.run([str(path), "--strict", f"--config-file={HERE.parent / 'pyproject.toml'}"])
    lines = {int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line and "emitter.py" in line}
    assert lines == {len(head) + 2 + 2 * (at + 1) for at in range(len(REFUSED))}, out


def test_a_template_is_a_literal_and_only_the_gate_makes_its_types() -> None:
    found = [problem for path in sorted(HERE.rglob("*.py")) for problem in _problems(path)]
    assert found == []


# All but the definitions, which are text of ours alone.
EMITTERS = sorted({*(HERE / "targets").glob("torch_*.py")} - {HERE / "targets" / "torch_definitions.py"})


@pytest.mark.parametrize("path", EMITTERS, ids=lambda path: path.name)
def test_no_emitter_of_python_puts_quotes_around_a_text_by_hand(path: Path) -> None:
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = item.values if isinstance(item, ast.JoinedStr) else []
        for before, part in pairwise(parts):
            docstring = path.name == "torch_text.py" and isinstance(before, ast.Constant) and before.value == '"""'
            if isinstance(before, ast.Constant) and isinstance(part, ast.FormattedValue) and not docstring:
                assert not str(before.value).endswith(('"', "'")), f"{path.name}:{item.lineno}"


def _problems(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    gated = {
        alias.asname or alias.name
        for item in ast.walk(tree)
        if isinstance(item, ast.ImportFrom) and item.module == "archdsl.gate"
        for alias in item.names
    }
    calls = [item for item in ast.walk(tree) if isinstance(item, ast.Call) and isinstance(item.func, ast.Name)]
    own = path.name == "gate.py"
    return [
        f"{path.name}:{call.lineno}"
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in {"cast", *gated}
        and (
            (call.func.id in GATED and not own)
            or (call.func.id == "cast" and not own and ast.unparse(call.args[0]).strip("'") in GATED)
            or (call.func.id in TEMPLATES and not (call.args and isinstance(call.args[0], ast.Constant)))
        )
    ]


@pytest.mark.parametrize("text", ["", "a b", "1a-", "a;b", "a\n", "é", "a.b", "a()", "__import__('os')", '"', "{i}"])
def test_a_name_of_python_and_of_dot_is_one(text: str) -> None:
    gates = (identifier, named) if text == "1a-" else (identifier, level, named)
    for gate in gates:
        with pytest.raises(ValueError, match="is no"):
            gate(text)
    with pytest.raises(ValueError, match="is no name in Python"):
        identifier("lambda")


@pytest.mark.parametrize("text", PAYLOADS)
def test_a_string_of_python_is_read_as_itself(text: str) -> None:
    assert ast.literal_eval(text_of(text)) == text


def test_a_quoted_text_ends_where_it_should() -> None:
    assert quoted('a"];b\\') == '"a\\"];b\\\\"'
    assert quoted("a\nb\x1b") == '"a\\nb\\\\x1b"'
