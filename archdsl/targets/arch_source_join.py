"""Two texts as one: what only some calls have stands under an `if`."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

from archdsl.targets.arch_source_parts import ABSENT, Hole, Part, filled

MOST = 200  # parts of a body that are compared
MOST_IFS = 4
MOST_ELSE = 6  # parts that stand where others stand instead
INSIDE = frozenset({"residual", "level", "role", "branches", "branch"})


def joined(first: list[Part], second: list[Part], count: int, more: int) -> list[Part] | None:
    """One text for `count` calls of the first and `more` of the second; `None` if they have too little in common."""
    if len(first) > MOST or len(second) > MOST:
        return None
    made = _join(first, second, count, more)
    if made is None:
        return None
    conditions = sum(part.kind == "if" for each in made for part in each.parts())
    return made if conditions <= MOST_IFS else None


def _join(first: list[Part], second: list[Part], count: int, more: int) -> list[Part] | None:
    keys = [[part.key(named=True) for part in body] for body in (first, second)]
    out: list[Part] = []
    for word, a, b, c, d in SequenceMatcher(None, *_numbered(keys), autojunk=False).get_opcodes():
        left, right = first[a:b], second[c:d]
        if word == "equal":
            out += [merged(one, other) for one, other in zip(left, right, strict=True)]
            continue
        pair = _pair(left, right, count, more)
        if pair is not None:
            out += pair
            continue
        if any(part.kind in ("shared", "aux") or part.names for part in (*left, *right)):
            return None
        if left and right and sum(part.size() for part in (*left, *right)) > MOST_ELSE:
            return None
        present = [True] * count + [False] * more
        bodies = ([_padded(p, 0, more) for p in left], [_padded(p, count, 0) for p in right])
        if not left:
            present, bodies = [not each for each in present], (bodies[1], [])
        out.append(Part("if", holes=(Hole("with", present),), bodies=bodies))
    if not any(part.kind != "if" for part in out) and first and second:
        return None
    return out


def _pair(left: list[Part], right: list[Part], count: int, more: int) -> list[Part] | None:
    """Parts in the same place that differ inside, or a residual whose sum one side lacks."""
    if len(left) == len(right):
        pairs = [_inside(one, other, count, more) for one, other in zip(left, right, strict=True)]
        return None if any(pair is None for pair in pairs) else [pair for pair in pairs if pair is not None]
    if len(left) == 1 and left[0].kind == "residual" and not left[0].bodies[1]:
        return _residual(left[0], right, count, more, True)
    if len(right) == 1 and right[0].kind == "residual" and not right[0].bodies[1]:
        return _residual(right[0], left, more, count, False)
    return None


def _inside(one: Part, other: Part, count: int, more: int) -> Part | None:
    if one.kind == "if" and other.kind != "if":
        return None
    if one.kind == "residual" and other.kind != "residual" and not one.bodies[1]:
        found = _residual(one, [other], count, more, True)
        return found[0] if found else None
    alike = (one.kind, one.name, one.word, one.role, one.names, one.reads, one.height) == (
        other.kind,
        other.name,
        other.word,
        other.role,
        other.names,
        other.reads,
        other.height,
    )
    if not alike or one.kind not in INSIDE or len(one.holes) != len(other.holes):
        return None
    bodies = []
    for mine, its in zip(one.bodies, other.bodies, strict=True):
        body = _join(mine, its, count, more)
        if body is None:
            return None
        bodies.append(body)
    holes = tuple(a.filled(a.value + b.value) for a, b in zip(one.holes, other.holes, strict=True))
    return one.copy(holes, tuple(bodies), one.label)


def _residual(residual: Part, plain: list[Part], own: int, others: int, before: bool) -> list[Part] | None:
    """`residual if`: the body of a residual whose sum the others do not have."""
    if residual.holes or residual.names:
        return None
    counts = (own, others) if before else (others, own)
    body = _join(residual.bodies[0], plain, *counts) if before else _join(plain, residual.bodies[0], *counts)
    if body is None:
        return None
    condition = [before] * counts[0] + [not before] * counts[1]
    made = residual.copy((Hole("residual", condition),), (body, []), residual.label)
    return [made]


def merged(one: Part, other: Part) -> Part:
    """Two parts of one key, their columns joined; where only one needs a label both have it."""
    values = [a + b for a, b in zip(one.values(), other.values(), strict=True)]
    return _labelled(filled(one, iter(values)), other)


def _labelled(one: Part, other: Part) -> Part:
    bodies = tuple(
        [_labelled(mine, its) for mine, its in zip(body, its_body, strict=True)]
        for body, its_body in zip(one.bodies, other.bodies, strict=True)
    )
    made = one.copy(one.holes, bodies, one.label if one.label == other.label else one.name)
    made.tail = one.tail if one.label == other.label else None
    return made


def _padded(part: Part, before: int, after: int) -> Part:
    """A part that some calls lack."""
    return filled(part, iter([[ABSENT] * before + value + [ABSENT] * after for value in part.values()]))


def _numbered(keys: list[list[Any]]) -> list[list[int]]:
    numbers: dict[Any, int] = {}
    return [[numbers.setdefault(key, len(numbers)) for key in body] for body in keys]
