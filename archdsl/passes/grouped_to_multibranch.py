"""A grouped bottleneck, written out branch by branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Add, BatchNorm, Conv
from archdsl.ops.base import Op
from archdsl.passes.arrays import Part, Take
from archdsl.passes.common import is_shared, joint_scope, only_reader
from archdsl.passes.edit import Edit, New, Source
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class GroupedToMultibranch(Pass):
    """A grouped bottleneck (ResNeXt's figure 3c) becomes parallel branches that are added (figure 3a)."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "the laws of multibranch-to-grouped, backwards"
    source: ClassVar[str] = "Xie et al. 2016, arXiv:1611.05431, figure 3"

    def rewrite(
        self,
        edit: Edit,
        reduce: Match[Conv],
        norm1: Match[BatchNorm],
        act1: Match[Op],
        grouped: Match[Conv],
        norm2: Match[BatchNorm],
        act2: Match[Op],
        expand: Match[Conv],
    ) -> Keep | None:
        """Cuts the chain into one branch for each group, and adds what they make."""
        chain = (reduce, norm1, act1, grouped, norm2, act2, expand)
        groups = grouped.op.groups
        if groups == 1:
            return Keep("the convolution in the middle has one group")
        reason = self._reason(edit, chain, groups)
        if reason is not None:
            return Keep(reason)
        ends: list[Source] = []
        scope = joint_scope(edit.graph, [match.index for match in chain])
        for group, branch in enumerate(_branches(edit, scope, groups)):
            current: Source = reduce.node.inputs[0]
            for match in chain:
                current = self._piece(edit, match, groups, group, (branch, scope), current, expand)
            ends.append(current)
        total = edit.add(Add(), ends, at=expand.index, path=edit.child(scope, "add"), scope=scope)
        edit.redirect(expand.value, total[0])
        edit.remove(*(match.index for match in chain))
        return None

    @staticmethod
    def _piece(
        edit: Edit,
        match: Match[Op],
        groups: int,
        group: int,
        branch: tuple[str, int],
        current: Source,
        expand: Match[Conv],
    ) -> New:
        """One group's share of a layer of the chain."""
        name = match.node.path.rpartition(".")[2]
        path = edit.free_path(f"{branch[0]}.{name}")
        op = match.op
        if isinstance(op, Conv):
            update = {} if match.index == expand.index else {"out": op.out // groups}
            op = op.model_copy(update={**update, "groups": 1})
        new = edit.add(op, (current,), at=match.index, path=path, scope=branch[1])[0]
        for tensor in match.op.tensors(edit.graph.shape(match.node.inputs[0])):
            take = Take(f"{match.node.path}.{tensor.name}", tensor.sizes)
            axis = 1 if match.index == expand.index else 0
            if tensor.sizes:
                size = tensor.sizes[axis] // groups
                edit.weight(path, **{tensor.name: Part(take, axis, group * size, (group + 1) * size)})
            else:
                edit.weight(path, **{tensor.name: take})
        return new

    @staticmethod
    def _reason(edit: Edit, chain: tuple[Match[Op], ...], groups: int) -> str | None:
        graph = edit.graph
        for match in chain[:-1]:
            if only_reader(graph, match.index) is None:
                return f"{match.node.path} is read elsewhere too"
        for match in chain:
            if is_shared(graph, match):
                return f"the weights of {match.node.path} are shared"
            op = match.op
            if op.random:
                return f"`{op.word}` is random: one draw for all branches is not a draw for each"
            if not isinstance(op, Conv | BatchNorm) and not (op.elementwise and op.takes == "one"):
                return f"`{op.word}` in the middle is no activation"
            if not isinstance(op, Conv | BatchNorm) and op.tensors(graph.shape(match.node.inputs[0])):
                return f"`{op.word}` has weights of its own"
        first, last = chain[0].op, chain[-1].op
        assert isinstance(first, Conv)
        assert isinstance(last, Conv)
        if first.groups != 1 or last.groups != 1 or first.out % groups:
            return "the convolutions around it are grouped too, or their widths do not divide"
        if last.bias:
            return "the last convolution has a bias, which no branch can have alone"
        if first.reparam or last.reparam:
            return "a weight norm over the whole is not one over each branch"
        return None


def _branches(edit: Edit, scope: int, groups: int) -> list[str]:
    """Free levels for the branches, which count up: `path0` and so on, or beside another convolution's `path_2_0`."""
    stem, number = "path", 1
    while True:
        names = [f"{stem}{group}" for group in range(groups)]
        paths = [edit.child(scope, name) for name in names]
        if all(path.endswith(name) for path, name in zip(paths, names, strict=True)):
            return paths
        number += 1
        stem = f"path_{number}_"
