"""A batch norm behind a linear map is, in inference, part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import BatchNorm, Conv, ConvTranspose, Linear
from archdsl.passes.arrays import Along, Const, Expr, InverseRoot, Plus, Reshape, Times
from archdsl.passes.common import is_output, is_shared, only_reader
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise

MINUS = Const((-1.0,), (1,))


@dataclass(frozen=True)
class FoldBatchnorm(Pass):
    """Batch norms are folded into the convolution, transposed convolution or linear layer before them."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "gamma (W x + b - mean) / sqrt(var + eps) + beta = (s W) x + s (b - mean) + beta"
    source: ClassVar[str] = "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1 (inference is a linear transform)"

    def rewrite(self, edit: Edit, linear: Match[Conv | ConvTranspose | Linear], norm: Match[BatchNorm]) -> Keep | None:
        """Scales the weight, gives it a bias, and takes the norm out."""
        graph = edit.graph
        if is_shared(graph, linear) or is_shared(graph, norm):
            return Keep("the weights are shared: another application would be scaled too")
        if only_reader(graph, linear.index) is None:
            where = "is an output" if is_output(graph, linear.index) else "is read elsewhere too"
            return Keep(f"what {linear.node.path} makes {where}, before the norm")
        if not norm.op.track:
            return Keep("the norm uses the statistics of the batch in inference too")
        if isinstance(linear.op, Conv) and linear.op.reparam is not None:
            return Keep("the weight is normalised by weight norm")
        scale = self._scale(edit, norm)
        edit.change(linear.index, linear.op.model_copy(update={"bias": True}))
        edit.redirect(norm.value, linear.value)
        edit.remove(norm.index)
        edit.weight(
            linear.node.path, weight=self._weight(edit, linear, scale), bias=self._bias(edit, linear, norm, scale)
        )
        return None

    @staticmethod
    def _scale(edit: Edit, norm: Match[BatchNorm]) -> Expr:
        root = InverseRoot(edit.take(norm.index, "running_var"), norm.op.eps)
        return Times((edit.take(norm.index, "weight"), root)) if norm.op.affine else root

    @staticmethod
    def _weight(edit: Edit, linear: Match[Conv | ConvTranspose | Linear], scale: Expr) -> Expr:
        weight = edit.take(linear.index, "weight")
        if not isinstance(linear.op, ConvTranspose):
            return Times((weight, Along(scale, 0, len(weight.sizes))))
        # The output channels of a transposed convolution are axis 1 of its weight, within each group.
        inputs, per_group, *kernel = weight.sizes
        groups = linear.op.groups
        grouped = Reshape(weight, (groups, inputs // groups, per_group, *kernel))
        factors = Reshape(scale, (groups, 1, per_group, *(1 for _ in kernel)))
        return Reshape(Times((grouped, factors)), weight.sizes)

    @staticmethod
    def _bias(edit: Edit, linear: Match[Conv | ConvTranspose | Linear], norm: Match[BatchNorm], scale: Expr) -> Expr:
        centre: Expr = Times((MINUS, edit.take(norm.index, "running_mean")))
        if linear.op.bias:
            centre = Plus((edit.take(linear.index, "bias"), centre))
        shifted: Expr = Times((scale, centre))
        return Plus((shifted, edit.take(norm.index, "bias"))) if norm.op.affine else shifted
