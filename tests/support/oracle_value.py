"""A value of the oracle: numbers with the batch first (of size 1 where there is none), and the names of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Held = Mapping[str, Array]


@dataclass(frozen=True)
class Value:
    """`data` holds examples along its first axis, one for all where `batched` is false; `axes` names the others."""

    data: Array
    axes: tuple[str | None, ...]
    batched: bool

    def plain(self) -> Array:
        """The numbers, without the first axis where there is no batch."""
        return self.data if self.batched else self.data[0]

    def with_data(self, data: Array, axes: Sequence[str | None] | None = None) -> Value:
        """Other numbers, of other axes if they are given."""
        return Value(data, self.axes if axes is None else tuple(axes), self.batched)

    def place(self, name: str | None, default: int) -> int:
        """The place of a named axis in `data`, or of the default one (counted without the batch)."""
        return 1 + (default % len(self.axes) if name is None else self.axes.index(name))

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.data.shape[2:]


def example(data: Array) -> Value:
    """Numbers without a batch, whose axes have no names."""
    return Value(data[None], (None,) * data.ndim, False)


def each(function: Callable[[Array], Array]) -> Callable[[Any, Value, Held], Value]:
    """A rule that is a function of the elements."""
    return lambda op, x, own: x.with_data(function(x.data))


def sizes_of(size: int | tuple[int, ...], dims: int) -> tuple[int, ...]:
    """A size for each axis."""
    return (size,) * dims if isinstance(size, int) else size


def over_channels(numbers: Array, data: Array) -> Array:
    """One number a channel, to act on every place."""
    return numbers.reshape(-1, *[1] * (data.ndim - 2))


def along(matrix: Array, data: Array, axis: int) -> Array:
    """A matrix (results by elements) applied along an axis."""
    return np.moveaxis(np.tensordot(matrix, data, axes=(1, axis)), 0, axis)
