"""A convolution as one over space and one over channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import BatchNorm, Conv, Relu
from archdsl.passes.common import input_shape, is_shared
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class DepthwiseSeparable(Pass):
    """A convolution becomes a depthwise one, a norm, a ReLU, and a 1x1."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "k*k*m*n multiplications a pixel become k*k*m + m*n"
    source: ClassVar[str] = "Howard et al. 2017, arXiv:1704.04861, section 3.1"
    once: ClassVar[bool] = True

    def rewrite(self, edit: Edit, conv: Match[Conv], norm: Match[BatchNorm]) -> Keep | None:
        """Splits one convolution in two."""
        graph, op = edit.graph, conv.op
        x = input_shape(graph, conv)
        if all(size == 1 for size in op.window(x).kernel):
            return NOT_A_SITE
        if op.groups != 1 or op.reparam is not None or is_shared(graph, conv):
            return Keep("it is grouped, weight-normalised or shared")
        if conv.node.inputs[0].node in graph.inputs:
            return Keep("it reads the input of the net, whose channels are few")
        path, channels = conv.node.path, x.sizes[0]
        depthwise = op.model_copy(update={"out": channels, "groups": channels})
        one = (1,) * len(x.spatial) if len(x.spatial) > 1 else 1
        pointwise = op.model_copy(
            update={"kernel": one, "stride": 1, "padding": "same", "dilation": 1, "padding_mode": "zeros"}
        )
        deep = edit.add(depthwise, conv.node.inputs, at=conv.index, path=f"{path}.0")[0]
        normed = edit.add(norm.op, (deep,), at=conv.index, path=f"{path}.1")[0]
        active = edit.add(Relu(), (normed,), at=conv.index, path=f"{path}.2")[0]
        edit.redirect(conv.value, edit.add(pointwise, (active,), at=conv.index, path=f"{path}.3")[0])
        edit.remove(conv.index)
        return None
