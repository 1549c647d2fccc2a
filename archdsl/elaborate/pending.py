"""Declarations of a file that are evaluated when they are first read, what they need before them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.modules import Module, Pending, origin
from archdsl.elaborate.static import names_in
from archdsl.elaborate.values import POISON
from archdsl.source import Span
from archdsl.syntax import tree

if TYPE_CHECKING:
    from archdsl.elaborate.expressions import Expressions


class Pendings:
    """The pending declarations of one elaboration, and those that are being evaluated now."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self._inside: list[tree.Node] = []

    def waits(self, declaration: tree.Node) -> bool:
        """True if a declaration is being evaluated, so that reading it leads back to it."""
        return any(item is declaration for item in self._inside)

    def needed(self, module: Module, name: str, span: Span) -> list[tuple[Module, str]]:
        """A pending name after all that its value needs, so that a chain of any length is evaluated from its end."""
        order: list[tuple[Module, str]] = []
        seen = {(module, name)}
        stack = [((module, name), self._reads(module, name))]
        while stack:
            self.expressions.fuel.spend(span, 1)
            here, reads = stack[-1]
            following = next((each for each in reads if each not in seen), None)
            if following is None:
                order.append(here)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, self._reads(*following)))
        return order

    def _reads(self, module: Module, name: str) -> Iterator[tuple[Module, str]]:
        """The pending names that a pending declaration reads."""
        entry = module.names[name]
        assert isinstance(entry, Pending)
        for other in sorted(names_in(entry.declaration)):
            home, own = origin(module, other)
            read = home.names.get(own)
            if isinstance(read, Pending) and not self.waits(read.declaration):
                yield home, own

    def evaluate(self, module: Module, name: str) -> None:
        """Evaluates a pending declaration, or leaves poison. Raises `Found`."""
        entry = module.names[name]
        if not isinstance(entry, Pending):
            return
        declaration = entry.declaration
        idents = (declaration.name,) if isinstance(declaration, tree.BlockVariant) else declaration.names
        self._inside.append(declaration)
        try:
            env = Env(module)
            if isinstance(declaration, tree.BlockVariant):
                value = self.expressions.variant(declaration, env)
            else:
                value = self.expressions.value(declaration.value, env)
            for ident, item in zip(idents, self.expressions.apart(idents, value, env), strict=True):
                module.names[ident.name] = item
        except Found:
            for ident in idents:
                module.names[ident.name] = POISON
            raise
        finally:
            self._inside.pop()
