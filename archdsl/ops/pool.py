"""Pools: a maximum or an average over windows, regions or everything."""

from __future__ import annotations

from pydantic import model_validator

from archdsl.ops.base import ShapeError
from archdsl.ops.common import One, OptionalSizes, Sizes, channels_first, per_axis
from archdsl.ops.window import PoolPadding, Window, resolve
from archdsl.shapes import Shape

MOST_STARTS = 1 << 12  # windows that begin in the padding before the input and are looked at one by one


class MaxPool(One):
    """The largest value in each window; the stride is the kernel unless it is said."""

    word = "maxpool"
    per_channel = True

    kernel: Sizes
    stride: OptionalSizes = None
    padding: PoolPadding = 0
    dilation: Sizes = 1
    ceil: bool = False

    def window(self, x: Shape) -> Window:
        """The window with its padding for an input of this shape."""
        return resolve(self, x.spatial, self.kernel, self.stride or self.kernel, self.dilation, self.padding)

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        return _pooled(self, x, self.window(x), self.ceil)


class AvgPool(One):
    """The average of each window; where it is padded, `count_padding` says whether padding counts as elements."""

    word = "avgpool"
    per_channel = True

    kernel: Sizes
    stride: OptionalSizes = None
    padding: PoolPadding = 0
    ceil: bool = False
    count_padding: bool | None = None

    @model_validator(mode="after")
    def _counts(self) -> AvgPool:
        if self.count_padding is None and _pads(self.padding):
            raise ValueError("a padded avgpool says whether padding counts: count_padding=true (as PyTorch) or false")
        return self

    def window(self, x: Shape) -> Window:
        """The window with its padding for an input of this shape."""
        return resolve(self, x.spatial, self.kernel, self.stride or self.kernel, 1, self.padding)

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        window = self.window(x)
        if len(x.spatial) == 3 and window.symmetric is not None and self.padding != "same_tf":
            for size, extent in zip(x.spatial, window.extents, strict=True):
                if size < extent:  # torch's rule, for this operation alone
                    raise ShapeError(f"a 3-D `avgpool` needs an input as large as its window of {extent}, not {size}")
        return _pooled(self, x, window, self.ceil)


def _pads(padding: object) -> bool:
    if isinstance(padding, tuple):
        return any(map(_pads, padding))
    return padding not in (0, "valid")


def _pooled(op: MaxPool | AvgPool, x: Shape, window: Window, ceil: bool) -> Shape:
    if ceil and window.symmetric is None:
        raise ShapeError("ceil=true needs the same padding on both sides of each axis", argument="ceil")
    # torch measures symmetric padding by the kernel, dilated or not; what differs by side is added before the pool.
    covered = window.extents if window.symmetric is None or op.padding == "same_tf" else window.kernel
    spatial = []
    for size, extent, half, stride, sides in zip(
        x.spatial, window.extents, (each // 2 for each in covered), window.stride, window.sides, strict=True
    ):
        if max(sides) > half:
            raise ShapeError(f"padding {max(sides)} is more than half of the window of `{op.word}`", argument="padding")
        padded = size + sum(sides)
        if padded < extent and not (ceil and padded - extent + stride - 1 >= 0):
            shown = f" (padded to {padded})" if padded > size else ""
            raise ShapeError(f"the window of `{op.word}` covers {extent} elements, and the input has {size}{shown}")
        count = (padded - extent + (stride - 1 if ceil else 0)) // stride + 1
        if ceil and (count - 1) * stride >= size + sides[0]:
            count -= 1  # the last window starts inside the input or its left padding
        spatial.append(count)
    _holds_elements(op, x, window, spatial)
    return x.resized(x.sizes[0], *spatial)


def _holds_elements(op: MaxPool | AvgPool, x: Shape, window: Window, counts: list[int]) -> None:
    """Rejects a dilated window that steps over the whole input, from padding to padding: it has no largest element."""
    axes = zip(x.spatial, window.dilation, window.stride, window.sides, counts, strict=True)
    for size, dilation, stride, (before, _), count in axes:
        starts = range(-before, 0, stride)[:count] if dilation > size else range(0)
        if len(starts) > MOST_STARTS or any(start % dilation >= size for start in starts):
            raise ShapeError(
                f"a window of `{op.word}` with steps of {dilation} holds padding alone over an input of {size}",
                argument="dilation",
            )


class _Adaptive(One):
    """A pool with a given output size: region i of n covers floor(i * size / n) to ceil((i + 1) * size / n)."""

    per_channel = True

    size: Sizes

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        return x.resized(x.sizes[0], *per_axis(self.size, x.rank - 1, "size"))


class AdaptiveAvgPool(_Adaptive):
    """The average of each of `size` regions that cover the input evenly."""

    word = "adaptive_avgpool"


class AdaptiveMaxPool(_Adaptive):
    """The largest value in each of `size` regions that cover the input evenly."""

    word = "adaptive_maxpool"


class _Global(One):
    per_channel = True

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        return x.resized(x.sizes[0], *(1,) * (x.rank - 1))


class GlobalAvgPool(_Global):
    """The average of each channel, of size 1 along every spatial axis."""

    word = "gap"


class GlobalMaxPool(_Global):
    """The largest value of each channel, of size 1 along every spatial axis."""

    word = "gmp"
