"""What a legal graph is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.graph.verify import IllegalGraph, faults, verify
from archdsl.ir.builder import Builder
from archdsl.ir.program import Node, Output, Program, Value
from archdsl.limits import Limits
from archdsl.shapes import Shape
from tests.support.nets import again
from tests.support.small_nets import conv, resnet

SMALL = resnet("basic", (1, 1)).program
CONV1 = next(index for index, node in enumerate(SMALL.nodes) if node.path == "layer2.0.conv1")


def changed(**fields: object) -> Program:
    """The small net with one convolution changed."""
    nodes = [replace(node, **fields) if index == CONV1 else node for index, node in enumerate(SMALL.nodes)]
    return replace(SMALL, nodes=tuple(nodes))


def scoped(index: int, **fields: object) -> Program:
    scopes = [replace(scope, **fields) if place == index else scope for place, scope in enumerate(SMALL.scopes)]
    return replace(SMALL, scopes=tuple(scopes))


LEVEL = next(index for index, scope in enumerate(SMALL.scopes) if scope.path == "layer2" and scope.opens)
LAST = len(SMALL.nodes) - 1

ILLEGAL: dict[str, tuple[Callable[[], Program], str]] = {
    "reads itself": (lambda: changed(inputs=(Value(CONV1),)), "does not stand before it"),
    "reads a node that is not there": (lambda: changed(inputs=(Value(-1),)), "does not stand before it"),
    "reads an output that is not there": (lambda: changed(inputs=(Value(CONV1 - 1, 1),)), "which has none"),
    "reads too many values": (lambda: changed(inputs=(Value(0), Value(0))), "takes one and reads 2 values"),
    "says another shape": (lambda: changed(outputs=(Shape.of(128, 28, 29),)), "makes 128x28x28"),
    "says another name of an axis": (
        lambda: changed(outputs=(Shape((128, 28, 28), ("c", "w", "h")),)),
        r"128x28x28 \(c w h\)",
    ),
    "rejects its input": (lambda: changed(op=conv(128, groups=128)), "do not divide"),
    "stands outside its scope": (lambda: changed(path="layer1.9.conv1"), "no path below `layer2.0`"),
    "has no name": (lambda: changed(path="layer2.0."), "is no path"),
    "stands in no scope": (lambda: changed(scope=999), "no scope 999"),
    "takes a path twice": (lambda: changed(path="layer2.0.conv2"), "already the path"),
    "is computed in training only": (lambda: changed(training=True), "reads a value of training only"),
    "a scope of no kind": (lambda: scoped(LEVEL, kind="circle"), "no kind of scope"),
    "a scope before its parent": (lambda: scoped(LEVEL, parent=LEVEL), "parent does not stand before"),
    "a level beside its parent's": (lambda: scoped(LEVEL + 2, path="layer1.0"), "not below `layer2`"),
    "a second arch": (lambda: scoped(LEVEL, kind="arch"), "no kind of scope"),
    "no output": (lambda: replace(SMALL, outputs=()), "no output in inference"),
    "an output of nothing": (
        lambda: replace(SMALL, outputs=(Output("output", Value(LAST + 1)),)),
        "value that does not exist",
    ),
    "two outputs of one name": (
        lambda: replace(SMALL, outputs=(Output("a", Value(LAST)), Output("a", Value(0)))),
        "two outputs have one name",
    ),
    "a path that no spec can write": (lambda: changed(path='layer2.0.a" + f() + "'), "is no path"),
    "a level of 65 characters": (lambda: changed(path="layer2.0." + "a" * 65), "is no path"),
    "a name of the arch that is a word": (lambda: replace(SMALL, name="repeat"), "no name of an arch"),
    "a name of an operation": (lambda: scoped(LEVEL, block="relu"), "no name of a block"),
    "a role of no kind": (lambda: scoped(LEVEL, role="x\ny"), "is no role"),
    "a documentation with an escape": (lambda: scoped(LEVEL, doc="a\x1b[31m"), "no text of `##` lines"),
    "a quote in a string": (lambda: scoped(LEVEL, arguments=(("a", 'x"y'),)), "no string of the language"),
    "an argument without end": (lambda: replace(SMALL, parameters=(("a", float("inf")),)), "inf is no number"),
    "an argument of another type": (lambda: replace(SMALL, parameters=(("a", {}),)), "a dict is no value"),
    "a digest of a sentence": (lambda: replace(SMALL, digest="); import os"), "is no digest"),
    "a source on two lines": (lambda: replace(SMALL, source="a\nb"), "no name of a file"),
    "an output with a quote": (lambda: replace(SMALL, outputs=(Output('"', Value(LAST)),)), "no name of an output"),
    "an axis with a quote": (
        lambda: changed(outputs=(Shape((128, 28, 28), ("c", '"', "w")),)),
        "no name of an axis",
    ),
    "sizes that no machine holds": (lambda: changed(outputs=(Shape.of(10**18, 10**18, 28),)), "more than 2147483648"),
    "an order that leaves a node out": (lambda: replace(SMALL, declared=(0, 1)), "every node once"),
}


@pytest.mark.parametrize("case", list(ILLEGAL))
def test_an_illegal_graph_is_told_apart(case: str) -> None:
    make, message = ILLEGAL[case]
    with pytest.raises(IllegalGraph, match=message):
        verify(Graph(make()))


def test_a_key_belongs_to_one_operation() -> None:
    b = Builder("net")
    (x,) = b.add(conv(4), (b.input(4, 8, 8),), "a")
    b.add(ops.Learned(init=ops.Ones(), sizes=(4,)), (), "a.weight")
    with pytest.raises(IllegalGraph, match=r"`a\.weight` is already a tensor of `a`"):
        verify(Graph(b.program(x)))


def test_shared_weights_are_legal_where_their_tensors_are_equal() -> None:
    b = Builder("net")
    (x,) = b.add(conv(4, stride=2), (b.input(4, 8, 8),), "tower")
    (y,) = b.add(conv(4, stride=2), (x,), "tower", again(b, "tower"))
    verify(Graph(b.program(y)))
    (z,) = b.add(conv(4), (y,), "tower", again(b, "tower"))
    with pytest.raises(IllegalGraph, match="two operations that share no weights"):
        verify(Graph(b.program(z)))


def test_equal_layers_of_one_path_are_shared_only_where_shared_weights_are_applied() -> None:
    """Each application gives a path once, and only one application is without a scope of its own."""
    for scopes in ((0, 0), (1, 1), (2, 2)):
        b = Builder("net")
        here = (again(b, "tower"), again(b, "other"))
        places = [(0, *here)[scope] for scope in scopes]
        (x,) = b.add(conv(4), (b.input(4, 8, 8),), "other.0", b.scope("block", level="other"))
        for place in places:
            path = "tower" if place != here[1] else "other.tower"
            (x,) = b.add(conv(4), (x,), path, place)
        with pytest.raises(IllegalGraph, match="no shared weights are applied there"):
            verify(Graph(b.program(x)))


def test_a_layer_is_no_level() -> None:
    b = Builder("net")
    (x,) = b.add(conv(4), (b.input(4, 8, 8),), "a")
    (y,) = b.add(conv(4), (x,), "a.b")
    with pytest.raises(IllegalGraph, match="`a` is a level, and other nodes are below it"):
        verify(Graph(b.program(y)))


def test_all_faults_are_told_at_once() -> None:
    program = changed(inputs=(Value(999),), path="x")
    assert len(tuple(faults(Graph(program)))) == 2


def test_a_graph_is_held_to_its_budgets() -> None:
    graph = resnet("basic", (1,))
    verify(graph)
    for limits, message in [
        (Limits(nodes=5), "nodes, and 5 is the limit"),
        (Limits(elements=1000), "more than 1000 elements"),
        (Limits(params=1000), "parameters, and 1000 is the limit"),
    ]:
        with pytest.raises(IllegalGraph, match=message):
            verify(graph, limits)


def test_a_huge_tensor_is_told_in_whole_numbers() -> None:
    b = Builder("net")
    (x,) = b.add(ops.Linear(out=2**30), (b.input(2**30),), "fc")
    node: Node = b.nodes[1]
    assert node.op.tensors(Shape.of(2**30))[0].sizes == (2**30, 2**30)
    with pytest.raises(IllegalGraph, match=r"fc.weight. has 1152921504606846976 elements"):
        verify(Graph(b.program(x)))
