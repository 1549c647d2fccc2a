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

    promise: ClassVar[Promise] = "exact-eval"  # a dead batch norm still updates its buffers, a dead weight still decays
    law: ClassVar[str] = "an output does not depend on what it does not read"
    source: ClassVar[str] = "by definition"

    def rewrite(self, edit: Edit, node: Match[Op]) -> Keep | None:
        """Takes out a node without readers."""
        if edit.graph.readers(node.index) or is_output(edit.graph, node.index):
            return NOT_A_SITE
        if node.op.word == "input":
            return Keep("an input belongs to the interface of the net")
        edit.remove(node.index)
        return None
