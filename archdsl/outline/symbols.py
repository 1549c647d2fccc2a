"""Values of a spec as symbols: what they are, the term that gives them, and what may change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archdsl.elaborate import functions
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.values import Labelled, LayerValue
from archdsl.outline.terms import Apply, Const, Sides, Term, Var, apply, total, variables
from archdsl.syntax import tree

FOREIGN = "^"  # something outside of the class, which is constant inside
ANYTHING = "*"
MOST_ITEMS = 10_000
MOST_AXES = 3  # of a window


@dataclass(frozen=True, slots=True)
class Sym:
    """A value with everything that may change it, and the term that gives it as long as what the term lacks stays.

    A list has `items`, and then `taint` is what may change its length too; a layer has its `arguments`.
    """

    value: Any
    term: Term | None = None
    taint: frozenset[Any] = frozenset()
    items: tuple[Sym, ...] | None = None
    arguments: Mapping[str, Sym] | None = None
    whole: Term | None = None  # of a list: what stands for all of it where one number is meant for every axis

    @property
    def all(self) -> frozenset[Any]:
        """What may change the value or anything in it."""
        inside = (*(self.items or ()), *(self.arguments or {}).values())
        return self.taint.union(*(item.all for item in inside))


UNKNOWN = Sym(None, None, frozenset([ANYTHING, FOREIGN]))


def constant(value: Any) -> Sym:
    """A value that nothing changes."""
    return frozen(value, frozenset())


def parameter(name: str, value: Any) -> Sym:
    """A parameter of the class: a number, a truth value or a string by its name, a list of such by its items.

    What a class cannot take as an argument is constant in it.
    """
    taint = frozenset([name])
    if not plain_data(value):
        return frozen(value, taint)
    found = _of(Var(name), value, taint)
    if isinstance(value, tuple) and len(value) <= MOST_AXES and all(map(is_whole, value)):
        return replace(found, whole=Var(Sides(name)))
    return found


def frozen(value: Any, taint: frozenset[Any]) -> Sym:
    """A value that is constant as long as something else stays."""
    if isinstance(value, tuple):
        return Sym(value, None, taint, tuple(frozen(each, taint) for each in value))
    if isinstance(value, LayerValue):
        given = {name: frozen(bound.value, taint) for name, bound in (*value.defaults, *value.bound)}
        return Sym(value, None, taint, arguments=given)
    plain = value is None or isinstance(value, bool | int | float | str)
    return Sym(value, Const(value) if plain else None, taint)


def _of(term: Term, value: Any, taint: frozenset[Any]) -> Sym:
    if not isinstance(value, tuple):
        return Sym(value, term, taint)
    items = tuple(_of(Apply("item", (term, Const(at))), each, taint) for at, each in enumerate(value))
    return Sym(value, None, taint, items)


def plain_data(value: Any) -> bool:
    """Whether a class can take a value as an argument: numbers, truth values, strings and lists of them."""
    if isinstance(value, tuple):
        return bool(value) and all(map(plain_data, value))
    return value is None or isinstance(value, bool | int | float | str)


def item(found: Sym, index: int) -> Sym:
    """An item of a list."""
    if found.items is not None:
        return found.items[index]
    value: Any = found.value.flow if isinstance(found.value, Labelled) else found.value
    return frozen(value[index], found.all) if isinstance(value, tuple) else UNKNOWN


def listed(items: tuple[Sym, ...], taint: frozenset[Any] = frozenset()) -> Sym:
    """A list of symbols, whose length something may change."""
    return Sym(tuple(each.value for each in items), None, taint, items)


def union(parts: list[Sym]) -> frozenset[Any]:
    """Everything that may change one of the parts."""
    return frozenset().union(*(part.all for part in parts))


def applied(op: str, value: Any, parts: list[Sym]) -> Sym:
    """What an operation on parts gives, as a term where every part has one."""
    taint = union(parts)
    terms = [part.term for part in parts if part.term is not None]
    if len(terms) < len(parts):
        return frozen(value, taint)
    return sure(Sym(value, apply(op, *terms), taint), parts)


def sure(found: Sym, parts: Sequence[Sym]) -> Sym:
    """The same without what its term shows to change nothing, where the terms of its parts show all that changes."""
    if isinstance(found.term, Const) and all(part.all <= variables(part.term) for part in parts if part.term):
        return replace(found, taint=frozenset())
    return found


def called(expression: tree.Call, name: str, positional: list[Sym], named: dict[str, Sym]) -> Sym:
    """What a function of the language gives for its arguments."""
    values = tuple(part.value for part in positional)
    keywords = {key: part.value for key, part in named.items()}
    value = functions.call(name, values, keywords, expression.span, MOST_ITEMS)
    parts = [*positional, *named.values()]
    if name in ("ceil", "floor", "round", "int", "log", "divisible"):
        return applied(name, value, parts)
    if name in ("min", "max"):
        only = positional[0] if len(positional) == 1 else None
        parts = parts if only is None or only.items is None or only.taint else list(only.items)
        return parts[0] if len(parts) == 1 else applied(name, value, parts)
    first = positional[0]
    if name == "sum" and first.items is not None:
        terms = [each.term for each in first.items if each.term is not None and is_whole(each.value)]
        if len(terms) == len(first.items):
            return sure(Sym(value, total(terms), first.all), first.items)
    if name == "len" and first.items is not None:
        return Sym(value, Const(value), first.taint)
    if name == "range":
        return replace(constant(value), taint=union(parts))
    if name == "reversed" and first.items is not None:
        return Sym(value, None, first.taint, first.items[::-1])
    if name == "zip" and all(part.items is not None for part in parts):
        rows = zip(*(part.items or () for part in parts), strict=True)
        return listed(tuple(listed(row) for row in rows), frozenset().union(*(part.taint for part in parts)))
    return frozen(value, union(parts))
