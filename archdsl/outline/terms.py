"""Terms: values of a class in its parameters, as its spec writes them, with Python's arithmetic."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sides:
    """A parameter of the block that is a list of one number for each axis: the number, where all are the same."""

    name: str


Key = str | Sides | tuple[int, int]  # a parameter of the block, or axis `[1]` of the value that enters at place `[0]`


@dataclass(frozen=True, slots=True)
class Const:
    """A value that no parameter changes."""

    value: Any


@dataclass(frozen=True, slots=True)
class Var:
    """A parameter."""

    key: Key


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or function of terms."""

    op: str
    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """What the block's `let` gives a name."""

    name: str
    term: Term


Term = Const | Var | Apply | Named


def divisible(number: float, by: int = 8) -> int:
    """The nearest multiple, never smaller by more than a tenth (MobileNet's rounding)."""
    rounded = max(by, int(number + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * number else rounded


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "and": lambda left, right: left and right,
    "or": lambda left, right: left or right,
    "not": operator.not_,
    "neg": operator.neg,
    "if": lambda then, condition, otherwise: then if condition else otherwise,
    "item": lambda items, index: items[index],
    "list": lambda *items: items,
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
    "int": int,
    "log": math.log,
    "divisible": divisible,
}


def evaluate(term: Term, known: Mapping[Key, Any]) -> Any:
    """The value of a term where the parameters have these values. Raises what Python raises."""
    match term:
        case Const():
            return term.value
        case Var():
            return known[term.key]
        case Named():
            return evaluate(term.term, known)
        case Apply(op="if", parts=(then, condition, otherwise)):
            return evaluate(then if evaluate(condition, known) else otherwise, known)
        case Apply(op="and" | "or", parts=(left, right)):
            value = evaluate(left, known)
            return value if bool(value) == (term.op == "or") else evaluate(right, known)
        case Apply():
            return FUNCTIONS[term.op](*(evaluate(part, known) for part in term.parts))


def variables(term: Term) -> frozenset[Key]:
    """The parameters in a term."""
    return frozenset(part.key for part in walk(term) if isinstance(part, Var))


def walk(term: Term) -> Iterator[Term]:
    """A term and all terms in it."""
    todo = [term]
    while todo:
        item = todo.pop()
        yield item
        if isinstance(item, Apply):
            todo += item.parts
        elif isinstance(item, Named):
            todo.append(item.term)


def apply(op: str, *parts: Term) -> Term:
    """An operator of terms, computed where none of them has a parameter, and without what changes nothing."""
    made = Apply(op, parts)
    if all(isinstance(part, Const) for part in parts) or not variables(made):
        found = evaluate(made, {})
        return made if _long(found) else Const(found)
    if op == "*" and _is_one(parts[1]):
        return parts[0]
    if op == "*" and _is_one(parts[0]):
        return parts[1]
    if op in ("==", "!=") and bare(parts[0]) == bare(parts[1]):
        return Const(op == "==")
    return made


def _long(value: Any) -> bool:
    """Whether a number has more digits than anyone writes, so that how it was computed says more."""
    return isinstance(value, float) and len(repr(value)) > 10


def _is_one(term: Term) -> bool:
    return isinstance(term, Const) and type(term.value) is int and term.value == 1


def bare(term: Term) -> Term:
    """The same without the names of `let`s."""
    match term:
        case Named():
            return bare(term.term)
        case Apply():
            return Apply(term.op, tuple(map(bare, term.parts)))
        case _:
            return term


def fixed(term: Term, known: Mapping[Key, Any]) -> Term:
    """The same with some parameters at fixed values; a `let` keeps its name while it depends on another one."""
    match term:
        case Var():
            return Const(known[term.key]) if term.key in known else term
        case Named():
            inner = fixed(term.term, known)
            return Named(term.name, inner) if variables(inner) else inner
        case Apply(op="if", parts=(then, condition, otherwise)):
            asked = fixed(condition, known)
            if isinstance(asked, Const):
                return fixed(then if asked.value else otherwise, known)
            return Apply("if", (fixed(then, known), asked, fixed(otherwise, known)))
        case Apply(op="and" | "or", parts=(left, right)):
            return logical(term.op, fixed(left, known), lambda: fixed(right, known))
        case Apply(op="list"):
            return Apply("list", tuple(fixed(part, known) for part in term.parts))
        case Apply():
            return apply(term.op, *(fixed(part, known) for part in term.parts))
        case _:
            return term


def logical(op: str, left: Term, right: Callable[[], Term]) -> Term:
    """`left and right` or `left or right`, without a side that decides nothing; `right` is asked only if it counts."""
    if isinstance(left, Const):
        return left if bool(left.value) == (op == "or") else right()
    second = right()
    if isinstance(second, Const) and isinstance(second.value, bool):
        return left if second.value == (op == "and") else second
    return Apply(op, (left, second))


def total(parts: list[Term]) -> Term:
    """The sum of whole numbers, equal ones counted: `64 + 3 * growth`."""
    counts: dict[Term, int] = {}
    constant = 0
    for part in parts:
        for factor, atom in _summands(part):
            if atom is None:
                constant += factor
            else:
                counts[atom] = counts.get(atom, 0) + factor
    terms: list[Term] = [Apply("*", (Const(n), atom)) if n != 1 else atom for atom, n in counts.items()]
    if constant or not terms:
        terms = [*terms, Const(constant)]
    found = terms[0]
    for term in terms[1:]:
        found = Apply("+", (found, term))
    return found


def _summands(term: Term) -> Iterator[tuple[int, Term | None]]:
    match term:
        case Const():
            yield term.value, None
        case Apply(op="+", parts=(left, right)):
            yield from _summands(left)
            yield from _summands(right)
        case Apply(op="*", parts=(Const(value=int() as factor), atom)):
            yield factor, atom
        case _:
            yield 1, term


def product(parts: list[Term]) -> Term:
    """The product of whole numbers, the constant ones first multiplied."""
    constant, rest = 1, []
    for part in parts:
        if isinstance(part, Const):
            constant *= part.value
        else:
            rest.append(part)
    if not rest:
        return Const(constant)
    found = rest[0]
    for term in rest[1:]:
        found = Apply("*", (found, term))
    return found if constant == 1 else Apply("*", (found, Const(constant)))
