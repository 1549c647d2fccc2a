"""Graph -> levels: the tree of path levels, each as the steps that it takes in program order.

A level can be called where its nodes stand together in the program, so that calling it keeps the order of execution.
One that is left and entered again is a holder: its children become steps of the level above, under longer names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.graph.graph import Graph
from archdsl.ir.program import Scope, Value
from archdsl.ops.base import Input

SPREADING = frozenset({"concat", "stack", "attention"})  # merges that spread a value without a batch over the others'


@dataclass(slots=True)
class Item:
    """One step of a level: a node, or the call of a level below. `name` has several parts inside holders."""

    name: tuple[str, ...]
    node: int = -1
    level: Level | None = None


@dataclass(slots=True)
class Level:
    """One application of a path level: what it reads from outside, its steps, and what others read of it."""

    path: str
    scope: Scope | None
    items: list[Item] = field(default_factory=list)
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    training: bool = False
    rank: int = 0
    scope_at: int = 0  # the index of the scope that opened it, or of the one around it

    def nodes(self) -> Iterator[int]:
        """All nodes in it."""
        for item in self.items:
            if item.level is None:
                yield item.node
            else:
                yield from item.level.nodes()

    @property
    def block(self) -> str | None:
        return self.scope.block if self.scope is not None else None


def levels(graph: Graph, written: Callable[[int], object] = lambda index: None) -> Level:
    """The net as a level, with all levels below it.

    `written` says how a target writes a node: applications of one level are written alike, which depends on more than
    the operation (`slice(1)` of axes of two sizes). Those that are not are no calls of one class.
    """
    return _Levels(graph, written).root()


class _Levels:
    def __init__(self, graph: Graph, written: Callable[[int], object]) -> None:
        self.graph = graph
        self.written = written
        self.parts = [tuple(node.path.split(".")) for node in graph.nodes]
        self.results = frozenset(output.value for output in graph.outputs)
        self.openers: dict[str, Scope] = {}
        for scope in graph.scopes:
            if scope.opens and scope.kind != "shared":
                self.openers.setdefault(scope.path, scope)

    def root(self) -> Level:
        nodes = [index for index, node in enumerate(self.graph.nodes) if not isinstance(node.op, Input)]
        level = Level("", self.graph.scopes[0] if self.graph.scopes else None)
        level.items = self._items(nodes, 0)
        level.inputs = tuple(Value(index) for index in self.graph.inputs)
        level.outputs = tuple(output.value for output in self.graph.outputs)
        return level

    def _items(self, nodes: Sequence[int], depth: int) -> list[Item]:
        """The steps of a level whose path has `depth` parts."""
        holders: set[tuple[str, ...]] = set()
        while True:
            runs = self._runs(nodes, depth, holders)
            calls: dict[tuple[str, ...], list[list[int]]] = {}
            for name, run, leaf in runs:
                if not leaf:
                    calls.setdefault(name, []).append(run)
            split = {name for name, found in calls.items() if not self._callable(found)}
            if not split:
                break
            holders |= split
        return [
            Item(name, node=run[0]) if leaf else Item(name, level=self._level(run, depth + len(name)))
            for name, run, leaf in runs
        ]

    def _runs(
        self, nodes: Sequence[int], depth: int, holders: set[tuple[str, ...]]
    ) -> list[tuple[tuple[str, ...], list[int], bool]]:
        """Nodes in a row of the same level below; a path that comes again begins another application."""
        runs: list[tuple[tuple[str, ...], list[int], bool]] = []
        seen: set[str] = set()
        for index in nodes:
            parts = self.parts[index]
            end = depth + 1
            while parts[depth:end] in holders and end < len(parts):
                end += 1
            name, leaf, path = parts[depth:end], end >= len(parts), self.graph.nodes[index].path
            if leaf or not runs or runs[-1][2] or runs[-1][0] != name or path in seen:
                runs.append((name, [index], leaf))
                seen = {path}
            else:
                runs[-1][1].append(index)
                seen.add(path)
        return runs

    def _level(self, nodes: list[int], depth: int) -> Level:
        path = ".".join(self.parts[nodes[0]][:depth])
        level = Level(path, self.openers.get(path))
        level.items = self._items(nodes, depth)
        level.scope_at = self._opener(path, nodes[0])
        level.inputs, level.outputs = self._reads(nodes), self._gives(nodes)
        level.training = all(self.graph.nodes[index].training for index in nodes)
        return level

    def _opener(self, path: str, node: int) -> int:
        """The scope of this application: the outermost one around a node of it that stands at the path or below it."""
        scopes = self.graph.scopes
        found = current = self.graph.nodes[node].scope
        inside = f"{path}."
        while scopes[current].path == path or scopes[current].path.startswith(inside):
            found = current
            parent = scopes[current].parent
            if parent is None:
                break
            current = parent
        return found if scopes[found].path == path and scopes[found].opens else current

    def _reads(self, nodes: list[int]) -> tuple[Value, ...]:
        """The values from outside, in the order in which they are first read."""
        inside = frozenset(nodes)
        values = (value for index in nodes for value in self.graph.nodes[index].inputs)
        return tuple(dict.fromkeys(value for value in values if value.node not in inside))

    def _gives(self, nodes: list[int]) -> tuple[Value, ...]:
        """The values that others read, or that the net gives, in program order."""
        inside = frozenset(nodes)
        found: dict[Value, None] = {}
        for index in nodes:
            count = len(self.graph.nodes[index].outputs)
            outside = [reader for reader in dict.fromkeys(self.graph.readers(index)) if reader not in inside]
            read = {value for reader in outside for value in self.graph.nodes[reader].inputs if value.node == index}
            for output in range(count):
                value = Value(index, output)
                if value in read or value in self.results:
                    found[value] = None
        return tuple(found)

    def _callable(self, runs: list[list[int]]) -> bool:
        """Whether one class with one `forward` does for all applications of a level."""
        first = runs[0]
        outputs = self._gives(first)
        if not outputs:
            return False
        training = [self.graph.nodes[index].training for index in first]
        if any(training) and not all(training):
            return False
        if len(runs) == 1:
            return True
        form = self._form(first)
        return all(len(run) == len(first) and self._form(run) == form for run in runs[1:])

    def _form(self, nodes: list[int]) -> tuple[object, ...]:
        """Everything that two applications of the same weights must have in common."""
        place = {index: at for at, index in enumerate(nodes)}
        outside = {value: at for at, value in enumerate(self._reads(nodes))}
        rows: list[object] = []
        for index in nodes:
            node = self.graph.nodes[index]
            inputs = tuple(
                (place[value.node], value.output) if value.node in place else (-1, outside[value])
                for value in node.inputs
            )
            name = node.path if node.op.numbered else ""
            rows.append((name, node.op, inputs, node.training, self._bare(index), self.written(index)))
        gives = tuple((place[value.node], value.output) for value in self._gives(nodes))
        return (*rows, gives)

    def _bare(self, index: int) -> tuple[int, ...]:
        """Which values of a merge must be given a batch first, where some have one and some have none."""
        bare, count = self.graph.bare(index), len(self.graph.nodes[index].inputs)
        return bare if self.graph.nodes[index].op.word in SPREADING and len(bare) < count else ()
