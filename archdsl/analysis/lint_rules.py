"""The rules of `lint`: each looks at one node, and yields what it finds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from archdsl.analysis.places import (
    NARROW,
    acts_on_places,
    clipping_end,
    downsampled,
    is_one_matrix,
    narrowed,
    sides_of_residual,
    sizes_like,
)
from archdsl.graph.graph import Graph
from archdsl.ir.program import Node
from archdsl.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Elementwise,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    MaxPool,
    Relu,
    Relu6,
)
from archdsl.ops.window import Window, fixed_sides

TRICKS = "He et al. 2018, arXiv:1812.01187, section 4.1"
MOVES = "Szegedy et al. 2015, arXiv:1512.00567, section 5"


@dataclass(frozen=True, slots=True)
class Finding:
    """Where something is found, what, who says so, and the pass that mends it there, if one does."""

    node: Node
    message: str
    source: str
    mend: str | None = None


Rule = Callable[[Graph, int, Node], Iterator[Finding]]


def _window(graph: Graph, node: Node) -> Window:
    assert isinstance(node.op, Conv | AvgPool | MaxPool)
    return node.op.window(graph.shape(node.inputs[0]))


def _sides(graph: Graph, node: Node) -> tuple[tuple[int, int], ...] | None:
    """What a layer pads at every size of its input, or `None` where `same_tf` says it by the size."""
    assert isinstance(node.op, Conv | AvgPool | MaxPool)
    return fixed_sides(_window(graph, node), node.op.padding)


def _pads(graph: Graph, node: Node) -> bool:
    sides = _sides(graph, node)
    return sides is None or any(side != (0, 0) for side in sides)


def _pointwise(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, Conv) and set(_window(graph, node).kernel) == {1}


def _strided(graph: Graph, node: Node) -> bool:
    return any(stride > 1 for stride in _window(graph, node).stride)


def _reader(graph: Graph, index: int) -> int | None:
    """The one node that reads a value which is no output of the net."""
    readers = graph.readers(index)
    if len(readers) != 1 or any(output.value.node == index for output in graph.outputs):
        return None
    return readers[0]


def _shared(graph: Graph, *nodes: Node) -> bool:
    return any(graph.applications[node.path] > 1 for node in nodes)


def _activates(node: Node) -> bool:
    return isinstance(node.op, Elementwise) and node.op.takes == "one"


def _strided_pointwise(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    if not _pointwise(graph, node) or not _strided(graph, node):
        return
    read = prod(_window(graph, node).stride)
    where = "of the shortcut " if node.skip else ""
    mend: str | None = "resnet-b" if _before_wide(graph, index) else None
    if node.skip:
        assert isinstance(node.op, Conv)
        mend = None if node.op.groups > 1 or _pads(graph, node) else "resnet-d"
    if _shared(graph, node):
        mend = None
    message = f"this 1x1 convolution {where}has a stride: it reads one of {read} places of its input"
    yield Finding(node, message, TRICKS, mend)


def _before_wide(graph: Graph, index: int) -> bool:
    """True if a norm, an activation and an unstrided larger convolution follow, which could take the stride, and would
    make a map of the same size with it."""
    first, following = index, list[Node]()
    for _ in range(3):
        reader = _reader(graph, index)
        if reader is None:
            return False
        following.append(graph.nodes[reader])
        index = reader
    norm, act, wide = following
    if not isinstance(wide.op, Conv) or _pointwise(graph, wide) or _strided(graph, wide) or _shared(graph, wide):
        return False
    narrow = graph.nodes[first]
    assert isinstance(narrow.op, Conv)
    whole, strided = (
        each.model_copy(update={"stride": s}) for each, s in ((narrow.op, 1), (wide.op, narrow.op.stride))
    )
    sizes = list(sizes_like(graph.shape(narrow.inputs[0]), max(_window(graph, narrow).stride)))
    same = all(strided.output(whole.output(x)) == wide.op.output(narrow.op.output(x)) for x in sizes)
    return isinstance(norm.op, BatchNorm) and _activates(act) and same


def _linear_pair(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    if not isinstance(node.op, Conv | Linear):
        return
    place = node.inputs[0].node
    flat = isinstance(node.op, Linear) and isinstance(graph.nodes[place].op, Flatten)
    if flat and _reader(graph, place) != index:
        return
    reader, place = (place, graph.nodes[place].inputs[0].node) if flat else (index, place)
    before = graph.nodes[place]
    if not isinstance(before.op, Conv if flat else type(node.op)) or _reader(graph, place) != reader:
        return
    if _shared(graph, before, node) or not _as_one(graph, before, node):
        return
    assert isinstance(before.op, Conv | Linear)
    mend: str | None = "merge-linear"
    message = f"{before.path} and {node.path} are linear, with nothing between them: one layer does the same"
    zeros = isinstance(node.op, Conv) and node.op.padding_mode == "zeros" and _pads(graph, node)
    if before.op.bias and zeros and not _places_alone(graph, node):
        mend = None
        message += f", once {before.path} has no bias (which the padding of {node.path} does not see)"
    reads = graph.shape(before.inputs[0])
    apart = before.op.macs((reads,), before.outputs) + node.op.macs((graph.shape(node.inputs[0]),), node.outputs)
    if _macs_as_one(graph, before, node) > apart:
        middle = before.outputs[0]
        width = middle.sizes[0] if isinstance(before.op, Conv) else middle.sizes[-1]
        message += f"; if the {width} channels between them are a factorisation that is meant to be cheap, leave it"
    yield Finding(node, message, "by linearity; Ding et al. 2021, arXiv:2103.13425", mend)


def _places_alone(graph: Graph, node: Node) -> bool:
    """True for a 1x1 convolution without padding."""
    return _pointwise(graph, node) and not _pads(graph, node)


def _as_one(graph: Graph, before: Node, node: Node) -> bool:
    """True if one layer has the window of the two, biases aside."""
    convs = [each for each in (before, node) if isinstance(each.op, Conv)]
    if any(isinstance(each.op, Conv) and (each.op.groups > 1 or each.op.reparam) for each in convs):
        return False
    if isinstance(node.op, Linear):
        if not isinstance(before.op, Conv):
            return True
        if not is_one_matrix(graph, before):
            return False
        return before.op.padding_mode == "zeros" or not _pads(graph, before)
    if _places_alone(graph, node):
        return not (_strided(graph, node) and _sides(graph, before) is None)
    return _places_alone(graph, before) and not (_strided(graph, before) and _pads(graph, node))


def _macs_as_one(graph: Graph, before: Node, node: Node) -> int:
    """What one layer in the place of two would compute."""
    reads = graph.shape(before.inputs[0])
    if isinstance(node.op, Linear):
        inputs = reads.elements if isinstance(before.op, Conv) else reads.sizes[-1]
        return node.outputs[0].elements * inputs
    places = max(prod(_window(graph, each).kernel) for each in (before, node))
    return node.outputs[0].elements * reads.sizes[0] * places


def _bias_before_norm(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    if not isinstance(node.op, BatchNorm):
        return
    place = node.inputs[0].node
    before = graph.nodes[place]
    if isinstance(before.op, Conv | ConvTranspose | Linear) and before.op.bias and _reader(graph, place) == index:
        message = f"the bias of {before.path} is taken out again by the mean of {node.path}: write bias=false"
        folds = node.op.track and not _shared(graph, before, node) and not getattr(before.op, "reparam", None)
        source = "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2"
        yield Finding(before, message, source, "fold-batchnorm" if folds else None)


def _affine_before_linear(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    """A norm whose scale and shift the linear map behind it could have in its weights."""
    if not isinstance(node.op, BatchNorm | LayerNorm | GroupNorm | InstanceNorm) or not node.op.affine:
        return
    place = _reader(graph, index)
    flat = place is not None and isinstance(graph.nodes[place].op, Flatten)
    if place is not None and flat:
        place = _reader(graph, place)
    reader = graph.nodes[place] if place is not None else None
    if reader is None or not _takes_up(graph, node, reader, flat):
        return
    message = f"the scale and shift of {node.path} can be part of {reader.path}, which is linear too"
    shared = _shared(graph, node, reader)
    if isinstance(node.op, BatchNorm) and node.op.track:
        yield Finding(node, message, "by linearity", None if shared else "fold-batchnorm")
        return
    source = "Xu et al. 2019, arXiv:1911.07013" if isinstance(node.op, LayerNorm) else "by linearity"
    yield Finding(node, f"{message}: write affine=false", source, None if shared else "fold-affine-norm")


def _takes_up(graph: Graph, norm: Node, reader: Node, flat: bool) -> bool:
    """True if a linear map acts on the axis that the norm scales, and sees no padding that is not shifted."""
    shape, axis = norm.outputs[0], 0
    if isinstance(norm.op, LayerNorm):
        named = shape.axis(norm.op.axis) if norm.op.axis is not None else None
        axis = shape.rank - 1 if named is None else named
    if isinstance(reader.op, Linear):
        return flat or axis == shape.rank - 1
    if not isinstance(reader.op, Conv) or flat or axis != 0 or reader.op.reparam is not None:
        return False
    tracks = isinstance(norm.op, BatchNorm) and norm.op.track
    if tracks and isinstance(graph.nodes[norm.inputs[0].node].op, Conv):
        return False  # a norm between convolutions ends a linear bottleneck, and is part of the one before it
    shifts = not isinstance(norm.op, LayerNorm) or norm.op.bias
    return not (shifts and reader.op.padding_mode == "zeros" and _pads(graph, reader))


def _relu_ends_body(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    if not isinstance(node.op, Add):
        return
    end, sides = clipping_end(graph, index), sides_of_residual(graph, index)
    if end is None or sides is None:
        return
    body = graph.nodes[end]
    mends = _reader(graph, end) is not None and body.inputs[0] != sides[1] and not _shared(graph, body, node)
    message = "a ReLU ends the body of this residual: the body can only add, never take away"
    source = "He et al. 2016, arXiv:1603.05027, section 4.1"
    yield Finding(body, message, source, "signed-residual" if mends else None)


def _narrow_activation(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    """An activation on the narrow end of a bottleneck whose middle is depthwise."""
    found = narrowed(graph, index) if isinstance(node.op, Relu | Relu6) else None
    if found is None:
        return
    _, wide, narrow = found
    if narrow * NARROW <= wide:
        message = f"the narrow end of this bottleneck ({narrow} of {wide} channels) is activated: content is lost"
        mend = None if _shared(graph, node) else "linear-bottleneck"
        yield Finding(node, message, "Sandler et al. 2018, arXiv:1801.04381, section 3.2", mend)


def _late_downsampling(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    """A convolution that computes places which what follows throws away, or averages as well before it."""
    if not isinstance(node.op, Conv):
        return
    late = _reader(graph, index)
    between: list[int] = []
    while late is not None and acts_on_places(graph, late):
        between.append(late)
        late = _reader(graph, late)
    if late is None or downsampled(graph, late) != (index, *between):
        return
    reader = graph.nodes[late]
    window = _window(graph, reader)
    places = prod(window.stride)
    norms = [graph.nodes[place].op for place in between]
    mends = not _shared(graph, node, reader) and all(op.track for op in norms if isinstance(op, BatchNorm))
    if set(window.kernel) == {1} and _sides(graph, node) is None:
        return  # another stride would pad otherwise
    mend = "early-downsampling" if mends else None
    if set(window.kernel) == {1}:
        message = f"{reader.path} keeps one of {places} places that {node.path} computes: stride here instead"
        yield Finding(node, message, MOVES, mend)
    elif not (_pads(graph, reader) and node.op.bias):
        message = f"{reader.path} averages what {node.path} makes: averaged before it, {places} times less is computed"
        yield Finding(node, message, f"by linearity; {MOVES}", mend)


RULES: dict[str, Rule] = {
    "strided-pointwise": _strided_pointwise,
    "linear-pair": _linear_pair,
    "bias-before-norm": _bias_before_norm,
    "affine-before-linear": _affine_before_linear,
    "relu-ends-body": _relu_ends_body,
    "narrow-activation": _narrow_activation,
    "late-downsampling": _late_downsampling,
}
