"""A residual whose body can take away as well as add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.analysis.places import clipping_end
from archdsl.ir.program import Value
from archdsl.ops import Add, Elementwise
from archdsl.passes.common import is_shared, only_reader, residual_sides
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class SignedResidual(Pass):
    """The ReLU that ends the body of a residual goes, or moves behind the addition."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "x + relu(f(x)) is never less than x; x + f(x) and relu(x + f(x)) can be"
    source: ClassVar[str] = "He et al. 2016, arXiv:1603.05027, section 4.1 (figure 4, c and a)"

    behind: bool = False  # the ReLU moves behind the addition, where no activation follows (figure 4, a)

    def rewrite(self, edit: Edit, add: Match[Add]) -> Keep | None:
        """Takes the ReLU out of the body; all weights stay."""
        graph = edit.graph
        end = clipping_end(graph, add.index)
        sides = residual_sides(graph, add)
        if end is None or sides is None or end in edit.touched:
            return NOT_A_SITE
        relu = graph.nodes[end]
        if only_reader(graph, end) is None:
            return Keep(f"what {relu.path} makes is read elsewhere too")
        if is_shared(graph, Match(end, relu, relu.op)) or is_shared(graph, add):
            return Keep("the block is applied in several places")
        if relu.inputs[0] == sides[1]:
            return Keep("the body has no other layer")
        edit.redirect(Value(end), relu.inputs[0])
        edit.remove(end)
        follows = only_reader(graph, add.index)
        if self.behind and not (follows is not None and isinstance(graph.nodes[follows].op, Elementwise)):
            scope = graph.scopes[add.node.scope].parent or 0
            same = relu.path.rpartition(".")[0] == graph.scopes[scope].path
            path = relu.path if same else edit.child(scope, relu.op.word)
            moved = edit.add(relu.op, (add.value,), at=add.index, path=path, scope=scope)
            edit.insert_after(add.value, moved[0])
        return None
