"""A graph's scopes as a tree in which equal neighbours are found: what a picture folds to `x3` or to `32 paths`.

Scopes are compared by hash-consing, bottom-up: equal operations, equal shapes, equal blocks, wired in the same way, are
one key, whatever their paths are. The work is linear in the nodes times the depth of their scopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.program import Scope, Value

Wire = tuple[int, int]  # an item of the same scope and which of its exits; (-1, k) is the scope's entry k
MANY = 5  # parallel paths from which on some are left out


@dataclass(frozen=True, slots=True)
class Item:
    """A node, or a scope with what is in it. `times` counts the equal scopes in sequence that it stands for, `elided`
    the equal parallel scopes behind it that are left out; `nodes` are those of this one, in program order."""

    key: int
    nodes: tuple[int, ...]
    entries: tuple[Value, ...]
    exits: tuple[Value, ...]
    scope: int | None = None
    children: tuple[Item, ...] = ()
    times: int = 1
    elided: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """The folded scopes, and for each node that is folded away the node that stands for it (`stands`) or the node
    behind whose path it is left out (`left_out`)."""

    root: Item
    stands: dict[int, int]
    left_out: dict[int, int]


def fold(graph: Graph) -> Tree:
    """The tree of a graph's scopes with its equal neighbours folded."""
    root = _Keys(graph).item(_children(graph), 0)
    folding = _Folding({}, {})
    return Tree(folding.folded(root), folding.stands, folding.left_out)


def _children(graph: Graph) -> list[list[tuple[bool, int]]]:
    """For each scope what is in it, in the order of its first nodes: `(is a scope, index)`."""
    inside: list[list[tuple[bool, int]]] = [[] for _ in graph.scopes]
    attached = {0}
    for index, node in enumerate(graph.nodes):
        inside[node.scope].append((False, index))
        scope = node.scope
        while scope not in attached:
            attached.add(scope)
            parent = graph.scopes[scope].parent
            assert parent is not None
            inside[parent].append((True, scope))
            scope = parent
    return inside


