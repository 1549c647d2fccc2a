"""The scale and shift of a norm without running statistics are part of the linear map that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ops import BatchNorm, Conv, Flatten, GroupNorm, InstanceNorm, LayerNorm, Linear
from archdsl.passes.arrays import Along, Expr, Plus, Reshape, Times, Total, sizes_of
from archdsl.passes.common import input_shape, is_output, is_shared, only_reader, pads_with_zeros
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise

Norm = LayerNorm | GroupNorm | InstanceNorm | BatchNorm


@dataclass(frozen=True)
class FoldAffineNorm(Pass):
    """The scale and shift of a norm are folded into the linear layer or convolution that reads it; the norm stays.

    The norm is a layer, group or instance norm, or a batch norm that tracks no statistics (`fold-batchnorm` takes
    others out as a whole). A `flatten` may be between the two.
    """

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = (
        "W (gamma n(x) + beta) + b = (W gamma) n(x) + (W beta + b), where W sees no padding or beta is 0"
    )
    source: ClassVar[str] = "by linearity; Xu et al. 2019, arXiv:1911.07013 (a layer norm does without)"

    def rewrite(
        self,
        edit: Edit,
        first: Match[LayerNorm | GroupNorm | InstanceNorm | BatchNorm | Flatten],
        second: Match[Conv | Linear],
    ) -> Keep | None:
        """Scales the weight, lets the bias take the shift up, and leaves the norm without either."""
        graph, between = edit.graph, first.index
        if isinstance(first.op, Flatten):
            between = first.node.inputs[0].node
        node = graph.nodes[between]
        if not isinstance(node.op, Norm) or not node.op.affine or between in edit.touched:
            return NOT_A_SITE
        if isinstance(node.op, BatchNorm) and node.op.track:
            return NOT_A_SITE
        norm = Match(between, node, node.op)
        reason = _reason(graph, norm, first, second)
        if reason is not None:
            return Keep(reason)
        _fold(edit, norm, second)
        return None


def _axis(norm: Match[Norm]) -> int:
    """The axis that the norm scales and shifts."""
    shape = norm.node.outputs[0]
    if not isinstance(norm.op, LayerNorm):
        return 0
    named = shape.axis(norm.op.axis) if norm.op.axis is not None else None
    return shape.rank - 1 if named is None else named


def _shifts(norm: Match[Norm]) -> bool:
    return not isinstance(norm.op, LayerNorm) or norm.op.bias


def _reason(graph: Graph, norm: Match[Norm], first: Match[object], second: Match[Conv | Linear]) -> str | None:
    """Why the scale and shift cannot be part of the linear map, or `None`; `first` is what it reads."""
    if is_shared(graph, norm) or is_shared(graph, second):
        return "the weights are shared: another application would be scaled too"
    for match in (norm, first):
        if only_reader(graph, match.index) is None:
            where = "is an output" if is_output(graph, match.index) else "is read elsewhere too"
            return f"what {match.node.path} makes {where}"
    if isinstance(second.op, Conv) and second.op.reparam is not None:
        return "the weight is normalised by weight norm"
    flattened = first.index != norm.index
    mapped = 0 if isinstance(second.op, Conv) else input_shape(graph, second).rank - 1
    if not flattened and _axis(norm) != mapped:
        return "the norm scales another axis than the one that the linear map acts on"
    if not isinstance(second.op, Conv) or not _shifts(norm):
        return None
    if pads_with_zeros(graph, Match(second.index, second.node, second.op)):
        return "the convolution pads with zeros, which the norm does not shift"
    return None


def _fold(edit: Edit, norm: Match[Norm], second: Match[Conv | Linear]) -> None:
    bare: dict[str, object] = {"affine": False, "init": None}
    if isinstance(norm.op, LayerNorm):
        bare["bias"] = True  # its default, which says nothing of a norm without scale
    edit.change(norm.index, norm.op.model_copy(update=bare))
    bias = second.op.bias or _shifts(norm)
    edit.change(second.index, second.op.model_copy(update={"bias": bias}))
    weight, path = edit.take(second.index, "weight"), second.node.path
    out, inputs = weight.sizes[:2]
    groups = second.op.groups if isinstance(second.op, Conv) else 1
    sizes, axis = norm.node.outputs[0].sizes, _axis(norm)
    before = prod(sizes[:axis]) if inputs == prod(sizes) else 1
    channels = sizes[axis] // groups
    apart: Expr = weight
    if groups > 1 or inputs != channels:
        # What a row of the weight reads, the axis of the norm apart: a flattened value, or a group's channels.
        apart = Reshape(weight, (groups, out // groups, before, channels, prod(weight.sizes[1:]) // before // channels))

    def times(name: str) -> Expr:
        vector = edit.take(norm.index, name)
        along = Along(vector, 1, len(weight.sizes)) if apart is weight else Reshape(vector, (groups, 1, 1, channels, 1))
        return Times((apart, along))

    edit.weight(path, weight=Reshape(times("weight"), weight.sizes))
    if _shifts(norm):
        summed = Total(times("bias"), tuple(range(1 if apart is weight else 2, len(sizes_of(apart)))))
        carried: Expr = Reshape(summed, (out,))
        edit.weight(path, bias=Plus((carried, edit.take(second.index, "bias"))) if second.op.bias else carried)
