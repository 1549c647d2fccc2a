"""What does nothing is taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ir.program import Value
from archdsl.ops import Concat, Dropout, DropoutChannels, Flatten, Identity, Scale, Split, StochasticDepth
from archdsl.passes.common import is_output
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise

Candidate = Identity | Dropout | DropoutChannels | StochasticDepth | Scale | Flatten | Split | Concat


@dataclass(frozen=True)
class RemoveIdentities(Pass):
    """Operations that leave their input as it is, and splits that are joined again, are taken out."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "f(x) = x; concat(split(x)) = x"
    source: ClassVar[str] = "by definition"

    def rewrite(self, edit: Edit, node: Match[Candidate]) -> Keep | None:
        """Lets the readers of an identity read what it reads."""
        source = _same(edit, node)
        if source is None:
            return NOT_A_SITE
        edit.redirect(node.value, source)
        edit.remove(node.index)
        first = node.node.inputs[0]
        if (
            source != first
            and set(edit.graph.readers(first.node)) == {node.index}
            and not is_output(edit.graph, first.node)
        ):
            edit.remove(first.node)  # a split whose pieces nothing else reads
        return None


def _same(edit: Edit, match: Match[Candidate]) -> Value | None:
    """The value that a node repeats, or `None`."""
    graph, node = edit.graph, match.node
    match match.op:
        case Identity():
            return node.inputs[0]
        case Dropout(rate=0.0) | DropoutChannels(rate=0.0) | StochasticDepth(rate=0.0) | Scale(factor=1.0):
            return node.inputs[0]
        case Flatten() if graph.shape(node.inputs[0]) == node.outputs[0]:
            return node.inputs[0]
        case Split(pieces=1) | Split(pieces=(_,)):
            return node.inputs[0]
        case Concat() if len(node.inputs) == 1:
            return node.inputs[0]
        case Concat():
            return _joined(edit, node.inputs, match.op)
        case _:
            return None


def _joined(edit: Edit, inputs: tuple[Value, ...], joint: Concat) -> Value | None:
    """What a split took apart, if these are all its pieces in order, joined along the axis where it cut."""
    graph, cut = edit.graph, edit.graph.nodes[inputs[0].node]
    whole = tuple(Value(inputs[0].node, output) for output in range(len(cut.outputs)))
    if not isinstance(cut.op, Split) or inputs != whole:
        return None
    before = graph.shape(cut.inputs[0])
    axis = 0 if cut.op.axis is None else before.axis(cut.op.axis)
    return cut.inputs[0] if axis == joint.place(*map(graph.shape, inputs)) else None
