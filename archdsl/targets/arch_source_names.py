"""Labels and positions: which layers a spec has to name so that every path comes out the same."""

from __future__ import annotations

import re

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node

_WORDED = re.compile(r"([a-z_]+?)(_\d+)?\Z")


class Places:
    """The positions and words of every level, counted as the elaborator counts them.

    A layer without weights keeps its path where position or label give it; one that stood at a position of its own is
    named by where it stands now, as long as no other layer has that path.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known = {scope.path for scope in graph.scopes}
        for node in graph.nodes:
            path = node.path
            while path and path not in self.known:
                self.known.add(path)
                path = path.rpartition(".")[0]
        self.counts: dict[str, int] = {}
        self.words: dict[str, int] = {"input": len(graph.inputs)}
        self.levels: set[str] = {""}

    def label(self, node: Node, level: str) -> str | None:
        """The label of a layer in a level, `None` where it needs none."""
        weights = bool(node.op.tensors(*self.graph.program.shapes_in(node)))
        tail = node.path.rpartition(".")[2]
        if node.op.numbered:
            auto = _join(level, str(self.counts.get(level, 0)))
            free = not weights and tail.isdigit() and auto not in self.known
            if node.path == auto or free:
                self.counts[level] = self.counts.get(level, 0) + 1
                return None
        else:
            count = self.words.get(_join(level, node.op.word), 0) + 1
            auto = _join(level, node.op.word if count == 1 else f"{node.op.word}_{count}")
            match = _WORDED.match(tail)
            free = match is not None and match[1] == node.op.word and auto not in self.known
            if node.path == auto or free:
                self.words[_join(level, node.op.word)] = count
                return None
        return self.claim(node.path, level)

    def word(self, level: str, word: str) -> None:
        """Counts a merge that a residual or branches make."""
        base = _join(level, word)
        self.words[base] = self.words.get(base, 0) + 1

    def free_word(self, level: str, word: str) -> bool:
        """True if a merge without a label would get a path that no other layer has."""
        count = self.words.get(_join(level, word), 0) + 1
        path = _join(level, word if count == 1 else f"{word}_{count}")
        owners = [node for node in self.graph.nodes if node.path == path] if path in self.known else []
        return all(not node.op.numbered for node in owners)

    def call(self, path: str, level: str) -> str | None:
        """The label of a block's call that opens a level, `None` where its position is its name."""
        if path == _join(level, str(self.counts.get(level, 0))):
            self.counts[level] = self.counts.get(level, 0) + 1
            self.levels.add(path)
            return None
        self.levels.add(path)
        return self.claim(path, level)

    def claim(self, path: str, level: str) -> str:
        """Counts a labelled child; its label."""
        label = path[len(level) + 1 :] if level else path
        prefix = f"{level}." if level else ""
        reopens = "." in label and prefix + label.partition(".")[0] in self.levels
        self.counts[level] = self.counts.get(level, 0) + (not reopens)
        parts = label.split(".")
        for depth in range(1, len(parts)):
            inner = prefix + ".".join(parts[:depth])
            if inner not in self.levels:
                self.levels.add(inner)
                if depth > 1:
                    above = inner.rpartition(".")[0]
                    self.counts[above] = self.counts.get(above, 0) + 1
        if len(parts) > 1:
            above = prefix + ".".join(parts[:-1])
            self.counts[above] = self.counts.get(above, 0) + 1
        return label


def _join(level: str, name: str) -> str:
    return f"{level}.{name}" if level else name
