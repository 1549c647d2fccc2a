"""Merges: operations that take a list of values."""

from __future__ import annotations

from typing import Annotated

from archdsl.ops.base import ShapeError
from archdsl.ops.common import Many, axis_index, listed, names, number
from archdsl.shapes import Shape

Factor = Annotated[float | None, number(lambda value: value > 0, "above 0", optional=True)]


class _Same(Many):
    """A merge of values of one shape."""

    elementwise = True
    per_channel = True

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        listed(self, inputs)
        first = inputs[0]
        for other in inputs[1:]:
            if other.sizes != first.sizes:
                raise ShapeError(f"`{self.word}` takes values of one shape, not {first} and {other}")
        return (Shape(first.sizes, merged_axes(self, inputs)),)


class Add(_Same):
    """The sum of values of one shape; nothing is broadcast."""

    word = "add"


class Mean(_Same):
    """The mean of values of one shape; nothing is broadcast."""

    word = "mean"


class Mul(Many):
    """The product of values; where one has size 1 along an axis, as a gate has, it stretches."""

    word = "mul"

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        listed(self, inputs)
        first = inputs[0]
        for other in inputs[1:]:
            if other.rank != first.rank:
                raise ShapeError(f"`mul` takes values of one rank, not {first} and {other}")
        sizes = tuple(map(max, *(shape.sizes for shape in inputs)))
        if not any(shape.sizes == sizes for shape in inputs):
            shapes = ", ".join(map(str, inputs))
            raise ShapeError(f"`mul` stretches gates of size 1 to a whole value, and none of {shapes} is whole")
        for shape in inputs:
            if any(size not in (1, whole) for size, whole in zip(shape.sizes, sizes, strict=True)):
                raise ShapeError(f"`mul` stretches only size 1: {shape} does not fit {'x'.join(map(str, sizes))}")
        return (Shape(sizes, merged_axes(self, inputs)),)


class Concat(Many):
    """The values one after the other along an axis, the first unless `axis` names another."""

    word = "concat"
    view = True

    axis: str | None = None

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        listed(self, inputs, least=1)
        first = inputs[0]
        for other in inputs[1:]:
            if other.rank != first.rank:
                raise ShapeError(f"`concat` takes values of one rank, not {first} and {other}")
        axes = merged_axes(self, inputs)
        at = axis_index(self, Shape(first.sizes, axes), self.axis, 0)
        for other in inputs[1:]:
            if other.sizes[:at] != first.sizes[:at] or other.sizes[at + 1 :] != first.sizes[at + 1 :]:
                along = axes[at] or f"axis {at}"
                raise ShapeError(f"`concat` along {along} takes values that agree elsewhere, not {first} and {other}")
        total = sum(shape.sizes[at] for shape in inputs)
        return (Shape((*first.sizes[:at], total, *first.sizes[at + 1 :]), axes),)

    def place(self, *inputs: Shape) -> int:
        """The index of the axis along which the values stand, without the batch."""
        return axis_index(self, Shape(inputs[0].sizes, merged_axes(self, inputs)), self.axis, 0)


class Stack(Many):
    """The values side by side along a new first axis, named `axis` if that is given."""

    word = "stack"
    view = True

    axis: str | None = None

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        listed(self, inputs, least=1)
        first = inputs[0]
        for other in inputs[1:]:
            if other.sizes != first.sizes:
                raise ShapeError(f"`stack` takes values of one shape, not {first} and {other}")
        axes = merged_axes(self, inputs)
        if self.axis is not None and self.axis in axes:
            raise ShapeError(f'there is an axis "{self.axis}" in {first} already', argument="axis")
        return (Shape((len(inputs), *first.sizes), (self.axis, *axes)),)


class Matmul(Many):
    """The matrix product of two values over the last axis of one and the last but one of the other."""

    word = "matmul"

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        if len(inputs) != 2:
            raise ShapeError(f"`matmul` takes a list of two values, not {len(inputs)}")
        left, right = inputs
        if min(left.rank, right.rank) < 2 or left.rank != right.rank:
            raise ShapeError(f"`matmul` takes two values of one rank, at least 2, not {left} and {right}")
        if left.sizes[:-2] != right.sizes[:-2]:
            raise ShapeError(f"`matmul` takes values that agree before their last two axes, not {left} and {right}")
        if left.sizes[-1] != right.sizes[-2]:
            raise ShapeError(f"`matmul` sums over {left.sizes[-1]} elements of {left} and {right.sizes[-2]} of {right}")
        row = left.axes[-2]
        column = right.axes[-1] if right.axes[-1] != row else None
        axes = (*left.axes[:-2], row, column)
        return (Shape((*left.sizes[:-1], right.sizes[-1]), axes),)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        return outputs[0].elements * inputs[0].sizes[-1]


class Attention(Many):
    """softmax(q k^T * scale) v over the list q, k, v, whose last two axes are positions and features."""

    word = "attention"

    scale: Factor = None
    causal: bool = False

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        if len(inputs) != 3:
            raise ShapeError(f"`attention` takes the list q, k, v, not {len(inputs)} values")
        q, k, v = inputs
        if not 2 <= q.rank <= 4 or not q.rank == k.rank == v.rank:
            raise ShapeError(f"`attention` takes values of one rank, 2 to 4, not {q}, {k} and {v}")
        if not q.sizes[:-2] == k.sizes[:-2] == v.sizes[:-2]:
            raise ShapeError(f"q, k and v agree before their last two axes, not {q}, {k} and {v}")
        if q.sizes[-1] != k.sizes[-1]:
            raise ShapeError(f"q and k have the same number of features, not {q.sizes[-1]} and {k.sizes[-1]}")
        if k.sizes[-2] != v.sizes[-2]:
            raise ShapeError(f"k and v have the same number of positions, not {k.sizes[-2]} and {v.sizes[-2]}")
        return (Shape((*q.sizes[:-1], v.sizes[-1]), (*q.axes[:-1], v.axes[-1])),)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        q, k, _ = inputs
        return q.elements * k.sizes[-2] + outputs[0].elements * k.sizes[-2]


def merged_axes(op: Many, inputs: tuple[Shape, ...]) -> tuple[str | None, ...]:
    """The names of the axes of a merge: an axis without one takes the other operand's."""
    merged: list[str | None] = []
    for column in zip(*(shape.axes for shape in inputs), strict=True):
        known = [name for name in column if name is not None]
        if any(name != known[0] for name in known):
            first, other = _disagreeing(inputs)
            raise ShapeError(
                f"the axes differ in `{op.word}`: `{names(first)}` and `{names(other)}`",
                hint=f'rearrange("{names(other)} -> {names(first)}")' if set(other.axes) == set(first.axes) else None,
            )
        merged.append(known[0] if known else None)
    return tuple(merged)


def _disagreeing(inputs: tuple[Shape, ...]) -> tuple[Shape, Shape]:
    """The first two shapes that name an axis differently."""
    return next(
        (one, other)
        for place, one in enumerate(inputs)
        for other in inputs[place + 1 :]
        if any(a and b and a != b for a, b in zip(one.axes, other.axes, strict=True))
    )
