"""Rearranging axes by a pattern of their names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

from pydantic import model_validator

from archdsl.ops.base import BIGGEST_FIELD, ArgumentError, ShapeError, shown
from archdsl.ops.common import One, names
from archdsl.shapes import Shape

Groups = tuple[tuple[str, ...], ...]
_TOKEN = re.compile(r"\s*(?:(\()|(\))|([A-Za-z][A-Za-z0-9_]*)|(\S))")


@dataclass(frozen=True, slots=True)
class Steps:
    """What a pattern does to sizes without batch: split axes, permute them, repeat new ones, merge them."""

    split: tuple[int, ...]
    order: tuple[int, ...]
    repeated: tuple[int, ...]  # the sizes in the new order, those of new axes among them
    new: tuple[int, ...]  # which of `repeated` are new axes
    merged: tuple[int, ...]
    apart: tuple[tuple[int, tuple[int, ...]], ...]  # each axis that is split, and its parts' sizes; the last axis first
    joined: tuple[tuple[int, int], ...]  # the first and the last axis of each merged group; the last group first


class Rearrange(One):
    """Moves axes by name, as "c h w -> h w c"; `(h p)` on the left splits an axis, on the right merges axes.

    A name that stands only on the right repeats the value along a new axis. The sizes of new names are given as
    further arguments: `rearrange("c (h p) (w q) -> (c p q) h w", p=2, q=2)`.
    """

    word = "rearrange"
    view = True
    open_arguments = True

    pattern: str
    sizes: tuple[tuple[str, int], ...] = ()

    @classmethod
    def make(cls, **values: Any) -> Any:
        given = {name: value for name, value in values.items() if name not in cls.model_fields}
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise ArgumentError(name, f"{name} takes a whole number, not {shown(value)}")
        known = {name: value for name, value in values.items() if name in cls.model_fields}
        if given:
            known["sizes"] = (*known.get("sizes", ()), *sorted(given.items()))
        return super().make(**known)

    @model_validator(mode="after")
    def _consistent(self) -> Rearrange:
        left, right = _parse(self.pattern)
        for side in (left, right):
            flat = [name for group in side for name in group]
            double = next((name for name, count in Counter(flat).items() if count > 1), None)
            if double is not None:
                raise ValueError(f"`{double}` stands twice on one side of the pattern")
        before = {name for group in left for name in group}
        after = {name for group in right for name in group}
        for name in sorted(before - after):
            raise ValueError(f"`{name}` stands only on the left of the pattern; an axis cannot vanish")
        sizes = dict(self.sizes)
        if len(sizes) != len(self.sizes):
            raise ValueError("a size is given twice")
        for name, size in sizes.items():
            if name not in after:
                raise ValueError(f"there is no axis `{name}` in the pattern")
            if not 1 <= size < BIGGEST_FIELD:
                raise ValueError(f"{name} must be at least 1 and below 2^31, not {size}")
        for name in sorted(after - before - set(sizes)):
            raise ValueError(f"`{name}` stands only on the right, and needs a size: {name}=...")
        return self

    def steps(self, x: Shape) -> Steps:
        """The pattern resolved for an input of this shape."""
        left, right = _parse(self.pattern)
        sizes = self._sizes(x, left)
        old = [name for group in left for name in group]
        order = [name for group in right for name in group]
        places = {name: at for at, name in enumerate(old)}
        return Steps(
            split=tuple(sizes[name] for name in old),
            order=tuple(places[name] for name in order if name in places),
            repeated=tuple(sizes[name] for name in order),
            new=tuple(index for index, name in enumerate(order) if name not in places),
            merged=tuple(prod(sizes[name] for name in group) for group in right),
            apart=tuple((at, tuple(sizes[name] for name in left[at])) for at in _several(left)),
            joined=_joined(right),
        )

    def output(self, x: Shape) -> Shape:
        steps = self.steps(x)
        _, right = _parse(self.pattern)
        return Shape(steps.merged, tuple(group[0] if len(group) == 1 else None for group in right))

    def _sizes(self, x: Shape, left: Groups) -> dict[str, int]:
        if len(left) != x.rank:
            raise ShapeError(
                f'the pattern "{self.pattern}" has {len(left)} axes on its left, and {x} has {x.rank}',
                argument="pattern",
                hint=f"its axes are `{names(x) or 'none'}`",
            )
        given = dict(self.sizes)
        sizes = dict(given)
        for group, size, axis in zip(left, x.sizes, x.axes, strict=True):
            if len(group) == 1 and axis is not None and group[0] != axis:
                raise ShapeError(
                    f'the pattern "{self.pattern}" names `{group[0]}` where the value has `{axis}`',
                    argument="pattern",
                    hint=f"the axes of {x} are `{names(x)}`",
                )
            sizes |= _split(group, size, given)
        return sizes


def _split(group: tuple[str, ...], size: int, given: dict[str, int]) -> dict[str, int]:
    """The size of each name of one axis. Raises `ShapeError` if they are not settled, or do not multiply to it."""
    unknown = [name for name in group if name not in given]
    known = prod(given[name] for name in group if name in given)
    text = " ".join(group)
    if len(unknown) > 1:
        hint = f"give all but one: {unknown[1]}=..."
        raise ShapeError(f"the sizes of `({text})` are not settled", argument="pattern", hint=hint)
    if size % known or (not unknown and size != known):
        raise ShapeError(f"an axis of {size} does not split into `({text})` with {known}", argument="pattern")
    return {unknown[0]: size // known} if unknown else {}


def _several(groups: Groups) -> list[int]:
    """Where a group has several axes, the last one first."""
    return [at for at in reversed(range(len(groups))) if len(groups[at]) > 1]


def _joined(groups: Groups) -> tuple[tuple[int, int], ...]:
    """The first and the last axis of each group that has several, the last group first."""
    ends = list(accumulate(map(len, groups)))
    return tuple((ends[at] - len(groups[at]), ends[at] - 1) for at in _several(groups))


def _parse(pattern: str) -> tuple[Groups, Groups]:
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError('a pattern has one arrow, as "c h w -> h w c"')
    return _side(sides[0]), _side(sides[1])


def _side(text: str) -> Groups:
    groups: list[tuple[str, ...]] = []
    inside: list[str] | None = None
    for opening, closing, name, other in _TOKEN.findall(text.strip()):
        if other:
            raise ValueError(f"a pattern holds names of axes and parentheses, not {other!r}")
        if (opening and inside is not None) or (closing and not inside):
            raise ValueError("parentheses in a pattern hold names, and do not nest")
        if opening:
            inside = []
        elif closing:
            groups.append(tuple(inside or ()))
            inside = None
        elif inside is not None:
            inside.append(name)
        else:
            groups.append((name,))
    if inside is not None:
        raise ValueError("a parenthesis in the pattern is not closed")
    return tuple(groups)
