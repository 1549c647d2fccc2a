"""Sizes of one example, with names for their axes. The batch is never written."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

AXES: dict[int, tuple[str, ...]] = {0: (), 1: ("c",), 2: ("c", "l"), 3: ("c", "h", "w"), 4: ("c", "d", "h", "w")}
SPATIAL = ("l", "d", "h", "w")


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a value without its batch, and a name for each axis (`None` where it has none)."""

    sizes: tuple[int, ...]
    axes: tuple[str | None, ...]

    @classmethod
    def of(cls, *sizes: int) -> Shape:
        """A shape with the names that an input of this rank has: `c`, `c l`, `c h w` or `c d h w`."""
        return cls(tuple(sizes), AXES.get(len(sizes), (None,) * len(sizes)))

    @property
    def rank(self) -> int:
        return len(self.sizes)

    @property
    def elements(self) -> int:
        return prod(self.sizes)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The sizes behind the channels, for a shape whose first axis is `c`."""
        return self.sizes[1:]

    def axis(self, name: str) -> int | None:
        """The index of a named axis, or `None`."""
        return self.axes.index(name) if name in self.axes else None

    def size(self, name: str) -> int | None:
        """The size along a named axis, or `None`."""
        index = self.axis(name)
        return None if index is None else self.sizes[index]

    def resized(self, *sizes: int) -> Shape:
        """The same axes with other sizes."""
        return Shape(tuple(sizes), self.axes)

    def __str__(self) -> str:
        return "x".join(map(str, self.sizes)) if self.sizes else "scalar"
