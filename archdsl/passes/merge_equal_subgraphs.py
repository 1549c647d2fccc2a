"""Equal operations on equal values are computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.base import Op
from archdsl.passes.common import is_output, values
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class MergeEqualSubgraphs(Pass):
    """Equal operations without weights that read the same values are computed once."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "f(x) = f(x), unless f is random or learns"
    source: ClassVar[str] = "common subexpression elimination (Cocke 1970)"

    def rewrite(self, edit: Edit, nodes: tuple[Match[Op], ...]) -> Keep | None:
        """Lets the readers of the later ones read the first."""
        graph = edit.graph
        first: dict[tuple[object, ...], Match[Op]] = {}
        equal: list[tuple[Match[Op], Match[Op]]] = []
        reasons: list[str] = []
        for node in nodes:
            key = (type(node.op), node.op, node.node.training)
            if key not in first:
                first[key] = node
            elif node.op.random:
                reasons.append(f"`{node.op.word}` is random: one draw is not two")
            elif node.op.tensors(*graph.program.shapes_in(node.node)):
                continue
            elif is_output(graph, node.index):
                reasons.append("it is an output of its own")
            else:
                equal.append((first[key], node))
        if not equal:
            return Keep(reasons[0]) if reasons else NOT_A_SITE
        for kept, node in equal:
            for old, new in zip(values(node), values(kept), strict=True):
                edit.redirect(old, new)
            edit.remove(node.index)
        return None
