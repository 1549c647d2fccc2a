"""Where the literals of a target's call come from: an argument of the operation, a size of its input, or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from archdsl.ops.base import Op
from archdsl.shapes import Shape


@dataclass(frozen=True, slots=True)
class Field:
    """An argument of the operation."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    """A size of an input, without its batch."""

    axis: int
    input: int = 0


@dataclass(frozen=True, slots=True)
class Half:
    """Half of an argument, rounded down: the padding that keeps the size under an odd kernel."""

    name: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, item by item; an `int` stands for itself."""

    items: tuple[Rule | int, ...]


Rule = Field | Size | Half | Listed


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one operation: the literals by name. An argument that no literal shows may change the call's form, and so may
    the input's sizes where `sized` says so."""

    literals: Mapping[str, Rule] = field(default_factory=dict)
    sized: bool = False

    def shown(self) -> frozenset[str]:
        """The arguments that are seen in literals alone."""
        return frozenset(rule.name for rule in self.literals.values() if isinstance(rule, Field)) | frozenset(
            part.name
            for rule in self.literals.values()
            if isinstance(rule, Listed)
            for part in rule.items
            if isinstance(part, Field)
        )


@dataclass(frozen=True, slots=True)
class Explain:
    """What a target knows of its literals: the rules of an operation, the argument that gives a tensor its initial
    values, and the initialiser's argument that a literal of that statement is (`None`: none)."""

    rules: Callable[[Op, tuple[Shape, ...]], Rules]
    argument: Callable[[str], str]
    initial: Callable[[str, str], str | None]
