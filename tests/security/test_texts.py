"""Every text of a graph, with every payload, through every target: refused with a reason, or harmless and faithful."""

from __future__ import annotations

import ast
import contextlib
import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import archdsl
from archdsl import ops
from archdsl.analysis.summary import summarise
from archdsl.cli.summary import text as summary_text
from archdsl.compiler import weights_of
from archdsl.diagnostics import CompileError
from archdsl.gate import shown
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph, read_graph
from archdsl.graph.verify import faults, verify
from archdsl.ir.program import Program
from archdsl.ops.base import Described
from archdsl.shapes import Shape
from archdsl.source import Source
from archdsl.targets import registry
from archdsl.targets.torch_module import instantiate
from tests.support.mutated_graphs import PAYLOADS

SPEC = """
## A net with every kind of text.
block Cell(width, _mode="plain", _more=["a", "b"]) {
    conv(width, 1x1)
    up { conv(width, 1x1) -> relu }
}

arch net(width=4, _kind="some") {
    input left: 4x6x6
    input right: 4x6x6
    stem { from [left, right] -> add }
    body: Cell(width)
    param scale: constant(0.5, [4, 1, 1])
    from ["body.up.1", "scale"] -> mul
    softmax(axis="c")
    rearrange("c (h p) w -> c h (p w)", p=2)
    aux side { conv(4, 1x1) }
    output logits=here, side
}
"""
PATTERN = "c (h p) w -> c h (p w)"
BASE = archdsl.compile(Source(SPEC, "net.arch")).program


def whole(**fields: Any) -> Program:
    return replace(BASE, **fields)


def scoped(found: Callable[[Any], bool], **fields: Any) -> Program:
    at = next(index for index, scope in enumerate(BASE.scopes) if found(scope))
    return whole(scopes=(*BASE.scopes[:at], replace(BASE.scopes[at], **fields), *BASE.scopes[at + 1 :]))


def node(word: str, **fields: Any) -> Program:
    at = next(index for index, item in enumerate(BASE.nodes) if item.op.word == word)
    return whole(nodes=(*BASE.nodes[:at], replace(BASE.nodes[at], **fields), *BASE.nodes[at + 1 :]))


def raw(kind: type[Described], **values: Any) -> Any:
    """An operation whose arguments nobody checked."""
    return kind.model_construct(**values)


def cell(scope: Any) -> bool:
    return scope.block == "Cell"


def level(scope: Any) -> bool:
    return scope.path == "body.up"


def stem(scope: Any) -> bool:
    return scope.role == "stem"


FIELDS: dict[str, Callable[[str], Program]] = {
    "name of the arch": lambda text: whole(name=text),
    "documentation": lambda text: whole(doc=text),
    "digest": lambda text: whole(digest=text),
    "source": lambda text: whole(source=text),
    "parameter": lambda text: whole(parameters=((text, 4),)),
    "value of a parameter": lambda text: whole(parameters=(("kind", text),)),
    "value in a list": lambda text: whole(parameters=(("kind", ("a", (text,))),)),
    "kind of a scope": lambda text: scoped(cell, kind=text),
    "path of a level": lambda text: scoped(level, path=text),
    "path below": lambda text: scoped(level, path=f"body.{text}"),
    "path of a block": lambda text: scoped(cell, path=text),
    "role": lambda text: scoped(stem, role=text),
    "block": lambda text: scoped(cell, block=text),
    "block of the arch": lambda text: scoped(lambda scope: scope.kind == "arch", block=text),
    "argument": lambda text: scoped(cell, arguments=((text, 4),)),
    "value of an argument": lambda text: scoped(cell, arguments=(("mode", text),)),
    "value in an argument's list": lambda text: scoped(cell, arguments=(("mode", (text, ("b", text)),),)),
    "documentation of a block": lambda text: scoped(cell, doc=text),
    "path of a layer": lambda text: node("conv", path=text),
    "end of a path": lambda text: node("conv", path=f"body.{text}"),
    "path of an input": lambda text: node("input", path=text),
    "path of a merge": lambda text: node("add", path=text),
    "path of a learned tensor": lambda text: node("param", path=text),
    "name of an axis": lambda text: node("relu", outputs=(Shape((4, 6, 6), ("c", text, "w")),)),
    "argument of an operation": lambda text: node("softmax", op=raw(ops.Softmax, axis=text)),
    "pattern": lambda text: node("rearrange", op=raw(ops.Rearrange, pattern=text, sizes=(("p", 2),))),
    "axis of a pattern": lambda text: node("rearrange", op=raw(ops.Rearrange, pattern=PATTERN, sizes=((text, 2),))),
    "word of an operation": lambda text: node("relu", op=raw(ops.Gelu, approximate=text)),
    "output": lambda text: whole(outputs=(replace(BASE.outputs[0], name=text), *BASE.outputs[1:])),
    "output in training": lambda text: whole(outputs=(BASE.outputs[0], replace(BASE.outputs[1], name=text))),
}  # fmt: skip
CASES = [(field, at) for field in FIELDS for at in range(len(PAYLOADS))]
SAMPLE = random.Random(8).sample(CASES, 150)


