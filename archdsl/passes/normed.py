"""A batch norm in inference as a scale and a shift of each channel, said over its entries."""

from __future__ import annotations

from archdsl.ops import BatchNorm
from archdsl.passes.arrays import Const, Expr, InverseRoot, Plus, Times
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Match

MINUS = Const((-1.0,), (1,))


def scale_of(edit: Edit, norm: Match[BatchNorm]) -> Expr:
    """What a norm multiplies each channel by."""
    root = InverseRoot(edit.take(norm.index, "running_var"), norm.op.eps)
    return Times((edit.take(norm.index, "weight"), root)) if norm.op.affine else root


def less_mean(edit: Edit, norm: Match[BatchNorm], shift: Expr | None = None) -> Expr:
    """A shift of what a norm reads, less the mean that it takes away."""
    centre: Expr = Times((MINUS, edit.take(norm.index, "running_mean")))
    return centre if shift is None else Plus((shift, centre))


def moved(edit: Edit, norm: Match[BatchNorm], centre: Expr) -> Expr:
    """The norm's scale times a vector, plus its bias: where the norm puts what it reads shifted so."""
    shifted: Expr = Times((scale_of(edit, norm), centre))
    return Plus((shifted, edit.take(norm.index, "bias"))) if norm.op.affine else shifted
