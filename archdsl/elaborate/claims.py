"""`require` and `expect`: what a spec says of itself, held against the finished net."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from archdsl.elaborate.elaborator import Elaborator
from archdsl.elaborate.environment import METRICS, Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.functions import is_number
from archdsl.elaborate.problems import structure
from archdsl.elaborate.values import POISON, kind_of, shown
from archdsl.syntax import tree

FACTOR = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
NUMBER = re.compile(r"([0-9_]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)([KMG]?)\Z")


def require(elaborator: Elaborator, statement: tree.Require, env: Env) -> None:
    """Holds a requirement: now, or against the finished net if it reads a figure of it."""
    if not reads_figures(statement.condition):
        _hold(elaborator, statement, env)
        return
    late = env.inner(metrics=True, reading=True)
    if env.stream is not None:
        late.stream = replace(env.stream)

    def later() -> None:
        try:
            _hold(elaborator, statement, late)
        except Found as found:
            elaborator.record(found.problem, late.stream.calls if late.stream else ())

    elaborator.later.append(later)


def demand(elaborator: Elaborator, statement: tree.Require, env: Env) -> None:
    """Holds a requirement in a variant's braces against the finished net. Raises `Found` if it is not met."""
    _hold(elaborator, statement, env.inner(metrics=True, reading=True))


def _hold(elaborator: Elaborator, statement: tree.Require, env: Env) -> None:
    value = elaborator.expressions.value(statement.condition, env)
    if value is POISON:
        return
    if not isinstance(value, bool):
        raise Found(structure.NotAClaim(statement.condition.span, kind_of(value)))
    if not value:
        message = elaborator.expressions.text(statement.message, env) if statement.message else None
        found = _sides(elaborator, statement.condition, env)
        raise Found(structure.RequireFails(statement.condition.span, message, found))


def expect(elaborator: Elaborator, statement: tree.Expect, env: Env) -> None:
    """Holds a figure. Raises `Found` if it is another one."""
    env = env.inner(metrics=True, reading=True)
    if statement.approximate is not None:
        _near(elaborator, statement, statement.approximate, env)
        return
    value = elaborator.expressions.value(statement.condition, env)
    if value is POISON:
        return
    if not isinstance(value, bool):
        raise Found(structure.NotAClaim(statement.condition.span, kind_of(value)))
    if not value:
        raise Found(structure.ExpectFails(statement.span, _sides(elaborator, statement.condition, env)))


def _near(elaborator: Elaborator, statement: tree.Expect, figure: tree.Expr, env: Env) -> None:
    value = elaborator.expressions.value(statement.condition, env)
    match = NUMBER.match(figure.digits) if isinstance(figure, tree.Number) else None
    if match is None:
        raise Found(structure.NotAFigure(figure.span))
    if not is_number(value):
        raise Found(structure.NotAClaim(statement.condition.span, kind_of(value), near=True))
    number = Decimal(match[1].replace("_", ""))
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    unit = Decimal(10) ** exponent * FACTOR[match[2]]
    if abs(Decimal(value) - number * FACTOR[match[2]]) > unit / 2:
        raise Found(structure.ExpectFails(statement.span, (f"{statement.condition.span.text} is {shown(value)}",)))


def _sides(elaborator: Elaborator, condition: tree.Expr, env: Env) -> tuple[str, ...]:
    """What the two sides of a comparison are, where they are not written out."""
    if not isinstance(condition, tree.Binary):
        return ()
    written = tree.Number | tree.Size | tree.Text | tree.Bool
    both = (condition.left, condition.right)
    sized = any(isinstance(side, tree.Size) for side in both)
    return tuple(
        f"{side.span.text} is {_side(elaborator.expressions.value(side, env), sized)}"
        for side in both
        if not isinstance(side, written)
    )


def _side(value: Any, sized: bool) -> str:
    """A value for a note; a list that is compared with a size as a size."""
    return "x".join(map(str, value)) if sized and isinstance(value, tuple) and len(value) > 1 else shown(value)


def reads_figures(node: Any) -> bool:
    """True if an expression reads a figure of the finished net."""
    if isinstance(node, tree.Name):
        return node.name in METRICS
    if isinstance(node, tree.Attribute) and node.name.name in ("params", "macs", "depth"):
        return True
    if isinstance(node, tuple):
        return any(reads_figures(item) for item in node)
    return isinstance(node, tree.Node) and any(map(reads_figures, node.content()))