def told(field: str, payload: str) -> bool:
    """Whether a graph with this text is a legal one; fails where a target then does anything but what it should."""
    graph = Graph(FIELDS[field](payload))
    found = tuple(faults(graph))
    assert all(shown(str(fault)) == str(fault) for fault in found)
    (_refused if found else _faithful)(graph)
    return not found


def _refused(graph: Graph) -> None:
    with pytest.raises(CompileError) as caught:
        read_graph(print_graph(graph))
    assert shown(str(caught.value)) == str(caught.value)
    for target in ("torch", "onnx", "arch", "spec", "dot"):
        with contextlib.suppress(
            Exception
        ):  # an illegal graph may fail anywhere: what counts is that nothing of it runs
            _executed(target, graph, registry.TARGETS[target].emit(graph, _request(graph)))


def _faithful(graph: Graph) -> None:
    assert read_graph(print_graph(graph)) == graph
    for name, target in registry.TARGETS.items():
        if name not in ("png", "pdf", "safetensors"):
            _executed(name, graph, target.emit(graph, _request(graph)))
    table = summary_text(summarise(graph, "layer"))
    assert shown(table) == table
    module = instantiate(graph).eval()
    assert list(module.state_dict()) == [key for key, _, _ in graph.state()]
    assert torch.isfinite(module(torch.ones(1, 4, 6, 6), torch.ones(1, 4, 6, 6))).all()


def _request(graph: Graph) -> registry.Request:
    return registry.Request(lambda: weights_of(graph, None, 0))


def _executed(target: str, graph: Graph, made: str | bytes) -> None:
    """Reads what a target made as its own reader does."""
    if isinstance(made, bytes):
        onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
        return
    made.encode()
    assert shown(made) == made
    match target:
        case "torch":
            imported = [item for item in ast.walk(ast.parse(made)) if isinstance(item, ast.Import)]
            assert {item.names[0].name for item in imported} <= {"torch", "torch.nn.functional", "functools"}
            exec(compile(made, "generated", "exec"), {"__name__": "generated"})
        case "svg":
            ElementTree.fromstring(made)
        case "arch" | "spec":
            archdsl.compile(Source(made, "again.arch"), arch=graph.name)


def _run(cases: list[tuple[str, int]], folder: Path) -> dict[str, int]:
    legal: dict[str, int] = {}
    for field, at in cases:
        legal[field] = legal.get(field, 0) + told(field, PAYLOADS[at])
        assert not list(folder.iterdir()), (field, PAYLOADS[at])
    return legal


def test_the_net_itself_is_legal(tmp_path: Path) -> None:
    verify(Graph(BASE))
    _faithful(Graph(BASE))


def test_a_text_is_refused_or_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _run(SAMPLE, tmp_path)


@pytest.mark.slow
def test_every_text_is_refused_or_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pytest tests/security/test_texts.py -m slow`: every field with every payload."""
    monkeypatch.chdir(tmp_path)
    legal = _run(CASES, tmp_path)
    assert legal["documentation"] > 5
    assert legal["path of a layer"] <= 4
