"""Weights travel as a plan: how each entry of the new graph comes from entries of the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from archdsl.graph import Graph
from archdsl.passes.arrays import (
    Array,
    Arrays,
    Concat,
    Expr,
    Fresh,
    Part,
    Permute,
    Reshape,
    Same,
    Take,
    leaves,
    rearranges,
    sizes_of,
    substitute,
    value_of,
    written,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the new state_dict: its key, where it comes from, and whether it is trained."""

    key: str
    expression: Expr
    trainable: bool
    dtype: str = "float32"


@dataclass(frozen=True)
class Plan:
    """All entries of the new graph, in its state_dict order, and the trainable keys of the old one."""

    entries: tuple[Entry, ...]
    old: tuple[str, ...]

    @property
    def fresh(self) -> tuple[str, ...]:
        """Keys that no old entry determines."""
        return tuple(e.key for e in self.entries if any(isinstance(leaf, Fresh) for leaf in leaves(e.expression)))

    @property
    def dropped(self) -> tuple[str, ...]:
        """Trainable old keys that nothing takes."""
        used = {leaf.key for e in self.entries for leaf in leaves(e.expression) if isinstance(leaf, Take)}
        return tuple(key for key in self.old if key not in used)

    @property
    def exact(self) -> bool:
        """True if each trainable entry only rearranges old ones, and every number of the old ones is used once."""
        trained = [entry.expression for entry in self.entries if entry.trainable]
        if not all(map(rearranges, trained)) or self.dropped:
            return False
        sizes: dict[str, int] = {}
        taken: dict[str, int] = {}
        for expression in trained:
            for leaf, count in _counts(expression):
                sizes[leaf.key] = prod(leaf.sizes)
                taken[leaf.key] = taken.get(leaf.key, 0) + count
        return taken == sizes

    def apply(self, old: Arrays, fresh: Arrays | None = None) -> dict[str, Array]:
        """The new arrays; entries that are new come from `fresh`. Each is computed in float64 and rounded once."""
        new: dict[str, Array] = {}
        kind = next((old[key].dtype for key in self.old if key in old), np.dtype(np.float32))
        for entry in self.entries:
            if isinstance(entry.expression, Fresh):
                if fresh is None:
                    raise KeyError(f"{entry.key} is new, and no initial value was given")
                new[entry.key] = fresh[entry.key]
                continue
            value = value_of(entry.expression, old)
            dtype = np.int64 if entry.dtype == "int64" else kind
            new[entry.key] = np.asarray(value, dtype, order="C")
        return new

    def apply_moments(self, old: Mapping[str, Array]) -> dict[str, Array]:
        """An elementwise optimizer's state by key (momentum, say), moved as the weights are. Needs an `exact` plan."""
        return {entry.key: value_of(entry.expression, old) for entry in self.entries if entry.trainable}

    def then(self, later: Plan) -> Plan:
        """This plan, then a later one, as one plan."""
        mine = {entry.key: entry.expression for entry in self.entries}
        entries = tuple(
            Entry(entry.key, substitute(entry.expression, mine), entry.trainable, entry.dtype)
            for entry in later.entries
        )
        return Plan(entries, self.old)

    def backwards(self, old: Graph) -> Plan:
        """The plan from the new graph's weights to the old one's. Raises `ValueError` unless this one is exact."""
        if not self.exact:
            raise ValueError("only a plan that rearranges runs backwards")
        found: dict[str, list[tuple[tuple[tuple[int, int], ...], Expr]]] = {}
        for entry in self.entries:
            if rearranges(entry.expression):
                for key, box, source in _invert(entry.expression, Take(entry.key, sizes_of(entry.expression))):
                    found.setdefault(key, []).append((box, source))
        entries = []
        for key, _, tensor in old.state():
            entries.append(Entry(key, _assemble(tensor.sizes, found[key]), tensor.trainable, tensor.dtype))
        return Plan(tuple(entries), tuple(entry.key for entry in self.entries if entry.trainable))

    def text(self) -> str:
        """A line for each entry that is not simply kept."""
        lines = []
        for entry in self.entries:
            if entry.expression != Take(entry.key, sizes_of(entry.expression)):
                lines.append(f"{entry.key} = {written(entry.expression)}")
        return "\n".join(lines)


def identity(graph: Graph) -> Plan:
    """The plan that keeps everything."""
    entries = tuple(Entry(k, Take(k, t.sizes), t.trainable, t.dtype) for k, _, t in graph.state())
    return Plan(entries, tuple(entry.key for entry in entries if entry.trainable))


def _counts(expression: Expr) -> list[tuple[Take, int]]:
    """Each old entry under a rearranging expression, and how many of its numbers are used."""
    match expression:
        case Take():
            return [(expression, prod(expression.sizes))]
        case Concat(parts=parts):
            return [pair for part in parts for pair in _counts(part)]
        case Part(of=Take() as leaf):
            return [(leaf, prod(sizes_of(expression)))]
        case Part(of=of):
            inner = _counts(of)
            if len(inner) == 1:
                return [(inner[0][0], prod(sizes_of(expression)))]
            return [(leaf, -1) for leaf, _ in inner]  # a cut through a joint: not counted as exact
        case Reshape(of=of) | Permute(of=of):
            return _counts(of)
        case _:
            return []


Box = tuple[tuple[int, int], ...]


def _invert(expression: Expr, source: Expr) -> list[tuple[str, Box, Expr]]:
    """Which box of each old entry a rearranging expression holds, as an expression over the new entry."""
    match expression:
        case Take(key=key, sizes=sizes):
            return [(key, tuple((0, size) for size in sizes), source)]
        case Concat(parts=parts, axis=axis):
            found, start = [], 0
            for part in parts:
                size = sizes_of(part)[axis]
                found += _invert(part, Part(source, axis, start, start + size))
                start += size
            return found
        case Same(parts=parts):
            return [item for part in parts for item in _invert(part, source)]
        case Reshape(of=of):
            return _invert(of, Reshape(source, sizes_of(of)))
        case Permute(of=of, order=order):
            back = tuple(order.index(axis) for axis in range(len(order)))
            return _invert(of, Permute(source, back))
        case Part(of=Take(key=key, sizes=sizes), axis=axis, start=start, stop=stop):
            box = tuple((start, stop) if index == axis else (0, size) for index, size in enumerate(sizes))
            return [(key, box, source)]
        case _:
            raise ValueError("this plan cuts what it joined")


def _assemble(sizes: tuple[int, ...], boxes: list[tuple[Box, Expr]]) -> Expr:
    """An old entry out of the boxes that new entries hold of it, which differ along one axis at most."""
    whole = tuple((0, size) for size in sizes)
    for box, source in boxes:
        if box == whole:
            return source
    axis = next(index for index in range(len(sizes)) if len({box[index] for box, _ in boxes}) > 1)
    ordered = sorted(boxes, key=lambda item: item[0][axis])
    return Concat(tuple(source for _, source in ordered), axis)
