"""What the operations share: checked argument types, sizes per axis, and the questions that they ask of a shape."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from archdsl.ops.base import BIGGEST_FIELD, Init, Op, ShapeError, shown
from archdsl.shapes import Shape

MOST_AXES = 8  # of a value that is written out
BIGGEST_FLOAT = (2 - 2**-23) * 2.0**127  # in float32


def _whole(value: Any, name: str | None, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} takes a whole number, not {shown(value)}")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, not {value}")
    if value >= BIGGEST_FIELD:
        raise ValueError(f"{name} must be below 2^31, not {value}")
    return value


def _number(value: Any, name: str | None) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} takes a number, not {shown(value)}")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{name} must be a finite number")
    if not isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")
    return float(value)


def _float32(value: Any, name: str | None) -> float:
    given = _number(value, name)
    if abs(given) > BIGGEST_FLOAT:
        raise ValueError(f"{name} are held in float32, which has no {given:g}")
    return given


def whole(low: int, *, optional: bool = False) -> BeforeValidator:
    """Checks a whole number from `low` to below 2^31."""

    def check(value: Any, info: ValidationInfo) -> int | None:
        return None if optional and value is None else _whole(value, info.field_name, low)

    return BeforeValidator(check)


def sizes(low: int, *, optional: bool = False) -> BeforeValidator:
    """Checks a whole number, or a list of one for each spatial axis (one to three)."""

    def check(value: Any, info: ValidationInfo) -> int | tuple[int, ...] | None:
        if optional and value is None:
            return None
        if not isinstance(value, tuple):
            return _whole(value, info.field_name, low)
        if not 1 <= len(value) <= 3:
            raise ValueError(f"{info.field_name} takes one to three sizes, not {len(value)}")
        return tuple(_whole(item, info.field_name, low) for item in value)

    return BeforeValidator(check)


def number(holds: Callable[[float], bool], words: str, *, optional: bool = False) -> BeforeValidator:
    """Checks a finite number for which `holds`; `words` says what must hold, after "must be"."""

    def check(value: Any, info: ValidationInfo) -> float | None:
        if optional and value is None:
            return None
        given = _number(value, info.field_name)
        if not holds(given):
            raise ValueError(f"{info.field_name} must be {words}, not {given:g}")
        return given

    return BeforeValidator(check)


def numbers() -> BeforeValidator:
    """Checks a list of finite numbers, at least one."""

    def check(value: Any, info: ValidationInfo) -> tuple[float, ...]:
        if not isinstance(value, tuple) or not value:
            raise ValueError(f"{info.field_name} takes a list of numbers, one for each channel, not {shown(value)}")
        return tuple(_number(item, info.field_name) for item in value)

    return BeforeValidator(check)


def nested(item: Callable[[Any, str | None], Any], words: str) -> BeforeValidator:
    """Checks lists in lists of one length at each depth, whose elements `item` checks; `words` says what they are."""

    def check(value: Any, info: ValidationInfo) -> tuple[Any, ...]:
        if not isinstance(value, tuple) or not value:
            raise ValueError(f"{info.field_name} takes a list of {words}, not {shown(value)}")
        return inner(value, info.field_name, extents(value))

    def inner(value: tuple[Any, ...], name: str | None, sizes: tuple[int, ...]) -> tuple[Any, ...]:
        if len(sizes) == 1:
            return tuple(item(element, name) for element in value)
        for row in value:
            if not isinstance(row, tuple) or len(row) != sizes[1]:
                raise ValueError(f"{name} takes lists of one length at each depth: {shown(row)} has not {sizes[1]}")
        return tuple(inner(row, name, sizes[1:]) for row in value)

    return BeforeValidator(check)


def extents(values: tuple[Any, ...]) -> tuple[int, ...]:
    """The sizes of lists in lists, by the first at each depth. Raises `ValueError` above `MOST_AXES`."""
    found: list[int] = []
    inner: Any = values
    while isinstance(inner, tuple) and inner:
        found.append(len(inner))
        if len(found) > MOST_AXES:
            raise ValueError(f"at most {MOST_AXES} lists stand in one another")
        inner = inner[0]
    return tuple(found)


Indices = Annotated[tuple[Any, ...], nested(lambda value, name: _whole(value, name, 0), "whole numbers")]
Literals = Annotated[tuple[Any, ...], nested(_float32, "numbers")]
Positive = Annotated[int, whole(1)]
Whole = Annotated[int, whole(0)]
Sizes = Annotated[int | tuple[int, ...], sizes(1)]
OptionalSizes = Annotated[int | tuple[int, ...] | None, sizes(1, optional=True)]
Finite = Annotated[float, number(lambda _: True, "finite")]
NotNegative = Annotated[float, number(lambda value: value >= 0, "0 or more")]
AboveZero = Annotated[float, number(lambda value: value > 0, "above 0")]
Numbers = Annotated[tuple[float, ...], numbers()]
Rate = Annotated[float, number(lambda value: 0 <= value <= 1, "from 0 to 1")]


def one_size(init: Init | None, argument: str) -> None:
    """Rejects, for a tensor of one axis, initial values that scale with fans."""
    if init is not None and init.fans:
        raise ValueError(f"`{init.word}` needs a weight of two axes or more; this {argument} is for a tensor of one")


class One(Op):
    """An operation of one value with one result."""

    def output(self, x: Shape) -> Shape:
        """The shape of the result. Raises `ShapeError` for an input that it does not accept."""
        raise NotImplementedError

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        return (self.output(single(self, inputs)),)


class Many(Op):
    """An operation of a list of values."""

    takes = "list"
    numbered = False


def single(op: Op, inputs: tuple[Shape, ...]) -> Shape:
    """The one input of an operation that takes one value."""
    if len(inputs) != 1:
        raise ShapeError(
            f"`{op.word}` takes one value, not {len(inputs)}", hint="merge the list first, as with `concat` or `add`"
        )
    return inputs[0]


def listed(op: Op, inputs: tuple[Shape, ...], least: int = 2) -> None:
    """Rejects fewer than `least` values."""
    if len(inputs) < least:
        raise ShapeError(f"`{op.word}` takes a list of {least} values or more, not {len(inputs)}")


def names(x: Shape) -> str:
    """The axes of a shape in words, `?` for one without a name."""
    return " ".join(name or "?" for name in x.axes)


def channels_first(op: Op, x: Shape, least: int = 2, most: int = 4) -> int:
    """The channels of a shape whose first axis is `c` (or has no name). Raises `ShapeError` for any other layout."""
    if not least <= x.rank <= most:
        wanted = " or ".join(f"{rank - 1}-D" for rank in range(max(least, 2), most + 1))
        raise ShapeError(f"`{op.word}` takes a {wanted} value with channels, not {x} (axes `{names(x) or 'none'}`)")
    if x.axes[0] not in ("c", None) or "c" in x.axes[1:]:
        rest = [name or "?" for name in x.axes if name != "c"]
        hint = f'rearrange("{names(x)} -> {" ".join(["c", *rest])}")' if "c" in x.axes and None not in x.axes else None
        raise ShapeError(f"`{op.word}` needs its channels first, but the axes of {x} are `{names(x)}`", hint=hint)
    return x.sizes[0]


def axis_index(op: Op, x: Shape, axis: str | None, default: int) -> int:
    """The place of a named axis, or of the default one where no name is given."""
    if x.rank == 0:
        raise ShapeError(f"`{op.word}` needs a value with an axis, not a scalar")
    if axis is None:
        return default % x.rank
    index = x.axis(axis)
    if index is None:
        raise ShapeError(f'there is no axis "{axis}" in {x}', argument="axis", hint=f"its axes are `{names(x)}`")
    return index


def per_axis(value: int | tuple[int, ...], dims: int, argument: str) -> tuple[int, ...]:
    """A size for each of `dims` spatial axes. Raises `ShapeError` if a list has another length."""
    if isinstance(value, int):
        return (value,) * dims
    if len(value) != dims:
        raise ShapeError(f"{argument} has {len(value)} sizes, and the input is {dims}-D", argument=argument)
    return value


def divides(op: Op, groups: int, channels: int, what: str = "channels", argument: str = "groups") -> None:
    """Rejects channels that groups do not divide."""
    if channels % groups:
        raise ShapeError(f"{groups} groups do not divide {channels} {what} in `{op.word}`", argument=argument)
