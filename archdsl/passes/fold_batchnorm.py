"""A batch norm behind or before a linear map is, in inference, part of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ops import BatchNorm, Conv, ConvTranspose, Flatten, Linear
from archdsl.ops.base import Op
from archdsl.passes.arrays import Along, Expr, Plus, Reshape, Times, Total
from archdsl.passes.common import input_shape, is_output, is_shared, only_reader, pads_with_zeros
from archdsl.passes.edit import Edit
from archdsl.passes.normed import less_mean, moved, scale_of
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise

Map = Match[Conv | ConvTranspose | Linear]


@dataclass(frozen=True)
class FoldBatchnorm(Pass):
    """Batch norms are folded into the linear map before them, else into the one behind them.

    Before them: a convolution, a transposed one or a linear layer. Behind them: a linear layer, perhaps behind a
    `flatten`, or a convolution that does not pad with zeros.
    """

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = (
        "with s = gamma / sqrt(var + eps): s (W x + b - mean) + beta = (s W) x + s (b - mean) + beta, "
        "and W (s (x - mean) + beta) + b = (W s) x + W (beta - s mean) + b"
    )
    source: ClassVar[str] = "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1 (inference is a linear transform)"

    def rewrite(
        self,
        edit: Edit,
        first: Match[Conv | ConvTranspose | Linear | BatchNorm | Flatten],
        second: Match[BatchNorm | Conv | Linear],
    ) -> Keep | None:
        """Scales the weight, gives it a bias, and takes the norm out."""
        graph, a, b = edit.graph, first.op, second.op
        if isinstance(b, BatchNorm):
            if isinstance(a, BatchNorm | Flatten):
                return NOT_A_SITE
            linear, norm = Match(first.index, first.node, a), Match(second.index, second.node, b)
            reason = _reason(graph, linear, norm, first)
            if reason is None:
                _fold_back(edit, linear, norm)
            return None if reason is None else Keep(reason)
        between = first.index
        if isinstance(a, Flatten) and isinstance(b, Linear):
            between = first.node.inputs[0].node
        node = graph.nodes[between]
        if not isinstance(node.op, BatchNorm) or between in edit.touched:
            return NOT_A_SITE
        norm, reader = Match(between, node, node.op), Match(second.index, second.node, b)
        reason = _reason(graph, reader, norm, norm) or _reason(graph, reader, norm, first) or _padding(graph, second)
        if reason is None:
            _fold_ahead(edit, norm, reader)
        return None if reason is None else Keep(reason)


def _reason(graph: Graph, linear: Map, norm: Match[BatchNorm], between: Match[object]) -> str | None:
    """Why the norm cannot be part of the linear map, or `None`; `between` is what one makes and the other reads."""
    if is_shared(graph, linear) or is_shared(graph, norm):
        return "the weights are shared: another application would be scaled too"
    if only_reader(graph, between.index) is None:
        where = "is an output" if is_output(graph, between.index) else "is read elsewhere too"
        side = "before the norm" if between.index == linear.index else "behind the norm"
        return f"what {between.node.path} makes {where}, {side}"
    if not norm.op.track:
        return "the norm uses the statistics of the batch in inference too"
    if isinstance(linear.op, Conv) and linear.op.reparam is not None:
        return "the weight is normalised by weight norm"
    return None


def _padding(graph: Graph, reader: Match[Op]) -> str | None:
    """Why what the reader sees beyond the edge forbids to fold a norm into it, or `None`."""
    if isinstance(reader.op, Conv) and pads_with_zeros(graph, Match(reader.index, reader.node, reader.op)):
        return "the convolution pads with zeros, which the norm before it does not shift"
    return None


def _fold_back(edit: Edit, linear: Map, norm: Match[BatchNorm]) -> None:
    """The norm into the map that it reads."""
    edit.change(linear.index, linear.op.model_copy(update={"bias": True}))
    edit.redirect(norm.value, linear.value)
    edit.remove(norm.index)
    weight, scale = edit.take(linear.index, "weight"), scale_of(edit, norm)
    if isinstance(linear.op, ConvTranspose):
        # The output channels of a transposed convolution are axis 1 of its weight, within each group.
        inputs, per_group, *kernel = weight.sizes
        groups = linear.op.groups
        grouped = Reshape(weight, (groups, inputs // groups, per_group, *kernel))
        factors = Reshape(scale, (groups, 1, per_group, *(1 for _ in kernel)))
        scaled: Expr = Reshape(Times((grouped, factors)), weight.sizes)
    else:
        scaled = Times((weight, Along(scale, 0, len(weight.sizes))))
    centre = less_mean(edit, norm, edit.take(linear.index, "bias") if linear.op.bias else None)
    edit.weight(linear.node.path, weight=scaled, bias=moved(edit, norm, centre))


def _fold_ahead(edit: Edit, norm: Match[BatchNorm], linear: Match[Conv | Linear]) -> None:
    """The norm into the map that reads it, each of whose groups sees its share of the channels."""
    edit.change(linear.index, linear.op.model_copy(update={"bias": True}))
    edit.redirect(norm.value, norm.node.inputs[0])
    edit.remove(norm.index)
    weight = edit.take(linear.index, "weight")
    out, inputs = weight.sizes[:2]
    groups = linear.op.groups if isinstance(linear.op, Conv) else 1
    channels = input_shape(edit.graph, norm).sizes[0] // groups
    # A flattened map has every place of a channel beside one another; a kernel has them behind its channels.
    places = inputs // channels * prod(weight.sizes[2:])
    form = (groups, out // groups, channels, places)
    apart = Reshape(weight, form) if weight.sizes != form else weight
    scale = Reshape(scale_of(edit, norm), (groups, 1, channels, 1))
    shift = Reshape(moved(edit, norm, less_mean(edit, norm)), (groups, 1, channels, 1))
    carried: Expr = Reshape(Total(Times((apart, shift)), (2, 3)), (out,))
    bias = Plus((carried, edit.take(linear.index, "bias"))) if linear.op.bias else carried
    edit.weight(linear.node.path, weight=Reshape(Times((apart, scale)), weight.sizes), bias=bias)
