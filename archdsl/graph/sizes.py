"""A net for inputs of other sizes than the declared ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node
from archdsl.ops import LayerNorm
from archdsl.ops.base import Input, ShapeError
from archdsl.ops.common import axis_index
from archdsl.shapes import Shape

Sizes = tuple[tuple[int, ...], ...]  # of each input, without its batch
Sizer = Callable[[int, int], int]  # a size and its axis among those of space
FEWER = (5 / 8, 3 / 8, 3 / 4, 1 / 2, 7 / 8)
MUCH_FEWER = (1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)
LARGE = 96  # places along an axis from which on a much smaller map shows as much
MORE = ((1, 3), (2, 1), (3, 2), (5, 4))
STEPS = (1, 2, 4, 8, 16, 32, 64)  # what a net with skips across resolutions may ask its sizes to be multiples of


def declared_sizes(graph: Graph) -> Sizes:
    """The sizes of the inputs as the spec has them."""
    return tuple(graph.nodes[index].outputs[0].sizes for index in graph.inputs)


def resized(graph: Graph, sizes: Sequence[tuple[int, ...]]) -> Graph | None:
    """The same net with inputs of other sizes; `None` where an operation does not take them, would have other weights
    (a linear layer of a flattened map), or is made for one size (a layer norm along an axis of places)."""
    given = iter(sizes)
    nodes: list[Node] = []
    for node in graph.nodes:
        before = tuple(nodes[value.node].outputs[value.output] for value in node.inputs)
        op = Input(sizes=next(given)) if isinstance(node.op, Input) else node.op
        same = before == graph.program.shapes_in(node)
        if same and op == node.op:
            nodes.append(node)
            continue
        try:
            outputs = op.outputs(*before)
            held = [tensor.sizes for tensor in op.tensors(*before)]
        except ShapeError:
            return None
        if isinstance(op, LayerNorm) and _normed(op, before[0]) != _normed(op, graph.shape(node.inputs[0])):
            return None
        if len(outputs) != len(node.outputs) or held != [
            tensor.sizes for tensor in op.tensors(*graph.program.shapes_in(node))
        ]:
            return None
        nodes.append(replace(node, op=op, outputs=outputs))
    return Graph(replace(graph.program, nodes=tuple(nodes)))


def _normed(op: LayerNorm, x: Shape) -> int:
    """The size of the axis that a layer norm is made for."""
    return x.sizes[axis_index(op, x, op.axis, -1)]


def other_sizes(graph: Graph) -> tuple[Sizes, ...]:
    """Up to three sizes of the inputs that a net takes too: two smaller and one larger, even and odd, no squares.

    There are none where nothing has places, or where the declared sizes are the only ones.
    """
    found: list[Sizes] = []
    for wish in (_smaller(graph, 0), _smaller(graph, 1), _larger(graph)):
        for sizes in wish:
            if sizes not in found and resized(graph, sizes) is not None:
                found.append(sizes)
                break
    return tuple(found)


def _smaller(graph: Graph, turn: int) -> Iterator[Sizes]:
    """Sizes below the declared ones; by turns the first or the second axis is the odd one."""
    most = max((size for sizes in declared_sizes(graph) for size in sizes[1:]), default=0)
    parts = MUCH_FEWER if most >= LARGE else FEWER
    for step in STEPS:
        for part in (parts[turn:] + parts[:turn])[: len(parts) if step == 1 else 2]:

            def fewer(size: int, axis: int, part: float = part, step: int = step) -> int:
                least = max(step, int(size * part) // step * step)
                if step > 1:
                    return min(size, least + step * ((axis + turn) % 2))
                return min(size, least + (least % 2 == (axis + turn) % 2))

            yield from _changed(graph, fewer)


def _larger(graph: Graph) -> Iterator[Sizes]:
    for step in STEPS:
        for amounts in MORE if step == 1 else MORE[:1]:

            def more(size: int, axis: int, step: int = step, amounts: tuple[int, int] = amounts) -> int:
                return (size // step + amounts[axis % 2]) * step

            yield from _changed(graph, more)


def _changed(graph: Graph, change: Sizer) -> Iterator[Sizes]:
    """The declared sizes with every place-axis changed, unless that changes nothing."""
    old = declared_sizes(graph)
    sizes = tuple((each[0], *(change(size, axis) for axis, size in enumerate(each[1:]))) for each in old if each)
    if len(sizes) == len(old) and sizes != old:
        yield sizes
