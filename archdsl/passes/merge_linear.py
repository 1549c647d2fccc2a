"""Two linear maps without an activation between them are one."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from archdsl.analysis.places import is_one_matrix
from archdsl.graph import Graph
from archdsl.ops import Conv, Flatten, Linear
from archdsl.ops.window import Window
from archdsl.passes.arrays import Expr, MatMul, Permute, Plus, Reshape, Total
from archdsl.passes.common import (
    BY_SIZE,
    as_size,
    input_shape,
    is_pointwise,
    is_shared,
    may_pad,
    only_reader,
    pads_with_zeros,
    sides,
)
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise
from archdsl.passes.unrolled import unrolled

Map = Match[Conv | Linear]


@dataclass(frozen=True)
class MergeLinear(Pass):
    """Two linear maps without an activation between them become one.

    Two linear layers, two convolutions of which one is a 1x1, or a convolution, a `flatten` and a linear layer where
    the convolution acts on each place alone or its maps have one form.
    """

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "B (A x + a) + b = (B A) x + (B a + b), where B sees no padding or a is 0"
    source: ClassVar[str] = "by linearity; Ding et al. 2021, arXiv:2103.13425, transform III"

    def rewrite(self, edit: Edit, first: Match[Conv | Linear | Flatten], second: Match[Conv | Linear]) -> Keep | None:
        """Multiplies the weights; the path of the second layer stays."""
        graph, place = edit.graph, first.index
        if isinstance(first.op, Flatten):
            place = first.node.inputs[0].node
        node = graph.nodes[place]
        flat = place != first.index
        if not isinstance(node.op, Conv if flat else Conv | Linear) or place in edit.touched:
            return NOT_A_SITE
        assert isinstance(node.op, Conv | Linear)
        before = Match(place, node, node.op)
        reason = _reason(graph, before, first, second)
        if reason is not None:
            return Keep(reason)
        edit.redirect(before.value, node.inputs[0])
        edit.remove(place)
        edit.change(second.index, _joint(graph, before, second))
        edit.weight(second.node.path, weight=_product(edit, before, second))
        bias = _bias(edit, before, second)
        if bias is not None:
            edit.weight(second.node.path, bias=bias)
        return None


def _conv(match: Map) -> Match[Conv] | None:
    return Match(match.index, match.node, match.op) if isinstance(match.op, Conv) else None


def _reason(graph: Graph, before: Map, between: Match[object], second: Map) -> str | None:
    """Why the two are not one, or `None`; `between` is what the second reads: a `flatten`, or the first itself."""
    flat = between.index != before.index
    if type(before.op) is not type(second.op) and not flat:
        return "a convolution and a linear layer act on different axes"
    for match in (before, between):
        if only_reader(graph, match.index) is None:
            return f"what {match.node.path} makes is read elsewhere too"
    if is_shared(graph, before) or is_shared(graph, second):
        return "the weights are shared"
    one, two = _conv(before), _conv(second)
    if any(conv is not None and (conv.op.groups != 1 or conv.op.reparam) for conv in (one, two)):
        return "a grouped or weight-normalised convolution is no single matrix"
    if one is None:
        return None
    if two is None:
        if not is_one_matrix(graph, one.node):
            return "the linear layer takes maps of several forms, and one matrix is for one form"
        repeats = may_pad(graph, one) and not pads_with_zeros(graph, one)
        return "the padding of the convolution is no zeros, but read again from its input" if repeats else None
    return _around(graph, one, two)


def _around(graph: Graph, first: Match[Conv], second: Match[Conv]) -> str | None:
    """Why the windows of two convolutions are not that of one, or `None`."""
    steps = any(step != 1 for step in _window(graph, second).stride)
    if is_pointwise(graph, second):
        return BY_SIZE if steps and sides(graph, first) is None else None
    if not is_pointwise(graph, first):
        return "neither convolution is a 1x1 without padding"
    if may_pad(graph, second) and any(step != 1 for step in _window(graph, first).stride):
        return "the first convolution has a stride, and the second pads"
    if first.op.bias and pads_with_zeros(graph, second):
        return "the second convolution pads, and the bias of the first is not in its padding"
    return None


def _window(graph: Graph, conv: Match[Conv]) -> Window:
    return conv.op.window(input_shape(graph, conv))


def _joint(graph: Graph, first: Map, second: Map) -> Conv | Linear:
    """The operation of the two: the window of the one that is no 1x1, and both strides."""
    update: dict[str, Any] = {"bias": first.op.bias or second.op.bias}
    one, two = _conv(first), _conv(second)
    if one is None or two is None:
        return second.op.model_copy(update=update)
    inner, outer = _window(graph, one), _window(graph, two)
    stride = tuple(a * b for a, b in zip(inner.stride, outer.stride, strict=True))
    update["stride"] = as_size(stride)
    if not is_pointwise(graph, one):
        update |= {name: getattr(one.op, name) for name in ("kernel", "dilation", "padding", "padding_mode")}
        if one.op.padding == "same_tf" and inner.stride != stride:  # by which it would pad otherwise
            update["padding"] = inner.sides
    elif any(step != 1 for step in inner.stride) and any(size != 1 for size in outer.kernel):
        update["dilation"] = as_size(a * b for a, b in zip(inner.stride, outer.dilation, strict=True))
        update["padding"] = 0
    return two.op.model_copy(update=update)


def _product(edit: Edit, first: Map, second: Map) -> Expr:
    """The weight of the two in one."""
    inner, outer = edit.take(first.index, "weight"), edit.take(second.index, "weight")
    one, two = _conv(first), _conv(second)
    if one is not None and two is None:
        reads, makes = input_shape(edit.graph, first).spatial, first.node.outputs[0].spatial
        return unrolled(outer, inner, _window(edit.graph, one), reads, makes)
    matrix = Reshape(inner, (inner.sizes[0], prod(inner.sizes[1:])))
    if one is None or not is_pointwise(edit.graph, one):
        left = Reshape(outer, outer.sizes[:2])
        return Reshape(MatMul(left, matrix), (outer.sizes[0], *inner.sizes[1:]))
    # o i ... -> o ... i, times i c, -> o c ...
    rank = len(outer.sizes)
    last = Permute(outer, (0, *range(2, rank), 1))
    return Permute(MatMul(last, matrix), (0, rank - 1, *range(1, rank - 1)))


def _bias(edit: Edit, first: Map, second: Map) -> Expr | None:
    """The bias of the two in one, or `None` if neither has one."""
    own: Expr | None = edit.take(second.index, "bias") if second.op.bias else None
    if not first.op.bias:
        return own
    outer, given = edit.take(second.index, "weight"), edit.take(first.index, "bias")
    out, middle = outer.sizes[0], given.sizes[0]
    summed: Expr = outer
    if outer.sizes != (out, middle):
        # What is behind the middle: the places of a kernel, or of a flattened map.
        summed = Total(Reshape(outer, (out, middle, prod(outer.sizes[1:]) // middle)), (2,))
    carried: Expr = Reshape(MatMul(summed, Reshape(given, (middle, 1))), (out,))
    return carried if own is None else Plus((carried, own))
