"""Labels and positions: which layers a spec has to name so that every path comes out the same."""

from __future__ import annotations

import re

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node

_POSITION = re.compile(r"\d+(_\d+)?\Z")  # as passes find a free one: `2`, then `2_2`
_WORDED = re.compile(r"([a-z_]+?)(_\d+)?\Z")


class Places:
    """The positions and words of every level, counted as the elaborator counts them.

    A layer without weights keeps the name that its author gave it; one that stood at a position is named by where it
    stands now, as long as no other layer needs that path.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.weighted = [bool(node.op.tensors(*graph.program.shapes_in(node))) for node in graph.nodes]
        self.reserved = {scope.path for scope in graph.scopes if scope.opens}
        self.known = {scope.path for scope in graph.scopes}
        for node, weighted in zip(graph.nodes, self.weighted, strict=True):
            self._reserve(node.path if weighted or not self._loose(node) else node.path.rpartition(".")[0])
            self.known.add(node.path)
        self.known |= self.reserved
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}
        self.words: dict[str, int] = {"input": len(graph.inputs)}
        self.levels: set[str] = {""}

    def _reserve(self, path: str) -> None:
        while path and path not in self.reserved:
            self.reserved.add(path)
            path = path.rpartition(".")[0]

    @staticmethod
    def _loose(node: Node) -> bool:
        """True if the name of a layer says only where it stood, or what it is."""
        tail = node.path.rpartition(".")[2]
        if node.op.numbered:
            return _POSITION.match(tail) is not None
        match = _WORDED.match(tail)
        return match is not None and match[1] == node.op.word

    def label(self, index: int, level: str) -> str | None:
        """The label of a layer in a level, `None` where it needs none."""
        node = self.graph.nodes[index]
        numbered = _join(level, str(self.counts.get(level, 0)))
        auto = numbered if node.op.numbered else self._worded(level, node.op.word)
        free = self._loose(node) and not self.weighted[index] and auto not in self.reserved and auto not in self.used
        if node.path == auto or free:
            self.used.add(auto)
            if node.op.numbered:
                self.counts[level] = self.counts.get(level, 0) + 1
            else:
                self.word(level, node.op.word)
            return None
        path = node.path
        if self._loose(node) and not self.weighted[index]:
            number = 0
            while path in self.used or path in self.reserved:
                number += 1
                path = _join(level, f"{node.op.word}{number}")
        self.used.add(path)
        return self.claim(path, level)

    def word(self, level: str, word: str) -> None:
        """Counts a merge without a label."""
        path = self._worded(level, word)
        self.used.add(path)
        tail = path.removeprefix(_join(level, word))
        self.words[_join(level, word)] = int(tail[1:]) if tail else 1

    def taken(self, path: str) -> bool:
        """True if some layer or level has a path, or had it before passes moved it."""
        return path in self.known or path in self.used

    def _worded(self, level: str, word: str) -> str:
        """The path of a merge without a label: one that no other layer needs, to which it steps aside."""
        base = _join(level, word)
        count = self.words.get(base, 0) + 1
        while (path := base if count == 1 else f"{base}_{count}") in self.reserved:
            count += 1
        return path

    def call(self, path: str, level: str) -> str | None:
        """The label of a block's call that opens a level, `None` where its position is its name."""
        self.levels.add(path)
        if path == _join(level, str(self.counts.get(level, 0))):
            self.counts[level] = self.counts.get(level, 0) + 1
            return None
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
