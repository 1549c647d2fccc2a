"""What a spec is made of while it is found again: parts with holes, of which trees are printed in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from archdsl.outline.call import REQUIRED
from archdsl.source import Source, Span
from archdsl.syntax import tree

HERE: Final = Span(Source(""), 0, 0)
Label = str | tuple[Any, ...] | None  # a tuple is a template: texts, and indices of loops


class _Absent:
    """The value of a hole that an instance does not have."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Given:
    """What follows from a parameter of the arch, and its value. A block does not see it: it is given what it needs."""

    written: tree.Expr
    value: Any


@dataclass(frozen=True, slots=True)
class Hole:
    """A literal's place: its argument's name, what it is where it is not written, and the value (or an expression)."""

    name: str
    value: Any
    default: Any = REQUIRED

    def filled(self, value: Any) -> Hole:
        """The same place with another value."""
        return Hole(self.name, value, self.default)


@dataclass(frozen=True, slots=True)
class LoopIndex:
    """The index of the loop of a height, shifted."""

    height: int
    start: int = 0


@dataclass(eq=False, slots=True)
class Part:
    """One link of a chain, or a statement.

    `kind`: `op call use from level role branches branch residual param shared aux repeat for stack if`. `word` is the
    operation, block, merge, role or initialiser. `reads` are the values of `from`, as many as `many` says. `names`
    are the variables that its results have.
    """

    kind: str
    label: Label = None
    word: str = ""
    holes: tuple[Hole, ...] = ()
    bodies: tuple[list[Part], ...] = ()
    reads: tuple[Any, ...] = ()
    many: bool = False
    names: tuple[str | None, ...] = ()
    role: str | None = None
    instance: int = -1  # of a call, until its block is known
    height: int = 0  # of a loop
    outputs: int = 1
    variables: tuple[str, ...] = field(default=())  # of a loop
    tail: str | None = None  # of a layer with weights and no label: the position that is its name

    def key(self, named: bool = False) -> tuple[Any, ...]:
        """All but the values in holes: parts of one key are one text with other numbers. With `named` a position that
        is the name of weights counts as a label."""
        return (
            self.kind,
            self.name if named else self.label,
            self.word,
            self.role,
            tuple((hole.name, exact(hole.default)) for hole in self.holes),
            self.reads,
            self.many,
            self.names,
            self.height,
            self.variables,
            tuple(tuple(part.key(named) for part in body) for body in self.bodies),
        )

    @property
    def name(self) -> Label:
        """The label, or the position that is the name of weights."""
        return self.label if self.label is not None else self.tail

    def values(self) -> Iterator[Any]:
        """The values of all holes, outermost first."""
        for hole in self.holes:
            yield hole.value
        for body in self.bodies:
            for part in body:
                yield from part.values()

    def parts(self) -> Iterator[Part]:
        """This part and all in it, in the order of the text."""
        yield self
        for body in self.bodies:
            for part in body:
                yield from part.parts()

    def copy(self, holes: tuple[Hole, ...], bodies: tuple[list[Part], ...], label: Label) -> Part:
        """The same part with other holes, bodies and label."""
        return Part(
            self.kind,
            label,
            self.word,
            holes,
            bodies,
            self.reads,
            self.many,
            self.names,
            self.role,
            self.instance,
            self.height,
            self.outputs,
            self.variables,
            self.tail,
        )

    def size(self) -> int:
        """How many parts there are in it, with itself."""
        return sum(1 for _ in self.parts())


def filled(part: Part, values: Iterator[Any]) -> Part:
    """The same part with other values in its holes, taken in order."""
    holes = tuple(hole.filled(next(values)) for hole in part.holes)
    bodies = tuple([filled(item, values) for item in body] for body in part.bodies)
    return part.copy(holes, bodies, part.label)


def exact(value: Any) -> Any:
    """A value as a key that tells `1` from `True` and `1.0`."""
    if isinstance(value, tuple):
        return (tuple, *map(exact, value))
    return (type(value), repr(value)) if isinstance(value, float) else (type(value), value)


def is_expression(value: Any) -> bool:
    """True for a tree of the language, which is no literal."""
    return isinstance(value, tree.Node)
