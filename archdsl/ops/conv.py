"""Convolutions and transposed convolutions in one, two or three dimensions."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import model_validator

from archdsl.ops.base import Init, ShapeError, Tensor
from archdsl.ops.common import One, Positive, Sizes, channels_first, divides, one_size, per_axis, single, sizes
from archdsl.ops.init import DEFAULT_WEIGHT, NormOf, default_bias
from archdsl.ops.window import Padding, Window, resolve, slide
from archdsl.shapes import Shape


class Conv(One):
    """Convolution: each output is a weighted sum over a window of the input."""

    word = "conv"
    weighted = True

    out: Positive
    kernel: Sizes
    stride: Sizes = 1
    padding: Padding = "same"
    groups: Positive = 1
    dilation: Sizes = 1
    bias: bool = True
    init: Init | None = None
    bias_init: Init | None = None
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    reparam: Literal["weight_norm"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Conv:
        if self.out % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {self.out} output channels")
        _check_bias(self.bias, self.bias_init)
        if self.padding == "same_tf" and self.padding_mode != "zeros":
            raise ValueError(f"`same_tf` pads with zeros only, not `{self.padding_mode}`")
        return self

    def window(self, x: Shape) -> Window:
        """The window with its padding for an input of this shape."""
        return resolve(self, x.spatial, self.kernel, self.stride, self.dilation, self.padding)

    def output(self, x: Shape) -> Shape:
        divides(self, self.groups, channels_first(self, x), "input channels")
        window = self.window(x)
        self._check_mode(x, window)
        return Shape((self.out, *slide(self, x.spatial, window)), ("c", *x.axes[1:]))

    def _check_mode(self, x: Shape, window: Window) -> None:
        most = {"reflect": -1, "circular": 0}.get(self.padding_mode)
        if most is None:
            return
        for size, sides in zip(x.spatial, window.sides, strict=True):
            if max(sides) > size + most:
                raise ShapeError(
                    f"`{self.padding_mode}` takes its padding of {max(sides)} from an input of only {size}",
                    argument="padding",
                )

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        x = single(self, inputs)
        weight = (self.out, x.sizes[0] // self.groups, *per_axis(self.kernel, x.rank - 1, "kernel"))
        bias = _bias(self.bias, self.bias_init, self.out, weight)
        drawn = self.init or DEFAULT_WEIGHT
        if self.reparam is None:
            return (Tensor("weight", weight, drawn), *bias)
        gain = Tensor("weight_g", (self.out, *(1,) * (len(weight) - 1)), NormOf(of="weight_v"))
        return (*bias, gain, Tensor("weight_v", weight, drawn))

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        (x,) = inputs
        return outputs[0].elements * (x.sizes[0] // self.groups) * prod(per_axis(self.kernel, x.rank - 1, "kernel"))


class ConvTranspose(One):
    """Transposed convolution: each input element adds a weighted window to the output."""

    word = "conv_transpose"
    weighted = True

    out: Positive
    kernel: Sizes
    stride: Sizes = 1
    padding: Annotated[int | tuple[int, ...], sizes(0)] = 0
    output_padding: Annotated[int | tuple[int, ...], sizes(0)] = 0
    groups: Positive = 1
    dilation: Sizes = 1
    bias: bool = True
    init: Init | None = None
    bias_init: Init | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ConvTranspose:
        if self.out % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {self.out} output channels")
        _check_bias(self.bias, self.bias_init)
        return self

    def window(self, x: Shape) -> Window:
        """The window, its padding taken away from the output."""
        return resolve(self, x.spatial, self.kernel, self.stride, self.dilation, self.padding)

    def output(self, x: Shape) -> Shape:
        divides(self, self.groups, channels_first(self, x), "input channels")
        window = self.window(x)
        extra = per_axis(self.output_padding, len(x.spatial), "output_padding")
        for more, stride, dilation in zip(extra, window.stride, window.dilation, strict=True):
            if more >= max(stride, dilation):
                raise ShapeError(
                    f"output_padding {more} must be smaller than the stride {stride} or the dilation {dilation}",
                    argument="output_padding",
                )
        spatial = tuple(
            (size - 1) * stride + extent + more - before - after
            for size, stride, extent, more, (before, after) in zip(
                x.spatial, window.stride, window.extents, extra, window.sides, strict=True
            )
        )
        if min(spatial) < 1:
            raise ShapeError("the padding leaves nothing of the output", argument="padding")
        return Shape((self.out, *spatial), ("c", *x.axes[1:]))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        x = single(self, inputs)
        weight = (x.sizes[0], self.out // self.groups, *per_axis(self.kernel, x.rank - 1, "kernel"))
        bias = _bias(self.bias, self.bias_init, self.out, weight)
        return (Tensor("weight", weight, self.init or DEFAULT_WEIGHT), *bias)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        (x,) = inputs
        return x.elements * (self.out // self.groups) * prod(per_axis(self.kernel, x.rank - 1, "kernel"))


def _check_bias(bias: bool, init: Init | None) -> None:
    one_size(init, "bias_init")
    if init is not None and not bias:
        raise ValueError("bias_init is for a bias, and there is none")


def _bias(bias: bool, init: Init | None, out: int, weight: tuple[int, ...]) -> tuple[Tensor, ...]:
    return (Tensor("bias", (out,), init or default_bias(weight)),) if bias else ()
