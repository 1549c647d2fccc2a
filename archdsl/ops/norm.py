"""Normalisations."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from archdsl.ops.base import Init, ShapeError, Tensor
from archdsl.ops.common import (
    AboveZero,
    Finite,
    NotNegative,
    One,
    Positive,
    axis_index,
    channels_first,
    divides,
    number,
    one_size,
    single,
)
from archdsl.ops.init import ONES, ZEROS
from archdsl.shapes import Shape

Momentum = Annotated[float | None, number(lambda value: 0 <= value <= 1, "from 0 to 1", optional=True)]


class _ByRank(One):
    """A norm of channels, whose module is for values of one rank."""

    def owned(self, *inputs: Shape) -> tuple[object, ...]:
        return (*self.tensors(*inputs), single(self, inputs).rank)


class BatchNorm(_ByRank):
    """Normalises each channel over the batch and space (Ioffe and Szegedy 2015); `momentum=none` averages all steps."""

    word = "batchnorm"
    per_channel = True

    eps: AboveZero = 1e-5
    momentum: Momentum = 0.1
    affine: bool = True
    track: bool = True
    init: Init | None = None

    @model_validator(mode="after")
    def _consistent(self) -> BatchNorm:
        _check_scale(self.affine, self.init)
        return self

    def output(self, x: Shape) -> Shape:
        channels_first(self, x, least=1)
        return x

    def check_bare(self, *inputs: Shape) -> None:
        x = single(self, inputs)
        if x.elements == x.sizes[0]:
            raise ShapeError(f"`batchnorm` has one element a channel in a {x} without a batch, which has no variance")

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        sizes = single(self, inputs).sizes[:1]
        scale = _scale(sizes, self.init) if self.affine else ()
        if not self.track:
            return scale
        return (
            *scale,
            Tensor("running_mean", sizes, ZEROS, trainable=False),
            Tensor("running_var", sizes, ONES, trainable=False),
            Tensor("num_batches_tracked", (), ZEROS, trainable=False, dtype="int64"),
        )


class LayerNorm(One):
    """Normalises along one axis, the last unless `axis` names another (Ba et al. 2016)."""

    word = "layernorm"

    eps: AboveZero = 1e-5
    axis: str | None = None
    affine: bool = True
    bias: bool = True
    init: Init | None = None

    @model_validator(mode="after")
    def _consistent(self) -> LayerNorm:
        _check_scale(self.affine, self.init)
        return self

    def output(self, x: Shape) -> Shape:
        axis_index(self, x, self.axis, -1)
        return x

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        x = single(self, inputs)
        scale = _scale((x.sizes[axis_index(self, x, self.axis, -1)],), self.init) if self.affine else ()
        return scale if self.bias else scale[:1]

    def owned(self, *inputs: Shape) -> tuple[object, ...]:
        x = single(self, inputs)
        at = axis_index(self, x, self.axis, -1)
        return (*self.tensors(*inputs), None if at == x.rank - 1 else (at, x.rank))


class GroupNorm(_ByRank):
    """Normalises each group of channels over the group and space (Wu and He 2018)."""

    word = "groupnorm"

    groups: Positive
    eps: AboveZero = 1e-5
    affine: bool = True
    init: Init | None = None

    @model_validator(mode="after")
    def _consistent(self) -> GroupNorm:
        _check_scale(self.affine, self.init)
        return self

    def output(self, x: Shape) -> Shape:
        divides(self, self.groups, channels_first(self, x, least=1))
        if x.elements == self.groups:
            raise ShapeError(f"`groupnorm` has one element a group in {x}, so that its result would be 0")
        return x

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return _scale(single(self, inputs).sizes[:1], self.init) if self.affine else ()


class InstanceNorm(_ByRank):
    """Normalises each channel of each example over space (Ulyanov et al. 2016)."""

    word = "instancenorm"
    per_channel = True

    eps: AboveZero = 1e-5
    affine: bool = False
    init: Init | None = None

    @model_validator(mode="after")
    def _consistent(self) -> InstanceNorm:
        _check_scale(self.affine, self.init)
        return self

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        if max(x.spatial) == 1:
            raise ShapeError(f"`instancenorm` has one element a channel in {x}, so that its result would be 0")
        return x

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return _scale(single(self, inputs).sizes[:1], self.init) if self.affine else ()


class LocalResponseNorm(One):
    """Divides by a power of the squares of `size` neighbouring channels (Krizhevsky et al. 2012)."""

    word = "lrn"

    size: Positive
    alpha: NotNegative = 1e-4
    beta: Finite = 0.75
    k: NotNegative = 1.0

    @model_validator(mode="after")
    def _divides_by_something(self) -> LocalResponseNorm:
        if self.alpha == 0 and self.k == 0:
            raise ValueError("with alpha and k of 0 it would divide by 0")
        return self

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        return x


def _check_scale(affine: bool, init: Init | None) -> None:
    one_size(init, "init")
    if init is not None and not affine:
        raise ValueError("init is for the scale, and affine=false has none")


def _scale(sizes: tuple[int, ...], init: Init | None) -> tuple[Tensor, ...]:
    return (Tensor("weight", sizes, init or ONES), Tensor("bias", sizes, ZEROS))
