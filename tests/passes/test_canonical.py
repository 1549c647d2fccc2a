"""The canonical hash: equal for the same net under other names, different for any other net."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from archdsl import ops
from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.graph.verify import verify
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output, Scope, Value
from archdsl.ops.base import ShapeError
from archdsl.passes.canonical import canonical_hash
from archdsl.shapes import Shape
from archdsl.source import Source, Span
from tests.ops.grid import CASES
from tests.support.random_nets import random_net


def renamed(graph: Graph) -> Graph:
    """Other paths, block names, documentation and spans; the roles and the sharing stay."""
    span = Span(Source("somewhere else", "other.arch"), 0, 4)
    levels = {"": ""}

    def level(path: str) -> str:
        if path not in levels:
            above, _, _ = path.rpartition(".")
            levels[path] = f"{level(above)}.q{len(levels)}".lstrip(".")
        return levels[path]

    scopes = tuple(
        replace(scope, path=level(scope.path), block="Other" if scope.block else None, doc="other", span=span)
        for scope in graph.scopes
    )
    nodes = tuple(replace(node, path=level(node.path), span=span) for node in graph.nodes)
    outputs = tuple(replace(out, name=f"o{number}") for number, out in enumerate(graph.outputs))
    program = replace(graph.program, name="other", doc="other", digest="0", scopes=scopes, nodes=nodes, outputs=outputs)
    return Graph(program)


def reordered(graph: Graph, random: Random) -> Graph:
    """The nodes in another order in which each still stands behind what it reads; the inputs keep theirs."""
    waiting = [len(node.inputs) for node in graph.nodes]
    ready = [index for index in range(len(graph.nodes)) if not waiting[index] and index not in graph.inputs]
    order = list(graph.inputs)
    for index in graph.inputs:
        ready += _released(graph, index, waiting)
    while ready:
        index = ready.pop(random.randrange(len(ready)))
        order.append(index)
        ready += _released(graph, index, waiting)
    place = {index: number for number, index in enumerate(order)}

    def moved(value: Value) -> Value:
        return Value(place[value.node], value.output)

    nodes = tuple(replace(graph.nodes[i], inputs=tuple(map(moved, graph.nodes[i].inputs))) for i in order)
    outputs = tuple(replace(out, value=moved(out.value)) for out in graph.outputs)
    return Graph(replace(graph.program, nodes=nodes, outputs=outputs, declared=()))


def _released(graph: Graph, index: int, waiting: list[int]) -> list[int]:
    found = []
    for reader in graph.readers(index):
        waiting[reader] -= 1
        if waiting[reader] == 0:
            found.append(reader)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_names_spans_and_order_do_not_count(seed: int) -> None:
    graph = random_net(seed)
    expected = canonical_hash(graph)
    verify(other := renamed(graph))
    assert canonical_hash(other) == expected
    mixed = reordered(graph, Random(seed))
    verify(mixed)
    assert canonical_hash(mixed) == expected
    assert canonical_hash(reordered(renamed(graph), Random(seed + 1))) == expected


@pytest.mark.parametrize("seed", range(12))
def test_every_change_of_one_node_counts(seed: int) -> None:
    """A role, a mark, the order of arguments, the sharing of weights: for each node that an output depends on."""
    graph = random_net(seed)
    expected = canonical_hash(graph)
    live = alive(graph)
    seen = {expected}
    for index, node in enumerate(graph.nodes):
        if index not in live or isinstance(node.op, (ops.Input, ops.Identity)):
            continue
        assert canonical_hash(changed(graph, index, skip=not node.skip)) != expected
        assert canonical_hash(changed(graph, index, training=not node.training)) != expected
        operands = [canonical_hash(ending_in(graph, value)) for value in node.inputs]
        if operands != operands[::-1]:
            assert canonical_hash(changed(graph, index, inputs=tuple(reversed(node.inputs)))) != expected
        if graph.applications[node.path] > 1 and node.op.tensors(*graph.program.shapes_in(node)):
            assert canonical_hash(changed(graph, index, path=f"{node.path}_own")) != expected
        scopes = (*graph.scopes, Scope("role", graph.scopes[node.scope].path, node.scope, role=f"role{index}"))
        moved = replace(changed(graph, index, scope=len(graph.scopes)).program, scopes=scopes)
        seen.add(canonical_hash(Graph(moved)))
    assert len(seen) > 1


def alive(graph: Graph) -> set[int]:
    found: set[int] = set()
    todo = [out.value.node for out in graph.outputs]
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            todo += [value.node for value in graph.nodes[index].inputs]
    return found


def ending_in(graph: Graph, value: Value) -> Graph:
    return Graph(replace(graph.program, outputs=(Output("only", value),)))


def changed(graph: Graph, index: int, **facts: Any) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **facts)
    return Graph(replace(graph.program, nodes=tuple(nodes)))


def alone(op: ops.Op, shapes: tuple[Any, ...]) -> Graph:
    b = Builder("net")
    inputs = tuple(b.input(*shape.sizes, name=f"x{number}") for number, shape in enumerate(shapes))
    values = b.add(op, inputs if op.takes != "none" else (), "only")
    return Graph(b.program(tuple(Output(f"y{number}", value) for number, value in enumerate(values))))


def test_every_argument_of_every_operation_counts() -> None:
    """Over the grid of all operations: two points with one hash are the same function, by a rule that is named here."""
    seen: dict[str, list[tuple[ops.Op, Any]]] = {}
    for case in CASES:
        for given, shapes in case.points():
            try:
                op = ops.OPERATIONS[case.word].make(**given)
                graph = alone(op, shapes)
            except (ops.ArgumentError, ShapeError):
                continue
            seen.setdefault(canonical_hash(graph), []).append((op, shapes))
    assert len(seen) > 500
    for found in seen.values():
        first, shapes = found[0]
        for other, theirs in found[1:]:
            assert shapes == theirs
            assert type(first) is type(other)
            unlike = {name for name, value in first if getattr(other, name) != value}
            assert unlike <= {
                "kernel",
                "stride",
                "dilation",
                "padding",
                "axis",
                "pieces",
                "padding_mode",
                "count_padding",
                *("sides", "size", "factor", "output_padding"),
            }
            assert first.outputs(*shapes) == other.outputs(*shapes)
            if hasattr(first, "window"):
                assert first.window(shapes[0]) == other.window(shapes[0])


SAME = (
    ("conv(4, 3)", "conv(4, 3x3, padding=1)"),
    ("conv(4, 3x3, padding=same)", "conv(4, 3, padding=[[1, 1], [1, 1]], stride=[1, 1])"),
    ("conv(4, 1x1)", "conv(4, 1x1, padding=valid)"),
    ("maxpool(2x2)", "maxpool(2, stride=2)"),
    ("avgpool(2x2)", "avgpool(2x2, count_padding=true)"),
    ("split(2) -> concat", 'split([2, 2], axis="c") -> concat(axis="c")'),
    ("upsample(2)", "upsample([2.0, 2])"),
    ("pad(1)", "pad([[1, 1], [1, 1]])"),
    ("crop(3)", "crop(3x3)"),
    ("relu", "identity -> relu -> identity"),
)
OTHER = (
    ("conv(4, 3x3)", "conv(4, 3x3, bias=false)"),
    ("conv(4, 3x3)", "conv(4, 3x3, init=zeros)"),
    ("conv(4, 3x3)", "conv(4, 3x3, padding_mode=reflect)"),
    ("conv(4, 3x3, stride=2, padding=same_tf)", "conv(4, 3x3, stride=2, padding=[[0, 1], [0, 1]])"),
    ("batchnorm", "batchnorm(eps=1e-3)"),
    ("batchnorm", "batchnorm(momentum=0.2)"),
    ("relu -> tanh", "tanh -> relu"),
    ("branches add { relu\n tanh }", "branches add { tanh\n relu }"),
    ("branches add { relu\n tanh }", "branches concat { relu\n tanh }"),
    ("shared one: conv(4, 3x3)\none -> one", "conv(4, 3x3) -> conv(4, 3x3)"),
    ("relu", "head { relu }"),
    ("stem { relu }", "head { relu }"),
    ("residual { relu } skip tanh", "branches add { relu\n tanh }"),
    ("output a=in, b=in", "relu as a\noutput a, b=in"),
)


def net(body: str) -> Graph:
    return compile(Source(f"arch n() {{\n    input 4x6x6\n{body}\n}}\n", "n.arch"))


@pytest.mark.parametrize("one,two", SAME)
def test_two_ways_to_write_one_net_have_one_hash(one: str, two: str) -> None:
    assert canonical_hash(net(one)) == canonical_hash(net(two))


@pytest.mark.parametrize("one,two", OTHER)
def test_two_nets_have_two_hashes(one: str, two: str) -> None:
    assert canonical_hash(net(one)) != canonical_hash(net(two))


DEFAULT = {"layernorm": "w", "softmax": "w", "log_softmax": "w", "last": "w"}  # of all others it is the first, `c`
GIVEN: dict[str, dict[str, Any]] = {
    "split": {"pieces": 2},
    "slice": {"start": 0, "stop": 2},
    "gather": {"indices": (0,)},
}


@pytest.mark.parametrize("word", sorted({word for word, cls in ops.OPERATIONS.items() if "axis" in cls.arguments()}))
def test_an_operation_over_its_default_axis_is_one_that_names_it(word: str) -> None:
    """And is no other; a roll has no default, and a stack's axis is new."""
    shape = Shape.of(4, 6, 8)

    def hashed(axis: str | None) -> str:
        op = ops.OPERATIONS[word].make(**GIVEN.get(word, {}), axis=axis)
        return canonical_hash(alone(op, (shape, shape) if op.takes == "list" else (shape,)))

    if word not in ("roll", "stack"):
        assert [axis for axis in "chw" if hashed(axis) == hashed(None)] == [DEFAULT.get(word, "c")]


