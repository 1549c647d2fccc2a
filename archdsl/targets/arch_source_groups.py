"""The statements of a graph in the order of a spec, grouped by the scopes that hold them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops.base import Input

BRANCHES = -1  # the scope of branches that no scope of the graph holds together
BELOW = -2  # the scope of a level that no scope of the graph opens


@dataclass(slots=True)
class Group:
    """One run of statements inside a scope. `torn` says that the scope has several: its level is never opened whole."""

    scope: int
    items: list[int | Group] = field(default_factory=list)
    torn: bool = False

    def nodes(self) -> Iterator[int]:
        """All nodes inside, in order."""
        for item in self.items:
            if isinstance(item, Group):
                yield from item.nodes()
            else:
                yield item


def statement_order(graph: Graph) -> list[int]:
    """The nodes as a spec would write them: side heads where they were declared, all else as it runs."""
    nodes = graph.nodes
    order = [index for index, node in enumerate(nodes) if not isinstance(node.op, Input)]
    if not graph.program.declared:
        return order
    places = graph.program.places
    shared = {path for path, count in graph.applications.items() if count > 1}
    side = sorted((index for index in order if nodes[index].training), key=lambda index: places[index])
    main = [index for index in order if not nodes[index].training]
    merged: list[int] = []
    waiting = iter(side)
    head = next(waiting, None)
    placed: set[int] = set()
    for index in main:
        while (
            head is not None
            and nodes[index].path not in shared
            and places[head] < places[index]
            and all(nodes[value.node].training or value.node in placed for value in _outer(graph, head))
        ):
            merged.append(head)
            head = next(waiting, None)
        merged.append(index)
        placed.add(index)
    merged += [index for index in (head, *waiting) if index is not None]
    return merged


def _outer(graph: Graph, index: int) -> Iterator[Value]:
    return (value for value in graph.nodes[index].inputs if not isinstance(graph.nodes[value.node].op, Input))


def together(graph: Graph, order: list[int]) -> list[int]:
    """The same statements, where those of levels side by side that no scope opens stand together level by level: passes
    that work across branches leave them mixed. Only what does not read across these levels is moved."""
    opened = {scope.path for scope in graph.scopes if scope.opens}
    levels = [_bare_level(graph, index, opened) for index in order]
    out: list[int] = []
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and levels[end] is not None:
            end += 1
        run = list(zip(order[at:end], levels[at:end], strict=True))
        first: dict[str | None, int] = {}
        for _, level in run:
            first.setdefault(level, len(first))
        where = dict(run)
        apart = all(
            value.node not in where or where[value.node] == level
            for index, level in run
            for value in graph.nodes[index].inputs
        )
        out += [index for index, _ in (sorted(run, key=lambda item: first[item[1]]) if apart else run)]
        out += order[end : end + 1]
        at = end + 1
    return out


def _bare_level(graph: Graph, index: int, opened: set[str]) -> str | None:
    """The level right below a statement's scope that it stands in, if no scope opens it."""
    node = graph.nodes[index]
    above = graph.scopes[node.scope].path
    rest = node.path[len(above) + 1 :] if above else node.path
    if "." not in rest or node.training or graph.applications[node.path] > 1:
        return None
    name = rest.partition(".")[0]
    level = f"{above}.{name}" if above else name
    return None if level in opened else level


def groups(graph: Graph, dissolved: frozenset[int] = frozenset()) -> Group:
    """The whole net as a group; scopes that are `dissolved` count as torn."""
    return _Grouping(graph, dissolved).root()


