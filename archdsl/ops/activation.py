"""Activations: functions of each element, and softmax along an axis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from archdsl.ops.base import ShapeError, Tensor
from archdsl.ops.common import AboveZero, Finite, Numbers, One, axis_index, channels_first, number, single
from archdsl.ops.init import Constant
from archdsl.shapes import Shape


class Elementwise(One):
    """A function of each element alone."""

    elementwise = True
    per_channel = True

    def output(self, x: Shape) -> Shape:
        return x


class Identity(Elementwise):
    """The value itself."""

    word = "identity"
    view = True


class Scale(Elementwise):
    """The value times a constant."""

    word = "scale"

    factor: Finite


class Affine(One):
    """Each channel times a number of its own, plus another: the normalisation of an input, say."""

    word = "affine"

    scale: Numbers
    shift: Numbers

    @model_validator(mode="after")
    def _as_many(self) -> Affine:
        if len(self.scale) != len(self.shift):
            raise ValueError(f"{len(self.scale)} scales and {len(self.shift)} shifts: one of each is for a channel")
        return self

    def output(self, x: Shape) -> Shape:
        channels = channels_first(self, x, least=1)
        if channels != len(self.scale):
            raise ShapeError(f"{len(self.scale)} scales are not one for each of {channels} channels", argument="scale")
        return x


class Relu(Elementwise):
    """max(x, 0)."""

    word = "relu"


class Relu6(Elementwise):
    """min(max(x, 0), 6)."""

    word = "relu6"


class LeakyRelu(Elementwise):
    """x where it is positive, else slope * x."""

    word = "leaky_relu"

    slope: Finite = 0.01


class Elu(Elementwise):
    """x where it is positive, else alpha * (exp(x) - 1)."""

    word = "elu"

    alpha: Finite = 1.0


class Selu(Elementwise):
    """1.0507 * elu(x, 1.6733) (Klambauer et al. 2017)."""

    word = "selu"


class Celu(Elementwise):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))."""

    word = "celu"

    alpha: Annotated[float, number(lambda value: value != 0, "other than 0")] = 1.0


class Gelu(Elementwise):
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016), or its tanh approximation."""

    word = "gelu"

    approximate: Literal["tanh"] | None = None


class Silu(Elementwise):
    """x * sigmoid(x)."""

    word = "silu"


class Mish(Elementwise):
    """x * tanh(softplus(x))."""

    word = "mish"


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    word = "sigmoid"


class Tanh(Elementwise):
    """The hyperbolic tangent."""

    word = "tanh"


class Softplus(Elementwise):
    """log(1 + exp(beta * x)) / beta, and x where beta * x exceeds the threshold."""

    word = "softplus"

    beta: AboveZero = 1.0
    threshold: Finite = 20.0


class Softsign(Elementwise):
    """x / (1 + |x|)."""

    word = "softsign"


class Hardswish(Elementwise):
    """x * relu6(x + 3) / 6 (Howard et al. 2019)."""

    word = "hardswish"


class Hardsigmoid(Elementwise):
    """relu6(x + 3) / 6."""

    word = "hardsigmoid"


class Hardtanh(Elementwise):
    """min(max(x, low), high)."""

    word = "hardtanh"

    low: Finite = -1.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Hardtanh:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, not {self.low:g} and {self.high:g}")
        return self


class LogSigmoid(Elementwise):
    """log(sigmoid(x))."""

    word = "log_sigmoid"


class Prelu(Elementwise):
    """leaky_relu with a learned slope, one for all or (`channelwise=true`) one a channel (He et al. 2015)."""

    word = "prelu"

    channelwise: bool = False
    slope: Finite = 0.25

    def output(self, x: Shape) -> Shape:
        if self.channelwise:
            channels_first(self, x, least=1)
        return x

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        sizes = single(self, inputs).sizes[:1] if self.channelwise else (1,)
        return (Tensor("weight", sizes, Constant(value=self.slope)),)

    def owned(self, *inputs: Shape) -> tuple[object, ...]:
        return (*self.tensors(*inputs), single(self, inputs).rank if self.channelwise else None)


class _Softmax(One):
    axis: str | None = None

    def output(self, x: Shape) -> Shape:
        axis_index(self, x, self.axis, -1)
        return x


class Softmax(_Softmax):
    """Positive values that sum to 1 along an axis, the last unless `axis` names another."""

    word = "softmax"


class LogSoftmax(_Softmax):
    """The logarithm of `softmax`."""

    word = "log_softmax"
