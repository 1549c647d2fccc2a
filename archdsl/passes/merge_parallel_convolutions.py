"""Parallel convolutions of one input are one convolution and a split."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ops import Conv, Split
from archdsl.passes.arrays import Concat
from archdsl.passes.common import differences, geometry, is_shared, joint_path, joint_scope
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise

FEW = 4


@dataclass(frozen=True)
class MergeParallelConvolutions(Pass):
    """Convolutions of one input with the same window become one convolution and a split."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "[A * x, B * x] = split([A; B] * x): output channels do not see one another"
    source: ClassVar[str] = "Xie et al. 2016, arXiv:1611.05431, section 3.4 (figure 3, a to c)"

    def rewrite(self, edit: Edit, convs: tuple[Match[Conv], ...]) -> Keep | None:
        """Merges the largest sets of siblings with the same geometry."""
        groups: dict[tuple[object, ...], list[Match[Conv]]] = {}
        for conv in convs:
            if not is_shared(edit.graph, conv):
                key = (*geometry(edit.graph, conv), conv.op.groups == 1, conv.node.training, conv.node.skip)
                groups.setdefault(key, []).append(conv)
        merged = [group for group in groups.values() if len(group) > 1]
        if not merged:
            return Keep(_apart(edit.graph, convs))
        plain = [group for group in merged if all(conv.op.groups == 1 for conv in group)]
        if not plain:
            return Keep("grouped convolutions of one input do not stand side by side in one grouped convolution")
        for group in plain:
            self._merge(edit, group)
        return None

    @staticmethod
    def _merge(edit: Edit, group: list[Match[Conv]]) -> None:
        first, indices = group[0], [conv.index for conv in group]
        widths = tuple(conv.op.out for conv in group)
        op = first.op.model_copy(update={"out": sum(widths)})
        scope = joint_scope(edit.graph, indices)
        path = joint_path(edit, indices, scope)
        whole = edit.add(op, first.node.inputs, at=first.index, path=path, scope=scope)
        level = edit.graph.scopes[scope].path
        cut = edit.free_path(f"{level}.split" if level else "split")
        # A few pieces are written out: in the next block of the net they may be unequal.
        pieces: int | tuple[int, ...] = len(widths) if len(set(widths)) == 1 and len(widths) > FEW else widths
        parts = edit.add(Split(pieces=pieces), whole, at=first.index, path=cut, scope=scope, outputs=len(widths))
        for conv, part in zip(group, parts, strict=True):
            edit.redirect(conv.value, part)
        edit.remove(*indices)
        for tensor in first.op.tensors(edit.graph.shape(first.node.inputs[0])):
            joined = Concat(tuple(edit.take(index, tensor.name) for index in indices), 0)
            edit.weight(path, **{tensor.name: joined})


def _apart(graph: Graph, convs: tuple[Match[Conv], ...]) -> str:
    """Why no two of these convolutions become one, of the two that have the most in common."""
    own = [conv for conv in convs if not is_shared(graph, conv)]
    if len(own) < 2:
        return "these convolutions of one input share their weights with other places"
    pairs = (_differences(graph, *pair) for pair in combinations(own, 2))
    found = min(pairs, key=lambda names: (len(names), "windows" in names))
    return f"these convolutions of one input differ in their {' and '.join(found)}"


def _differences(graph: Graph, one: Match[Conv], two: Match[Conv]) -> list[str]:
    found = differences(graph, (one, two))
    facts = {
        "groups": (one.op.groups == 1, two.op.groups == 1),
        "use, which is for training only": (one.node.training, two.node.training),
        "sides of a residual": (one.node.skip, two.node.skip),
    }
    return found + [name for name, (first, second) in facts.items() if first != second]
