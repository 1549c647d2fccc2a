"""What an untouched graph's spec says of the classes that are found in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from archdsl.elaborate.trace import Decision, trace_of
from archdsl.graph.graph import Graph
from archdsl.outline.formulas import Member, Option, Solved, Solver
from archdsl.outline.holes import Hole
from archdsl.outline.levels import Level
from archdsl.outline.reader import Column, Instance, Kept, Reader, Shaped, Sink
from archdsl.outline.rules import Explain
from archdsl.outline.seen import Net, Seen
from archdsl.outline.terms import Key

Places = list[tuple[int, int | None]]
BLOCKS = ("arch", "block", "shared")


class Record:
    """The record of one net, read class by class, each after those in it. `is_class` tells a level that is one from one
    that is written where it stands."""

    def __init__(self, net: Net, root: Level, reader: Reader, is_class: Callable[[Level], bool]) -> None:
        self.net, self.root, self.reader, self.is_class = net, root, reader, is_class
        self.decisions: dict[int, list[Decision]] = {}
        self.rest: dict[int, tuple[list[Decision], list[Sink]]] = {}
        self.frames: dict[int, int] = {}
        self._place(root)

    def _place(self, root: Level) -> None:
        """Gives each level what is decided in it and in no level below it."""
        openers: dict[int, Level] = {}
        todo = [root]
        while todo:
            level = todo.pop()
            self.frames[id(level)] = self._block_of(level.scope_at)
            if level is root or self.net.graph.scopes[level.scope_at].path == level.path:
                openers.setdefault(level.scope_at, level)
            todo += [item.level for item in level.items if item.level is not None]
        for decision in self.net.trace.decisions:
            level = next((openers[scope] for scope in self.net.above(decision.scope) if scope in openers), root)
            self.decisions.setdefault(id(level), []).append(decision)

    def _block_of(self, scope: int) -> int:
        """The scope of the block that a scope stands in, or of the arch."""
        return next(
            (
                at
                for at in self.net.above(scope)
                if self.net.graph.scopes[at].kind in BLOCKS and at in self.net.trace.frames
            ),
            0,
        )

    def declared(self, level: Level) -> list[str]:
        """The parameters of the block that a level stands in."""
        seen = Seen(self.net, self.frames[id(level)], (), (), root=False, block=False)
        return [item.name.name for item in seen.declared()]

    def solve(self, levels: Sequence[Level], rows: Sequence[Sequence[Hole]], option: Option | None) -> Solved:
        """What is told of the class of some levels with these literals; `option` is its optional child."""
        members = [self._member(level, row) for level, row in zip(levels, rows, strict=True)]
        return Solver(self.reader, members, self.root is levels[0], option, self.whole).solve()

    @cached_property
    def whole(self) -> Seen:
        """The net itself."""
        return Seen(self.net, 0, self.root.nodes(), self.root.inputs, root=True, block=True)

    def _member(self, level: Level, row: Sequence[Hole]) -> Member:
        block = level.block is not None
        inside = Seen(self.net, self.frames[id(level)], level.nodes(), level.inputs, root=False, block=block)
        seen = self.whole if level is self.root else inside
        decisions: list[Decision] = []
        sinks: list[Sink] = []
        self._own(level, decisions, sinks)
        return Member(seen, row, decisions, sinks)

    def _own(self, level: Level, decisions: list[Decision], sinks: list[Sink]) -> None:
        """Adds what a level must answer for itself: its own nodes, and what the classes in it leave open."""
        decisions += self.decisions.get(id(level), [])
        for item in level.items:
            if item.level is None:
                sinks.append(Shaped(item.node))
            elif self.is_class(item.level):
                more, others = self.rest[id(item.level)]
                decisions += more
                sinks += others
            else:
                self._own(item.level, decisions, sinks)

    def keep(self, level: Level, row: Sequence[Hole], keys: Iterable[Key | Places], solved: Solved, at: int) -> None:
        """Remembers an application of a class for those around it. A parameter's key is its own, or the columns that it
        stands for."""
        found: list[Key | Column] = []
        for key in keys:
            if isinstance(key, list):
                wholes = tuple(Kept(row[hole].sources, row[hole].value) for hole, _ in key)
                found.append(Column(wholes, tuple(part for _, part in key)))
            else:
                found.append(key)
        frame = self.net.trace.frames.get(self.frames[id(level)])
        self.reader.instances[id(level)] = Instance(frame, level.inputs, tuple(found))
        self.rest[id(level)] = solved.rest[at]


def record_of(
    graph: Graph,
    root: Level,
    explain: Explain | None,
    named: Callable[[str], str],
    is_class: Callable[[Level], bool],
) -> Record | None:
    """The record of a graph, if it came untouched from its spec, and the target says what its literals are."""
    trace = trace_of(graph.program)
    if trace is None or explain is None:
        return None
    return Record(Net(graph, trace, explain), root, Reader(explain, named), is_class)
