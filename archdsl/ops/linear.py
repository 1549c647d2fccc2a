"""Linear maps."""

from __future__ import annotations

from pydantic import model_validator

from archdsl.ops.base import Init, ShapeError, Tensor
from archdsl.ops.common import One, Positive, names, one_size, single
from archdsl.ops.init import DEFAULT_WEIGHT, default_bias
from archdsl.shapes import Shape


class Linear(One):
    """Linear map of the last axis, which becomes `c`."""

    word = "linear"
    weighted = True

    out: Positive
    bias: bool = True
    init: Init | None = None
    bias_init: Init | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Linear:
        one_size(self.bias_init, "bias_init")
        if self.bias_init is not None and not self.bias:
            raise ValueError("bias_init is for a bias, and there is none")
        return self

    def output(self, x: Shape) -> Shape:
        if x.rank == 0:
            raise ShapeError("`linear` needs a value with an axis, not a scalar")
        *before, last = x.axes
        if "c" in before and last is not None:
            raise ShapeError(
                f"`linear` maps the last axis, which is `{last}` in {x} (axes `{names(x)}`), not the channels",
                hint="`flatten` first, use a 1x1 `conv`, or `rearrange` the channels to the end",
            )
        return Shape((*x.sizes[:-1], self.out), (*(None if name == "c" else name for name in before), "c"))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        weight = (self.out, single(self, inputs).sizes[-1])
        bias = (Tensor("bias", (self.out,), self.bias_init or default_bias(weight)),) if self.bias else ()
        return (Tensor("weight", weight, self.init or DEFAULT_WEIGHT), *bias)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        return outputs[0].elements * inputs[0].sizes[-1]
