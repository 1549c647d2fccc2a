"""Operations that move elements or take some of them, and compute nothing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from archdsl.ops.base import BIGGEST_FIELD, Op, ShapeError, shown
from archdsl.ops.common import (
    Indices,
    Literals,
    One,
    Positive,
    Whole,
    axis_index,
    channels_first,
    divides,
    extents,
    single,
    whole,
)
from archdsl.shapes import Shape


class Flatten(One):
    """All elements of an example along one axis, `c`."""

    word = "flatten"
    view = True

    def output(self, x: Shape) -> Shape:
        if x.rank == 0:
            raise ShapeError("`flatten` needs a value with an axis, not a scalar")
        return Shape((x.elements,), ("c",))


class Shuffle(One):
    """Interleaves the groups of channels: channel i of group g becomes channel i * groups + g (ShuffleNet)."""

    word = "shuffle"
    view = True

    groups: Positive

    def output(self, x: Shape) -> Shape:
        divides(self, self.groups, channels_first(self, x))
        return x


def _pieces(value: Any) -> Any:
    flat = value if isinstance(value, tuple) else (value,)
    if not flat:
        raise ValueError("pieces takes a whole number or a list of sizes, not an empty list")
    for size in flat:
        if isinstance(size, bool) or not isinstance(size, int):
            raise ValueError(f"pieces takes a whole number or a list of them, not {shown(size)}")
        if not 1 <= size < BIGGEST_FIELD:
            raise ValueError(f"pieces must be at least 1 and below 2^31, not {size}")
    return value


class Split(Op):
    """A list of pieces along an axis, the first unless `axis` names another: `n` equal ones, or of given sizes."""

    word = "split"
    view = True
    lists = frozenset({"pieces"})

    pieces: Annotated[int | tuple[int, ...], BeforeValidator(_pieces)]
    axis: str | None = None

    def sizes(self, x: Shape) -> tuple[int, ...]:
        """The size of each piece along the axis."""
        size = x.sizes[axis_index(self, x, self.axis, 0)]
        if isinstance(self.pieces, tuple):
            if sum(self.pieces) != size:
                raise ShapeError(
                    f"the pieces sum to {sum(self.pieces)}, and the axis has {size} elements", argument="pieces"
                )
            return self.pieces
        if size % self.pieces:
            raise ShapeError(f"{self.pieces} equal pieces do not divide {size} elements", argument="pieces")
        return (size // self.pieces,) * self.pieces

    def results(self, *inputs: Shape) -> int:
        return self.pieces if isinstance(self.pieces, int) else len(self.pieces)

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        x = single(self, inputs)
        at = axis_index(self, x, self.axis, 0)
        return tuple(x.resized(*x.sizes[:at], size, *x.sizes[at + 1 :]) for size in self.sizes(x))


class Unstack(Op):
    """A list of the slices along an axis, the first unless `axis` names another; the axis goes."""

    word = "unstack"
    view = True

    axis: str | None = None

    def results(self, *inputs: Shape) -> int:
        x = single(self, inputs)
        return x.sizes[axis_index(self, x, self.axis, 0)]

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        x = single(self, inputs)
        at = axis_index(self, x, self.axis, 0)
        return (_without(x, at),) * x.sizes[at]


class Last(One):
    """The last slice along an axis, the last unless `axis` names another; the axis goes."""

    word = "last"
    view = True

    axis: str | None = None

    def output(self, x: Shape) -> Shape:
        return _without(x, axis_index(self, x, self.axis, -1))


class Slice(One):
    """The elements `start` to `stop` (exclusive, or to the end) of an axis, the first unless `axis` names another."""

    word = "slice"
    view = True

    start: Whole
    stop: Annotated[int | None, whole(1, optional=True)] = None
    axis: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Slice:
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"stop must be above start, not {self.start} and {self.stop}")
        return self

    def output(self, x: Shape) -> Shape:
        at = axis_index(self, x, self.axis, 0)
        size = x.sizes[at]
        stop = size if self.stop is None else self.stop
        if stop > size or self.start >= size:
            raise ShapeError(f"{self.start} to {stop} is not inside an axis of {size} elements")
        return x.resized(*x.sizes[:at], stop - self.start, *x.sizes[at + 1 :])


class Gather(One):
    """The elements of an axis at given places, the first axis unless `axis` names another.

    Lists in lists put several axes without names in the stead of one, as a table of relative positions is read. A place
    may be read any number of times.
    """

    word = "gather"
    view = True
    lists = frozenset({"indices"})

    indices: Indices
    axis: str | None = None

    def output(self, x: Shape) -> Shape:
        at = axis_index(self, x, self.axis, 0)
        worst = _largest(self.indices)
        if worst >= x.sizes[at]:
            raise ShapeError(
                f"`gather` reads element {worst} of an axis of {x.sizes[at]}, counted from 0", argument="indices"
            )
        sizes = extents(self.indices)
        names = (x.axes[at],) if len(sizes) == 1 else (None,) * len(sizes)
        return Shape((*x.sizes[:at], *sizes, *x.sizes[at + 1 :]), (*x.axes[:at], *names, *x.axes[at + 1 :]))


class TensorLiteral(Op):
    """Given numbers as a value: without a batch, without names of axes, and in no state_dict; held in float32.

    It takes nothing of what flows. It may stand where a value is read: `from [here, tensor([[[0.5]]])] -> mul`.
    """

    word = "tensor"
    takes = "none"
    numbered = False
    batchless = True
    lists = frozenset({"values"})

    values: Literals

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        sizes = extents(self.values)
        return (Shape(sizes, (None,) * len(sizes)),)


class Roll(One):
    """Shifts an axis, and brings what falls off behind to the front; negative shifts go to the front."""

    word = "roll"
    view = True

    shift: Annotated[int, whole(1 - BIGGEST_FIELD)]
    axis: str

    def output(self, x: Shape) -> Shape:
        axis_index(self, x, self.axis, 0)
        return x


def _largest(indices: tuple[Any, ...]) -> int:
    return max(_largest(item) if isinstance(item, tuple) else item for item in indices)


def _without(x: Shape, at: int) -> Shape:
    return Shape((*x.sizes[:at], *x.sizes[at + 1 :]), (*x.axes[:at], *x.axes[at + 1 :]))
