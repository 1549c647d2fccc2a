"""The numbers of a block's calls as columns: which are literals, which are parameters, which follow from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from archdsl.ops import WORDS
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.targets.arch_source_draft import Instance
from archdsl.targets.arch_source_fold import RESERVED
from archdsl.targets.arch_source_parts import ABSENT, HERE, Given, Hole, Part, exact

MOST_FACTOR = 64
MOST_SUMMED, MOST_TERMS = 5, 9
Column = list[Any]


@dataclass(slots=True)
class Found:
    """A parameter that is needed."""

    name: str
    default: Any
    values: Column
    place: int  # of the argument of this name, or behind them all


class Facts:
    """What is known of each call without its body: its arguments, and the channels that flow in."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self.count = len(instances)
        first = instances[0].arguments
        shared = [name for name in first if all(name in each.arguments for each in instances)]
        self.arguments: dict[str, Column] = {
            name: [_worded(each.arguments[name]) for each in instances] for name in shared if name not in RESERVED
        }
        channels = [each.channels for each in instances]
        self.channels: Column | None = None if any(value is None for value in channels) else list(channels)


def _worded(value: Any) -> Any:
    """An argument as a hole holds it: a bare word as a name."""
    return tree.Name(HERE, value) if isinstance(value, str) and value in WORDS else value


