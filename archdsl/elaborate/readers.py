"""Layers that nothing reads, over all archs that are built together."""

from __future__ import annotations

from archdsl.diagnostics import Diagnostic
from archdsl.elaborate import static
from archdsl.elaborate.modules import Module
from archdsl.elaborate.problems import names
from archdsl.ir.program import Program
from archdsl.source import Span


class Readers:
    """Which layers are read in some use of their block, over all archs that are built together."""

    def __init__(self) -> None:
        self._read: set[Span] = set()
        self._unread: dict[Span, str] = {}

    def count(self, program: Program) -> None:
        """Adds what one program reads."""
        read = {value.node for node in program.nodes for value in node.inputs}
        read |= {output.value.node for output in program.outputs}
        for index, node in enumerate(program.nodes):
            if node.span is None:
                continue
            if index in read:
                self._read.add(node.span)
            else:
                self._unread.setdefault(node.span, node.path)

    def problems(self, module: Module) -> list[Diagnostic]:
        """A diagnostic for each layer of this file that nothing reads, and that is not named as such."""
        aside = static.set_aside(module) if self._unread.keys() - self._read else frozenset()
        return [
            names.UnreadLayer(span, path).diagnostic()
            for span, path in self._unread.items()
            if span not in self._read and span.source is module.source and span not in aside
        ]
