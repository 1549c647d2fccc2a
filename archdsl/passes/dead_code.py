"""What nothing reads is taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.base import Op
from archdsl.passes.common import is_output
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class DeadCode(Pass):
    """Operations whose results nothing reads are taken out, with what only they read."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "an output does not depend on what it does not read"
    source: ClassVar[str] = "by definition"
    backwards: ClassVar[bool] = True  # so that a dead chain goes in one sweep

    weights: bool = False  # take out what has weights or draws too: dead statistics no longer move, so `exact-eval`

    def promised(self) -> Promise:
        return "exact-eval" if self.weights else "exact"

    def rewrite(self, edit: Edit, node: Match[Op]) -> Keep | None:
        """Takes out a node that nothing reads which stays."""
        graph = edit.graph
        if is_output(graph, node.index) or not edit.removed.issuperset(graph.readers(node.index)):
            return NOT_A_SITE
        if node.op.word == "input":
            return Keep("an input belongs to the interface of the net")
        if node.op.tensors(*graph.program.shapes_in(node.node)) and not self.weights:
            return Keep("it has weights or statistics, which training would still change")
        if node.op.random and not self.weights:
            return Keep("it is random: without its draw the later ones would be others")
        edit.remove(node.index)
        return None