class Columns:
    """Fills the holes of a block in the order of its text. `awkward` counts conditions that need a parameter."""

    def __init__(self, facts: Facts, taken: frozenset[str]) -> None:
        self.facts = facts
        self.taken = set(taken) - set(facts.arguments)
        self.parameters: list[Found] = []
        self.found: list[Any] = []
        self.awkward = 0
        self.partial = 0

    def fill(self, parts: list[Part]) -> None:
        """Expressions for all holes of these parts, in order: numbers first, then conditions."""
        holes = [hole for part in parts for hole in _holes(part)]
        inner = [hole.name in ("if", "residual") or ABSENT in hole.value for hole in holes]
        self._optional = [hole.value for hole, flag in zip(holes, inner, strict=True) if flag]
        words = iter(
            [each.word for part in parts for each in part.parts() if each.kind in ("if", "residual") and each.holes]
        )
        results: dict[int, Any] = {}
        for at, hole in enumerate(holes):
            if hole.name not in ("if", "residual"):
                results[at] = self._number(hole)
        for at, hole in enumerate(holes):
            if at not in results:
                results[at] = self._condition(hole.value, hole.name, next(words))
        self.found = [results[at] for at in range(len(holes))]

    def ordered(self) -> list[Found]:
        """The parameters: those without a default first, in the order of the block's own arguments."""
        return sorted(self.parameters, key=lambda found: (found.default is not REQUIRED, found.place))

    # ---------------------------------------------------------------- numbers

    def _number(self, hole: Hole) -> Any:
        column: Column = hole.value
        known = [value for value in column if value is not ABSENT]
        keys = {exact(value) for value in known}
        if any(isinstance(value, Given) for value in known):
            return self._given(hole, column)
        if len(keys) == 1:
            given = self.facts.arguments.get(hole.name)
            plain = exact(known[0]) == exact(hole.default)
            if given is not None and not plain and len(known) < len(column) and _varied(given) and _same(given, column):
                return self._use(hole.name)
            return known[0]
        made = self._derived(column) or self._each(column) or self._sum(column) or self._line(column)
        if made is not None:
            return made
        if len(known) < len(column):
            self.partial += 1
        return self._parameter(self._name(hole.name), column, hole.default)

    def _given(self, hole: Hole, column: Column) -> tree.Expr:
        """What follows from a parameter of the arch in some call: a parameter of the block, which calls give it."""
        for found in self.parameters:
            if _same(found.values, column):
                return tree.Name(HERE, found.name)
        values = [value.value if isinstance(value, Given) else value for value in column]
        used = {found.name for found in self.parameters}
        own = [name for name, given in self.facts.arguments.items() if name not in used and _same(given, values)]
        own.sort(key=lambda name: name != hole.name)
        return self._parameter(own[0] if own else self._name(hole.name), column, hole.default)

    def _derived(self, column: Column) -> Any:
        for name, values in self._known():
            if _same(values, column):
                return self._use(name)
        if ABSENT in column and (product := self._product(column)) is not None:
            return product
        for name, values in self._known():
            made = self._ratio(name, values, column)
            if made is not None:
                return made
        return self._product(column)

    def _known(self) -> Iterator[tuple[str, Column]]:
        """What a column may follow from: parameters so far, the channels that flow in, then other arguments."""
        used = {found.name for found in self.parameters}
        yield from ((found.name, found.values) for found in self.parameters)
        for name, values in self.facts.arguments.items():
            if name not in used and _varied(values):
                yield name, values
        if self.facts.channels is not None and _varied(self.facts.channels):
            yield "in.c", self.facts.channels

    def _use(self, name: str) -> tree.Expr:
        if name == "in.c":
            return tree.Attribute(HERE, tree.Name(HERE, "in"), tree.Ident(HERE, "c"))
        if all(found.name != name for found in self.parameters):
            values = self.facts.arguments[name]
            self._add(name, values, _default(values))
        return tree.Name(HERE, name)

    def _ratio(self, name: str, values: Column, column: Column) -> tree.Expr | None:
        """A column as a multiple or a part of another."""
        pairs = [(a, b) for a, b in zip(values, column, strict=True) if b is not ABSENT]
        if not pairs or not all(type(a) is int and type(b) is int and a > 0 and b > 0 for a, b in pairs):
            return None
        first, other = pairs[0]
        factor, divisor = other // first, _divisor(pairs)
        if 1 < factor <= MOST_FACTOR and all(b == a * factor for a, b in pairs):
            return tree.Binary(HERE, "*", self._use(name), _whole(factor))
        if 1 < divisor <= MOST_FACTOR:
            return tree.Binary(HERE, "//", self._use(name), _whole(divisor))
        return None

    def _product(self, column: Column) -> tree.Expr | None:
        """A column as the product of two others, as of channels and an expansion."""
        known = [(name, values) for name, values in self._known() if all(type(value) is int for value in values)]
        for (one, a), (other, b) in combinations(known, 2):
            if all(z is ABSENT or (type(z) is int and z == x * y) for x, y, z in zip(a, b, column, strict=True)):
                names = (other, one) if other == "in.c" else (one, other)
                return tree.Binary(HERE, "*", self._use(names[0]), self._use(names[1]))
        return None

    def _each(self, column: Column) -> tree.Expr | None:
        """A column of lists, each place of which follows from what is known."""
        lists = [value for value in column if value is not ABSENT]
        length = len(lists[0]) if isinstance(lists[0], tuple) else 0
        if length < 2 or not all(isinstance(value, tuple) and len(value) == length for value in lists):
            return None
        items = [[ABSENT if value is ABSENT else value[at] for value in column] for at in range(length)]
        plain = [
            all(isinstance(cell, int) or cell is ABSENT for cell in cells) and not _varied(cells) for cells in items
        ]
        for cells, constant in zip(items, plain, strict=True):
            if not constant and not any(_same(values, cells) for _, values in self._known()):
                return None
        return tree.ListOf(
            HERE,
            tuple(
                _whole(_common(cells)[0]) if constant else self._derived(cells)
                for cells, constant in zip(items, plain, strict=True)
            ),
        )

    def _sum(self, column: Column) -> tree.Expr | None:
        """A column as the sum of some arguments."""
        if self.facts.count < 3 or not all(value is ABSENT or type(value) is int for value in column):
            return None
        known = [(name, values) for name, values in self._known() if all(type(value) is int for value in values)]
        for count in range(2, MOST_SUMMED + 1):
            for terms in combinations(known[:MOST_TERMS], count):
                if _same([sum(each) for each in zip(*(values for _, values in terms), strict=True)], column):
                    made = self._use(terms[0][0])
                    for name, _ in terms[1:]:
                        made = tree.Binary(HERE, "+", made, self._use(name))
                    return made
        return None

    def _line(self, column: Column) -> tree.Expr | None:
        """A column as a multiple of another and a constant, where three different values say so."""
        for name, values in self._known():
            pairs = [(a, b) for a, b in zip(values, column, strict=True) if b is not ABSENT]
            if len({a for a, _ in pairs}) < 3 or not all(type(a) is int and type(b) is int for a, b in pairs):
                continue
            (x, y), (other, last) = min(pairs), max(pairs)
            slope, rest = divmod(last - y, other - x)
            start = y - slope * x
            if rest == 0 and 0 < slope <= MOST_FACTOR and start > 0 and all(b == slope * a + start for a, b in pairs):
                own = self._use(name)
                many = own if slope == 1 else tree.Binary(HERE, "*", own, _whole(slope))
                return tree.Binary(HERE, "+", many, _whole(start))
        return None

    def _parameter(self, name: str, column: Column, default: Any) -> tree.Expr:
        """A new parameter; where a call lacks it, it has the value that is most common."""
        common = _common(column)[0]
        values = [common if value is ABSENT else value for value in column]
        given = default is not REQUIRED and any(exact(v) == exact(default) for v in values)
        self._add(name, values, default if given else _default(values))
        return tree.Name(HERE, name)

    def _add(self, name: str, values: Column, default: Any) -> None:
        order = list(self.facts.arguments)
        place = order.index(name) if name in order else len(order) + len(self.parameters)
        self.taken.add(name)
        self.parameters.append(Found(name, default, values, place))

    def _name(self, name: str) -> str:
        base = name if name not in RESERVED else f"{name}_of"
        found, number = base, 1
        while found in self.taken or found in RESERVED or found in self.facts.arguments:
            number += 1
            found = f"{base}{number}" if not base[-1].isdigit() else f"{base}_{number}"
        return found

    # ------------------------------------------------------------- conditions

    def _condition(self, column: Column, name: str, part: str) -> tree.Expr:
        """Where something is there: told by arguments and channels if that holds in every call, else a parameter."""
        for told, make in self._atoms():
            if _same(told, column):
                return make()
        atoms = list(self._atoms())
        for word in ("or", "and"):
            for (one, left), (other, right) in combinations(atoms, 2):
                both = [(a or b) if word == "or" else (a and b) for a, b in zip(one, other, strict=True)]
                if _same(both, column):
                    return tree.Binary(HERE, word, left(), right())
        self.awkward += 1
        free = self._name("sums" if name == "residual" else f"with_{part.lower()}")
        values = [False if value is ABSENT else value for value in column]
        self._add(free, values, _default(values))
        return tree.Name(HERE, free)

    def _atoms(self) -> Iterator[tuple[list[bool], Callable[[], tree.Expr]]]:
        """Simple conditions: a flag, an argument that is or is not a number, channels that stay or change."""
        used = {found.name for found in self.parameters}
        columns = [(found.name, found.values) for found in self.parameters]
        columns += [(name, values) for name, values in self.facts.arguments.items() if name not in used]
        for name, values in columns:
            if all(isinstance(value, bool) for value in values):
                yield list(values), self._maker(name)
                yield [not value for value in values], self._negated(name)
        whole = [(n, v) for n, v in columns if all(type(value) is int or value is None for value in v)]
        for name, values in whole:
            for constant in (1, 0, None):
                if constant in values:
                    yield [value != constant for value in values], self._comparison(name, "!=", constant)
        yield from self._flows(columns)
        for name, values in whole:
            for constant in (0, 1, 2, None):
                if constant in values:
                    yield [value == constant for value in values], self._comparison(name, "==", constant)

    def _flows(self, columns: list[tuple[str, Column]]) -> Iterator[tuple[list[bool], Callable[[], tree.Expr]]]:
        channels = self.facts.channels
        if channels is None:
            return
        if len(set(channels)) > 1:
            for constant in dict.fromkeys(channels):
                yield [value != constant for value in channels], self._comparison("in.c", "!=", constant)
        for name, values in columns:
            if not all(type(value) is int for value in values):
                continue
            for factor in (1, 4, 2):
                wanted = [value * factor for value in values]
                for word in ("!=", "=="):
                    told = [(a != b) == (word == "!=") for a, b in zip(channels, wanted, strict=True)]
                    yield told, self._channels(name, word, factor)

    def _maker(self, name: str) -> Callable[[], tree.Expr]:
        return lambda: self._use(name)

    def _negated(self, name: str) -> Callable[[], tree.Expr]:
        return lambda: tree.Unary(HERE, "not", self._use(name))

    def _comparison(self, name: str, word: str, constant: int | None) -> Callable[[], tree.Expr]:
        literal = tree.Nothing(HERE) if constant is None else _whole(constant)
        return lambda: tree.Binary(HERE, word, self._use(name), literal)

    def _channels(self, name: str, word: str, factor: int) -> Callable[[], tree.Expr]:
        def make() -> tree.Expr:
            own: tree.Expr = self._use(name)
            if factor != 1:
                own = tree.Binary(HERE, "*", own, _whole(factor))
            return tree.Binary(HERE, word, self._use("in.c"), own)

        return make