class _Keys:
    """Makes items, and gives equal ones one key."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.table: dict[Any, int] = {}
        self.level = [0] * len(graph.scopes)
        for index, scope in enumerate(graph.scopes[1:], 1):
            assert scope.parent is not None
            self.level[index] = self.level[scope.parent] + 1
        self.escapes = self._escapes()

    def item(self, inside: list[list[tuple[bool, int]]], scope: int) -> Item:
        children = tuple(
            self.item(inside, index) if is_scope else self._node(index) for is_scope, index in inside[scope]
        )
        facts = self.graph.scopes[scope]
        wires, entries = wiring(children)
        level = self.level[scope]
        exits = tuple(value for child in children for value in child.exits if self.escapes.get(value, level) < level)
        places = _places(children)
        key = (
            (facts.kind, facts.block, facts.role, facts.opens, self._weights(facts)),
            tuple(child.key for child in children),
            wires,
            tuple(places[value] for value in exits),
        )
        nodes = tuple(node for child in children for node in child.nodes)
        return Item(self._key(key), nodes, entries, exits, scope, children)

    def _weights(self, scope: Scope) -> tuple[int, str] | None:
        """Which weights a scope applies that shares them, as it sees them: how many levels around it are inside the
        one that declares them, and their path below that one. Different weights are never one."""
        if scope.kind != "shared" or scope.parent is None:
            return None
        up = 0
        for around in self.graph.ancestors(scope.parent):
            if around.opens and scope.path.startswith(f"{around.path}."):
                return up, scope.path[len(around.path) + 1 :]
            up += around.opens
        return up, scope.path

    def _node(self, index: int) -> Item:
        node = self.graph.nodes[index]
        entries = tuple(dict.fromkeys(node.inputs))
        exits = tuple(Value(index, output) for output in range(len(node.outputs)))
        # A rate that grows from block to block shows nowhere in a picture.
        op = node.op.word if node.op.random else node.op
        wires = tuple(entries.index(value) for value in node.inputs)
        shapes = tuple(shape.sizes for shape in node.outputs)
        return Item(self._key((op, wires, shapes, node.skip, node.training)), (index,), entries, exits)

    def _key(self, key: Any) -> int:
        return self.table.setdefault(key, len(self.table))

    def _escapes(self) -> dict[Value, int]:
        """For each value that is read, the level of the outermost scope that holds it and all its readers."""
        escapes: dict[Value, int] = {output.value: -1 for output in self.graph.outputs}
        for node in self.graph.nodes:
            for value in node.inputs:
                level = self._common(self.graph.nodes[value.node].scope, node.scope)
                escapes[value] = min(escapes.get(value, level), level)
        return escapes

    def _common(self, one: int, other: int) -> int:
        while one != other:
            if self.level[one] < self.level[other]:
                one, other = other, one
            parent = self.graph.scopes[one].parent
            assert parent is not None
            one = parent
        return self.level[one]


def _places(children: Sequence[Item]) -> dict[Value, Wire]:
    return {value: (place, exit) for place, child in enumerate(children) for exit, value in enumerate(child.exits)}


def wiring(children: Sequence[Item]) -> tuple[tuple[tuple[Wire, ...], ...], tuple[Value, ...]]:
    """Where each child reads from, and the values that they read from outside, in the order of reading."""
    places = _places(children)
    entries: dict[Value, int] = {}
    wires = tuple(
        tuple(
            places[value] if value in places else (-1, entries.setdefault(value, len(entries)))
            for value in child.entries
        )
        for child in children
    )
    return wires, tuple(entries)


# -------------------------------------------------------------------- folding


@dataclass(frozen=True, slots=True)
class _Folding:
    stands: dict[int, int]
    left_out: dict[int, int]

    def folded(self, item: Item) -> Item:
        """The item with equal neighbours among its children folded, and so on inside."""
        if item.scope is None:
            return item
        wires, _ = wiring(item.children)
        outside = set(item.exits)
        children: list[Item] = []
        start = 0
        while start < len(item.children):
            end = _run(item.children, start)
            run, after = item.children[start:end], wires[start:end]
            if len(run) >= MANY and all(wire == after[0] for wire in after):
                children += self._parallel(run)
            else:
                children += self._sequences(item.children, wires, outside, start, end)
            start = end
        return replace(item, children=tuple(children))

    def _parallel(self, run: Sequence[Item]) -> Iterator[Item]:
        first, second, last = run[0], run[1], run[-1]
        for other in run[2:-1]:
            self.left_out.update(dict.fromkeys(other.nodes, second.nodes[-1]))
        yield self.folded(first)
        yield replace(self.folded(second), elided=len(run) - 3)
        yield self.folded(last)

    def _sequences(
        self, items: Sequence[Item], wires: Sequence[tuple[Wire, ...]], outside: set[Value], start: int, end: int
    ) -> Iterator[Item]:
        readers = _readers(wires, start, end)
        while start < end:
            stop = start + 1
            while stop < end and _follows(items, wires, readers, outside, start, stop):
                stop += 1
            first = items[start]
            for other in items[start + 1 : stop]:
                self.stands.update(zip(other.nodes, first.nodes, strict=True))
            yield replace(self.folded(first), times=stop - start)
            start = stop


def _run(items: Sequence[Item], start: int) -> int:
    """The end of the equal scopes that begin here."""
    end = start + 1
    while end < len(items) and items[start].scope is not None and items[end].key == items[start].key:
        end += 1
    return end


def _readers(wires: Sequence[tuple[Wire, ...]], start: int, end: int) -> dict[int, set[int]]:
    """For each item from start to end the items that read it."""
    readers: dict[int, set[int]] = {place: set() for place in range(start, end)}
    for reader, ways in enumerate(wires):
        for place, _ in ways:
            if place in readers:
                readers[place].add(reader)
    return readers


def _follows(
    items: Sequence[Item],
    wires: Sequence[tuple[Wire, ...]],
    readers: dict[int, set[int]],
    outside: set[Value],
    start: int,
    place: int,
) -> bool:
    """True if this item reads the one before it as the second of the run reads the first, and nothing else does."""
    before = place - 1
    if readers[before] != {place} or any(value in outside for value in items[before].exits):
        return False
    pairs = zip(wires[start + 1], wires[place], strict=True)
    return all(this == (before, pattern[1]) if pattern[0] == start else this == pattern for pattern, this in pairs)
