"""Every kind of mistake: a spec that makes it, what the compiler says, and the sentence of the reference it enforces.
`E0111_x.arch` stands beside `E0111_x.txt`.

The budgets that need a long text are made here: `GENERATED` names the texts."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

from archdsl.diagnostics import CompileError, Problem, render_all
from archdsl.elaborate import elaborate
from archdsl.limits import DEFAULT
from archdsl.source import Source
from archdsl.syntax import problems  # noqa: F401  (registers the codes of the syntax)
from archdsl.syntax.parser import parse

HERE = Path(__file__).parent
LANGUAGE = HERE.parents[1] / "docs" / "language.md"
SPECS = sorted(HERE.glob("E*.arch"))
GENERATED = {
    "E0130_big_source": "#" * (DEFAULT.source + 1),
    "E0131_many_tokens": "let a = [\n" + "    1, 1, 1, 1, 1,\n" * (DEFAULT.tokens // 10) + "]\n",
}

ASKED = re.compile("# asked: ({.*})\n")

for module in ("archdsl.compiler", "archdsl.elaborate.problems"):
    if importlib.util.find_spec(module):
        importlib.import_module(module)


def codes_of_specs() -> dict[str, type[Problem]]:
    """The problems of texts and of their meaning; those of graphs (E09) and weights (E10) have tests in their rooms."""
    return {code: problem for code, problem in Problem.registry.items() if code < "E09"}


def diagnostics_of(source: Source) -> CompileError:
    """The error of a spec: of its text, or of its meaning."""
    with pytest.raises(CompileError) as caught:
        parse_and_check(source)
    return caught.value


def parse_and_check(source: Source) -> None:
    """Checks a spec; one that begins with `# asked: {...}` is built with this arch and these parameters instead."""
    parse(source)
    asked = ASKED.match(source.text)
    if asked is None:
        importlib.import_module("archdsl.compiler").check(source)
        return
    parameters = json.loads(asked[1])
    elaborate(source, parameters.pop("arch", None), parameters)


def rules_of(error: CompileError) -> str:
    """The sentences of the reference that the diagnostics enforce, a line for each code."""
    codes = dict.fromkeys(diagnostic.code for diagnostic in error.diagnostics)
    return "\n".join(f"{code} enforces: {Problem.registry[code].rule}" for code in codes)


def assert_golden(name: str, source: Source, update: bool) -> None:
    error = diagnostics_of(source)
    text = f"{render_all(error.diagnostics)}\n\n{rules_of(error)}\n"
    golden = HERE / f"{name}.txt"
    if update:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert name[:5] in [diagnostic.code for diagnostic in error.diagnostics]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_with_a_mistake_gets_its_diagnostics(path: Path, update_golden: bool) -> None:
    assert_golden(path.stem, Source(path.read_text(encoding="utf-8"), path.name, path), update_golden)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_a_text_over_a_budget_gets_its_diagnostic(name: str, update_golden: bool) -> None:
    assert_golden(name, Source(GENERATED[name], f"{name}.arch"), update_golden)


def test_every_code_has_a_golden_file_and_every_golden_file_a_code() -> None:
    shown = {path.stem[:5] for path in SPECS} | {name[:5] for name in GENERATED}
    assert shown == set(codes_of_specs())


def test_every_golden_text_has_its_spec() -> None:
    assert {path.stem for path in HERE.glob("E*.txt")} == {path.stem for path in SPECS} | set(GENERATED)


def test_every_code_is_explained() -> None:
    for code, problem in codes_of_specs().items():
        assert re.fullmatch(r"E\d{4}", code)
        assert problem.__doc__, code
        assert not problem.__doc__.startswith(f"{problem.__name__}("), code
        assert problem.rule.endswith("."), code


@pytest.mark.skipif(not LANGUAGE.exists(), reason="the reference is not written yet")
def test_every_rule_stands_in_the_language_reference() -> None:
    text = " ".join(LANGUAGE.read_text(encoding="utf-8").split())
    rules = {code: problem.rule for code, problem in sorted(codes_of_specs().items())}
    missing = [f"{code}: {rule}" for code, rule in rules.items() if rule not in text]
    assert not missing