def test_which_of_several_inputs_is_read_counts() -> None:
    def built(first: int) -> Graph:
        b = Builder("n")
        inputs = [b.input(4, 6, 6, name="left"), b.input(4, 6, 6, name="right")]
        return Graph(b.program(b.add(ops.Concat(), (inputs[first], inputs[1 - first]), "concat")[0]))

    assert canonical_hash(built(0)) != canonical_hash(built(1))


def test_a_graph_of_ten_thousand_nodes_is_hashed_in_a_second() -> None:
    """And twice as many take about twice as long."""

    def built(count: int) -> Graph:
        b = Builder("long")
        x = b.input(4, 6, 6)
        for index in range(count // 2):
            y = b.add(ops.Conv(out=4, kernel=3), (x,), f"c{index}")[0]
            x = b.add(ops.Add(), (x, y), f"a{index}")[0]
        return Graph(b.program(x))

    took = []
    for count in (10_000, 20_000):
        graph = built(count)
        start = time.process_time()
        canonical_hash(graph)
        took.append(time.process_time() - start)
    assert took[0] < 1
    assert took[1] < 4 * took[0]


def test_the_hash_is_text_that_does_not_depend_on_the_run() -> None:
    assert canonical_hash(net("conv(4, 3x3) -> relu")) == "060f0a9b7bb6fbe9a14947c0241a9e32"
