"""Places in a net that the literature speaks of: `lint` tells of them, and passes mend them."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node, Value
from archdsl.ops import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Affine,
    AvgPool,
    BatchNorm,
    Conv,
    Crop,
    Dropout,
    DropoutChannels,
    Elementwise,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerNorm,
    LocalResponseNorm,
    MaxPool,
    Mul,
    Relu,
    Relu6,
    Resize,
    Scale,
    StochasticDepth,
)
from archdsl.ops.base import Learned
from archdsl.shapes import Shape

FIXING = (AdaptiveAvgPool, AdaptiveMaxPool, GlobalAvgPool, GlobalMaxPool, Resize, Crop)
NARROW = 2  # an end with half as many channels is a narrow one


def sides_of_residual(graph: Graph, index: int) -> tuple[Value, Value] | None:
    """The body and the shortcut of the addition that ends a residual, or `None` for any other node."""
    node = graph.nodes[index]
    kind = graph.scopes[node.scope].kind
    if len(node.inputs) != 2 or kind not in ("residual", "branches"):
        return None
    first, second = node.inputs
    if kind == "residual":
        return first, second
    marks = [graph.nodes[value.node].skip for value in node.inputs]
    return None if marks[0] == marks[1] else ((second, first) if marks[0] else (first, second))


def clipping_end(graph: Graph, index: int) -> int | None:
    """The ReLU that ends the body which an addition adds, or `None`; a drop of the whole body may stand behind it."""
    sides = sides_of_residual(graph, index)
    if sides is None:
        return None
    place = sides[0].node
    drops = (StochasticDepth, Dropout, DropoutChannels)
    while isinstance(graph.nodes[place].op, drops) and len(graph.readers(place)) == 1:
        place = graph.nodes[place].inputs[0].node
    return place if isinstance(graph.nodes[place].op, Relu | Relu6) else None


def narrowed(graph: Graph, index: int) -> tuple[int, int, int] | None:
    """The 1x1 convolution behind a depthwise one that makes fewer channels, which the activation at this index reads,
    perhaps behind a norm, and from how many channels it makes how many; or `None`."""
    place = graph.nodes[index].inputs[0].node
    if isinstance(graph.nodes[place].op, BatchNorm):
        place = graph.nodes[place].inputs[0].node
    conv = graph.nodes[place]
    if not isinstance(conv.op, Conv):
        return None
    shape = graph.shape(conv.inputs[0])
    if set(conv.op.window(shape).kernel) != {1}:
        return None
    wide = shape.sizes[0]
    previous = _before_gates(graph, conv.inputs[0])
    op = graph.nodes[previous].op
    if not isinstance(op, Conv) or op.groups != wide or op.out != wide or not 1 <= conv.op.out < wide:
        return None
    return place, wide, conv.op.out


def _before_gates(graph: Graph, value: Value) -> int:
    """What made the channels of a value, before norms, activations and gates; a pool makes others."""
    while True:
        node = graph.nodes[value.node]
        same = [each for each in node.inputs if graph.shape(each) == graph.shape(value)]
        if not same or not isinstance(node.op, BatchNorm | Elementwise | Mul):
            return value.node
        value = same[0]


def acts_on_places(graph: Graph, index: int) -> bool:
    """True if a node's result at a place of a map depends, in inference, on what it reads at that place alone."""
    node = graph.nodes[index]
    if isinstance(node.op, LayerNorm):
        return node.op.axis is not None and node.outputs[0].axis(node.op.axis) == 0
    return isinstance(node.op, Elementwise | BatchNorm | LocalResponseNorm | Scale | Affine)


def downsampled(graph: Graph, late: int) -> tuple[int, ...] | None:
    """The convolution that a strided layer throws places of away, or could average before, and the layers between.

    A layer throws places away if it is a convolution or pool with a stride and a window of one place; all between the
    two act on each place alone. An average may stand before a 1x1 convolution as well as right behind it. `None` if
    the layer at this index is neither.
    """
    node = graph.nodes[late]
    if not isinstance(node.op, Conv | MaxPool | AvgPool):
        return None
    window = node.op.window(graph.shape(node.inputs[0]))
    if all(stride == 1 for stride in window.stride):
        return None
    alone = all(size == 1 for size in window.kernel) and all(side == (0, 0) for side in window.sides)
    between: list[int] = []
    place = node.inputs[0].node
    while acts_on_places(graph, place):
        between.insert(0, place)
        place = graph.nodes[place].inputs[0].node
    if not isinstance(graph.nodes[place].op, Conv):
        return None
    average = isinstance(node.op, AvgPool) and not between and is_matrix(graph, place)
    return (place, *between) if alone or average else None


def is_matrix(graph: Graph, index: int) -> bool:
    """True for a 1x1 convolution without stride and padding: one matrix at every place."""
    node = graph.nodes[index]
    if not isinstance(node.op, Conv):
        return False
    window = node.op.window(graph.shape(node.inputs[0]))
    return all(size == 1 for size in (*window.kernel, *window.stride)) and all(side == (0, 0) for side in window.sides)


def has_fixed_size(graph: Graph, value: Value) -> bool:
    """True if a map has the same places whatever the sizes of the inputs are: some layer before it makes them."""
    while not isinstance(graph.nodes[value.node].op, FIXING):
        inputs = graph.nodes[value.node].inputs
        if not inputs:
            return isinstance(graph.nodes[value.node].op, Learned)
        value = inputs[0]
    return True


def is_one_matrix(graph: Graph, conv: Node) -> bool:
    """True if a convolution before a `flatten` and a linear layer is the same matrix for every map that this takes.

    Its maps have one form (4x6 and 6x4 have as many places), or it acts on each place alone.
    """
    if has_fixed_size(graph, conv.inputs[0]):
        return True
    assert isinstance(conv.op, Conv)
    window = conv.op.window(graph.shape(conv.inputs[0]))
    if any(step != 1 for step in window.stride):
        return False
    alone = set(window.kernel) == {1} and not any(map(any, window.sides))
    return alone or len(window.kernel) == 1


def sizes_like(shape: Shape, count: int) -> Iterator[Shape]:
    """A map and those that are up to so many places larger along each axis: what holds for all of them holds for every
    remainder of a stride."""
    for more in range(count):
        yield shape.resized(shape.sizes[0], *(size + more for size in shape.spatial))
