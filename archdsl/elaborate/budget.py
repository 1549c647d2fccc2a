"""What a body expands to at least, counted by multiplication before anything is built."""

from __future__ import annotations

from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.functions import is_whole
from archdsl.syntax import tree

HUGE = 10**30


class Least:
    """Lower bounds of the nodes and the steps of statements: loops whose count is known now multiply."""

    def __init__(self, evaluate: object) -> None:
        self.evaluate = evaluate

    def of(self, body: tree.Body, env: Env) -> tuple[int, int]:
        """At least so many nodes, and so many statements, whatever the conditions turn out to be."""
        nodes = steps = 0
        for statement in body.statements:
            more, turns = self._statement(statement, env)
            nodes, steps = min(HUGE, nodes + more), min(HUGE, steps + 1 + turns)
        return nodes, steps

    def _statement(self, statement: tree.Statement, env: Env) -> tuple[int, int]:
        match statement:
            case tree.Repeat():
                count = self.count(statement.count, env)
            case tree.For():
                count = self.length(statement.iterable, env)
            case tree.If(otherwise=tree.Body() as otherwise):
                first, second = self.of(statement.body, env), self.of(otherwise, env)
                return min(first[0], second[0]), min(first[1], second[1])
            case tree.Chain():
                parts = [self._link(link, env) for link in statement.links]
                return sum(part[0] for part in parts), sum(part[1] for part in parts)
            case _:
                return 0, 0
        nodes, steps = self.of(statement.body, env)
        return min(HUGE, count * nodes), min(HUGE, count * (steps + 1))

    def _link(self, link: tree.Link, env: Env) -> tuple[int, int]:
        match link:
            case tree.Scope() | tree.Branches():
                return self.of(link.body, env)
            case tree.Residual(condition=None):
                nodes, steps = self.of(link.body, env)
                return nodes + 1, steps
            case tree.Role():
                return self._link(link.target, env)
            case tree.Layer():
                # A variable may hold `none` or an empty block, so only what the language names is certain.
                return (0, 0) if env.find(link.placed.name.name)[0] else self._placed(link.placed, env)
            case _:
                return 0, 0

    @staticmethod
    def _placed(placed: tree.Placed, env: Env) -> tuple[int, int]:
        return (0, 0) if placed.name.name in env.module.names else (1, 1)

    def count(self, expression: tree.Expr, env: Env) -> int:
        """The value of a count that can be known now, else 0."""
        value = self._known(expression, env)
        return value if is_whole(value) and isinstance(value, int) and value > 0 else 0

    def length(self, expression: tree.Expr, env: Env) -> int:
        """The length of a list that can be known now, else 0."""
        value = self._known(expression, env)
        return len(value) if isinstance(value, tuple) else 0

    def _known(self, expression: tree.Expr, env: Env) -> object:
        if isinstance(expression, tree.Number):
            return expression.value
        if isinstance(expression, tree.Name) and expression.name not in ("in", "here"):
            known, value = env.find(expression.name)
            return value if known else None
        try:
            return self.evaluate(expression, env) if _cheap(expression) else None  # type: ignore[operator]
        except Found:
            return None


def _cheap(expression: tree.Expr) -> bool:
    """True for arithmetic on numbers and variables: evaluating it has no effect and takes no time."""
    match expression:
        case tree.Number():
            return True
        case tree.Name():
            return expression.name not in ("in", "here")
        case tree.Binary():
            return _cheap(expression.left) and _cheap(expression.right)
        case tree.Unary():
            return _cheap(expression.operand)
        case _:
            return False
