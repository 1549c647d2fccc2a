"""The LALR machine: runs the parse table over tokens, and goes on after a mistake with the next statement."""

from __future__ import annotations

from typing import Any

from archdsl.diagnostics import Problem
from archdsl.limits import Limits
from archdsl.source import Source, Span
from archdsl.syntax import tree
from archdsl.syntax.build import Action, Builder
from archdsl.syntax.lexer import Token
from archdsl.syntax.repair import Situation, diagnose
from archdsl.syntax.tables import Tables, tables

UNITS = ("statement", "claim", "declaration")  # what the machine skips as a whole after a mistake
NESTS = frozenset(
    ["conditional", "binary", "unary", "attribute", "index", "slice", "call", "list_of", "comprehension", "condition"]
)


class TooDeepError(Exception):
    """An expression deeper than the budget: the parse stops here."""

    def __init__(self, span: Span) -> None:
        self.span = span


class Machine:
    """One parse of laid-out tokens. `problems` is empty if and only if the tree is whole."""

    def __init__(self, source: Source, tokens: list[Token], builder: Builder, limits: Limits) -> None:
        self.source = source
        self.tokens = tokens
        self.limits = limits
        self.table: Tables = tables()
        self.builder = builder
        self.problems: list[Problem] = []
        self.recoveries = 0
        self.quiet: list[tuple[int, int]] = []
        self.states: list[int] = []
        self.values: list[Any] = []
        self.firsts: list[int] = []  # index of each value's first token
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.heights: list[int] = []

    def run(self, start: str) -> Any:
        """The tree from a start symbol, or `None` where recovery did not lead to one."""
        table, tokens = self.table, self.tokens
        actions, gotos, rules = table.actions, table.gotos, table.rules
        functions: list[Action | None] = [
            None if rule.action in ("pass", "splice") else self.builder.action(rule.action) for rule in rules
        ]
        self.states, end_state = [table.starts[start]], table.ends[start]
        states, values, firsts = self.states, self.values, self.firsts
        starts, ends, heights = self.starts, self.ends, self.heights
        limit, source = self.limits.nesting, self.source
        at = 0
        while True:
            token = tokens[at]
            if token.kind == "END" and states[-1] == end_state:
                return values[-1]
            code = actions[states[-1]].get(token.kind)
            if code is None:
                code = table.forced[states[-1]]
            if code is None:
                next_at = self._recover(at)
                if next_at is None:
                    return None
                at = next_at
                continue
            if code >= 0:
                states.append(code)
                values.append(token)
                firsts.append(at)
                starts.append(token.start)
                ends.append(token.end)
                heights.append(0)
                at += 1
                continue
            rule = rules[-1 - code]
            size = rule.length
            if not size:
                value: Any = self.builder.start([], Span(source, 0, 0))  # no other rule is empty
                first, begin, stop, height = at, token.start, token.start, 0
            else:
                # A list grows in place: a copy for each item would make long bodies quadratic.
                parts: list[Any] = values[-size] if rule.grows else []
                for index in rule.kept[rule.grows :]:
                    part = values[index - size]
                    if index in rule.spliced:
                        parts += part
                    else:
                        parts.append(part)
                first, begin, stop = firsts[-size], starts[-size], ends[-1]
                height = max(heights[-size:])
                function = functions[-1 - code]
                if function is not None:
                    if rule.action in NESTS:
                        height += 1
                        if height > limit:
                            raise TooDeepError(Span(source, begin, stop))
                    value = function(parts, Span(source, begin, stop))
                else:
                    value = parts[0] if rule.action == "pass" else parts
                del states[-size:], values[-size:], firsts[-size:], starts[-size:], ends[-size:], heights[-size:]
            self._push(gotos[states[-1]][rule.origin], value, first, begin, stop, height)

    def _push(self, state: int, value: Any, first: int, start: int, end: int, height: int) -> None:
        self.states.append(state)
        self.values.append(value)
        self.firsts.append(first)
        self.starts.append(start)
        self.ends.append(end)
        self.heights.append(height)

    def _cut(self, depth: int) -> None:
        """Leaves the first `depth` states and what was made on the way to them."""
        del self.states[depth:]
        for stack in (self.values, self.firsts, self.starts, self.ends, self.heights):
            del stack[depth - 1 :]

    def _recover(self, at: int) -> int | None:
        """Reports what is wrong at a token, and gives the index of the token to go on with, or `None` at a dead end."""
        here = self._situation(at)
        repair = diagnose(here)
        if not self._is_echo(here):
            self.problems.append(repair.problem)
        self.recoveries += 1
        if len(self.problems) >= self.limits.diagnostics or self.recoveries >= 2 * self.limits.diagnostics:
            return None
        if repair.index is not None:
            self.tokens[repair.index] = self.tokens[repair.index]._replace(kind=repair.kind)
            if repair.index < at:
                self._cut(self.firsts.index(repair.index) + 1)
            return repair.index
        return self._skip(here) if here.unit else None

    def _situation(self, at: int) -> Situation:
        for depth in range(len(self.states), 0, -1):
            unit = next((unit for unit in UNITS if unit in self.table.gotos[self.states[depth - 1]]), None)
            if unit:
                break
        else:
            depth, unit = 1, ""
        first = self.firsts[depth - 1] if depth - 1 < len(self.firsts) else at
        return Situation(self.table, self.source, self.tokens, at, self.states, self.firsts, first, depth, unit)

    def _is_echo(self, here: Situation) -> bool:
        """Whether a mistake follows from one that is reported already."""
        start = here.token.start
        made_up = here.tokens[here.first].text == ""
        return (made_up and here.first != here.at) or any(first <= start <= last for first, last in self.quiet)

    def _skip(self, here: Situation) -> int:
        """Drops the rest of a statement or declaration; a body in it is still read, under a made-up head."""
        level, at = 0, here.at
        self._cut(here.depth)
        while True:
            kind = self.tokens[at].kind
            if kind == "{" and here.unit != "claim":
                self.tokens[here.first : at] = _head(here.unit, self.tokens[at].start)
                return here.first
            if level == 0 and (kind in ("NL", "}") or kind == "END"):
                break
            level += {"{": 1, "}": -1}.get(kind, 0)
            at += 1
        place = self.tokens[at].start
        dummy = tree.Chain(Span(self.source, place, place), ())
        self._push(self.table.gotos[self.states[-1]][here.unit], dummy, here.first, place, place, 0)
        return at


def _head(unit: str, at: int) -> list[Token]:
    """A made-up head for a body: a label, or a block without parameters."""
    kinds = ("NAME",) if unit == "statement" else ("block", "NAME", "(", ")")
    return [Token(kind, "", at, at) for kind in kinds]
