"""A graph as a table: a row for each stage, block or layer, with totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from archdsl.analysis.cost import Cost, called, costs, written
from archdsl.diagnostics import UsageError, quote
from archdsl.graph.applications import in_place
from archdsl.graph.graph import Graph
from archdsl.ir import metrics
from archdsl.ir.program import Scope
from archdsl.ops import Identity

DEPTHS = ("stage", "block", "layer")
ROLES = ("stem", "stage", "head", "aux")


@dataclass(frozen=True, slots=True)
class Row:
    """A stage, block or layer: where it is, what it is, the sizes of its (last) result, and its cost."""

    path: str
    operation: str
    shape: tuple[int, ...]
    params: int
    macs: int
    activations: int
    nodes: int
    role: str | None = None
    training: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of the whole graph. `layers` are convolutions and linear maps, `depth` the most of them on a path."""

    params: int
    macs: int
    activations: int
    nodes: int
    layers: int
    depth: int
    largest: int
    largest_path: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows in program order, and the totals of all nodes, whatever the depth of the rows."""

    name: str
    depth: str
    rows: tuple[Row, ...]
    totals: Totals

    def json(self) -> dict[str, Any]:
        """The table as plain data."""
        return {
            "version": 1,
            "name": self.name,
            "depth": self.depth,
            "rows": [asdict(row) for row in self.rows],
            "totals": asdict(self.totals),
        }


def summarise(graph: Graph, depth: str = "stage") -> Table:
    """The table of a graph by `stage`, `block` or `layer`; what stands outside of stages or blocks has rows of its own.

    Raises `UsageError` for another depth.
    """
    if depth not in DEPTHS:
        raise UsageError(f"there is no depth `{quote(depth)}`: it is one of {', '.join(DEPTHS)}")
    spent = costs(graph)
    graph = in_place(graph)
    places = _Places(graph)
    groups: dict[tuple[str, int], list[int]] = {}
    for index in range(len(graph.nodes)):
        groups.setdefault(places.group(index, depth), []).append(index)
    rows = tuple(_row(graph, places, key, nodes, spent) for key, nodes in groups.items())
    return Table(graph.name, depth, rows, _totals(graph, spent))


class _Places:
    """The scopes that a reader knows by name, for each node from outside in."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.with_roles: set[int] = set()
        self.chains: list[tuple[int, ...]] = [()]
        for index, scope in enumerate(graph.scopes[1:], 1):
            assert scope.parent is not None
            known = scope.kind in {"block", "level"} or scope.role in ROLES
            known = known or (scope.kind == "shared" and scope.block is not None)
            self.chains.append(self.chains[scope.parent] + ((index,) if known else ()))
            if scope.role in ROLES:
                self.with_roles.update(self.chains[scope.parent])

    def group(self, index: int, depth: str) -> tuple[str, int]:
        """The scope or the node whose row a node counts in."""
        chain = [scope for scope in self.chains[self.graph.nodes[index].scope] if scope not in self.with_roles]
        place = {"stage": 0, "block": 1, "layer": len(chain)}[depth]
        if place == 1 and chain and self.graph.scopes[chain[0]].role not in ROLES:
            place = 0  # a block outside of all stages
        return ("scope", chain[place]) if place < len(chain) else ("node", index)

    def block(self, scope: int, node: int) -> int | None:
        """The next block on the way from a scope to a node in it."""
        chain = self.chains[self.graph.nodes[node].scope]
        after = chain[chain.index(scope) + 1 :]
        return next((inner for inner in after if self.graph.scopes[inner].block is not None), None)


def _row(graph: Graph, places: _Places, key: tuple[str, int], nodes: list[int], spent: tuple[Cost, ...]) -> Row:
    kind, index = key
    last = graph.nodes[_result(graph, nodes)]
    if kind == "node":
        path, operation, role = last.path, written(last.op) + _shared(graph, last.scope), graph.role(index)
    else:
        scope = graph.scopes[index]
        path, operation = _path(scope), _operation(graph, places, index, nodes)
        role = next((around.role for around in graph.ancestors(index) if around.role in ROLES), None)
    return Row(
        path,
        operation,
        last.outputs[-1].sizes,
        sum(spent[node].params for node in nodes),
        sum(spent[node].macs for node in nodes),
        sum(spent[node].activations for node in nodes),
        len(nodes),
        role,
        all(graph.nodes[node].training for node in nodes),
    )


def _result(graph: Graph, nodes: list[int]) -> int:
    """The last node whose result leaves the group."""
    inside = set(nodes)
    results = {output.value.node for output in graph.outputs}
    for node in reversed(nodes):
        if node in results or any(reader not in inside for reader in graph.readers(node)):
            return node
    return nodes[-1]


def _path(scope: Scope) -> str:
    """A scope's level, or what it is called where it opens none."""
    return scope.path if scope.opens else scope.role or scope.block or scope.path


def _shared(graph: Graph, scope: int) -> str:
    """What marks a row of weights that are applied elsewhere too, whose parameters the first row tells."""
    return ", shared" if graph.scopes[scope].kind == "shared" else ""


def _prefix(graph: Graph, scope: int) -> str:
    """What marks shared weights among the operations of a row."""
    return "shared " if graph.scopes[scope].kind == "shared" else ""


def _operation(graph: Graph, places: _Places, index: int, nodes: Iterable[int]) -> str:
    """A block's call, or the blocks and operations in a stage, in its levels too: `Stem7, maxpool`, `Bottleneck x3`."""
    scope = graph.scopes[index]
    if scope.block is not None:
        return called(scope.block, scope.arguments) + _shared(graph, index)
    children: list[str] = []
    quiet: list[str] = []  # what joins blocks, told only where there is nothing else
    seen: set[int] = set()
    for node in nodes:
        op, child = graph.nodes[node].op, places.block(index, node)
        if child is None:
            quiet.append(op.word)
            if op.takes != "list" and not isinstance(op, Identity):
                children.append(_prefix(graph, graph.nodes[node].scope) + op.word)
        elif child not in seen:
            seen.add(child)
            children.append(_prefix(graph, child) + str(graph.scopes[child].block))
    children = children or quiet
    runs = ((name, len(list(run))) for name, run in groupby(children))
    return ", ".join(f"{name} x{times}" if times > 1 else name for name, times in runs)


def _totals(graph: Graph, spent: tuple[Cost, ...]) -> Totals:
    sizes = [(max(shape.elements for shape in node.outputs), -index) for index, node in enumerate(graph.nodes)]
    largest, place = max(sizes, default=(0, 0))
    return Totals(
        sum(cost.params for cost in spent),
        sum(cost.macs for cost in spent),
        sum(cost.activations for cost in spent),
        len(graph.nodes),
        sum(node.op.weighted for node in graph.nodes),
        metrics.depth(graph.program),
        largest,
        graph.nodes[-place].path if graph.nodes else "",
    )
