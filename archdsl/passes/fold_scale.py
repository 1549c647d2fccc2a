"""A scale before a convolution is, in inference, part of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Conv, Linear, Scale
from archdsl.passes.arrays import Const, Times
from archdsl.passes.common import is_shared, only_reader
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class FoldScale(Pass):
    """A `scale` is folded into the convolution or linear layer that reads it."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "W (s x) + b = (s W) x + b, and zeros stay zeros under a scale"
    source: ClassVar[str] = "by linearity"

    def rewrite(self, edit: Edit, scale: Match[Scale], linear: Match[Conv | Linear]) -> Keep | None:
        """Scales the weight."""
        if only_reader(edit.graph, scale.index) is None:
            return Keep("the scaled value is read elsewhere too")
        if is_shared(edit.graph, linear):
            return Keep("the weights are shared: another application would be scaled too")
        if isinstance(linear.op, Conv) and linear.op.reparam is not None:
            return Keep("the weight is normalised by weight norm")
        factor = Const((scale.op.factor,), (1,))
        edit.redirect(scale.value, scale.node.inputs[0])
        edit.remove(scale.index)
        edit.change(linear.index, linear.op)
        edit.weight(linear.node.path, weight=Times((edit.take(linear.index, "weight"), factor)))
        return None
