"""Operations on space: padding, cropping, resizing, and padding of channels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo, model_validator

from archdsl.ops.base import BIGGEST_FIELD, Op, ShapeError, shown
from archdsl.ops.common import Finite, One, Sizes, Whole, channels_first, per_axis
from archdsl.ops.window import Sides, pairs
from archdsl.shapes import Shape

Mode = Literal["nearest", "nearest_exact", "linear", "bilinear", "trilinear", "bicubic", "area"]
DIMS_OF_MODE = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


class Pad(One):
    """Adds elements around the spatial axes: a number, one for each axis, or a pair for each axis."""

    word = "pad"
    per_channel = True
    view = True

    sides: Sides
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: Finite = 0.0

    @model_validator(mode="after")
    def _value_is_read(self) -> Pad:
        if self.mode != "constant" and self.value != 0:
            raise ValueError(f"value is for mode=constant; `{self.mode}` takes its values from the input")
        return self

    def amounts(self, x: Shape) -> tuple[tuple[int, int], ...]:
        """What is added before and after each spatial axis."""
        return pairs(self.sides, x.rank - 1, "sides")

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        most = {"reflect": -1, "circular": 0}.get(self.mode)
        amounts = self.amounts(x)
        for size, sides in zip(x.spatial, amounts, strict=True):
            if most is not None and max(sides) > size + most:
                raise ShapeError(
                    f"`{self.mode}` takes its padding of {max(sides)} from an input of only {size}", argument="sides"
                )
        return x.resized(x.sizes[0], *(size + sum(sides) for size, sides in zip(x.spatial, amounts, strict=True)))


class PadChannels(One):
    """Adds channels of zeros before and after the channels."""

    word = "pad_channels"
    view = True

    before: Whole = 0
    after: Whole = 0

    def output(self, x: Shape) -> Shape:
        channels_first(self, x, least=1)
        return x.resized(self.before + x.sizes[0] + self.after, *x.spatial)


class Crop(One):
    """The middle of the spatial axes; of an odd rest the larger part is cut off behind."""

    word = "crop"
    per_channel = True
    view = True

    size: Sizes

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        sizes = per_axis(self.size, x.rank - 1, "size")
        for size, wanted in zip(x.spatial, sizes, strict=True):
            if wanted > size:
                raise ShapeError(f"`crop` to {wanted} needs an input at least as large, not {x}", argument="size")
        return x.resized(x.sizes[0], *sizes)


def _factors(value: Any, info: ValidationInfo) -> Any:
    flat = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(flat) <= 3:
        raise ValueError(f"{info.field_name} takes one to three numbers, not {len(flat)}")
    for factor in flat:
        if isinstance(factor, bool) or not isinstance(factor, (int, float)):
            raise ValueError(f"{info.field_name} takes a number, not {shown(factor)}")
        if not 0 < factor < BIGGEST_FIELD:
            raise ValueError(f"{info.field_name} must be above 0 and below 2^31, not {shown(factor)}")
    return value


Factors = Annotated[int | float | tuple[int | float, ...], BeforeValidator(_factors)]


def _check_corners(mode: str, align_corners: bool) -> None:
    if align_corners and mode not in DIMS_OF_MODE:
        raise ValueError(f"align_corners is for linear, bilinear, trilinear and bicubic, not `{mode}`")


def _check_mode(op: Op, mode: str, x: Shape) -> None:
    channels_first(op, x)
    dims = DIMS_OF_MODE.get(mode, x.rank - 1)
    if dims != x.rank - 1:
        raise ShapeError(f"`{mode}` is for {dims}-D inputs, and this one is {x.rank - 1}-D", argument="mode")


def _is_unsettled(mode: str, size: int, count: int, factor: float) -> bool:
    """Whether PyTorch's kernels (of other dimensions, memory formats or devices) disagree about an axis: some copy one
    that keeps its size, and repeat each element of one that doubles, whatever the factor; others go by the factor."""
    kept = count == size and factor != 1
    doubled = mode == "nearest" and count == 2 * size and factor != 2
    return mode != "area" and size > 1 and (kept or doubled)


class Upsample(One):
    """Resizes the spatial axes by a factor, or one for each axis; sizes are rounded down."""

    word = "upsample"
    per_channel = True

    factor: Factors
    mode: Mode = "nearest"
    align_corners: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Upsample:
        _check_corners(self.mode, self.align_corners)
        return self

    def factors(self, x: Shape) -> tuple[int | float, ...]:
        """The factor of each spatial axis."""
        dims = x.rank - 1
        if isinstance(self.factor, tuple) and len(self.factor) != dims:
            raise ShapeError(f"factor has {len(self.factor)} entries, and the input is {dims}-D", argument="factor")
        return self.factor if isinstance(self.factor, tuple) else (self.factor,) * dims

    def output(self, x: Shape) -> Shape:
        _check_mode(self, self.mode, x)
        sizes = tuple(int(size * float(factor)) for size, factor in zip(x.spatial, self.factors(x), strict=True))
        if min(sizes) < 1:
            raise ShapeError(f"the factor leaves nothing of {x}", argument="factor")
        for size, count, factor in zip(x.spatial, sizes, self.factors(x), strict=True):
            self._settled(size, count, factor, sizes)
        return x.resized(x.sizes[0], *sizes)

    def _settled(self, size: int, count: int, factor: float, sizes: tuple[int, ...]) -> None:
        """Rejects a factor by which one kernel of PyTorch reads other elements than the next."""
        if not self.align_corners and _is_unsettled(self.mode, size, count, factor):
            wanted = "x".join(map(str, sizes)) if len(sizes) > 1 else f"[{sizes[0]}]"
            raise ShapeError(
                f"`{self.mode}` by {shown(factor)} takes {size} to {count}, for which PyTorch's kernels disagree",
                argument="factor",
                hint=f"say the size: `resize({wanted}, mode={self.mode})`",
            )


class Resize(One):
    """Resizes the spatial axes to a size, or one for each axis."""

    word = "resize"
    per_channel = True

    size: Sizes
    mode: Mode = "nearest"
    align_corners: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Resize:
        _check_corners(self.mode, self.align_corners)
        return self

    def output(self, x: Shape) -> Shape:
        _check_mode(self, self.mode, x)
        return x.resized(x.sizes[0], *per_axis(self.size, x.rank - 1, "size"))
