"""Repetitions found again: parts in a row that are one text with other numbers become `repeat` and `for`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from archdsl.elaborate.environment import METRICS
from archdsl.elaborate.functions import FUNCTIONS
from archdsl.ops import INITIALIZERS, OPERATIONS
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.syntax.lexer import WORDS
from archdsl.targets.arch_source_parts import ABSENT, HERE, Hole, LoopIndex, Part, exact, filled, is_expression
from archdsl.targets.arch_source_stacks import stacked

PERIODS = 6
MOST_COLUMNS = 7
_DIGITS = re.compile(r"(\d+)")
STRUCTURAL = frozenset({"call", "level", "branch", "repeat", "for", "role", "residual", "branches"})
LISTED = frozenset({"in", "piece"})  # what is read by its place in a list
UNFIT = frozenset({"shared", "param", "aux"})
RESERVED = frozenset(
    {*OPERATIONS, *INITIALIZERS, *FUNCTIONS, *WORDS, *METRICS, "in", "here", "block", "arch", "import"}
)


def fold(parts: list[Part], taken: frozenset[str]) -> list[Part]:
    """The same parts with their repetitions folded, inner ones first. No loop variable has a name that is `taken`."""
    inner = [
        part.copy(part.holes, tuple(fold(body, taken) for body in part.bodies), part.label) if part.bodies else part
        for part in parts
    ]
    return _for(_repeat(inner), taken)


# ------------------------------------------------------------------- repeat


def _repeat(parts: list[Part]) -> list[Part]:
    """Runs of parts that are equal, or differ in labels that count up."""
    forms = [_Form(part) for part in parts]
    keys = _interned([(form.key, form.values) for form in forms])
    out: list[Part] = []
    at = 0
    while at < len(parts):
        period, count = _longest(keys, forms, at)
        if count < 2:
            out.append(parts[at])
            at += 1
            continue
        out.append(_loop(parts[at : at + period], forms[at : at + 2 * period], count))
        at += period * count
    return out


def _longest(keys: list[int], forms: list[_Form], at: int) -> tuple[int, int]:
    """`(period, count)` of the repetition from here that covers most."""
    best = (1, 1)
    for period in range(1, PERIODS + 1):
        count = 1
        while _follows(keys, forms, at, period, count):
            count += 1
        fit = all(form.fit for form in forms[at : at + period])
        enough = count >= 2 and fit and _worth(forms[at : at + period], count)
        if enough and period * count > best[0] * best[1]:
            best = (period, count)
    return best


def _follows(keys: list[int], forms: list[_Form], at: int, period: int, count: int) -> bool:
    """True if the next period is the first one again, its labels counted up."""
    next_at = at + period * count
    if next_at + period > len(keys) or keys[next_at : next_at + period] != keys[at : at + period]:
        return False
    first = [number for form in forms[at : at + period] for number in form.numbers]
    second = [number for form in forms[at + period : at + 2 * period] for number in form.numbers]
    found = [number for form in forms[next_at : next_at + period] for number in form.numbers]
    steps = [b - a for a, b in zip(first, second, strict=True)]
    return all(step in (0, 1) for step in steps) and found == [
        a + step * count for a, step in zip(first, steps, strict=True)
    ]


def _worth(forms: Sequence[_Form], count: int) -> bool:
    if any(form.part.kind in STRUCTURAL for form in forms):
        return True
    return len(forms) * count >= 4 and len(forms) > 1


def _loop(parts: list[Part], forms: list[_Form], count: int) -> Part:
    height = 1 + max((inner.height for part in parts for inner in part.parts()), default=0)
    period = len(parts)
    body = []
    for part, first, second in zip(parts, forms[:period], forms[period:], strict=True):
        steps = [b - a for a, b in zip(first.numbers, second.numbers, strict=True)]
        indices = iter(
            [
                number if step == 0 else LoopIndex(height, number)
                for number, step in zip(first.numbers, steps, strict=True)
            ]
        )
        body.append(_relabelled(part, indices))
    return Part("repeat", holes=(Hole("blocks", count),), bodies=(body,), height=height)


class _Form:
    """What a part has in common with others: its text without digits in labels, its numbers, the values in it."""

    __slots__ = ("fit", "key", "numbers", "part", "values")

    def __init__(self, part: Part) -> None:
        self.part = part
        numbers: list[int] = []
        self.key = _bare(part, numbers)
        self.numbers = numbers
        self.values = tuple(map(exact, part.values()))
        self.fit = all(inner.kind not in UNFIT and not inner.names for inner in part.parts())


def _bare(part: Part, numbers: list[int]) -> tuple[Any, ...]:
    """The key of a part whose labels and reads have no digits; these are collected in order."""
    label: Any = part.label
    if label is not None:
        label = tuple(_without_numbers(piece, numbers) for piece in ((label,) if isinstance(label, str) else label))
    holes = tuple((hole.name, exact(hole.default)) for hole in part.holes)
    reads = tuple(_without_piece(ref, numbers) for ref in part.reads)
    bodies = tuple(tuple(_bare(inner, numbers) for inner in body) for body in part.bodies)
    rest = (reads, part.many, part.names, part.height, part.variables)  # positions count by themselves
    return (part.kind, label, part.word, part.role, holes, rest, bodies)


def _without_piece(ref: tuple[Any, ...], numbers: list[int]) -> tuple[Any, ...]:
    """What is read, the place in its list collected."""
    if ref[0] not in LISTED or type(ref[-1]) is not int:
        return ref
    numbers.append(ref[-1])
    return ref[:-1]


def _without_numbers(piece: Any, numbers: list[int]) -> Any:
    """A text of a label without its numbers, which are collected; one with leading zeros stays."""
    if not isinstance(piece, str):
        return piece
    pieces = _DIGITS.split(piece)
    if not all(str(int(each)) == each for each in pieces[1::2]):
        return ("=", piece)
    numbers += [int(each) for each in pieces[1::2]]
    return tuple(pieces[::2])


def _numbered(piece: Any, numbers: Iterator[Any]) -> list[Any]:
    """A text of a label with its numbers taken from others; an index stands alone."""
    if not isinstance(piece, str):
        return [piece]
    pieces: list[Any] = list(_DIGITS.split(piece))
    if all(str(int(each)) == each for each in pieces[1::2]):
        given = [next(numbers) for _ in pieces[1::2]]
        pieces[1::2] = [str(each) if isinstance(each, int) else each for each in given]
    return pieces


def _merged(pieces: list[Any]) -> list[Any]:
    """The pieces of a label with texts in a row as one."""
    out: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str) and out and isinstance(out[-1], str):
            out[-1] += piece
        elif piece != "" or len(pieces) == 1:
            out.append(piece)
    return out


def _relabelled(part: Part, numbers: Iterator[Any]) -> Part:
    """The same part with other numbers in its labels and reads, taken in order; an index makes a template."""
    label = part.label
    if label is not None:
        pieces = [
            each for piece in ((label,) if isinstance(label, str) else label) for each in _numbered(piece, numbers)
        ]
        merged = _merged(pieces)
        label = merged[0] if len(merged) == 1 and isinstance(merged[0], str) else tuple(merged)
    reads = tuple((*r[:-1], next(numbers)) if r[0] in LISTED and type(r[-1]) is int else r for r in part.reads)
    bodies = tuple([_relabelled(inner, numbers) for inner in body] for body in part.bodies)
    made = part.copy(part.holes, bodies, label)
    made.reads = reads
    return made


def _interned(keys: Sequence[Any]) -> list[int]:
    numbers: dict[Any, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


# ---------------------------------------------------------------------- for


def _for(parts: list[Part], taken: frozenset[str]) -> list[Part]:
    """Runs of parts that are one text with other numbers, as a table of these numbers."""
    forms = [_Form(stacked(part)) for part in parts]
    keys = _interned([form.key for form in forms])
    out: list[Part] = []
    at = 0
    while at < len(parts):
        made = None
        for period in range(1, PERIODS + 1):
            count = 1
            while keys[at + period * count : at + period * (count + 1)] == keys[at : at + period] and count * period:
                count += 1
            if count > 1 and all(form.fit for form in forms[at : at + period]):
                made = _table(forms[at : at + period * count], period, count, taken)
            if made is not None:
                at += period * count
                break
        if made is None:
            out.append(parts[at])
            at += 1
        else:
            out.append(made)
    return out


def _table(forms: list[_Form], period: int, count: int, taken: frozenset[str]) -> Part | None:
    """The loop over a table, if it is shorter than what it stands for."""
    rows = [forms[at * period : (at + 1) * period] for at in range(count)]
    height = 1 + max((inner.height for form in rows[0] for inner in form.part.parts()), default=0)
    numbers = list(zip(*[[n for form in row for n in form.numbers] for row in rows], strict=True))
    indices: list[Any] = []
    for column in numbers:
        if len(set(column)) == 1:
            indices.append(column[0])
        elif column == tuple(range(column[0], column[0] + count)):
            indices.append(LoopIndex(height, column[0]))
        else:
            return None
    names = [name for form in rows[0] for name in _hole_names(form.part)]
    values = list(zip(*[[v for form in row for v in form.part.values()] for row in rows], strict=True))
    used = taken | {name for form in rows[0] for part in form.part.parts() for name in part.variables}
    columns = _Columns(used, count)
    found = [columns.expression(name, list(column)) for name, column in zip(names, values, strict=True)]
    if not columns.names or any(value is None for value in found) or len(columns.names) > MOST_COLUMNS:
        return None
    if any(name.startswith("next_") for name in columns.names):
        return None
    parts_in_row = sum(1 for form in rows[0] for _ in form.part.parts())
    if parts_in_row * (count - 1) < 4 or (count < 3 and parts_in_row < 3):
        return None
    each = iter(found)
    number = iter(indices)
    body = [
        _relabelled(filled(form.part, (item.value for item in each if item is not None)), number) for form in rows[0]
    ]
    columns.order()
    table = tuple(zip(*columns.columns, strict=True)) if len(columns.columns) > 1 else tuple(columns.columns[0])
    return Part("for", holes=(Hole("rows", table),), bodies=(body,), height=height, variables=tuple(columns.names))


def _hole_names(part: Part) -> Iterator[str]:
    for hole in part.holes:
        yield hole.name
    for body in part.bodies:
        for inner in body:
            yield from _hole_names(inner)


class _Found:
    """An expression that was found; `None` is one too."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Columns:
    """The columns of a table so far: equal ones are one variable, a multiple of one is computed."""

    def __init__(self, taken: frozenset[str], count: int) -> None:
        self.names: list[str] = []
        self.columns: list[list[Any]] = []
        self.taken = taken
        self.count = count

    def expression(self, name: str, column: list[Any]) -> _Found | None:
        """The literal or variable of a column; `None` for what a table cannot hold."""
        keys = {exact(value) for value in column if value is not ABSENT}
        known = [value for value in column if value is not ABSENT]
        partly = len(known) < len(column)
        if len(keys) <= 1 and not (known and partly and self._like(column)):
            return _Found(known[0] if known else None)
        if any(is_expression(value) and not isinstance(value, tree.Bool) for value in known):
            return None
        like = self._like(column)
        if like is not None:
            return _Found(tree.Name(HERE, like))
        for own, values in zip(self.names, self.columns, strict=True):
            factor = _factor(values, column)
            if factor is not None:
                return _Found(tree.Binary(HERE, "*", tree.Name(HERE, own), tree.Number(HERE, factor, str(factor))))
        if len(known) < len(column) or not all(_plain(value) for value in known):
            return None
        self.names.append(self._free(name))
        self.columns.append(column)
        return _Found(tree.Name(HERE, self.names[-1]))

    def _like(self, column: list[Any]) -> str | None:
        """The variable that has the values of a column, as far as it has any."""
        for own, values in zip(self.names, self.columns, strict=True):
            if all(b is ABSENT or exact(a) == exact(b) for a, b in zip(values, column, strict=True)):
                return own
        return None

    def order(self) -> None:
        """Puts the number of blocks behind the first argument of these."""
        if self.names[0] == "blocks" and len(self.names) > 1:
            self.names.insert(1, self.names.pop(0))
            self.columns.insert(1, self.columns.pop(0))

    def _free(self, name: str) -> str:
        base = name if name not in RESERVED else f"{name}_of"
        found, number = base, 1
        while found in self.taken or found in self.names or found in RESERVED:
            number += 1
            found = f"{base}{number}"
        return found


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | tuple)


def _factor(values: Sequence[Any], column: Sequence[Any]) -> int | None:
    if not all(type(value) is int and value > 0 for value in (*values, *column)):
        return None
    factor = column[0] // values[0]
    fits = 1 < factor <= 8 and all(b == a * factor for a, b in zip(values, column, strict=True))
    return factor if fits else None


__all__ = ["REQUIRED", "RESERVED", "fold"]
