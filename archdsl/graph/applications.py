"""Where shared weights are applied: a graph whose applications stand in the flow, not where they were declared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from archdsl.graph.graph import Graph
from archdsl.ir.program import Scope


@dataclass(slots=True)
class _Application:
    """The scope of an application of shared weights, the scope that they were declared in, its first and last node."""

    scope: int
    declared: int
    first: int
    last: int
    alone: bool = False  # a layer's first application, which has no scope of its own in the graph


def in_place(graph: Graph) -> Graph:
    """The same net for a reader: each application of shared weights that are applied more than once is a scope of the
    kind `shared` in the scope that it is applied in, as far as the order of nodes and scopes tells it.

    The graph itself where no weights are shared. What stands at the very beginning or end of a scope may be told of the
    scope around it. The result is for looking at: its scopes are not those of the spec.
    """
    shared = {scope.path for scope in graph.scopes if scope.kind == "shared"}
    if not shared:
        return graph
    found = _Found(graph, shared)
    homes = {scope: home for group in found.groups() for scope, home in found.homes(group)}
    return _moved(graph, found, homes)


class _Found:
    """The applications in a graph."""

    def __init__(self, graph: Graph, shared: set[str]) -> None:
        self.graph = graph
        self.scopes = list(graph.scopes)
        self.home = [node.scope for node in graph.nodes]
        self.applications: dict[int, _Application] = {}
        self.filled: set[int] = set()  # scopes with nodes of their own, of no application
        self.roots = {
            index
            for index, scope in enumerate(graph.scopes)
            if scope.kind == "shared" or (scope.block is not None and scope.opens and scope.path in shared)
        }
        for index, node in enumerate(graph.nodes):
            if node.path in shared and node.scope not in self.roots:
                self._wrap(index)
            self._note(index)

    def _wrap(self, index: int) -> None:
        """Gives a layer's first application a scope of its own."""
        node = self.graph.nodes[index]
        self.home[index] = len(self.scopes)
        self.roots.add(len(self.scopes))
        self.scopes.append(Scope("shared", node.path, node.scope, opens=True))

    def _note(self, index: int) -> None:
        scope: int | None = self.home[index]
        inside = False
        while scope is not None:
            parent = self.scopes[scope].parent
            if scope in self.roots and parent is not None:
                alone = scope >= len(self.graph.scopes)
                known = self.applications.setdefault(scope, _Application(scope, parent, index, index, alone))
                known.last, inside = index, True
            elif not inside:
                self.filled.add(scope)
            scope = parent

    def groups(self) -> Iterator[list[_Application]]:
        """The applications by the scope that their weights were declared in, each in the order of the flow."""
        groups: dict[int, list[_Application]] = defaultdict(list)
        for application in sorted(self.applications.values(), key=lambda one: one.first):
            groups[application.declared].append(application)
        yield from groups.values()

    def homes(self, group: list[_Application]) -> Iterator[tuple[int, int]]:
        """`(scope, the scope that it is applied in)` of applications whose weights were declared in one scope."""
        declared = group[0].declared
        begin, end = max(group[0].first - 1, 0), min(max(one.last for one in group) + 2, len(self.home))
        ways = [self._way(index, declared) for index in range(begin, end)]
        after: list[tuple[int, ...]] = [*ways, (declared,)]
        for place in reversed(range(len(ways))):
            after[place] = ways[place] or after[place + 1]
        before: tuple[int, ...] = (declared,)
        done = begin
        taken: set[int] = set()
        for one in group:
            for way in ways[done - begin : one.first - begin]:
                before = way or before
            done = max(done, one.first)
            home = self._place(one, before, after[one.last - begin + 1], taken)
            before = self._down(home, declared)
            yield one.scope, home

    def _way(self, index: int, top: int) -> tuple[int, ...]:
        """The scopes from one down to a node, that one alone for a node outside, none for a node in an application."""
        way = self._down(self.home[index], top)
        return () if self.roots.intersection(way[1:]) else way

    def _down(self, scope: int | None, top: int) -> tuple[int, ...]:
        """The scopes from one down to another, that one alone where the other is not in it."""
        way: list[int] = []
        while scope is not None and scope != top:
            way.append(scope)
            scope = self.scopes[scope].parent
        return (top,) if scope is None else (top, *reversed(way))

    def _place(self, one: _Application, before: tuple[int, ...], after: tuple[int, ...], taken: set[int]) -> int:
        """The scope that holds the nodes before and after, or one further in that was opened before the application:
        scopes are numbered as they are opened."""
        common = [here for here, there in zip(before, after, strict=False) if here == there]
        home = common[-1]
        if one.alone:
            return home
        for scope in after[len(common) :]:
            if scope > one.scope:
                break
            home = scope
        return self._empty(one.scope, home, taken)

    def _empty(self, application: int, home: int, taken: set[int]) -> int:
        """The scopes without nodes of their own that were opened right before an application are around it."""
        around: list[int] = []
        scope = application - 1
        while scope > home and scope not in self.filled and scope not in self.roots and scope not in taken:
            around.append(scope)
            scope = self.scopes[scope].parent or 0
        if scope != home:
            return home
        taken.update(around)
        return around[0] if around else home


def _moved(graph: Graph, found: _Found, homes: dict[int, int]) -> Graph:
    """The graph with the applications in their new homes, and its scopes numbered anew from outside in."""
    parents = [homes.get(index, scope.parent) for index, scope in enumerate(found.scopes)]
    order: dict[int, int] = {}
    for index in range(len(parents)):
        way: list[int] = []
        scope: int | None = index
        while scope is not None and scope not in order:
            way.append(scope)
            scope = parents[scope]
        for scope in reversed(way):
            order[scope] = len(order)
    scopes = [_rehung(found.scopes[old], parents[old], old in homes, order) for old in order]
    nodes = [replace(node, scope=order[scope]) for node, scope in zip(graph.nodes, found.home, strict=True)]
    return Graph(replace(graph.program, nodes=tuple(nodes), scopes=tuple(scopes)))


def _rehung(scope: Scope, parent: int | None, applied: bool, order: dict[int, int]) -> Scope:
    return replace(scope, parent=None if parent is None else order[parent], kind="shared" if applied else scope.kind)
