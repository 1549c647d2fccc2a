"""An edit of a graph: collected site by site, committed once, with the plan of its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from archdsl.graph import Graph
from archdsl.ir.program import Node, Output, Value
from archdsl.ops.base import Op, Tensor
from archdsl.passes.arrays import Expr, Fresh, Take
from archdsl.passes.plan import Entry, Plan
from archdsl.passes.tidy import tidy
from archdsl.shapes import Shape


@dataclass(frozen=True, slots=True)
class New:
    """A result of a node that this edit adds."""

    node: int
    output: int = 0


Source = Value | New


@dataclass(slots=True)
class _Added:
    at: int
    path: str
    op: Op
    inputs: tuple[Source, ...]
    scope: int
    skip: bool
    training: bool
    like: Node


@dataclass
class Edit:
    """Collects removals, additions and redirections of one round; `commit` makes the new graph."""

    graph: Graph
    removed: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    _added: list[_Added] = field(default_factory=list)
    _redirected: dict[Value, Source] = field(default_factory=dict)
    _inserted: dict[Value, Source] = field(default_factory=dict)
    _operations: dict[int, Op] = field(default_factory=dict)
    _weights: dict[str, Expr] = field(default_factory=dict)
    _paths: set[str] | None = None

    @property
    def empty(self) -> bool:
        """True as long as nothing was edited."""
        return not (self.removed or self._added or self._redirected or self._operations)

    def free_path(self, wanted: str) -> str:
        """A path that no node and no level has: the wanted one, or with `_2`, `_3` behind it."""
        if self._paths is None:
            self._paths = {level for node in self.graph.nodes for level in _levels(node.path)}
        path, count = wanted, 1
        while path in self._paths:
            count += 1
            path = f"{wanted}_{count}"
        self._paths.add(path)
        return path

    def child(self, scope: int, name: str) -> str:
        """A free path of this name in the level of a scope."""
        level = self.graph.scopes[scope].path
        return self.free_path(f"{level}.{name}" if level else name)

    def add(
        self,
        op: Op,
        inputs: Sequence[Source],
        *,
        at: int,
        path: str,
        scope: int | None = None,
        outputs: int = 1,
        skip: bool | None = None,
    ) -> tuple[New, ...]:
        """A new node in the place of node `at`, whose training mark it takes, and its skip mark too unless given."""
        like = self.graph.nodes[at]
        where = like.scope if scope is None else scope
        marked = like.skip if skip is None else skip
        self._added.append(_Added(at, path, op, tuple(inputs), where, marked, like.training, like))
        self.touched.add(at)
        return tuple(New(len(self._added) - 1, output) for output in range(outputs))

    def remove(self, *indices: int) -> None:
        """Takes nodes out; what read them must be redirected."""
        self.removed.update(indices)
        self.touched.update(indices)

    def redirect(self, old: Value, new: Source) -> None:
        """Lets every reader of a value, outputs too, read another one."""
        self._redirected[old] = new
        self.touched.add(old.node)

    def insert_after(self, old: Value, new: New) -> None:
        """Lets the readers of a value read what was made of it; the nodes of this edit still read the value itself."""
        self._inserted[old] = new
        self.touched.add(old.node)

    def change(self, index: int, op: Op) -> None:
        """Another operation at the same place, on the same inputs."""
        self._operations[index] = op
        self.touched.add(index)

    def weight(self, path: str, **tensors: Expr) -> None:
        """How the tensors of the node at a path come from the old entries."""
        for name, expression in tensors.items():
            self._weights[f"{path}.{name}" if name else path] = expression

    def take(self, index: int, name: str) -> Take:
        """An old tensor of a node, by name. Raises `KeyError` if it has none."""
        tensor = self.tensor(index, name)
        if tensor is None:
            raise KeyError(f"{self.graph.nodes[index].path} has no {name}")
        return Take(f"{self.graph.nodes[index].path}.{name}", tensor.sizes)

    def tensor(self, index: int, name: str) -> Tensor | None:
        """A tensor of a node of the old graph, or `None`."""
        node = self.graph.nodes[index]
        tensors = node.op.tensors(*self.graph.program.shapes_in(node))
        return next((tensor for tensor in tensors if tensor.name == name), None)

    def commit(self) -> tuple[Graph, Plan]:
        """The new graph and how its weights come from the old one's. Raises `ShapeError` if the edit does not fit."""
        graph = self.graph
        kept = [index for index in range(len(graph.nodes)) if index not in self.removed]
        order = self._order([*kept, *(~number for number in range(len(self._added)))])
        place = {item: position for position, item in enumerate(order)}
        nodes: list[Node] = []
        for item in order:
            nodes.append(self._node(item, place, nodes))
        outputs = tuple(
            replace(output, value=self._moved(self._behind(output.value), place)) for output in graph.outputs
        )
        program = replace(graph.program, nodes=tuple(nodes), outputs=outputs, declared=())
        declared = self._declared(order)
        if declared != tuple(range(len(nodes))):
            program = replace(program, declared=declared)
        new = Graph(program)
        return new, self._plan(new)

    # Below, an item is a node of the new graph: an old one by its index, an added one by `~number`.

    def _sources(self, item: int) -> Iterable[Source]:
        if item >= 0:
            return (self._behind(value) for value in self.graph.nodes[item].inputs)
        return (self._final(source) for source in self._added[~item].inputs)

    def _final(self, source: Source) -> Source:
        """What a value was redirected to in the end."""
        first = source
        while isinstance(source, Value) and source in self._redirected:
            source = self._redirected[source]
        if isinstance(first, Value) and first in self._redirected:  # the next one need not go all the way
            self._redirected[first] = source
        return source

    def _behind(self, value: Value) -> Source:
        """What an old reader of a value reads now: what was inserted behind it, if anything was."""
        return self._final(self._inserted.get(value, value))

    def _order(self, items: list[int]) -> list[int]:
        """The items in a topological order that keeps program order wherever it can."""
        rank = {item: (item, 0) if item >= 0 else (self._added[~item].at, 1 + ~item) for item in items}
        waiting = dict.fromkeys(items, 0)
        readers: dict[int, list[int]] = {item: [] for item in items}
        for item in items:
            for source in self._sources(item):
                producer = source.node if isinstance(source, Value) else ~source.node
                if producer not in readers:
                    raise ValueError(f"{self.graph.nodes[producer].path} was taken out, and is still read")
                readers[producer].append(item)
                waiting[item] += 1
        heap = [(rank[item], item) for item in items if not waiting[item]]
        heapify(heap)
        order = []
        while heap:
            _, item = heappop(heap)
            order.append(item)
            for reader in readers[item]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    heappush(heap, (rank[reader], reader))
        if len(order) < len(items):
            raise ValueError("the edit makes a cycle")
        return order

    def _moved(self, source: Source, place: Mapping[int, int]) -> Value:
        final = self._final(source)
        return Value(place[final.node if isinstance(final, Value) else ~final.node], final.output)

    def _node(self, item: int, place: Mapping[int, int], before: list[Node]) -> Node:
        if item >= 0:
            node = self.graph.nodes[item]
            op = self._operations.get(item, node.op)
            inputs = tuple(self._moved(self._behind(value), place) for value in node.inputs)
            if op is node.op and inputs == node.inputs and self._unchanged(before, inputs):
                return node
            return replace(node, op=op, inputs=inputs, outputs=op.outputs(*_shapes(before, inputs)))
        new = self._added[~item]
        inputs = tuple(self._moved(source, place) for source in new.inputs)
        outputs = new.op.outputs(*_shapes(before, inputs))
        return Node(new.path, new.op, inputs, outputs, new.scope, new.skip, new.training, new.like.span)

    def _unchanged(self, before: list[Node], inputs: tuple[Value, ...]) -> bool:
        """True if nodes at the same indices as in the old graph make the same shapes."""
        old = self.graph.nodes
        return all(before[value.node].outputs == old[value.node].outputs for value in inputs)

    def _declared(self, ordered: list[int]) -> tuple[int, ...]:
        rank = self.graph.program.places

        def key(position: int) -> tuple[int, int, int]:
            item = ordered[position]
            return (rank[item], 0, position) if item >= 0 else (rank[self._added[~item].at], 1, position)

        return tuple(sorted(range(len(ordered)), key=key))

    def _plan(self, new: Graph) -> Plan:
        old = {key: tensor for key, _, tensor in self.graph.state()}
        entries = []
        for key, _, tensor in new.state():
            expression: Expr
            if key in self._weights:
                expression = tidy(self._weights[key])
            elif key in old and old[key].sizes == tensor.sizes:
                expression = Take(key, tensor.sizes)
            else:
                expression = Fresh(tensor.init, tensor.sizes, tensor.trainable, key)
            entries.append(Entry(key, expression, tensor.trainable, tensor.dtype))
        return Plan(tuple(entries), tuple(key for key, tensor in old.items() if tensor.trainable))


def _levels(path: str) -> Iterator[str]:
    """A path and the levels above it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _shapes(nodes: list[Node], inputs: tuple[Value, ...]) -> tuple[Shape, ...]:
    return tuple(nodes[value.node].outputs[value.output] for value in inputs)


__all__ = ["Edit", "New", "Output", "Source"]
