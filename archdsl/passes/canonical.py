"""A hash that nets share which are the same up to names, spans and block names."""

from __future__ import annotations

import hashlib
from typing import Any

from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Identity,
    Input,
    Last,
    LayerNorm,
    LogSoftmax,
    MaxPool,
    Op,
    Pad,
    Resize,
    Softmax,
    Split,
    Stack,
    Upsample,
)
from archdsl.ops.common import axis_index, per_axis
from archdsl.ops.window import fixed_sides
from archdsl.shapes import SPATIAL, Shape

INITIAL = ("init", "bias_init")


def canonical_hash(graph: Graph) -> str:
    """A hash of operations, argument order, roles and the sharing of weights; linear in the graph.

    Neither names nor program order count, nor identities, nor what no output reads.
    """
    order = walk(graph)
    numbers = {index: number for number, index in enumerate(order)}
    weights: dict[str, int] = {}
    digest = hashlib.sha256()
    for index in order:
        node = graph.nodes[index]
        read = [meant(graph, value) for value in node.inputs]
        inputs = " ".join(f"{numbers[value.node]}.{value.output}" for value in read)
        own = ""
        if node.op.tensors(*graph.program.shapes_in(node)):
            own = str(weights.setdefault(node.path, len(weights)))
        role = graph.role(index) or ""
        digest.update(f"{operation(graph, index)} ({inputs}) {own} {role} {node.skip} {node.training}\n".encode())
    for output in graph.outputs:
        value = meant(graph, output.value)
        digest.update(f"out {numbers[value.node]} {value.output} {output.training}\n".encode())
    return digest.hexdigest()[:32]


def walk(graph: Graph) -> list[int]:
    """The nodes that outputs depend on, each after what it reads: a walk backwards from the outputs, through arguments
    from the first to the last, so that the order depends on neither names nor program order."""
    order: list[int] = []
    seen: set[int] = set()
    for output in graph.outputs:
        stack = [(meant(graph, output.value).node, False)]
        while stack:
            index, ready = stack.pop()
            if index in seen:
                continue
            if ready:
                seen.add(index)
                order.append(index)
                continue
            stack.append((index, True))
            stack += [(meant(graph, value).node, False) for value in reversed(graph.nodes[index].inputs)]
    return order


def meant(graph: Graph, value: Value) -> Value:
    """The value that an identity passes on."""
    while isinstance(graph.nodes[value.node].op, Identity):
        value = graph.nodes[value.node].inputs[0]
    return value


def operation(graph: Graph, index: int, *, initial: bool = True) -> str:
    """An operation with its arguments as they are after resolution (`3` and `3x3` are the same window), and the shapes
    of its results; without `initial`, how its weights begin does not count."""
    node = graph.nodes[index]
    fields = _resolved(node.op, graph.program.shapes_in(node))
    if isinstance(node.op, Input):
        fields["position"] = graph.inputs.index(index)
    if not initial:
        fields = {name: value for name, value in fields.items() if name not in INITIAL}
    shapes = " ".join(map(str, node.outputs))
    return f"{node.op.word} {sorted(fields.items(), key=lambda item: item[0])} -> {shapes}"


def _resolved(op: Op, shapes: tuple[Shape, ...]) -> dict[str, Any]:
    """The arguments of an operation on values of these shapes: windows, sizes, axes and pieces as they come out."""
    fields: dict[str, Any] = dict(op)
    if isinstance(op, Conv | ConvTranspose | MaxPool | AvgPool):
        window = op.window(shapes[0])
        sides = fixed_sides(window, op.padding)
        padding = op.padding if sides is None else None  # by the size that it gets, of which this one is an example
        fields |= {"kernel": None, "padding": padding, "stride": None, "dilation": None, "window": window}
        if sides is not None and all(side == (0, 0) for side in sides):
            fields |= {name: None for name in ("padding_mode", "count_padding") if name in fields}
    fields |= _sizes(op, shapes)
    if isinstance(op, Split):
        along = shapes[0].axes[axis_index(op, shapes[0], op.axis, 0)]
        fields["pieces"] = op.pieces if along in SPATIAL else op.sizes(shapes[0])  # places may be more or fewer
    if isinstance(op, Concat):
        fields["axis"] = op.place(*shapes)
    elif "axis" in fields and not isinstance(op, Stack):
        last = isinstance(op, LayerNorm | Softmax | LogSoftmax | Last)
        fields["axis"] = axis_index(op, shapes[0], fields["axis"], -1 if last else 0)
    return fields


def _sizes(op: Op, shapes: tuple[Shape, ...]) -> dict[str, Any]:
    """The arguments that are one number or one for each axis, for each axis."""
    match op:
        case AdaptiveAvgPool() | AdaptiveMaxPool() | Crop() | Resize():
            return {"size": per_axis(op.size, shapes[0].rank - 1, "size")}
        case ConvTranspose():
            return {"output_padding": per_axis(op.output_padding, shapes[0].rank - 1, "output_padding")}
        case Pad():
            return {"sides": op.amounts(shapes[0])}
        case Upsample():
            return {"factor": tuple(map(float, op.factors(shapes[0])))}
    return {}
