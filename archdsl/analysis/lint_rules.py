"""The rules of `lint`: each looks at one node, and yields what it finds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node
from archdsl.ops import Add, AvgPool, BatchNorm, Conv, ConvTranspose, Elementwise, Flatten, LayerNorm, Linear, MaxPool
from archdsl.ops.window import Window

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


def _pads(window: Window) -> bool:
    return any(side != (0, 0) for side in window.sides)


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
    mend = "resnet-d" if node.skip else "resnet-b" if _before_wide(graph, index) else None
    if _shared(graph, node):
        mend = None
    message = f"this 1x1 convolution {where}has a stride: it reads one of {read} places of its input"
    yield Finding(node, message, TRICKS, mend)


def _before_wide(graph: Graph, index: int) -> bool:
    """True if a norm, an activation and an unstrided larger convolution follow, which could take the stride."""
    following: list[Node] = []
    for _ in range(3):
        reader = _reader(graph, index)
        if reader is None:
            return False
        following.append(graph.nodes[reader])
        index = reader
    norm, act, wide = following
    larger = isinstance(wide.op, Conv) and not _pointwise(graph, wide) and not _strided(graph, wide)
    return isinstance(norm.op, BatchNorm) and _activates(act) and larger


def _linear_pair(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    if not isinstance(node.op, Conv | Linear):
        return
    place = node.inputs[0].node
    before = graph.nodes[place]
    if type(before.op) is not type(node.op) or _reader(graph, place) != index or _shared(graph, before, node):
        return
    assert isinstance(before.op, Conv | Linear)
    apart = node.op.macs((graph.shape(node.inputs[0]),), node.outputs)
    mend: str | None = "merge-linear"
    if isinstance(node.op, Conv) and isinstance(before.op, Conv):
        if node.op.groups > 1 or before.op.groups > 1 or not _pointwise(graph, before):
            return
        first, second = _window(graph, before), _window(graph, node)
        around = _pads(second) or set(second.kernel) != {1}
        if _pads(first) or (_strided(graph, before) and around) or before.op.reparam or node.op.reparam:
            return
        if before.op.bias and _pads(second):
            mend = None
    message = f"{before.path} and {node.path} are linear, with nothing between them: one layer does the same"
    if mend is None:
        message += f", once {before.path} has no bias (which the padding of {node.path} does not see)"
    reads = graph.shape(before.inputs[0])
    inputs = reads.sizes[0] if isinstance(before.op, Conv) else reads.sizes[-1]
    middle = graph.shape(node.inputs[0])
    width = middle.sizes[0] if isinstance(node.op, Conv) else middle.sizes[-1]
    both = before.op.macs((reads,), before.outputs) + apart
    if apart * inputs > both * width:
        message += f"; if the {width} channels between them are a factorisation that is meant to be cheap, leave it"
    yield Finding(node, message, "by linearity; Ding et al. 2021, arXiv:2103.13425", mend)


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
    if not isinstance(node.op, BatchNorm | LayerNorm) or not node.op.affine:
        return
    place = _reader(graph, index)
    if place is not None and isinstance(node.op, BatchNorm) and isinstance(graph.nodes[place].op, Flatten):
        place = _reader(graph, place)
    reader = graph.nodes[place] if place is not None else None
    if reader is None or not _takes_up(graph, node, reader):
        return
    message = f"the scale and shift of {node.path} can be part of {reader.path}, which is linear too"
    if isinstance(node.op, LayerNorm):
        yield Finding(node, f"{message}: write affine=false", "Xu et al. 2019, arXiv:1911.07013")
        return
    shared = _shared(graph, node, reader) or not node.op.track
    yield Finding(node, message, "by linearity", None if shared else "fold-batchnorm")


def _takes_up(graph: Graph, norm: Node, reader: Node) -> bool:
    """True if a linear map acts on the axis that the norm scales, and sees no padding that is not shifted."""
    shape = norm.outputs[0]
    if isinstance(norm.op, LayerNorm):
        last = norm.op.axis is None or shape.axis(norm.op.axis) == shape.rank - 1
        return isinstance(reader.op, Linear) and last
    if isinstance(reader.op, Linear):
        return graph.shape(reader.inputs[0]).rank == 1
    if not isinstance(reader.op, Conv) or isinstance(graph.nodes[norm.inputs[0].node].op, Conv):
        return False  # a norm between convolutions ends a linear bottleneck, and is part of the one before it
    zeros = reader.op.padding_mode == "zeros" and _pads(_window(graph, reader))
    return not zeros and reader.op.reparam is None


def _relu_ends_body(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    if not isinstance(node.op, Add) or graph.scopes[node.scope].kind != "residual" or len(node.inputs) != 2:
        return
    body = graph.nodes[node.inputs[0].node]
    if body.op.word in ("relu", "relu6"):
        message = "a ReLU ends the body of this residual: the body can only add, never take away"
        yield Finding(body, message, "He et al. 2016, arXiv:1603.05027, section 4.1")


def _narrow_activation(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    """An activation on the narrow end of a bottleneck whose middle is depthwise."""
    if not _activates(node) or node.op.word not in ("relu", "relu6"):
        return
    norm = graph.nodes[node.inputs[0].node]
    conv = graph.nodes[norm.inputs[0].node] if isinstance(norm.op, BatchNorm) else norm
    if not isinstance(conv.op, Conv) or not _pointwise(graph, conv):
        return
    wide = graph.shape(conv.inputs[0]).sizes[0]
    previous = graph.nodes[conv.inputs[0].node]
    while isinstance(previous.op, BatchNorm) or _activates(previous):  # no pool: a gate's squeeze is no bottleneck
        previous = graph.nodes[previous.inputs[0].node]
    if isinstance(previous.op, Conv) and previous.op.groups == wide > 1 and conv.op.out * 2 <= wide:
        message = f"the narrow end of this bottleneck ({conv.op.out} of {wide} channels) is activated: content is lost"
        yield Finding(node, message, "Sandler et al. 2018, arXiv:1801.04381, section 3.2")


def _late_downsampling(graph: Graph, index: int, node: Node) -> Iterator[Finding]:
    """A convolution that computes places which what follows throws away, or averages as well before it."""
    if not isinstance(node.op, Conv):
        return
    plain, current = True, _reader(graph, index)
    while current is not None and (isinstance(graph.nodes[current].op, BatchNorm) or _activates(graph.nodes[current])):
        plain = False
        current = _reader(graph, current)
    if current is None:
        return
    reader = graph.nodes[current]
    if not isinstance(reader.op, Conv | MaxPool | AvgPool) or not _strided(graph, reader):
        return
    window = _window(graph, reader)
    if set(window.kernel) == {1} and not _pads(window):
        places = prod(window.stride)
        message = f"{reader.path} keeps one of {places} places that {node.path} computes: stride here instead"
        yield Finding(node, message, MOVES)
    elif plain and isinstance(reader.op, AvgPool) and _pointwise(graph, node) and not _pads(window):
        if _pads(_window(graph, node)):
            return
        places = prod(window.stride)
        message = f"{reader.path} averages what {node.path} makes: averaged before it, {places} times less is computed"
        yield Finding(node, message, f"by linearity; {MOVES}")


RULES: dict[str, Rule] = {
    "strided-pointwise": _strided_pointwise,
    "linear-pair": _linear_pair,
    "bias-before-norm": _bias_before_norm,
    "affine-before-linear": _affine_before_linear,
    "relu-ends-body": _relu_ends_body,
    "narrow-activation": _narrow_activation,
    "late-downsampling": _late_downsampling,
}
