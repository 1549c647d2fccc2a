"""A large kernel as a chain of small ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from archdsl.ops import BatchNorm, Conv, Relu
from archdsl.passes.common import BY_SIZE, as_size, input_shape, is_shared, sides
from archdsl.passes.edit import Edit, Source
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class FactorizeKernels(Pass):
    """A 5x5 convolution becomes two 3x3, a 7x7 three; or an n by n one becomes 1 by n and n by 1."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "two 3x3 see 5x5 at 18/25 of the cost; 1xn and nx1 see nxn at 2/n of it"
    source: ClassVar[str] = "Szegedy et al. 2015, arXiv:1512.00567, sections 3.1 and 3.2"
    once: ClassVar[bool] = True

    form: Literal["stack", "asymmetric"] = "stack"  # 3x3 kernels one after the other, or 1 by n and n by 1

    def rewrite(self, edit: Edit, conv: Match[Conv], norm: Match[BatchNorm]) -> Keep | None:
        """Replaces a convolution by smaller ones, with a norm and a ReLU between them."""
        graph, op = edit.graph, conv.op
        window = op.window(input_shape(graph, conv))
        size = window.kernel[0]
        smallest = 5 if self.form == "stack" else 3
        if len(window.kernel) != 2 or set(window.kernel) != {size} or size < smallest or size % 2 == 0:
            return NOT_A_SITE
        if sides(graph, conv) is None:
            return Keep(BY_SIZE)
        if any(step != 1 for step in window.dilation) or window.symmetric is None:
            return Keep("it is dilated, or pads its sides differently")
        if op.groups != 1 or op.reparam is not None or is_shared(graph, conv):
            return Keep("it is grouped, weight-normalised or shared")
        if len(set(window.symmetric)) > 1 or window.symmetric[0] not in (0, size // 2):
            return Keep("it pads with something other than half its size or nothing")
        padded = window.symmetric[0] > 0
        current: Source = conv.node.inputs[0]
        kernels = [(3, 3)] * ((size - 1) // 2) if self.form == "stack" else [(1, size), (size, 1)]
        for number, kernel in enumerate(kernels):
            # Without padding, a stride at the front would lose the places that the later kernels need.
            strided = 0 if padded else len(kernels) - 1
            stride = window.stride if self.form == "stack" and number == strided else (1, 1)
            if self.form == "asymmetric":
                stride = (1, window.stride[1]) if number == 0 else (window.stride[0], 1)
            shape = {"kernel": as_size(kernel), "stride": as_size(stride), "padding": "same" if padded else 0}
            step = op.model_copy(update=shape)
            path = conv.node.path
            current = edit.add(step, (current,), at=conv.index, path=f"{path}.{3 * number}")[0]
            if number < len(kernels) - 1:
                current = edit.add(norm.op, (current,), at=conv.index, path=f"{path}.{3 * number + 1}")[0]
                current = edit.add(Relu(), (current,), at=conv.index, path=f"{path}.{3 * number + 2}")[0]
        edit.redirect(conv.value, current)
        edit.remove(conv.index)
        return None
