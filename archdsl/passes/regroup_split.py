"""The same operation on every piece of a split is one operation on the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ops import Add, BatchNorm, Conv, Split
from archdsl.ops.base import Op
from archdsl.passes.arrays import Concat, Same
from archdsl.passes.common import (
    cuts_first_axis,
    geometry,
    is_output,
    is_shared,
    joint_path,
    joint_scope,
    lies_in,
    only_reader,
)
from archdsl.passes.edit import Edit, New, Source
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
        """Moves the split behind the operations that read its pieces, layer by layer as far as they are alike."""
        layer = sorted(pieces, key=lambda piece: piece.node.inputs[0].output)
        reason = _not_all_read(edit.graph, split, layer) or _unlike(edit.graph, layer)
        if reason is not None:
            return Keep(reason)
        whole: tuple[Source, ...] = split.node.inputs
        removed = [split.index]
        while True:
            whole, widths = _joined(edit, layer, whole)
            removed += [piece.index for piece in layer]
            following = self._next(edit, layer)
            if following is None:
                break
            layer = following
        equal = len(set(widths)) == 1
        cut = Split(pieces=len(layer) if equal else widths)
        path, scope = split.node.path, split.node.scope
        parts = edit.add(cut, whole, at=layer[0].index, path=path, scope=scope, outputs=len(layer))
        for piece, part in zip(layer, parts, strict=True):
            edit.redirect(piece.value, part)
        edit.remove(*removed)
        return None

    def _next(self, edit: Edit, layer: list[Match[Op]]) -> list[Match[Op]] | None:
        """The operations that alone read those of a layer, if they are alike too."""
        graph = edit.graph
        indices = [only_reader(graph, piece.index) for piece in layer]
        found = [Match(index, graph.nodes[index], graph.nodes[index].op) for index in indices if index is not None]
        if len(found) < len(layer) or any(match.index in edit.touched for match in found):
            return None
        if self.where and not any(lies_in(graph, match, self.where) for match in found):
            return None
        return found if _unlike(graph, found) is None else None


def _joined(edit: Edit, layer: list[Match[Op]], whole: tuple[Source, ...]) -> tuple[tuple[New, ...], tuple[int, ...]]:
    """One operation on the whole for a layer of them on the pieces, and the widths of what they make."""
    graph, first, indices = edit.graph, layer[0], [piece.index for piece in layer]
    scope = joint_scope(graph, indices)
    path = joint_path(edit, indices, scope)
    op = first.op
    if isinstance(op, Conv):
        op = op.model_copy(update={"out": op.out * len(layer), "groups": op.groups * len(layer)})
    new = edit.add(op, whole, at=first.index, path=path, scope=scope)
    for tensor in first.op.tensors(graph.shape(first.node.inputs[0])):
        takes = tuple(edit.take(index, tensor.name) for index in indices)
        edit.weight(path, **{tensor.name: Concat(takes, 0) if tensor.sizes else Same(takes)})
    return new, tuple(piece.node.outputs[0].sizes[0] for piece in layer)


def _not_all_read(graph: Graph, split: Match[Split], pieces: list[Match[Op]]) -> str | None:
    """Why the pieces are not the whole, each read by one operation, or `None`."""
    if not cuts_first_axis(graph, split):
        return "the split is not along the channels"
    if [piece.node.inputs[0].output for piece in pieces] != list(range(len(split.node.outputs))):
        return "not every piece is read exactly once"
    if is_output(graph, split.index):
        return "a piece is an output of the net"
    return None


def _unlike(graph: Graph, pieces: list[Match[Op]]) -> str | None:
    """Why the operations do not treat all pieces alike, channel by channel or as one grouped convolution, or `None`."""
    op = pieces[0].op
    if any(len(piece.node.inputs) != 1 for piece in pieces):
        return "a piece is read together with other values"
    if any(is_shared(graph, piece) for piece in pieces):
        return "the operations share their weights"
    if any(piece.node.training != pieces[0].node.training for piece in pieces):
        return "some of the operations are for training only"
    if any(type(piece.op) is not type(op) for piece in pieces):
        return "the pieces are read by different operations"
    if op.random:
        return f"`{op.word}` is random: one draw for all pieces is not a draw for each"
    if isinstance(op, Conv):
        return _convolutions_differ(graph, pieces)
    if any(piece.op != op for piece in pieces):
        return f"the `{op.word}` of the pieces have different settings"
    if isinstance(op, BatchNorm):
        return None
    if not op.per_channel:
        return f"`{op.word}` does not act on each channel alone"
    if op.tensors(graph.shape(pieces[0].node.inputs[0])):
        return f"`{op.word}` has weights, which only convolutions and batch norms join"
    return None


def _convolutions_differ(graph: Graph, pieces: list[Match[Op]]) -> str | None:
    convs: list[Match[Conv]] = [piece for piece in pieces if isinstance(piece.op, Conv)]  # type: ignore[misc]
    if len({graph.shape(conv.node.inputs[0]).sizes for conv in convs}) > 1:
        return "the pieces have unequal widths"
    if len({(conv.op.out, conv.op.groups, *geometry(graph, conv)) for conv in convs}) > 1:
        return "the convolutions of the pieces have different widths or windows"
    readers = {only_reader(graph, conv.index) for conv in convs}
    if len(readers) == 1 and None not in readers:
        (reader,) = readers
        if isinstance(graph.nodes[reader or 0].op, Add):
            return "a sum reads the convolutions: sum-of-convolutions makes them one"
    return None
