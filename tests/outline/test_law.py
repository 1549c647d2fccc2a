"""What an outline says is the graph: expanded, it gives every node, its weights' path and its wiring again."""

from __future__ import annotations

from typing import Any

import pytest

from archdsl.graph.graph import Graph
from archdsl.ops.base import Described, Learned, Op
from archdsl.outline import Argument, Call, Forms, expand, outline
from tests.support import nets
from tests.support.random_nets import random_net


def fields(graph: Graph, index: int) -> Forms:
    """Every operation as a call with all its fields, so that equal calls are equal operations."""
    op: Op = graph.nodes[index].op
    values = tuple(Argument(name, _plain(getattr(op, name))) for name in type(op).model_fields)
    call = Call(op.word, values)
    stateful = bool(op.tensors(*graph.program.shapes_in(graph.nodes[index])))
    module = call if op.takes == "one" or isinstance(op, Learned) else None
    return Forms(module, None if stateful else call)


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, Described) else value


def flat(graph: Graph) -> tuple[list[Any], list[Any]]:
    """A graph as applications without identities (call, path of the weights, inputs, training), and its results."""
    known: dict[tuple[int, int], tuple[int, int]] = {}
    rows: list[Any] = []
    for index, node in enumerate(graph.nodes):
        inputs = [known[value.node, value.output] for value in node.inputs]
        if node.op.word == "input":
            known[index, 0] = (-1 - graph.inputs.index(index), 0)
            continue
        if node.op.word == "identity":
            known[index, 0] = inputs[0]
            continue
        forms = fields(graph, index)
        stateful = bool(node.op.tensors(*graph.program.shapes_in(node)))
        call = forms.module if stateful else forms.function
        rows.append((call, node.path if stateful else None, tuple(inputs), node.training))
        known.update({(index, output): (len(rows) - 1, output) for output in range(len(node.outputs))})
    return rows, [known[out.value.node, out.value.output] for out in graph.outputs]


def expanded(graph: Graph) -> tuple[list[Any], list[Any]]:
    """The same, from the graph's outline."""
    applied, results = expand(outline(graph, fields))
    known: dict[tuple[int, int], tuple[int, int]] = {(-1 - at, 0): (-1 - at, 0) for at in range(len(graph.inputs))}
    rows: list[Any] = []
    weighted = {node.path for node in graph.nodes if node.op.tensors(*graph.program.shapes_in(node))}
    for index, item in enumerate(applied):
        inputs = tuple(known[place] for place in item.inputs)
        if item.call.function == "identity":
            known[index, 0] = inputs[0]
            continue
        rows.append((item.call, item.path if item.path in weighted else None, inputs, item.training))
        known.update({(index, output): (len(rows) - 1, output) for output in range(8)})
    return rows, [known[place] for place in results]


@pytest.mark.parametrize("seed", range(300))
def test_expanding_the_outline_of_a_random_net_gives_the_net(seed: int) -> None:
    graph = random_net(seed)
    assert expanded(graph) == flat(graph)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50", "wide_resnet50_2", "resnext50_multibranch"])
def test_expanding_the_outline_of_a_family_member_gives_the_net(name: str) -> None:
    graph = getattr(nets, name)()
    assert expanded(graph) == flat(graph)
