"""Weights travel as a plan: how each entry of the new graph comes from entries of the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archdsl.diagnostics import ArchdslError
from archdsl.graph import Graph
from archdsl.passes.arrays import (
    Array,
    Arrays,
    DifferentCountersError,
    Expr,
    Fresh,
    Same,
    Take,
    leaves,
    rearranges,
    sizes_of,
    substitute,
    value_of,
    written,
)
from archdsl.passes.tidy import Piece, assemble, boxes, tidy


class PlanError(ArchdslError):
    """Arrays that a plan cannot carry, and why."""


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
        """Keys that no old entry determines, or not alone."""
        return tuple(e.key for e in self.entries if any(isinstance(leaf, Fresh) for leaf in leaves(e.expression)))

    @property
    def new(self) -> dict[str, Fresh]:
        """Every entry that is to be drawn, by the key under which `apply` looks for it."""
        found = (leaf for entry in self.entries for leaf in leaves(entry.expression) if isinstance(leaf, Fresh))
        return {leaf.key: leaf for leaf in found}

    @property
    def dropped(self) -> tuple[str, ...]:
        """Trainable old keys that nothing takes."""
        used = {leaf.key for e in self.entries for leaf in leaves(e.expression) if isinstance(leaf, Take)}
        return tuple(key for key in self.old if key not in used)

    @property
    def exact(self) -> bool:
        """True if each entry only rearranges old ones, and every number of the trainable ones is used exactly once."""
        trained = [entry for entry in self.entries if entry.trainable]
        if any(isinstance(entry.expression, Same) for entry in trained):
            return False
        pieces = _pieces(trained)
        if pieces is None or pieces.keys() != set(self.old):
            return False
        sizes = {
            leaf.key: leaf.sizes for entry in trained for leaf in leaves(entry.expression) if isinstance(leaf, Take)
        }
        whole = (assemble(tuple((0, size) for size in sizes[key]), pieces[key]) for key in self.old)
        return all(part is not None for part in whole) and all(
            rearranges(entry.expression) for entry in self.entries if not entry.trainable
        )

    def apply(self, old: Arrays, fresh: Arrays | None = None) -> dict[str, Array]:
        """The new arrays; entries that are new (`new`) come from `fresh`. Computed in float64 and rounded once.

        Raises `PlanError` where an array is missing, and where counters differ that one is to stand for.
        """
        new: dict[str, Array] = {}
        kind = next((array.dtype for array in old.values() if array.dtype.kind == "f"), np.dtype(np.float32))
        for entry in self.entries:
            try:
                value = value_of(entry.expression, old, fresh or {})
            except KeyError as error:
                raise PlanError(f"`{entry.key}` needs `{error.args[0]}`, and there is no such array") from error
            except DifferentCountersError as error:
                raise PlanError(f"`{entry.key}` cannot be made: {error}") from error
            dtype = np.int64 if entry.dtype == "int64" else kind
            new[entry.key] = np.asarray(value, dtype, order="C")
        return new

    def apply_moments(self, old: Mapping[str, Array]) -> dict[str, Array]:
        """An elementwise optimizer's state by key (momentum, say), moved as the weights are.

        Raises `PlanError` unless the plan is `exact`.
        """
        if not self.exact:
            raise PlanError("an optimizer's state is carried only by a plan that rearranges")
        return {entry.key: value_of(entry.expression, old, {}) for entry in self.entries if entry.trainable}

    def then(self, later: Plan) -> Plan:
        """This plan, then a later one, as one plan."""
        mine = {entry.key: entry.expression for entry in self.entries}
        entries = tuple(
            Entry(entry.key, _composed(entry.expression, mine), entry.trainable, entry.dtype) for entry in later.entries
        )
        return Plan(entries, self.old)

    def backwards(self, old: Graph) -> Plan:
        """The plan from the new graph's weights to the old one's. Raises `PlanError` unless this one is exact."""
        if not self.exact:
            raise PlanError("only a plan that rearranges runs backwards")
        found = _pieces(self.entries) or {}
        entries = []
        for key, _, tensor in old.state():
            whole = tuple((0, size) for size in tensor.sizes)
            pieces = found.get(key, [])
            if not tensor.trainable:  # a counter that was several is in as many places
                pieces = [piece for piece in pieces if piece[0] == whole][:1] or pieces
            expression = assemble(whole, pieces)
            if expression is None:
                raise PlanError(f"nothing in the new graph holds `{key}`")
            entries.append(Entry(key, tidy(expression), tensor.trainable, tensor.dtype))
        return Plan(tuple(entries), tuple(entry.key for entry in self.entries if entry.trainable))

    def text(self) -> str:
        """One line for each entry that is not carried as it is."""
        lines = []
        for entry in self.entries:
            if entry.expression != Take(entry.key, sizes_of(entry.expression)):
                lines.append(f"{entry.key} = {written(entry.expression)}")
        return "\n".join(lines)


def _composed(expression: Expr, mine: Mapping[str, Expr]) -> Expr:
    if isinstance(expression, Take):  # already tidy
        return mine[expression.key]
    return tidy(substitute(expression, mine))


def _pieces(entries: list[Entry] | tuple[Entry, ...]) -> dict[str, list[Piece]] | None:
    """The boxes of every old entry that new ones hold; `None` if one does more than rearrange."""
    found: dict[str, list[Piece]] = {}
    for entry in entries:
        held = boxes(entry.expression, Take(entry.key, sizes_of(entry.expression)))
        if held is None:
            return None
        for key, box, source in held:
            found.setdefault(key, []).append((box, source))
    return found


def identity(graph: Graph) -> Plan:
    """The plan that keeps everything."""
    entries = tuple(Entry(k, Take(k, t.sizes), t.trainable, t.dtype) for k, _, t in graph.state())
    return Plan(entries, tuple(entry.key for entry in entries if entry.trainable))
