"""Parameters of a class from a table: a row of literals for each instance, a column for each place in the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archdsl.outline.call import REQUIRED
from archdsl.outline.holes import Hole, exact
from archdsl.outline.model import Expression, Parameter

SIZES = ("channels", "features", "groups", "shape", "width", "size")
MOST_FACTOR = 64
Columns = dict[str, list[tuple[int, int | None]]]
CHOSEN = {"num_features": "channels", "normalized_shape": "channels"}  # what a reader expects to see


def parameters(
    rows: Sequence[Sequence[Hole]],
    arguments: Sequence[Mapping[str, Any]],
    taken: frozenset[str] = frozenset(),
    named: Callable[[str], str] = str,
    told: Sequence[Any] = (),
    open: Mapping[int, str] | None = None,
) -> tuple[tuple[Any, ...], tuple[Parameter, ...], Columns]:
    """`(holes, parameters, columns)`: each column as a literal or an `Expression`, with the parameters that these need,
    and of each parameter the columns that it stands for, and which item of them.

    `arguments` are those of the block's calls, one mapping for each row; their names are preferred, as `named` makes
    them names of the target. What is `told` of a column stands. Else one that does not change is a literal, unless it
    is `open` (by the name that it gets), and one that is another one, or, where nothing is told, a whole multiple or
    part of it, is derived.
    """
    table = _Table(arguments, taken, named, guess=not told, open=open or {})
    holes = []
    for at in range(len(rows[0]) if rows else 0):
        known = told[at] if told else None
        table.at = at, None
        holes.append(table.column([row[at] for row in rows]) if known is None else known)
    return tuple(holes), tuple(ordered(table.found)), table.columns


def ordered(found: Sequence[Parameter]) -> list[Parameter]:
    """Those without a default first."""
    return [p for p in found if p.default is REQUIRED] + [p for p in found if p.default is not REQUIRED]


class _Table:
    def __init__(
        self,
        arguments: Sequence[Mapping[str, Any]],
        taken: frozenset[str],
        named: Callable[[str], str],
        *,
        guess: bool,
        open: Mapping[int, str],
    ) -> None:
        self.named, self.guess, self.open = named, guess, open
        self.at: tuple[int, int | None] = (0, None)
        self.columns: Columns = {}
        self.found: list[Parameter] = []
        self.kinds: list[str] = []
        self.equal: dict[Any, int] = {}
        self.names = set(taken)
        self.arguments = _columns(arguments)

    def column(self, cells: Sequence[Hole]) -> Any:
        """A literal, or an expression in the parameters found so far or added for it."""
        hole, values = cells[0], tuple(cell.value for cell in cells)
        kind = hole.kind or kind_of(hole.name)
        if kind == "size" and all(isinstance(value, tuple) and len(value) == len(hole.value) for value in values):
            return self._each(cells, kind)
        return self._whole_column(hole, kind, values)

    def _each(self, cells: Sequence[Hole], kind: str) -> tuple[Any, ...]:
        """A column of lists of sizes, place by place."""
        found = []
        for part, column in enumerate(zip(*(cell.value for cell in cells), strict=True)):
            self.at = self.at[0], part
            found.append(self._whole_column(Hole("size", column[0]), kind, column))
        return tuple(found)

    def _whole_column(self, hole: Hole, kind: str, values: tuple[Any, ...]) -> Any:
        key = tuple(map(exact, values))
        wish = self.open.get(self.at[0])
        if len(set(key)) == 1 and wish is None:
            return hole.value
        if hole.name == "inplace":
            return False  # only where it is legal for all
        if (kind, key) in self.equal:
            name = self.found[self.equal[kind, key]].name
            self.columns[name].append(self.at)
            return Expression(name)
        if wish is not None:
            return Expression(self._new(wish, kind, values, REQUIRED))
        for name, given in self.arguments.items():
            if tuple(map(exact, given)) == key:
                return Expression(self._new(name, kind, values, hole.default))
        return (self._derived(kind, values) if self.guess else None) or self._added(hole, kind, values)

    def _derived(self, kind: str, values: tuple[Any, ...]) -> Expression | None:
        for parameter, of in zip(self.found, self.kinds, strict=True):
            if of == kind or (kind == "padding" and of == "kernel"):
                expression = _ratio(parameter.name, parameter.values, values, kind == "padding")
                if expression is not None:
                    return expression
        return None

    def _added(self, hole: Hole, kind: str, values: tuple[Any, ...]) -> Expression:
        """A new parameter: an argument of the block of which this column is a multiple or a part, else this column."""
        if self.guess and kind == "size" and not hole.name.startswith("in_"):
            for name, given in self.arguments.items():
                expression = _ratio(name, given, values, False) if len(set(map(exact, given))) > 1 else None
                if expression is not None:
                    new = self._new(name, kind, given, REQUIRED)
                    return Expression(new, expression.factor, expression.divisor)
        return Expression(self._new(CHOSEN.get(hole.name, hole.name), kind, values, hole.default))

    def _new(self, name: str, kind: str, values: tuple[Any, ...], default: Any) -> str:
        name = self._free(name)
        common = default is not REQUIRED and exact(default) in map(exact, values)
        self.equal.setdefault((kind, tuple(map(exact, values))), len(self.found))
        self.found.append(Parameter(name, values, default if common else REQUIRED, kind))
        self.kinds.append(kind)
        self.columns[name] = [self.at]
        return name

    def _free(self, name: str) -> str:
        base = name = self.named(name)
        count = 1
        while name in self.names:
            count += 1
            name = f"{base}{count}" if not base[-1].isdigit() else f"{base}_{count}"
        self.names.add(name)
        return name


def _columns(arguments: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The arguments that every call has, as columns."""
    if not arguments:
        return {}
    names = [name for name in arguments[0] if all(name in row for row in arguments)]
    return {name: tuple(row[name] for row in arguments) for name in names}


def kind_of(name: str) -> str:
    """Which columns may be told by one another: sizes by sizes, a padding by its kernel, else only by their like."""
    if any(word in name for word in SIZES) and name != "kernel_size":
        return "size"
    return "kernel" if name == "kernel_size" else name


def _whole(values: Sequence[Any]) -> bool:
    return all(type(value) is int and value > 0 for value in values)


def _ratio(name: str, known: Sequence[Any], values: Sequence[Any], halves: bool) -> Expression | None:
    """`values` as a whole multiple or part of `known`; with `halves` also rounded down, as a padding of a kernel."""
    if not (all(type(value) is int for value in values) and _whole(known)):
        return None
    if halves:
        return Expression(name, 1, 2) if all(v == k // 2 for k, v in zip(known, values, strict=True)) else None
    first, other = known[0], values[0]
    if other > 0 and other % first == 0 and (factor := other // first) <= MOST_FACTOR:
        return Expression(name, factor) if all(v == k * factor for k, v in zip(known, values, strict=True)) else None
    if other > 0 and first % other == 0 and (divisor := first // other) <= MOST_FACTOR:
        exact_part = all(v * divisor == k for k, v in zip(known, values, strict=True))
        return Expression(name, 1, divisor) if exact_part else None
    return None
