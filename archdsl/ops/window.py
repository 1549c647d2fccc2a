"""Windows that slide over an input: kernel, stride, dilation and padding, resolved against its sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo

from archdsl.ops.base import BIGGEST_FIELD, Op, ShapeError, shown
from archdsl.ops.common import per_axis

PaddingWord = Literal["same", "valid", "same_tf", "causal"]
PoolPaddingWord = Literal["same", "valid", "same_tf"]
Amount = int | tuple[int, ...] | tuple[tuple[int, int], ...]


def _sides(value: Any, info: ValidationInfo) -> Any:
    """Checks a padding: a word, a whole number, a list of them, or a list of pairs."""
    if isinstance(value, str):
        return value
    flat = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(flat) <= 3:
        raise ValueError(f"{info.field_name} takes one to three entries, not {len(flat)}")
    pairs = [item for item in flat if isinstance(item, tuple)]
    if pairs and (len(pairs) != len(flat) or any(len(pair) != 2 for pair in pairs)):
        raise ValueError(f"{info.field_name} takes a number, a list of numbers, or a list of pairs, not {shown(value)}")
    for amount in [amount for item in flat for amount in (item if isinstance(item, tuple) else (item,))]:
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise ValueError(f"{info.field_name} takes whole numbers, not {shown(amount)}")
        if not 0 <= amount < BIGGEST_FIELD:
            raise ValueError(f"{info.field_name} must be at least 0 and below 2^31, not {amount}")
    return value


Padding = Annotated[Amount | PaddingWord, BeforeValidator(_sides)]
PoolPadding = Annotated[Amount | PoolPaddingWord, BeforeValidator(_sides)]
Sides = Annotated[Amount, BeforeValidator(_sides)]


@dataclass(frozen=True, slots=True)
class Window:
    """A window with a number for each spatial axis; `sides` are the padding before and after each."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    sides: tuple[tuple[int, int], ...]

    @property
    def extents(self) -> tuple[int, ...]:
        """How much input each axis of the window covers."""
        return tuple(step * (size - 1) + 1 for size, step in zip(self.kernel, self.dilation, strict=True))

    @property
    def symmetric(self) -> tuple[int, ...] | None:
        """The padding of each axis, or `None` if its two sides differ somewhere."""
        return tuple(before for before, _ in self.sides) if all(a == b for a, b in self.sides) else None

    @property
    def same_tf_is_symmetric(self) -> bool:
        """Whether TensorFlow's SAME is one symmetric padding for this window, whatever the input's size."""
        extents = zip(self.extents, self.stride, strict=True)
        return all(extent == 1 or (stride == 1 and extent % 2 == 1) for extent, stride in extents)


def pairs(amount: Amount, dims: int, argument: str = "padding") -> tuple[tuple[int, int], ...]:
    """What is added before and after each of `dims` axes."""
    if isinstance(amount, int):
        return ((amount, amount),) * dims
    if len(amount) != dims:
        raise ShapeError(f"{argument} has {len(amount)} entries, and the input is {dims}-D", argument=argument)
    return tuple((item, item) if isinstance(item, int) else (item[0], item[1]) for item in amount)


def resolve(
    op: Op,
    spatial: tuple[int, ...],
    kernel: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    dilation: int | tuple[int, ...],
    padding: Amount | PaddingWord,
) -> Window:
    """The window over an input of these spatial sizes. Raises `ShapeError` where the arguments do not fit it."""
    dims = len(spatial)
    window = Window(
        per_axis(kernel, dims, "kernel"), per_axis(stride, dims, "stride"), per_axis(dilation, dims, "dilation"), ()
    )
    return Window(window.kernel, window.stride, window.dilation, _resolve_sides(op, spatial, window, padding))


def _resolve_sides(
    op: Op, spatial: tuple[int, ...], window: Window, padding: Amount | PaddingWord
) -> tuple[tuple[int, int], ...]:
    if padding == "valid":
        return ((0, 0),) * len(spatial)
    if padding == "same":
        if any(size % 2 == 0 for size in window.kernel):
            even = next(size for size in window.kernel if size % 2 == 0)
            raise ShapeError(
                f"`same` has no symmetric padding for the even kernel {even} of `{op.word}`",
                argument="padding",
                hint="say the padding: `padding=0`, `padding=[[0, 1], [0, 1]]` or `padding=same_tf`",
            )
        return tuple(((extent - 1) // 2,) * 2 for extent in window.extents)
    if padding == "same_tf":
        return tuple(map(_same_tf, spatial, window.extents, window.stride))
    if padding == "causal":
        if len(spatial) != 1:
            raise ShapeError(f"`causal` is for 1-D inputs, and this one is {len(spatial)}-D", argument="padding")
        return ((window.extents[0] - 1, 0),)
    assert not isinstance(padding, str)
    return pairs(padding, len(spatial))


def _same_tf(size: int, extent: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: ceil(size / stride) results, the odd element of padding behind."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def fixed_sides(window: Window, padding: Amount | PaddingWord) -> tuple[tuple[int, int], ...] | None:
    """What a window pads at every size of its input; `None` where `same_tf` says it by the size that it gets, with a
    stride. The window is the one that the padding has at some size."""
    by_size = any(stride > 1 and extent > 1 for stride, extent in zip(window.stride, window.extents, strict=True))
    return None if padding == "same_tf" and by_size else window.sides


def slide(op: Op, spatial: tuple[int, ...], window: Window) -> tuple[int, ...]:
    """The number of places of a window along each axis. Raises `ShapeError` if it fits nowhere."""
    for size, extent, (before, after) in zip(spatial, window.extents, window.sides, strict=True):
        if size + before + after < extent:
            padded = f" (padded to {size + before + after})" if before + after else ""
            raise ShapeError(f"the window of `{op.word}` covers {extent} elements, and the input has {size}{padded}")
    return tuple(
        (size + before + after - extent) // stride + 1
        for size, extent, stride, (before, after) in zip(
            spatial, window.extents, window.stride, window.sides, strict=True
        )
    )
