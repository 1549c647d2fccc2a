"""Initial values as data: distributions that the weights are drawn from."""

from __future__ import annotations

from math import prod, sqrt
from typing import Literal

from pydantic import model_validator

from archdsl.ops.base import Init
from archdsl.ops.common import Finite, NotNegative


class Zeros(Init):
    """Every value is 0."""

    word = "zeros"


class Ones(Init):
    """Every value is 1."""

    word = "ones"


class Constant(Init):
    """Every value is `value`."""

    word = "constant"

    value: Finite


class Normal(Init):
    """Normal with a mean and a standard deviation."""

    word = "normal"

    mean: Finite = 0.0
    std: NotNegative = 1.0


class TruncatedNormal(Init):
    """Normal, drawn again outside `a` to `b`; the bounds are absolute, not in standard deviations."""

    word = "truncated_normal"

    std: NotNegative = 1.0
    mean: Finite = 0.0
    a: Finite = -2.0
    b: Finite = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> TruncatedNormal:
        if self.a >= self.b:
            raise ValueError(f"a must be below b, not {self.a:g} and {self.b:g}")
        return self


class Uniform(Init):
    """Uniform from `low` to `high`."""

    word = "uniform"

    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.low > self.high:
            raise ValueError(f"low must not exceed high, not {self.low:g} and {self.high:g}")
        return self


class KaimingNormal(Init):
    """Normal of mean 0 and std sqrt(2 / (1 + a^2) / fan) (He et al. 2015, arXiv:1502.01852)."""

    word = "kaiming_normal"
    fans = True

    mode: Literal["fan_in", "fan_out"] = "fan_in"
    a: Finite = 0.0


class KaimingUniform(Init):
    """Uniform within sqrt(6 / (1 + a^2) / fan) of 0 (He et al. 2015, arXiv:1502.01852)."""

    word = "kaiming_uniform"
    fans = True

    mode: Literal["fan_in", "fan_out"] = "fan_in"
    a: Finite = 0.0


class XavierNormal(Init):
    """Normal of mean 0 and std gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""

    word = "xavier_normal"
    fans = True

    gain: NotNegative = 1.0


class XavierUniform(Init):
    """Uniform within gain * sqrt(6 / (fan_in + fan_out)) of 0 (Glorot and Bengio 2010)."""

    word = "xavier_uniform"
    fans = True

    gain: NotNegative = 1.0


class NormOf(Init):
    """The norm of the tensor `of` beside it, over all its axes but the first; never written in a spec."""

    word = "norm_of"

    of: str


INITS: tuple[type[Init], ...] = (
    Zeros,
    Ones,
    Constant,
    Normal,
    TruncatedNormal,
    Uniform,
    KaimingNormal,
    KaimingUniform,
    XavierNormal,
    XavierUniform,
)

ZEROS, ONES = Zeros(), Ones()
DEFAULT_WEIGHT = KaimingUniform(a=sqrt(5.0))  # as PyTorch's convolutions and linear layers draw theirs


def fans(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Fan-in and fan-out of a weight as PyTorch counts them: its second and first size, times the receptive field."""
    field = prod(sizes[2:])
    return sizes[1] * field, sizes[0] * field


def default_bias(weight: tuple[int, ...]) -> Init:
    """How PyTorch draws the bias that belongs to a weight of these sizes: uniform within 1 / sqrt(fan_in) of 0."""
    bound = 1.0 / sqrt(fans(weight)[0])
    return Uniform(low=-bound, high=bound)
