"""Two texts as one: what only some calls have stands under an `if`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archdsl.targets.arch_source_parts import ABSENT, Hole, Part, exact, filled

MOST = 60  # parts of a body that are compared
MOST_IFS = 4
MOST_ELSE = 6  # parts that stand where others stand instead
INSIDE = frozenset({"residual", "level", "role", "branches", "branch"})


def joined(first: list[Part], second: list[Part], count: int, more: int) -> list[list[Part]]:
    """One text for `count` calls of the first and `more` of the second, in each way there is, the shortest first: once
    parts are the same by their labels, once by their positions too."""
    if len(first) > MOST or len(second) > MOST:
        return []
    found = [_Joining(count, more, named).join(first, second) for named in (False, True)]
    fit = [made for made in found if made is not None and _conditions(made) <= MOST_IFS]
    return sorted(fit, key=lambda made: sum(part.size() for part in made))


def _conditions(parts: list[Part]) -> int:
    return sum(part.kind == "if" for each in parts for part in each.parts())


class _Joining:
    """Joins two texts; `named` parts are the same only if their positions are, where these are names of weights."""

    def __init__(self, count: int, more: int, named: bool) -> None:
        self.count, self.more, self.named = count, more, named

    def join(self, first: list[Part], second: list[Part]) -> list[Part] | None:
        """One text for both, or `None`."""
        count, more = self.count, self.more
        keys = [[self._place(_optional_of(part)) for part in body] for body in (first, second)]
        out: list[Part] = []
        for same, a, b, c, d in aligned(first, second, *_numbered(keys)):
            left, right = first[a:b], second[c:d]
            if same:
                both = [self._equal(one, other) for one, other in zip(left, right, strict=True)]
                if any(part is None for part in both):
                    return None
                out += [part for part in both if part is not None]
                continue
            pair = self._pair(left, right)
            if pair is not None:
                out += pair
                continue
            if any(part.kind in ("shared", "aux") or part.names for part in (*left, *right)):
                return None
            if left and right and sum(part.size() for part in (*left, *right)) > MOST_ELSE:
                return None
            out.append(self._condition(left, right, count, more))
        if not any(part.kind != "if" for part in out) and first and second:
            return None
        return out

    def _equal(self, one: Part, other: Part) -> Part | None:
        """Two parts of one key; one may stand under a condition."""
        if (one.kind == "if") == (other.kind == "if"):
            alike = one.key(self.named) == other.key(self.named)
            return merged(one, other) if alike else self._inside(one, other)
        return self._optional(one, [other], True) if one.kind == "if" else self._optional(other, [one], False)

    def _place(self, part: Part) -> Any:
        """What two parts have in common that stand in one place: all, or the label of their levels."""
        return _frame(part, self.named) if part.kind == "level" else part.key(self.named)

    @staticmethod
    def _condition(left: list[Part], right: list[Part], count: int, more: int) -> Part:
        """Parts that only some calls have, or that others have instead."""
        present = [True] * count + [False] * more
        bodies = ([_padded(p, 0, more) for p in left], [_padded(p, count, 0) for p in right])
        if not left:
            present, bodies = [not each for each in present], (bodies[1], [])
        word = bodies[0][0].word or bodies[0][0].kind
        return Part("if", word=word, holes=(Hole("if", present),), bodies=bodies)

    def _pair(self, left: list[Part], right: list[Part]) -> list[Part] | None:
        """Parts in the same place that differ inside, or a residual whose sum one side lacks."""
        for optional, plain, before in ((left, right, True), (right, left, False)):
            if len(optional) == 1 and optional[0].kind == "if" and not optional[0].bodies[1]:
                made = self._optional(optional[0], plain, before)
                if made is not None:
                    return [made]
        if len(left) == len(right):
            pairs = [self._inside(one, other) for one, other in zip(left, right, strict=True)]
            return None if any(pair is None for pair in pairs) else [pair for pair in pairs if pair is not None]
        if len(left) == 1 and left[0].kind == "residual" and not left[0].bodies[1]:
            return self._residual(left[0], right, True)
        if len(right) == 1 and right[0].kind == "residual" and not right[0].bodies[1]:
            return self._residual(right[0], left, False)
        return None

    def _optional(self, one: Part, plain: list[Part], before: bool) -> Part | None:
        """What some calls have, where others always or never have it."""
        others = self.more if before else self.count
        known = one.holes[0].value
        body = one.bodies[0]
        if not plain:
            made = [_padded(part, 0, others) if before else _padded(part, others, 0) for part in body]
            there = [False] * others
        elif [part.key(self.named) for part in body] == [part.key(self.named) for part in plain]:
            pairs = zip(body, plain, strict=True)
            made = [merged(a, b) if before else merged(b, a) for a, b in pairs]
            there = [True] * others
        else:
            return None
        return one.copy((Hole("if", known + there if before else there + known),), (made, []), None)

    def _inside(self, one: Part, other: Part) -> Part | None:
        for residual, plain, before in ((one, other, True), (other, one, False)):
            if residual.kind == "residual" and plain.kind != "residual" and not residual.bodies[1]:
                found = self._residual(residual, [plain], before)
                return found[0] if found else None
        if _frame(one, self.named) != _frame(other, self.named) or one.kind not in INSIDE:
            return None
        if len(one.holes) != len(other.holes):
            return self._mixed(one, other)
        bodies = self._bodies(one, other)
        holes = tuple(a.filled(a.value + b.value) for a, b in zip(one.holes, other.holes, strict=True))
        return None if bodies is None else one.copy(holes, bodies, one.label if one.label == other.label else one.name)

    def _bodies(self, one: Part, other: Part) -> tuple[list[Part], ...] | None:
        bodies = []
        for mine, its in zip(one.bodies, other.bodies, strict=True):
            body = self.join(mine, its)
            if body is None:
                return None
            bodies.append(body)
        return tuple(bodies)

    def _mixed(self, one: Part, other: Part) -> Part | None:
        """Two residuals, one of which not all calls have."""
        bodies = self._bodies(one, other) if one.kind == "residual" else None
        if bodies is None:
            return None
        columns = [
            part.holes[0].value if part.holes else [True] * count
            for part, count in ((one, self.count), (other, self.more))
        ]
        return one.copy((Hole("residual", columns[0] + columns[1]),), bodies, one.label)

    def _residual(self, residual: Part, plain: list[Part], before: bool) -> list[Part] | None:
        """`residual if`: the body of a residual whose sum the others do not have."""
        if residual.names:
            return None
        own, others = (self.count, self.more) if before else (self.more, self.count)
        known = residual.holes[0].value if residual.holes else [True] * own
        body = self.join(residual.bodies[0], plain) if before else self.join(plain, residual.bodies[0])
        if body is None:
            return None
        condition = known + [False] * others if before else [False] * others + known
        return [residual.copy((Hole("residual", condition),), (body, []), residual.label)]


Piece = tuple[bool, int, int, int, int]


def aligned(first: list[Part], second: list[Part], keys: list[int], others: list[int]) -> Iterator[Piece]:
    """`(same, a, b, c, d)` in order: `first[a:b]` stands where `second[c:d]` does, part by part if it is the same. As
    many parts as can be are, and of these the ones that are most alike in their numbers."""
    start = 0
    while start < min(len(keys), len(others)) and keys[start] == others[start] and keys.count(keys[start]) == 1:
        start += 1
    pairs = [(at, at) for at in range(start)] + _best(first, second, keys, others, start)
    a = c = 0
    for one, other in [*pairs, (len(first), len(second))]:
        if a < one or c < other:
            yield False, a, one, c, other
        if one < len(first):
            yield True, one, one + 1, other, other + 1
        a, c = one + 1, other + 1


def _best(
    first: list[Part], second: list[Part], keys: list[int], others: list[int], start: int
) -> list[tuple[int, int]]:
    """The pairs of the best alignment behind `start`."""
    rows, columns = len(keys), len(others)
    score = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for a in range(rows - 1, start - 1, -1):
        for c in range(columns - 1, start - 1, -1):
            best = max(score[a + 1][c], score[a][c + 1])
            if keys[a] == others[c]:
                best = max(best, score[a + 1][c + 1] + 1 + _alike(first[a], second[c]))
            score[a][c] = best
    pairs, a, c = list[tuple[int, int]](), start, start
    while a < rows and c < columns:
        if keys[a] == others[c] and score[a][c] == score[a + 1][c + 1] + 1 + _alike(first[a], second[c]):
            pairs.append((a, c))
            a, c = a + 1, c + 1
        elif score[a][c] == score[a + 1][c]:
            a += 1
        else:
            c += 1
    return pairs


def _alike(one: Part, other: Part) -> float:
    """How many numbers of two parts are the same in some calls: below 0.1 for all of them."""
    pairs = list(zip(_optional_of(one).values(), _optional_of(other).values(), strict=False))
    same = sum(bool({exact(v) for v in a} & {exact(v) for v in b}) for a, b in pairs)
    return 0.1 * same / (len(pairs) + 1)


def _optional_of(part: Part) -> Part:
    """What stands alone under a condition, else the part itself."""
    alone = part.kind == "if" and not part.bodies[1] and len(part.bodies[0]) == 1
    return part.bodies[0][0] if alone else part


def _frame(part: Part, named: bool) -> tuple[Any, ...]:
    """What two parts have in common whose bodies can be joined."""
    return (part.kind, part.name if named else part.label, part.word, part.role, part.names, part.reads, part.height)


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
