"""Two linear maps without an activation between them are one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Conv, Linear
from archdsl.passes.arrays import Expr, MatMul, Permute, Plus, Reshape, Total
from archdsl.passes.common import input_shape, is_pointwise, is_shared, only_reader
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class MergeLinear(Pass):
    """A linear layer or 1x1 convolution and the linear map behind it become one."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "B (A x + a) + b = (B A) x + (B a + b)"
    source: ClassVar[str] = "by linearity; Ding et al. 2021, arXiv:2103.13425, transform III"

    def rewrite(self, edit: Edit, first: Match[Conv | Linear], second: Match[Conv | Linear]) -> Keep | None:
        """Multiplies the weights; the path of the second layer stays."""
        reason = self._reason(edit, first, second)
        if reason is not None:
            return Keep(reason)
        weight, bias = self._product(edit, first, second)
        has_bias = bias is not None
        op = second.op.model_copy(update={"bias": has_bias})
        if isinstance(first.op, Conv) and isinstance(second.op, Conv):
            op = op.model_copy(update={"stride": self._strides(edit, first, second)})
        path = second.node.path
        merged = edit.add(op, first.node.inputs, at=second.index, path=path)[0]
        edit.redirect(second.value, merged)
        edit.remove(first.index, second.index)
        edit.weight(path, weight=weight, **({"bias": bias} if bias is not None else {}))
        return None

    @staticmethod
    def _strides(edit: Edit, first: Match[Conv | Linear], second: Match[Conv | Linear]) -> tuple[int, ...]:
        assert isinstance(first.op, Conv)
        assert isinstance(second.op, Conv)
        outer = second.op.window(input_shape(edit.graph, second)).stride
        inner = first.op.window(input_shape(edit.graph, first)).stride
        return tuple(a * b for a, b in zip(inner, outer, strict=True))

    @staticmethod
    def _reason(edit: Edit, first: Match[Conv | Linear], second: Match[Conv | Linear]) -> str | None:
        graph = edit.graph
        if type(first.op) is not type(second.op):
            return "a convolution and a linear layer act on different axes"
        if only_reader(graph, first.index) is None:
            return f"what {first.node.path} makes is read elsewhere too"
        if is_shared(graph, first) or is_shared(graph, second):
            return "the weights are shared"
        if not isinstance(first.op, Conv) or not isinstance(second.op, Conv):
            return None
        if first.op.groups != 1 or second.op.groups != 1 or first.op.reparam or second.op.reparam:
            return "a grouped or weight-normalised convolution is no single matrix"
        if not is_pointwise(graph, Match(first.index, first.node, first.op)):
            return "the first convolution is no 1x1"
        window = second.op.window(input_shape(graph, second))
        strided = any(s != 1 for s in first.op.window(input_shape(graph, first)).stride)
        if strided and (any(size != 1 for size in window.kernel) or any(side != (0, 0) for side in window.sides)):
            return "the first convolution has a stride, and the second looks around"
        if first.op.bias and any(side != (0, 0) for side in window.sides):
            return "the second convolution pads, and the bias of the first is not in its padding"
        return None

    @staticmethod
    def _product(edit: Edit, first: Match[Conv | Linear], second: Match[Conv | Linear]) -> tuple[Expr, Expr | None]:
        inner, outer = edit.take(first.index, "weight"), edit.take(second.index, "weight")
        middle = inner.sizes[0]
        matrix = Reshape(inner, (middle, inner.sizes[1]))
        if isinstance(second.op, Linear):
            weight: Expr = MatMul(outer, matrix)
        else:
            # o i ... -> o ... i, times i c, -> o c ...
            rank = len(outer.sizes)
            last = Permute(outer, (0, *range(2, rank), 1))
            weight = Permute(MatMul(last, matrix), (0, rank - 1, *range(1, rank - 1)))
        bias: Expr | None = edit.take(second.index, "bias") if second.op.bias else None
        if first.op.bias:
            column = Reshape(edit.take(first.index, "bias"), (middle, 1))
            summed: Expr = outer
            if len(outer.sizes) > 2:
                summed = Total(outer, tuple(range(2, len(outer.sizes))))
            carried: Expr = Reshape(MatMul(summed, column), (outer.sizes[0],))
            bias = carried if bias is None else Plus((carried, bias))
        return weight, bias
