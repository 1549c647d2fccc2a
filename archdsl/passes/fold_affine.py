"""A scale and shift of each channel before a convolution is, in inference, part of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ops import Affine, Conv, ConvTranspose, Flatten, Linear, Scale
from archdsl.passes.arrays import Along, Const, Expr, Plus, Reshape, Times, Total
from archdsl.passes.common import input_shape, is_pointwise, is_shared, only_reader, pads_with_zeros
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise

Map = Match[Conv | ConvTranspose | Linear]


@dataclass(frozen=True)
class FoldAffine(Pass):
    """An `affine` or `scale` (the normalisation of an input, say) is folded into the linear map that reads it.

    The map is a convolution, a transposed one or a linear layer, perhaps behind a `flatten`.
    """

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "W (s x + t) + b = (W s) x + (W t + b), where W sees no padding or t is 0"
    source: ClassVar[str] = "by linearity"

    def rewrite(
        self, edit: Edit, first: Match[Affine | Scale | Flatten], linear: Match[Conv | ConvTranspose | Linear]
    ) -> Keep | None:
        """Scales the weight, and lets the bias take the shift up."""
        graph, between = edit.graph, first.index
        if isinstance(first.op, Flatten):
            between = first.node.inputs[0].node
        node = graph.nodes[between]
        if not isinstance(node.op, Affine | Scale) or between in edit.touched:
            return NOT_A_SITE
        before = Match(between, node, node.op)
        reason = _reason(graph, before, first, linear)
        if reason is not None:
            return Keep(reason)
        shifts = _shifts(before.op)
        edit.redirect(before.value, node.inputs[0])
        edit.remove(between)
        edit.change(linear.index, linear.op.model_copy(update={"bias": linear.op.bias or shifts}))
        _scale(edit, before, linear)
        return None


def _shifts(op: Affine | Scale) -> bool:
    return isinstance(op, Affine) and any(op.shift)


def _reason(graph: Graph, before: Match[Affine | Scale], first: Match[object], linear: Map) -> str | None:
    """Why the scale and shift cannot be part of the linear map, or `None`; `first` is what it reads."""
    if only_reader(graph, before.index) is None or only_reader(graph, first.index) is None:
        return "the scaled value is read elsewhere too"
    if is_shared(graph, linear):
        return "the weights are shared: another application would be scaled too"
    if isinstance(linear.op, Conv) and linear.op.reparam is not None:
        return "the weight is normalised by weight norm"
    if isinstance(before.op, Scale):
        return None
    if isinstance(linear.op, Linear):
        acts = first.index != before.index or input_shape(graph, linear).rank == 1
        return None if acts else "the linear layer does not act on the channels"
    if not _shifts(before.op):
        return None
    if isinstance(linear.op, Conv):
        pads = pads_with_zeros(graph, Match(linear.index, linear.node, linear.op))
        return "the convolution pads with zeros, which are not shifted" if pads else None
    match = Match(linear.index, linear.node, linear.op)
    window, more = match.op.window(input_shape(graph, match)), match.op.output_padding
    still = all(step == 1 for step in window.stride) and more in (0, (0,) * len(window.stride))
    once = is_pointwise(graph, match) and still
    return None if once else "a transposed convolution adds the shift to some places more often than to others"


def _scale(edit: Edit, before: Match[Affine | Scale], linear: Map) -> None:
    """The weight scaled, and what it makes of the shift alone in the bias."""
    weight, path = edit.take(linear.index, "weight"), linear.node.path
    if isinstance(before.op, Scale):
        edit.weight(path, weight=Times((weight, Const((before.op.factor,), (1,)))))
        return
    channels = before.node.outputs[0].sizes[0]
    groups = 1 if isinstance(linear.op, Linear) else linear.op.groups
    out, each, tail = linear.op.out // groups, channels // groups, weight.sizes[2:]
    # The weight with the channels of a group on an axis of their own; `outputs` are the axes that the bias has.
    form: tuple[int, ...] = (groups, out, each, weight.sizes[1] // each, *tail)
    axis: int = 2
    outputs: tuple[int, ...] = (0, 1)
    if isinstance(linear.op, ConvTranspose):
        form, axis, outputs = (groups, each, out, *tail), 1, (0, 2)
    elif groups == 1 and weight.sizes[1] == channels:
        form, axis, outputs = weight.sizes, 1, (0,)
    apart: Expr = Reshape(weight, form)

    def times(numbers: tuple[float, ...]) -> Expr:
        if len(outputs) == 1:
            return Times((apart, Along(Const(numbers, (channels,)), axis, len(form))))
        grouped = {0: groups, axis: each}
        return Times((apart, Const(numbers, tuple(grouped.get(index, 1) for index in range(len(form))))))

    edit.weight(path, weight=Reshape(times(before.op.scale), weight.sizes))
    if _shifts(before.op):
        summed = Total(times(before.op.shift), tuple(index for index in range(len(form)) if index not in outputs))
        carried: Expr = Reshape(summed, (linear.op.out,))
        edit.weight(path, bias=Plus((carried, edit.take(linear.index, "bias"))) if linear.op.bias else carried)
