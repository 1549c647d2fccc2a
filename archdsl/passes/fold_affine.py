"""A scale and shift of each channel before a convolution is, in inference, part of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Affine, Conv, Linear, Scale
from archdsl.passes.arrays import Along, Const, Expr, Plus, Times, Total
from archdsl.passes.common import input_shape, is_shared, only_reader, pads_with_zeros
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class FoldAffine(Pass):
    """An `affine` or `scale` (the normalisation of an input, say) is folded into the linear map that reads it."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "W (s x + t) + b = (W s) x + (W t + b), where W sees no padding or t is 0"
    source: ClassVar[str] = "by linearity"

    def rewrite(self, edit: Edit, before: Match[Affine | Scale], linear: Match[Conv | Linear]) -> Keep | None:
        """Scales the weight, and lets the bias take the shift up."""
        graph = edit.graph
        if only_reader(graph, before.index) is None:
            return Keep("the scaled value is read elsewhere too")
        if is_shared(graph, linear):
            return Keep("the weights are shared: another application would be scaled too")
        if isinstance(linear.op, Conv) and linear.op.reparam is not None:
            return Keep("the weight is normalised by weight norm")
        if isinstance(linear.op, Linear) and isinstance(before.op, Affine) and input_shape(graph, linear).rank > 1:
            return Keep("the linear layer does not act on the channels")
        shifts = isinstance(before.op, Affine) and any(before.op.shift)
        if (
            shifts
            and isinstance(linear.op, Conv)
            and pads_with_zeros(graph, Match(linear.index, linear.node, linear.op))
        ):
            return Keep("the convolution pads with zeros, which are not shifted")
        edit.redirect(before.value, before.node.inputs[0])
        edit.remove(before.index)
        edit.change(linear.index, linear.op.model_copy(update={"bias": linear.op.bias or shifts}))
        edit.weight(linear.node.path, weight=_scaled(edit, before, linear))
        if shifts:
            assert isinstance(before.op, Affine)
            edit.weight(linear.node.path, bias=_shifted(edit, before.op, linear))
        return None


def _of_inputs(values: tuple[float, ...], linear: Match[Conv | Linear], weight: tuple[int, ...]) -> Expr:
    """A number for each input channel, to be multiplied with a weight."""
    if not isinstance(linear.op, Conv) or linear.op.groups == 1:
        return Along(Const(values, (len(values),)), 1, len(weight))
    # A row for each output channel, of the inputs of its group.
    out, inputs, *kernel = weight
    rows = [values[row * linear.op.groups // out * inputs :][:inputs] for row in range(out)]
    return Const(tuple(value for row in rows for value in row), (out, inputs, *(1 for _ in kernel)))


def _scaled(edit: Edit, before: Match[Affine | Scale], linear: Match[Conv | Linear]) -> Expr:
    weight = edit.take(linear.index, "weight")
    if isinstance(before.op, Scale):
        return Times((weight, Const((before.op.factor,), (1,))))
    return Times((weight, _of_inputs(before.op.scale, linear, weight.sizes)))


def _shifted(edit: Edit, before: Affine, linear: Match[Conv | Linear]) -> Expr:
    """What the weight makes of the shift alone, plus the bias."""
    weight = edit.take(linear.index, "weight")
    shift = _of_inputs(before.shift, linear, weight.sizes)
    carried: Expr = Total(Times((weight, shift)), tuple(range(1, len(weight.sizes))))
    return Plus((carried, edit.take(linear.index, "bias"))) if linear.op.bias else carried
