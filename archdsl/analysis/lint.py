"""What the literature advises against, found in a net: advice with its source, and the pass that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node
from archdsl.ops import Add, BatchNorm, Conv, ConvTranspose, Elementwise, LayerNorm, Linear, Relu


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding: the rule, the layer, what is found there, who says so, and the pass that mends it, if one does."""

    rule: str
    path: str
    place: str
    message: str
    source: str
    mend: str | None

    def json(self) -> dict[str, Any]:
        """The advice as plain data."""
        return {name: getattr(self, name) for name in ("rule", "path", "place", "message", "source", "mend")}


Found = Iterator[tuple[str, str]]
Rule = Callable[[Graph, int, Node], Found]


def lint(graph: Graph) -> tuple[Advice, ...]:
    """All advice on a net, in program order. Advice, never an error."""
    found = []
    for index, node in enumerate(graph.nodes):
        for name, (rule, source, mend) in RULES.items():
            for path, message in rule(graph, index, node):
                span = node.span
                found.append(Advice(name, path, span.location if span else "", message, source, mend))
    return tuple(found)


def _pointwise(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, Conv) and set(node.op.window(graph.shape(node.inputs[0])).kernel) == {1}


def _strides(graph: Graph, node: Node) -> tuple[int, ...]:
    assert isinstance(node.op, Conv)
    return node.op.window(graph.shape(node.inputs[0])).stride


def _only_reader(graph: Graph, index: int) -> Node | None:
    readers = graph.readers(index)
    return graph.nodes[readers[0]] if len(readers) == 1 else None


def _strided_pointwise(graph: Graph, index: int, node: Node) -> Found:
    if _pointwise(graph, node) and any(stride > 1 for stride in _strides(graph, node)):
        read = 1
        for stride in _strides(graph, node):
            read *= stride
        where = "of the shortcut " if node.skip else ""
        yield node.path, f"this 1x1 convolution {where}has a stride: it reads one of {read} places of its input"


def _linear_pair(graph: Graph, index: int, node: Node) -> Found:
    if not isinstance(node.op, Conv | Linear) or (isinstance(node.op, Conv) and node.op.groups > 1):
        return
    before = graph.nodes[node.inputs[0].node]
    if type(before.op) is not type(node.op) or len(graph.readers(node.inputs[0].node)) > 1:
        return
    if isinstance(before.op, Conv) and (before.op.groups > 1 or not _pointwise(graph, before)):
        return
    yield node.path, f"{before.path} and {node.path} are linear, with nothing between them: one layer does the same"


def _bias_before_norm(graph: Graph, index: int, node: Node) -> Found:
    if not isinstance(node.op, BatchNorm):
        return
    before = graph.nodes[node.inputs[0].node]
    if (
        isinstance(before.op, Conv | ConvTranspose | Linear)
        and before.op.bias
        and len(graph.readers(node.inputs[0].node)) == 1
    ):
        yield before.path, f"the bias of {before.path} is taken out again by the mean of {node.path}"


def _affine_before_linear(graph: Graph, index: int, node: Node) -> Found:
    if not isinstance(node.op, BatchNorm | LayerNorm) or not node.op.affine:
        return
    reader = _only_reader(graph, index)
    if reader is not None and isinstance(reader.op, Linear) and len(reader.outputs[0].sizes) == 1:
        yield node.path, f"the scale and shift of {node.path} can be part of {reader.path}, which is linear too"


def _relu_ends_body(graph: Graph, index: int, node: Node) -> Found:
    if not isinstance(node.op, Add) or graph.scopes[node.scope].kind != "residual" or len(node.inputs) != 2:
        return
    body = graph.nodes[node.inputs[0].node]
    if isinstance(body.op, Relu):
        yield body.path, "a ReLU ends the body of this residual: the body can only add, never take away"


def _narrow_activation(graph: Graph, index: int, node: Node) -> Found:
    """An activation on the narrow end of a bottleneck whose middle is depthwise (Sandler et al., section 3.2)."""
    if not (isinstance(node.op, Elementwise) and node.op.word in ("relu", "relu6")):
        return
    norm = graph.nodes[node.inputs[0].node]
    conv = graph.nodes[norm.inputs[0].node] if isinstance(norm.op, BatchNorm) else norm
    if not isinstance(conv.op, Conv) or not _pointwise(graph, conv):
        return
    wide = graph.shape(conv.inputs[0]).sizes[0]
    previous: Node | None = graph.nodes[conv.inputs[0].node]
    while previous is not None and not isinstance(previous.op, Conv) and previous.inputs and previous.op.takes == "one":
        previous = graph.nodes[previous.inputs[0].node]
    if previous is None or not isinstance(previous.op, Conv) or previous.op.groups != wide or wide < 2:
        return
    if conv.op.out * 2 <= wide:
        yield (
            node.path,
            f"the narrow end of this bottleneck ({conv.op.out} of {wide} channels) is activated, which loses content",
        )


def _late_downsampling(graph: Graph, index: int, node: Node) -> Found:
    """A pool or stride right behind a convolution that computed at the larger size for it alone."""
    if not _pointwise(graph, node) or any(stride > 1 for stride in _strides(graph, node)):
        return
    current, read = index, _only_reader(graph, index)
    while read is not None and (isinstance(read.op, BatchNorm) or read.op.elementwise) and read.op.takes == "one":
        current = graph.readers(current)[0]
        read = _only_reader(graph, current)
    if read is not None and isinstance(read.op, Conv) and _pointwise(graph, read) and max(_strides(graph, read)) > 1:
        yield node.path, f"{read.path} keeps one of several places that {node.path} computed: stride here instead"


RULES: dict[str, tuple[Rule, str, str | None]] = {
    "strided-pointwise": (_strided_pointwise, "He et al. 2018, arXiv:1812.01187, section 4.1", "resnet-b, resnet-d"),
    "linear-pair": (_linear_pair, "by linearity; Ding et al. 2021, arXiv:2103.13425", "merge-linear"),
    "bias-before-norm": (_bias_before_norm, "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2", "fold-batchnorm"),
    "affine-before-linear": (_affine_before_linear, "by linearity", None),
    "relu-ends-body": (_relu_ends_body, "He et al. 2016, arXiv:1603.05027, section 4.2", None),
    "narrow-activation": (_narrow_activation, "Sandler et al. 2018, arXiv:1801.04381, section 3.2", None),
    "late-downsampling": (_late_downsampling, "Szegedy et al. 2015, arXiv:1512.00567, section 5", None),
}