def _divisor(pairs: list[tuple[int, int]]) -> int:
    """What the first numbers are divided by to give the second, rounded down; a power of two if one does, else the
    smallest; 0 if none does."""
    least, most = max(a // (b + 1) + 1 for a, b in pairs), min(a // b for a, b in pairs)
    power = 1 << (most.bit_length() - 1) if most else 0
    return 0 if least > most else power if least <= power else least


def _holes(part: Part) -> Iterator[Hole]:
    yield from part.holes
    for body in part.bodies:
        for inner in body:
            yield from _holes(inner)


def _same(values: Sequence[Any], column: Sequence[Any]) -> bool:
    return all(b is ABSENT or exact(a) == exact(b) for a, b in zip(values, column, strict=True))


def _varied(values: Column) -> bool:
    return len({exact(value) for value in values if value is not ABSENT}) > 1


def _default(values: Column) -> Any:
    """The default of a parameter: what switches it off or leaves it alone, or a word, if most calls want that."""
    value, count = _common(values)
    plain = isinstance(value, tree.Name) or any(exact(value) == exact(each) for each in (1, False, True, None))
    return value if plain and 2 * count >= len(values) else REQUIRED


def _common(values: Column) -> tuple[Any, int]:
    """The most common value, the first of several, and how often it is there."""
    counts: dict[Any, int] = {}
    first: dict[Any, Any] = {}
    for value in values:
        if value is not ABSENT:
            key = exact(value)
            counts[key] = counts.get(key, 0) + 1
            first.setdefault(key, value)
    best = max(counts, key=lambda key: counts[key])
    return first[best], counts[best]


def _whole(value: int) -> tree.Number:
    return tree.Number(HERE, value, str(value))
