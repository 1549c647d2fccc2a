"""Parallel convolutions that are added are one convolution."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from archdsl.ir.program import Value
from archdsl.ops import Add, Conv, Identity
from archdsl.ops.window import Window
from archdsl.passes.arrays import Const, Expr, Padded, Plus
from archdsl.passes.canonical import meant
from archdsl.passes.common import input_shape, is_shared, only_reader
from archdsl.passes.edit import Edit, Source
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class Reparameterize(Pass):
    """Parallel 3x3, 1x1 and identity branches that are added become one convolution (fold batch norms first)."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "A * x + B * x + x = (A + pad(B) + I) * x"
    source: ClassVar[str] = "Ding et al. 2021, arXiv:2101.03697, section 3.3 (RepVGG)"

    def rewrite(self, edit: Edit, add: Match[Add]) -> Keep | None:
        """Adds the weights of convolutions that read one value, and of the identity if it is added too."""
        graph = edit.graph
        convs = [
            Match(value.node, graph.nodes[value.node], op)
            for value in add.node.inputs
            if isinstance(op := graph.nodes[value.node].op, Conv)
        ]
        reason: str | None = None
        for source in dict.fromkeys(conv.node.inputs[0] for conv in convs):
            same = [
                conv for conv in convs if conv.node.inputs[0] == source and only_reader(graph, conv.index) == add.index
            ]
            rest = [value for value in add.node.inputs if value.node not in {conv.index for conv in same}]
            through = sum(meant(graph, value) == meant(graph, source) for value in rest)
            if not same or len(same) + through < 2:
                continue
            widest = max(same, key=lambda conv: prod(conv.op.window(input_shape(graph, conv)).kernel))
            found = self._reason(edit, same, widest, through)
            if found is None:
                others = [value for value in rest if meant(graph, value) != meant(graph, source)]
                self._merge(edit, add, same, widest, through, others)
                return None
            reason = reason or found
        return NOT_A_SITE if reason is None else Keep(reason)

    @staticmethod
    def _reason(edit: Edit, convs: list[Match[Conv]], widest: Match[Conv], through: int) -> str | None:
        graph = edit.graph
        outer = widest.op.window(input_shape(graph, widest))
        for conv in convs:
            window = conv.op.window(input_shape(graph, conv))
            if is_shared(graph, conv):
                return "the weights are shared"
            if conv.op.reparam or conv.op.padding_mode != "zeros" or conv.op.groups != widest.op.groups:
                return "the convolutions differ in groups, in how they pad, or are weight-normalised"
            if window.stride != outer.stride or not _centred(window, outer):
                return "the convolutions do not look at the same places"
        if through:
            identity = Window(
                (1,) * len(outer.kernel),
                (1,) * len(outer.kernel),
                (1,) * len(outer.kernel),
                ((0, 0),) * len(outer.kernel),
            )
            if any(stride != 1 for stride in outer.stride) or not _centred(identity, outer):
                return "the identity does not look at the same places as the convolution"
        return None

    @staticmethod
    def _merge(
        edit: Edit, add: Match[Add], convs: list[Match[Conv]], widest: Match[Conv], through: int, rest: list[Value]
    ) -> None:
        graph = edit.graph
        x = input_shape(graph, widest)
        kernel = widest.op.window(x).kernel
        parts: list[Expr] = []
        for conv in convs:
            inner = conv.op.window(input_shape(graph, conv)).kernel
            sides = tuple(((a - b) // 2, (a - b) // 2) for a, b in zip(kernel, inner, strict=True))
            parts.append(Padded(edit.take(conv.index, "weight"), ((0, 0), (0, 0), *sides)))
        parts += [_identity(x.sizes[0], widest.op.groups, kernel)] * through
        biased = [conv for conv in convs if conv.op.bias]
        op = widest.op.model_copy(update={"bias": bool(biased)})
        path = widest.node.path
        merged = edit.add(op, widest.node.inputs, at=widest.index, path=path)[0]
        edit.weight(path, weight=Plus(tuple(parts)))
        if biased:
            edit.weight(path, bias=Plus(tuple(edit.take(conv.index, "bias") for conv in biased)))
        result: Source = merged
        if rest:
            result = edit.add(Add(), (merged, *rest), at=add.index, path=add.node.path)[0]
        edit.redirect(add.value, result)
        passing = [value.node for value in add.node.inputs if isinstance(graph.nodes[value.node].op, Identity)]
        alone = {index for index in passing if only_reader(graph, index) == add.index and Value(index) not in rest}
        edit.remove(add.index, *(conv.index for conv in convs), *alone)


def _centred(inner: Window, outer: Window) -> bool:
    """True if the centre of both windows falls on the same element everywhere, with the same spacing."""
    for small, large, a, b, one, two in zip(
        inner.kernel, outer.kernel, inner.dilation, outer.dilation, inner.sides, outer.sides, strict=True
    ):
        if small > large or (large - small) % 2 or (small > 1 and a != b):
            return False
        shift = b * (large - small) // 2
        if (one[0] + shift, one[1] + shift) != two:
            return False
    return True


def _identity(channels: int, groups: int, kernel: tuple[int, ...]) -> Const:
    """The weight of a convolution that is the identity."""
    per_group, middle = channels // groups, tuple(size // 2 for size in kernel)
    offset = 0
    for size, centre in zip(kernel, middle, strict=True):
        offset = offset * size + centre
    volume = prod(kernel)
    values = [0.0] * (channels * per_group * volume)
    for channel in range(channels):
        values[(channel * per_group + channel % per_group) * volume + offset] = 1.0
    return Const(tuple(values), (channels, per_group, *kernel))
