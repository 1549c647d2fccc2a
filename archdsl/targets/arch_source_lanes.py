"""Residuals, branches and side heads: what runs beside the main line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node, Value
from archdsl.ops import Add
from archdsl.targets.arch_source_groups import Group, nodes_of
from archdsl.targets.arch_source_layers import Defaults, Layers, Place
from archdsl.targets.arch_source_parts import Given, Label, Part
from archdsl.targets.arch_source_values import Body


class Lanes(Layers):
    """Writes the scopes that split the flow, where they are as the language has them; `None` where they are not."""

    def __init__(self, graph: Graph, defaults: Defaults, named: frozenset[int], given: Mapping[Place, Given]) -> None:
        super().__init__(graph, defaults, named, given)
        self.empty = _empty_calls(graph)

    @abstractmethod
    def _items(self, items: Sequence[int | Group], body: Body, level: str) -> list[Part]:
        """The statements of a scope."""

    @abstractmethod
    def _levelled(self, items: Sequence[int | Group], level: str) -> list[int | Group]:
        """The same statements, those of a level that no scope opens as a group."""

    @abstractmethod
    def _item(self, item: int | Group, body: Body, level: str) -> list[Part]:
        """One statement, whatever its marks."""

    @abstractmethod
    def _instance(self, part: Part, scope: int, channels: int | None, parts: list[Part]) -> None:
        """Keeps the call of a block."""

    def _all(self, item: int | Group, mark: str) -> bool:
        nodes = item.nodes() if isinstance(item, Group) else (item,)
        return all(getattr(self.graph.nodes[index], mark) for index in nodes)

    def _kind(self, item: Group) -> str:
        """The kind of a group's scope, empty if it has none."""
        return self.graph.scopes[item.scope].kind if item.scope >= 0 else ""

    def _residual(self, item: Group, body: Body, level: str) -> list[Part] | None:
        """`residual { } skip ...`, if the scope ends in the sum of the two."""
        last = item.items[-1]
        if isinstance(last, Group) or not self._sums(last, body):
            return None
        add = self.graph.nodes[last]
        inner, skips = self._levelled(item.items[:-1], level), []
        if inner and isinstance(inner[-1], Group) and self._kind(inner[-1]) == "skip":
            if not self._all(inner[-1], "skip"):
                return None
            skips = [inner.pop()]
        elif inner and self._all(inner[-1], "skip"):
            while inner and self._all(inner[-1], "skip"):
                skips.insert(0, inner.pop())
        if any(self._all(each, "skip") for each in inner) and not body.skip:
            return None
        start = add.inputs[1]
        own = {index for each in (*inner, *skips) for index in nodes_of(each)}
        if skips:
            reads = self._ends([index for each in (*skips, *inner) for index in nodes_of(each)])[0]
            start = reads[0] if reads else start
        if not inner or start.node in own or add.inputs[0].node not in own:
            return None
        if skips and add.inputs[1].node not in {index for each in skips for index in nodes_of(each)}:
            return None
        before = self._read((start,), False, body, level)
        main = self._items(inner, body, level)
        main += self._read((add.inputs[0],), False, body, level)
        body.here = start
        side: list[Part] = []
        if skips:
            body.skip, outer = True, body.skip
            for each in skips:
                flat = isinstance(each, Group) and self._kind(each) == "skip" and not each.torn
                side += (
                    self._items(each.items, body, level)
                    if flat and isinstance(each, Group)
                    else self._item(each, body, level)
                )
            side += self._read((add.inputs[1],), False, body, level)
            body.skip = outer
        elif len(self.empty.get(item.scope, ())) == 1:
            side = [self._empty_call(self.empty[item.scope][0], start, level)]
        part = Part("residual", bodies=(main, side))
        self.places.word(level, "add")
        self._made(part, (Value(last),), body, None)
        body.here = Value(last)
        return [*before, part]

    def _empty_call(self, scope_index: int, start: Value, level: str) -> Part:
        """A call that adds no layer here; the position that it takes counts."""
        scope = self.graph.scopes[scope_index]
        label: Label = self.places.call(scope.path, level) if scope.opens else "_"
        part = Part("call", label, scope.block or "")
        self._instance(part, scope_index, self.graph.shape(start).size("c"), [])
        return part

    def _sums(self, index: int, body: Body) -> bool:
        node = self.graph.nodes[index]
        return (
            node.op == Add() and len(node.inputs) == 2 and node.inputs[0] != node.inputs[1] and self._plain(node, body)
        )

    @staticmethod
    def _plain(node: Node, body: Body) -> bool:
        return node.skip == body.skip and node.training == body.training and body.units[node.path] == 1

    def _branches(self, item: Group, body: Body, level: str) -> list[Part] | None:
        """`branches merge { }`, if the scope ends in a merge of what its branches give, in their order."""
        last = item.items[-1]
        if isinstance(last, Group):
            return None
        node = self.graph.nodes[last]
        if node.op.takes != "list" or node.op.numbered or not self._plain(node, body) or len(node.inputs) < 2:
            return None
        lanes = self._lanes(self._levelled(item.items[:-1], level), node.inputs)
        if lanes is None:
            return None
        reads, _ = self._ends([index for lane in lanes for each in lane for index in nodes_of(each)])
        if not reads:
            return None
        lead = self._lead(lanes)
        first, lanes[0] = lanes[0][:lead], lanes[0][lead:]
        before = self._items(first, body, level)
        start = body.here
        if not first or isinstance(start, Value) or start is None:
            start = self._ends([index for lane in lanes for each in lane for index in nodes_of(each)])[0][0]
            before += self._read((start,), False, body, level)
        branches = []
        for lane, value in zip(lanes, node.inputs, strict=True):
            body.here = start
            branches.append(self._branch(lane, value, body, level))
        part = Part("branches", word=node.op.word, holes=self._holes(node.op), bodies=(branches,))
        self.places.word(level, node.op.word)
        self._made(part, (Value(last),), body, None)
        body.here = Value(last)
        return [*before, part]

    def _lead(self, lanes: list[list[int | Group]]) -> int:
        """How many statements of the first branch make what other branches read: they stand before all branches."""
        read = {
            value.node
            for lane in lanes[1:]
            for each in lane
            for index in nodes_of(each)
            for value in self.graph.nodes[index].inputs
        }
        ends = [at for at, each in enumerate(lanes[0]) if any(index in read for index in nodes_of(each))]
        lead = ends[-1] + 1 if ends else 0
        plain = not any(self._all(each, "skip") for each in lanes[0][:lead])
        return lead if lead < len(lanes[0]) and plain else 0

    def _branch(self, lane: list[int | Group], value: Value, body: Body, level: str) -> Part:
        skip = not body.skip and (value == body.here if not lane else all(self._all(each, "skip") for each in lane))
        outer, body.skip = body.skip, body.skip or skip
        parts = self._items(lane, body, level)
        parts += self._read((value,), False, body, level)
        body.skip = outer
        return Part("branch", role="skip" if skip else None, bodies=(parts,))

    def _lanes(self, items: Sequence[int | Group], inputs: tuple[Value, ...]) -> list[list[int | Group]] | None:
        """The statements of each branch: those up to the one that gives its value; none for a value from outside."""
        owner = {index: at for at, each in enumerate(items) for index in nodes_of(each)}
        lanes: list[list[int | Group]] = []
        at = 0
        for value in inputs:
            end = owner.get(value.node)
            if end is None:
                lanes.append([])
                continue
            if end < at:
                return None
            lanes.append(list(items[at : end + 1]))
            at = end + 1
        return lanes if at == len(items) else None

    def _aux(self, items: Sequence[int | Group], body: Body, level: str) -> Part:
        """A side head, which leaves the current value alone."""
        before = body.here
        reads, _ = self._ends([index for each in items for index in nodes_of(each)])
        body.here = None
        start = self._read(reads, len(reads) > 1, body, level)
        body.training = True
        inner: list[Part] = []
        for each in items:
            flat = isinstance(each, Group) and self._kind(each) == "role"
            inner += (
                self._items(each.items, body, level)
                if flat and isinstance(each, Group)
                else self._item(each, body, level)
            )
        body.training = False
        body.here = before
        return Part("aux", bodies=([*start, *inner],))


def _empty_calls(graph: Graph) -> dict[int, list[int]]:
    """Calls of blocks that add no layer, by the residual whose shortcut they are."""
    filled: set[int] = set()
    for node in graph.nodes:
        current: int | None = node.scope
        while current is not None and current not in filled:
            filled.add(current)
            current = graph.scopes[current].parent
    found: dict[int, list[int]] = {}
    for index, scope in enumerate(graph.scopes):
        if scope.block and index not in filled and scope.parent is not None:
            above = graph.scopes[scope.parent]
            if above.kind == "skip" and above.parent is not None:
                found.setdefault(above.parent, []).append(index)
    return found
