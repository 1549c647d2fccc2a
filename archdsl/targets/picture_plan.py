"""What a picture shows, before it is drawn: boxes in clusters with edges, at the depth of stages, blocks or layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from archdsl.graph.applications import in_place
from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import Identity
from archdsl.targets.picture_tree import Item, Tree, fold
from archdsl.targets.picture_words import QUIET, ROLES, SIGNS, Titles, kind, words

Depth = Literal["stage", "block", "layer"]
DEPTHS: tuple[Depth, ...] = ("stage", "block", "layer")
TIMES = "\u00d7"
ROWS = 9  # of a box that sums up a stage


@dataclass(eq=False, slots=True)
class Box:
    """One drawn node: its rows of text, and the kind that gives its colour and form."""

    name: str
    kind: str
    rows: list[str]
    cluster: Cluster
    skip: bool = False


@dataclass(eq=False, slots=True)
class Cluster:
    """A frame with a title around boxes and further frames."""

    name: str
    kind: str
    title: str = ""
    times: int = 1
    inside: list[Box | Cluster] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Edge:
    """A value of this shape on its way."""

    tail: Box
    head: Box
    skip: bool
    shape: str


@dataclass(slots=True)
class Plan:
    """All that is drawn, in program order; `rows` are boxes that stand side by side."""

    root: Cluster
    boxes: list[Box]
    edges: list[Edge]
    rows: list[tuple[Box, ...]]


def plan(graph: Graph, depth: Depth) -> Plan:
    """The boxes, clusters and edges of a graph at a depth: a box for each stage, for each chain of layers in a block,
    or for each layer. Shared weights are drawn at each place where they are applied."""
    graph = in_place(graph)
    planner = _Planner(graph, depth, fold(graph))
    planner.place(planner.tree.root, planner.root)
    planner.end()
    return Plan(planner.root, planner.boxes, planner.edges(), planner.rows())


class _Planner:
    def __init__(self, graph: Graph, depth: Depth, tree: Tree) -> None:
        self.graph, self.depth, self.tree = graph, depth, tree
        self.titles = Titles(graph)
        self.root = Cluster("root", "arch")
        self.boxes: list[Box] = []
        self.owner: dict[int, Box] = {}
        self.gaps: dict[int, Box] = {}
        self.neighbours: list[tuple[int, Box, int]] = []
        self.with_roles = self._scopes_with_roles()

    def _scopes_with_roles(self) -> set[int]:
        """The scopes that hold one with a role."""
        found: set[int] = set()
        for scope in self.graph.scopes:
            above = scope.parent if scope.role in ROLES else None
            while above is not None and above not in found:
                found.add(above)
                above = self.graph.scopes[above].parent
        return found

    # ------------------------------------------------------------------ boxes

    def place(self, item: Item, cluster: Cluster, times: int = 1) -> None:
        """Boxes and clusters for an item and all in it. `times` comes from scopes around that are not drawn."""
        times *= item.times
        if item.scope is None:
            self._leaf(item.nodes[0], cluster, times)
        elif self._framed(item, times):
            self._frame(item, cluster, times)
        else:
            self._inside(item, cluster, times)

    def _inside(self, item: Item, cluster: Cluster, times: int = 1) -> None:
        """What is in a scope, with a gap for the paths that are left out, between its neighbours."""
        for child, after in zip(item.children, (*item.children[1:], None), strict=True):
            self.place(child, cluster, times)
            if child.elided and after is not None:
                gap = self._box(f"e{child.nodes[-1]}", "gap", ["...", f"{child.elided + 3} paths"], cluster)
                self.gaps[child.nodes[-1]] = gap
                self.neighbours.append((child.nodes[0], gap, after.nodes[0]))

    def _framed(self, item: Item, times: int) -> bool:
        """True for scopes that a reader knows by name, and for what is repeated and is more than one thing."""
        assert item.scope is not None
        scope = self.graph.scopes[item.scope]
        if scope.parent is None or self._whole(item):
            return False
        named = scope.kind in {"block", "level"} or scope.role in ROLES
        if scope.kind == "shared":
            return scope.block is not None
        return named or (times > 1 and len(item.children) > 1)

    def _whole(self, item: Item) -> bool:
        """True for a scope around all stages and all else that is computed: its frame would tell nothing."""
        return item.scope in self.with_roles and len(item.nodes) == len(self.graph.nodes) - len(self.graph.inputs)

    def _frame(self, item: Item, cluster: Cluster, times: int) -> None:
        assert item.scope is not None
        scope = self.graph.scopes[item.scope]
        role = scope.role if scope.role in ROLES else None
        skip = all(self.graph.nodes[node].skip for node in item.nodes)
        title = self.titles.title(scope)
        frame = Cluster(f"c{item.scope}", role or ("skip" if skip else scope.kind), title, times)
        cluster.inside.append(frame)
        if self.depth == "stage" and item.scope not in self.with_roles:
            box = self._box(f"s{item.scope}", "stage", self._summary(item), frame)
            self.owner.update(dict.fromkeys(item.nodes, box))
            return
        self._inside(item, frame)

    def _leaf(self, index: int, cluster: Cluster, times: int) -> None:
        node = self.graph.nodes[index]
        if isinstance(node.op, Identity):
            return
        sort = kind(node.op)
        row = SIGNS.get(type(node.op)) or self._words(index)
        box = self._box(f"n{index}", "sign" if type(node.op) in SIGNS else sort, [row], cluster)
        box.rows += [f"{TIMES}{times}"] * (times > 1)
        box.skip = node.skip
        self.owner[index] = box

    def _words(self, index: int) -> str:
        """What a node is, and which shared weights it applies if it is an application of its own."""
        node = self.graph.nodes[index]
        told = words(node, self.graph.program.shapes_in(node))
        scope = self.graph.scopes[node.scope]
        return f"{told} (shared {scope.path})" if scope.kind == "shared" and scope.block is None else told

    def _box(self, name: str, kind: str, rows: list[str], cluster: Cluster) -> Box:
        box = Box(name, kind, rows, cluster)
        cluster.inside.append(box)
        self.boxes.append(box)
        return box

    def _summary(self, item: Item) -> list[str]:
        """The rows of a box that sums up a stage: `Bottleneck x3`, `3x3 max pool, /2`."""
        rows: list[tuple[str, int]] = []
        for text, times in self._rows(item):
            if rows and rows[-1][0] == text and times:
                rows[-1] = (text, rows[-1][1] + times)
            else:
                rows.append((text, times))
        shown = [f"{text} {TIMES}{times}" if times > 1 else text for text, times in rows]
        return shown if len(shown) <= ROWS else [*shown[: ROWS - 2], "...", shown[-1]]

    def _rows(self, item: Item) -> Iterator[tuple[str, int]]:
        for child in item.children:
            if child.scope is None:
                node = self.graph.nodes[child.nodes[0]]
                alone = len(item.nodes) == 1 and not isinstance(node.op, Identity)
                if alone or kind(node.op) not in QUIET | {"merge", "input"}:
                    yield self._words(child.nodes[0]), 1
                continue
            scope = self.graph.scopes[child.scope]
            shared = scope.kind == "shared"
            name = self.titles.title(scope) if shared else scope.block or self.titles.label(scope)
            if name and (shared or self._loud(child) > 1):
                yield name, child.times
            else:
                yield from ((text, times * child.times) for text, times in self._rows(child))

    def _loud(self, item: Item) -> int:
        return sum(kind(self.graph.nodes[node].op) not in QUIET for node in item.nodes)

    def end(self) -> None:
        """The boxes of the net's results."""
        many = len(self.graph.outputs) > 1
        for index, output in enumerate(self.graph.outputs):
            rows = [output.name] if many or output.name != "output" else []
            self._box(f"o{index}", "output", [*rows, str(self.graph.shape(output.value))], self.root)

    # ------------------------------------------------------------------ edges

    def _drawn(self, node: int) -> Box | None:
        """The box that stands for a node."""
        while node in self.tree.stands:
            node = self.tree.stands[node]
        if node in self.tree.left_out:
            return self.gaps.get(self.tree.left_out[node])
        return self.owner.get(node)

    def _source(self, value: Value) -> tuple[Value, bool]:
        """The value behind identities, and whether one of them is a shortcut."""
        skip = False
        while isinstance(self.graph.nodes[value.node].op, Identity):
            skip = skip or self.graph.nodes[value.node].skip
            value = self.graph.nodes[value.node].inputs[0]
        return value, skip

    def edges(self) -> list[Edge]:
        """What flows between boxes. A value that goes back comes from a turn that is folded away, and is not drawn."""
        order = {box: place for place, box in enumerate(self.boxes)}
        drawn: dict[tuple[Box, Box], tuple[bool, str]] = {}
        for value, head, skip, folded in self._flows():
            tail = self._drawn(value.node)
            if tail is not None and tail is not head and (order[tail] < order[head] or not folded):
                known, shape = drawn.get((tail, head), (True, str(self.graph.shape(value))))
                drawn[tail, head] = known and skip, shape
        return [Edge(tail, head, skip, shape) for (tail, head), (skip, shape) in drawn.items()]

    def rows(self) -> list[tuple[Box, ...]]:
        """Each gap between the first boxes of its neighbours."""
        found = ((self._drawn(before), gap, self._drawn(after)) for before, gap, after in self.neighbours)
        return [tuple(box for box in row if box is not None) for row in found]

    def _flows(self) -> Iterator[tuple[Value, Box, bool, bool]]:
        """Each value that is read, the box that reads it, whether on a shortcut, and whether the reader is folded."""
        for index, node in enumerate(self.graph.nodes):
            head = self._drawn(index)
            if head is None or isinstance(node.op, Identity):
                continue
            folded = index in self.tree.stands or index in self.tree.left_out
            for value in node.inputs:
                source, skip = self._source(value)
                yield source, head, skip or self._shortcut(index, source.node), folded
        for index, output in enumerate(self.graph.outputs):
            head = self.boxes[len(self.boxes) - len(self.graph.outputs) + index]
            yield self._source(output.value)[0], head, False, False

    def _shortcut(self, reader: int, source: int) -> bool:
        """True if a reading lies on a shortcut: marked so, or into a merge from outside its branches."""
        nodes, scopes = self.graph.nodes, self.graph.scopes
        if nodes[reader].skip or nodes[source].skip:
            return True
        if nodes[reader].op.takes != "list" or scopes[nodes[reader].scope].kind not in {"residual", "branches"}:
            return False
        home = nodes[reader].scope
        outside = [not self._within(value.node, home) for value in nodes[reader].inputs]
        return not all(outside) and not self._within(source, home)

    def _within(self, node: int, home: int) -> bool:
        """True if a node lies in a scope, or in one inside it."""
        scope: int | None = self.graph.nodes[node].scope
        while scope is not None and scope != home:
            scope = self.graph.scopes[scope].parent
        return scope is not None


def labels(edges: list[Edge]) -> dict[Edge, str]:
    """The shapes that edges tell: once for each box whose result has another shape than what flows into it.

    Where several boxes read it, the edge into the middle one tells it, which runs straightest.
    """
    coming: dict[Box, set[str]] = {}
    telling: dict[tuple[Box, str], list[Edge]] = {}
    for edge in edges:
        flows = coming.setdefault(edge.head, set())
        if edge.head.kind == "sign":  # the sum tells it, not each of its summands
            flows |= coming.get(edge.tail, set())
        else:
            flows.add(edge.shape)
        new = edge.shape not in coming.get(edge.tail, ())
        if new and edge.tail.kind != "input" and edge.head.kind not in {"output", "sign"}:
            telling.setdefault((edge.tail, edge.shape), []).append(edge)
    middle = [(edges[(len(edges) - 1) // 2], shape) for (_, shape), edges in telling.items()]
    return dict(middle)
