"""Where the literals of a class come from, read in the class that holds it or in one around that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.elaborate.environment import Env
from archdsl.ir.program import Value
from archdsl.outline.holes import Initial, Literal, Passed, Source
from archdsl.outline.rules import Explain
from archdsl.outline.seen import Seen, fitting
from archdsl.outline.symbols import Sym, frozen, item
from archdsl.outline.terms import Key, Sides, bare


@dataclass(frozen=True, slots=True)
class Shaped:
    """Everything that may change the form of a node."""

    node: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A literal that stays one, whatever it depends on."""

    sources: tuple[Source, ...]
    value: Any


Sink = Shaped | Kept


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter that was found from values: the literals that it stands for, or the items of them."""

    wholes: tuple[Kept, ...]
    parts: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One application of a class: its block's frame, what enters it, and what each of its parameters is."""

    frame: Env | None
    inputs: tuple[Value, ...]
    parameters: tuple[Key | Column, ...]


class Reader:
    """Reads sources; `instances` are the applications of classes by their levels."""

    def __init__(self, explain: Explain, named: Callable[[str], str]) -> None:
        self.explain, self.named = explain, named
        self.instances: dict[int, Instance] = {}

    def combined(self, seen: Seen, sources: Sequence[Source], value: Any) -> Sym | None:
        """What all of some sources are, which have one value; without a term if they say different things."""
        found = [self.read(seen, source, value) for source in sources]
        syms = [sym for sym in found if sym is not None]
        return alike(syms, value) if syms and len(syms) == len(found) else None

    def taint(self, seen: Seen, sink: Sink) -> frozenset[Any]:
        """What may change it."""
        if isinstance(sink, Shaped):
            return seen.form(sink.node)
        found = self.combined(seen, sink.sources, sink.value)
        return frozenset() if found is None else found.all

    def read(self, seen: Seen, source: Source, value: Any) -> Sym | None:
        """What one source is, `None` where nothing tells it."""
        match source:
            case Literal():
                return seen.literal(source.node, source.name, value)
            case Initial():
                name = self.explain.initial(source.function, source.name)
                argument = self.explain.argument(source.tensor)
                return None if name is None else seen.initial(source.node, argument, name, value)
            case Passed():
                instance = self.instances[source.level]
                return self._parameter(seen, instance, instance.parameters[source.parameter], value)

    def _part(self, seen: Seen, whole: Kept, part: int | None, value: Any) -> Sym | None:
        found = self.combined(seen, whole.sources, whole.value)
        return found if found is None or part is None else fitting(item(found, part), value)

    def _parameter(self, seen: Seen, instance: Instance, key: Key | Column, value: Any) -> Sym | None:
        if isinstance(key, Column):
            found = [self._part(seen, whole, part, value) for whole, part in zip(key.wholes, key.parts, strict=True)]
            return alike([sym for sym in found if sym is not None], value) if None not in found else None
        if isinstance(key, tuple):
            return seen.size(instance.inputs[key[0]], key[1])
        name = key.name if isinstance(key, Sides) else key
        return None if instance.frame is None else fitting(seen.parameter(instance.frame, name), value)


def alike(syms: Sequence[Sym], value: Any) -> Sym:
    """What all are, or this value without a term if they are different things."""
    first = syms[0]
    if all(_same(first, other) for other in syms[1:]):
        return first
    return frozen(value, frozenset[Any]().union(*(sym.all for sym in syms)))


def _same(first: Sym, other: Sym) -> bool:
    if first.items is not None and other.items is not None:
        return len(first.items) == len(other.items) and all(map(_same, first.items, other.items))
    if first.term is None or other.term is None:
        return first.term is other.term and not first.all and not other.all
    return bare(first.term) == bare(other.term)
