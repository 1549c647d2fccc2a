"""A sum of convolutions of the pieces of a value is one convolution of the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ir.program import Value
from archdsl.ops import Add, Conv, Split
from archdsl.passes.arrays import Concat, Plus
from archdsl.passes.common import (
    cuts_first_axis,
    differences,
    geometry,
    is_output,
    is_shared,
    joint_path,
    joint_scope,
    only_reader,
)
from archdsl.passes.edit import Edit, Source
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class SumOfConvolutions(Pass):
    """A sum of convolutions of all pieces of a split becomes one convolution of the whole."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "A_1 * x_1 + ... + A_n * x_n = [A_1 ... A_n] * x"
    source: ClassVar[str] = "Xie et al. 2016, arXiv:1611.05431, section 3.4, equation 3"

    biases: bool = False  # merge biased convolutions too: their summed biases train differently, so `exact-eval`

    def promised(self) -> Promise:
        return "exact-eval" if self.biases else "exact"

    def rewrite(self, edit: Edit, split: Match[Split], convs: tuple[Match[Conv], ...]) -> Keep | None:
        """Joins the convolutions, and leaves the sum with what else it reads."""
        graph = edit.graph
        ordered = sorted(convs, key=lambda conv: conv.node.inputs[0].output)
        indices = [conv.index for conv in ordered]
        readers = {only_reader(graph, index) for index in indices}
        reason = self._reason(edit, split, ordered, readers)
        if reason is not None:
            return Keep(reason)
        (reader,) = readers
        assert reader is not None
        if reader in edit.touched:
            return NOT_A_SITE  # another split is summed into it: the next round sees what is left
        add, first = graph.nodes[reader], ordered[0]
        scope = joint_scope(graph, indices)
        path = joint_path(edit, indices, scope)
        whole = edit.add(first.op, split.node.inputs, at=first.index, path=path, scope=scope)[0]
        rest: list[Source] = []
        for value in add.inputs:
            if value.node not in indices:
                rest.append(value)
            elif whole not in rest:
                rest.append(whole)
        if len(rest) == 1:
            edit.redirect(Value(reader), whole)
        else:
            total = edit.add(Add(), rest, at=reader, path=add.path)
            edit.redirect(Value(reader), total[0])
        edit.remove(split.index, reader, *indices)
        for tensor in first.op.tensors(graph.shape(first.node.inputs[0])):
            takes = tuple(edit.take(index, tensor.name) for index in indices)
            edit.weight(path, **{tensor.name: Plus(takes) if tensor.name == "bias" else Concat(takes, 1)})
        return None

    def _reason(
        self, edit: Edit, split: Match[Split], convs: list[Match[Conv]], readers: set[int | None]
    ) -> str | None:
        graph, first = edit.graph, convs[0]
        reader = next(iter(readers)) if len(readers) == 1 else None
        if reader is None or not isinstance(graph.nodes[reader].op, Add):
            return "the convolutions are not all read by one sum alone"
        if not cuts_first_axis(graph, split):
            return "the split is not along the channels"
        if [conv.node.inputs[0].output for conv in convs] != list(range(len(split.node.outputs))):
            return "not every piece is read exactly once"
        if is_output(graph, split.index):
            return "a piece is an output of the net"
        if any(is_shared(graph, conv) for conv in convs):
            return "the convolutions share their weights"
        if any(conv.op.groups != 1 for conv in convs):
            return "a grouped convolution does not see the whole piece"
        if len({geometry(graph, conv) for conv in convs}) > 1:
            return f"the convolutions differ in their {' and '.join(differences(graph, convs))}"
        if first.op.reparam is not None:
            return "a weight norm over each piece is not one over the whole"
        if first.op.bias and not self.biases:
            return "the convolutions have biases, and one bias trains differently from several that are summed"
        return None
