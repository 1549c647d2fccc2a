"""Questions that several passes ask of a graph."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from archdsl.analysis.places import sides_of_residual
from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import Add, AvgPool, Concat, Conv, ConvTranspose, MaxPool, Split
from archdsl.ops.window import fixed_sides
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Match
from archdsl.shapes import Shape

BY_SIZE = "`same_tf` pads by the size that it gets, and with another stride by another amount"


def only_reader(graph: Graph, index: int) -> int | None:
    """The one node that reads a node's results, or `None` if there are more, none, or it is an output of the net."""
    readers = graph.readers(index)
    if len(readers) != 1 or any(output.value.node == index for output in graph.outputs):
        return None
    return readers[0]


def is_output(graph: Graph, index: int) -> bool:
    """True if a result of the node is an output of the net."""
    return any(output.value.node == index for output in graph.outputs)


def is_shared(graph: Graph, match: Match[object]) -> bool:
    """True if the weights of a node are applied in more than one place."""
    return graph.applications[match.node.path] > 1


def input_shape(graph: Graph, match: Match[object]) -> Shape:
    """The shape of what a node reads first."""
    return graph.shape(match.node.inputs[0])


def sides(graph: Graph, match: Match[Conv | ConvTranspose | MaxPool | AvgPool]) -> tuple[tuple[int, int], ...] | None:
    """What a layer pads at every size of its input, or `None` if that depends on the size that it gets."""
    op = match.op
    return fixed_sides(op.window(input_shape(graph, match)), op.padding)


def may_pad(graph: Graph, match: Match[Conv | ConvTranspose | MaxPool | AvgPool]) -> bool:
    """True if a layer pads, at some size of its input at least."""
    found = sides(graph, match)
    return found is None or any(side != (0, 0) for side in found)


def geometry(graph: Graph, match: Match[Conv]) -> tuple[object, ...]:
    """What must agree for two convolutions to be one: the window, and how the edges are filled."""
    op = match.op
    window = op.window(input_shape(graph, match))
    padding = sides(graph, match) or op.padding
    return (window.kernel, window.stride, window.dilation, padding, op.padding_mode, op.bias, op.reparam)


def differences(graph: Graph, convs: Iterable[Match[Conv]]) -> list[str]:
    """In what convolutions differ that have not all the same geometry: `windows`, say, or `biases`."""
    names = ("windows", "windows", "windows", "windows", "padding modes", "biases", "weight norms")
    columns = zip(*(geometry(graph, conv) for conv in convs), strict=True)
    return list(dict.fromkeys(name for name, column in zip(names, columns, strict=True) if len(set(column)) > 1))


def is_pointwise(graph: Graph, match: Match[Conv] | Match[ConvTranspose]) -> bool:
    """True for a 1x1 convolution without padding."""
    window = match.op.window(input_shape(graph, match))
    return all(size == 1 for size in window.kernel) and not may_pad(graph, match)


def as_size(numbers: Iterable[int]) -> int | tuple[int, ...]:
    """Numbers for each axis as one, if they are equal."""
    found = tuple(numbers)
    return found[0] if len(set(found)) == 1 else found


def lies_in(graph: Graph, match: Match[object], name: str) -> bool:
    """True if a node lies at or below a path, in a block, or under a role of this name."""
    path = match.node.path
    if path == name or path.startswith(f"{name}."):
        return True
    return any(name in (scope.block, scope.role) for scope in graph.ancestors(match.node.scope))


def joint_scope(graph: Graph, indices: Iterable[int]) -> int:
    """The innermost scope that holds all these nodes."""
    chains = []
    for index in indices:
        chain, scope = [], graph.nodes[index].scope
        while True:
            chain.append(scope)
            parent = graph.scopes[scope].parent
            if parent is None:
                break
            scope = parent
        chains.append(chain[::-1])
    shortest = min(map(len, chains))
    depth = 0
    while depth < shortest and len({chain[depth] for chain in chains}) == 1:
        depth += 1
    return chains[0][depth - 1]


def joint_path(edit: Edit, indices: list[int], scope: int) -> str:
    """A path for a node that takes the place of several: the level that they share, and the name that they share."""
    nodes = edit.graph.nodes
    level = edit.graph.scopes[scope].path
    names = [nodes[index].path.rpartition(".")[2] for index in indices]
    begins = "".join(
        letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    )
    name = names[0] if len(set(names)) == 1 else begins.rstrip("_-0123456789") or names[0]
    return edit.free_path(f"{level}.{name}" if level else name)


def pads_with_zeros(graph: Graph, match: Match[Conv]) -> bool:
    """True if a convolution sees zeros beyond the edge; the other modes repeat what it reads."""
    return match.op.padding_mode == "zeros" and may_pad(graph, match)


def residual_sides(graph: Graph, match: Match[object]) -> tuple[Value, Value] | None:
    """The body and the shortcut of the addition that ends a residual, or `None` for any other addition."""
    return sides_of_residual(graph, match.index)


def is_map(shape: Shape) -> bool:
    """True for a value of channels over space, its channels first."""
    return shape.rank > 1 and shape.axes[0] == "c"


def cuts_first_axis(graph: Graph, match: Match[Split] | Match[Concat]) -> bool:
    """True if a split or concatenation is along the first axis, where channels are."""
    op, shape = match.op, graph.shape(match.node.inputs[0])
    return op.axis is None or shape.axis(op.axis) == 0


def residual_is_shared(graph: Graph, match: Match[Add]) -> bool:
    """True if the sum is applied in several places, or what it adds has weights that are."""
    return is_shared(graph, match) or any(
        graph.applications[graph.nodes[value.node].path] > 1 for value in match.node.inputs
    )


def values(match: Match[object]) -> tuple[Value, ...]:
    """All results of a node."""
    return tuple(Value(match.index, output) for output in range(len(match.node.outputs)))
