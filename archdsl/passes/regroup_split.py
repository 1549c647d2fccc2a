"""The same operation on every piece of a split is one operation on the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Add, BatchNorm, Conv, Split
from archdsl.ops.base import Op
from archdsl.passes.arrays import Concat, Same
from archdsl.passes.common import cuts_first_axis, geometry, is_output, is_shared, joint_path, joint_scope, only_reader
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class RegroupSplit(Pass):
    """The same operation on every piece of a split becomes one on the whole, and the split moves behind it."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = (
        "[f_1(x_1), ..., f_n(x_n)] = split(f(x)): a convolution of every piece is a grouped convolution"
    )
    source: ClassVar[str] = (
        "Xie et al. 2016, arXiv:1611.05431, section 3.4; Krizhevsky et al. 2012 (grouped convolution)"
    )

    def rewrite(self, edit: Edit, split: Match[Split], pieces: tuple[Match[Op], ...]) -> Keep | None:
        """Moves the split behind the operation that reads its pieces."""
        graph = edit.graph
        ordered = sorted(pieces, key=lambda piece: piece.node.inputs[0].output)
        reason = self._reason(edit, split, ordered)
        if reason is not None:
            return Keep(reason)
        first, indices = ordered[0], [piece.index for piece in ordered]
        widths = tuple(shape.sizes[0] for shape in split.node.outputs)
        scope = joint_scope(graph, indices)
        path = joint_path(edit, indices, scope)
        op, count = first.op, len(ordered)
        if isinstance(op, Conv):
            op = op.model_copy(update={"out": op.out * count, "groups": op.groups * count})
            widths = (first.op.out,) * count  # type: ignore[attr-defined]
        whole = edit.add(op, split.node.inputs, at=first.index, path=path, scope=scope)
        same = len(set(widths)) == 1
        cut = Split(pieces=count if same else widths)
        parts = edit.add(cut, whole, at=first.index, path=split.node.path, scope=split.node.scope, outputs=count)
        for piece, part in zip(ordered, parts, strict=True):
            edit.redirect(piece.value, part)
        edit.remove(split.index, *indices)
        for tensor in first.op.tensors(graph.shape(first.node.inputs[0])):
            takes = tuple(edit.take(index, tensor.name) for index in indices)
            edit.weight(path, **{tensor.name: Concat(takes, 0) if tensor.sizes else Same(takes)})
        return None

    @staticmethod
    def _reason(edit: Edit, split: Match[Split], pieces: list[Match[Op]]) -> str | None:
        """Why the pieces are not treated alike, or `None`."""
        graph, op = edit.graph, pieces[0].op
        if not cuts_first_axis(graph, split):
            return "the split is not along the channels"
        if [piece.node.inputs[0].output for piece in pieces] != list(range(len(split.node.outputs))):
            return "not every piece is read exactly once"
        if any(len(piece.node.inputs) != 1 for piece in pieces):
            return "a piece is read together with other values"
        if any(is_shared(graph, piece) for piece in pieces):
            return "the operations share their weights"
        if is_output(graph, split.index):
            return "a piece is an output of the net"
        if any(piece.node.training != pieces[0].node.training for piece in pieces):
            return "some of the operations are for training only"
        if any(type(piece.op) is not type(op) for piece in pieces):
            return "the pieces are read by different operations"
        if op.random:
            return f"`{op.word}` is random: one draw for all pieces is not a draw for each"
        if isinstance(op, Conv):
            return _convolutions_differ(edit, split, pieces)
        if any(piece.op != op for piece in pieces):
            return f"the `{op.word}` of the pieces have different settings"
        if not isinstance(op, BatchNorm) and (not op.per_channel or op.tensors(split.node.outputs[0])):
            return f"`{op.word}` does not act on each channel alone"
        return None


def _convolutions_differ(edit: Edit, split: Match[Split], pieces: list[Match[Op]]) -> str | None:
    convs: list[Match[Conv]] = [piece for piece in pieces if isinstance(piece.op, Conv)]  # type: ignore[misc]
    if len({shape.sizes for shape in split.node.outputs}) > 1:
        return "the pieces have unequal widths"
    if len({(conv.op.out, conv.op.groups, *geometry(edit.graph, conv)) for conv in convs}) > 1:
        return "the convolutions of the pieces have different widths or windows"
    readers = {only_reader(edit.graph, conv.index) for conv in convs}
    if len(readers) == 1 and None not in readers:
        (reader,) = readers
        if isinstance(edit.graph.nodes[reader or 0].op, Add):
            return "a sum reads the convolutions: sum-of-convolutions makes them one"
    return None