class _Grouping:
    def __init__(self, graph: Graph, dissolved: frozenset[int]) -> None:
        self.graph = graph
        self.order = together(graph, statement_order(graph))
        self.chains: list[tuple[int, ...]] = []
        for index, scope in enumerate(graph.scopes):
            above = self.chains[scope.parent] if scope.parent else ()
            one = scope.kind == "shared" and scope.path in graph.applications  # of a single layer
            self.chains.append((*above, index) if index and not one else above)
        runs = self._runs()
        self.torn = dissolved | {scope for scope, count in runs.items() if count > 1}

    def _runs(self) -> Counter[int]:
        """How many runs of statements each scope has."""
        runs: Counter[int] = Counter()
        before: frozenset[int] = frozenset()
        last = -1
        for index in self.order:
            scope = self.graph.nodes[index].scope
            if scope == last:
                continue
            chain = self.chains[scope]
            runs.update(each for each in chain if each not in before)
            before, last = frozenset(chain), scope
        return runs

    def root(self) -> Group:
        return Group(0, self._items(self.order, 0))

    def _items(self, nodes: list[int], depth: int) -> list[int | Group]:
        items: list[int | Group] = []
        at = 0
        while at < len(nodes):
            chain = self._chain(nodes[at])
            if len(chain) == depth:
                items.append(nodes[at])
                at += 1
                continue
            end = at + 1
            while end < len(nodes) and self._chain(nodes[end])[depth : depth + 1] == chain[depth : depth + 1]:
                end += 1
            scope = chain[depth]
            items.append(Group(scope, self._items(nodes[at:end], depth + 1), scope in self.torn))
            at = end
        return items

    def _chain(self, index: int) -> tuple[int, ...]:
        return self.chains[self.graph.nodes[index].scope]


def nodes_of(item: int | Group) -> Iterator[int]:
    """The nodes of a statement."""
    return item.nodes() if isinstance(item, Group) else iter((item,))


def called_once(graph: Graph) -> frozenset[int]:
    """Calls of blocks that are called once: they are written where they stand."""
    counts: Counter[str | None] = Counter(scope.block for scope in graph.scopes[1:] if scope.block)
    return frozenset(index for index, scope in enumerate(graph.scopes) if index and counts[scope.block] == 1)


def named_apart(graph: Graph) -> frozenset[int]:
    """Calls without a level whose weights have names that no other call of the block gives: they have no text in
    common, and are written where they stand."""
    names: dict[int, list[str]] = {}
    for node in graph.nodes:
        if not node.op.tensors(*graph.program.shapes_in(node)):
            continue
        for call in _calls(graph, node.scope):
            if not graph.scopes[call].opens:
                level = graph.scopes[call].path
                names.setdefault(call, []).append(node.path[len(level) + 1 :] if level else node.path)
    forms = {call: (graph.scopes[call].block, tuple(found)) for call, found in names.items()}
    counts = Counter(forms.values())
    labelled = {call for call, (_, found) in forms.items() if any(char.isalpha() for name in found for char in name)}
    alone = {call for call in labelled if counts[forms[call]] == 1}
    together = {forms[call][0] for call in forms if call not in alone}
    return frozenset(call for call in alone if forms[call][0] not in together)


def between(graph: Graph) -> frozenset[int]:
    """The calls of blocks that stand between shared weights and the body that holds all their applications."""
    uses: dict[str, list[tuple[int, ...]]] = {}
    for node in graph.nodes:
        if graph.applications[node.path] > 1:
            uses.setdefault(node.path, []).append(_calls(graph, node.scope))
    found: set[int] = set()
    for chains in uses.values():
        depth = 0
        while all(len(chain) > depth and chain[depth] == chains[0][depth] for chain in chains):
            depth += 1
        while any(len(chain) > depth for chain in chains):
            paths = {graph.scopes[chain[depth]].path if len(chain) > depth else None for chain in chains}
            if len(paths) == 1 and len({chain[depth] for chain in chains}) == len(chains):
                break
            found |= {chain[depth] for chain in chains if len(chain) > depth}
            depth += 1
    return frozenset(found)


def _calls(graph: Graph, scope: int) -> tuple[int, ...]:
    """The calls of blocks around a scope, outermost first."""
    found = []
    current: int | None = scope
    while current is not None:
        if current and graph.scopes[current].block:
            found.append(current)
        current = graph.scopes[current].parent
    return tuple(reversed(found))
