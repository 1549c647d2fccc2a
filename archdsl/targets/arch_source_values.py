"""What flows while a body is written: how each value is read again, by a label in sight or by a variable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops.base import Input
from archdsl.targets.arch_source_names import Places
from archdsl.targets.arch_source_parts import Part

Flow = Value | tuple[Value, ...] | None
MOST_NAMES = 4  # pieces that have names of their own
LETTERS = ("x", "y", "z", "u", "v", "w")


@dataclass(eq=False, slots=True)
class Body:
    """The body of the arch or of one call of a block while it is written: what flows, and what has which name."""

    root: str
    inputs: tuple[Value, ...]
    here: Flow
    units: Counter[str]  # how often each path is applied right in this body
    arch: bool = False
    producers: dict[Value, tuple[Part, int]] = field(default_factory=dict)
    labelled: dict[Value, list[str]] = field(default_factory=dict)
    wanted: dict[int, set[int]] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)  # parts whose results nothing in the whole net reads
    shared: dict[str, Part] = field(default_factory=dict)
    skip: bool = False
    training: bool = False


class Reading:
    """What every part of the walk knows: the graph, its names, and how a value comes to be the current one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.places = Places(graph)
        self.results = frozenset(output.value for output in graph.outputs)
        self.hidden: set[int] = set()  # learned tensors that are read where another layer has their name

    def _read(self, values: tuple[Value, ...], many: bool, body: Body, level: str) -> list[Part]:
        """What makes these values the current ones, if they are not."""
        if not values:
            return []
        wanted: Flow = values if many else values[0]
        if body.here == wanted:
            return []
        body.here = wanted
        reads = tuple(self._ref(value, body, level) for value in values)
        return [Part("from", reads=reads, many=many)]

    def _ref(self, value: Value, body: Body, level: str) -> tuple[Any, ...]:
        """How a value is read: what flowed in, a label in sight, or else a variable."""
        if value in body.inputs:
            node = self.graph.nodes[value.node]
            if body.arch and isinstance(node.op, Input) and not (node.path == "input" and len(body.inputs) == 1):
                return ("name", node.path)
            return ("in", body.inputs.index(value) if len(body.inputs) > 1 else None)
        label = self._visible(value, body, level)
        if label is not None:
            return ("label", label)
        part, output = body.producers[value]
        if part.kind == "param":
            path = self.graph.nodes[value.node].path
            label = self._relative(path, body, level, named=False)
            if label is None:
                self.hidden.add(value.node)
            return ("label", label or path)
        body.wanted.setdefault(id(part), set()).add(output)
        return ("out", part, output)

    def _visible(self, value: Value, body: Body, level: str) -> str | None:
        found = [self._relative(path, body, level) for path in body.labelled.get(value, ())]
        names = [name for name in found if name is not None]
        return min(names, key=lambda name: (name.count("."), len(name)), default=None)

    def _relative(self, path: str, body: Body, level: str, named: bool = True) -> str | None:
        """The name of a path as seen from a level, if it is more than a number and nothing nearer has it."""
        above = level
        while above != body.root and not path.startswith(f"{above}."):
            above = above.rpartition(".")[0]
        name = path[len(above) + 1 :] if above else path
        if named and not any(char.isalpha() for char in name):
            return None
        inner = level
        while inner != above:
            if self.places.taken(f"{inner}.{name}"):
                return None
            inner = inner.rpartition(".")[0]
        return name

    def _made(self, part: Part, values: Sequence[Value], body: Body, path: str | None) -> None:
        part.outputs = len(values)
        for output, value in enumerate(values):
            body.producers[value] = (part, output)
        if path and len(values) == 1:
            body.labelled.setdefault(values[0], []).append(path)

    def _ends(self, nodes: Sequence[int]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """What nodes read from outside, in the order of reading, and what others read of them."""
        inside = frozenset(nodes)
        reads: dict[Value, None] = {}
        gives: dict[Value, None] = {}
        for index in nodes:
            for value in self.graph.nodes[index].inputs:
                if value.node not in inside:
                    reads[value] = None
            outside = [reader for reader in self.graph.readers(index) if reader not in inside]
            read = {value for reader in outside for value in self.graph.nodes[reader].inputs}
            for output in range(len(self.graph.nodes[index].outputs)):
                value = Value(index, output)
                if value in read or value in self.results:
                    gives[value] = None
        return tuple(reads), tuple(gives)


def name_values(parts: list[Part], body: Body, taken: set[str], outputs: list[Any]) -> None:
    """Gives names, none of them `taken`, to values that are read by a variable, and puts them where they are read."""
    labels = {str(part.label).split(".")[0] for each in parts for part in each.parts() if part.label}
    letters = _free_names(labels | taken)
    for each in parts:
        for part in each.parts():
            wanted = body.wanted.get(id(part))
            if id(part) in body.unread:
                part.names = (f"_{next(letters)}",)
            if not wanted:
                continue
            count = abs(part.outputs)
            if 1 < count <= MOST_NAMES and len(wanted) == count:
                part.names = tuple(next(letters) for _ in range(count))
            else:
                part.names = (next(letters),)

    def settled(ref: tuple[Any, ...]) -> tuple[Any, ...]:
        if ref[0] != "out":
            return ref
        part, output = ref[1], ref[2]
        if part.outputs in (1, 0):
            return ("name", part.names[0])
        return ("name", part.names[output]) if len(part.names) > 1 else ("piece", part.names[0], output)

    for each in parts:
        for part in each.parts():
            part.reads = tuple(settled(ref) for ref in part.reads)
    outputs[:] = [(name, settled(ref)) for name, ref in outputs]


def _free_names(labels: set[str]) -> Iterator[str]:
    """Short names that no label has."""
    number = 1
    while True:
        for letter in LETTERS:
            name = letter if number == 1 else f"{letter}{number}"
            if name not in labels:
                yield name
        number += 1
