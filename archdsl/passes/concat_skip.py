"""Skips that are concatenated instead of added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Add, Concat, Conv, ConvTranspose, Linear, StochasticDepth
from archdsl.ops.base import Op
from archdsl.passes.common import is_output
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise
from archdsl.shapes import Shape


@dataclass(frozen=True)
class ConcatSkip(Pass):
    """A sum of two values becomes their concatenation; the layers that read it grow with it."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "W [a; b] holds W' (a + b) as the case of two equal halves"
    once: ClassVar[bool] = True
    source: ClassVar[str] = "Ronneberger et al. 2015, arXiv:1505.04597; Huang et al. 2016, arXiv:1608.06993"

    def rewrite(self, edit: Edit, add: Match[Add]) -> Keep | None:
        """Concatenates where everything that follows takes any number of channels."""
        if _axis(edit, add) != "c":
            return Keep("its first axis is not that of the channels")
        if any(isinstance(edit.graph.nodes[value.node].op, StochasticDepth) for value in add.node.inputs):
            return Keep("its body is dropped at random, which only a sum makes up for")
        reason = _fixed(edit, add.index)
        if reason is not None:
            return Keep(reason)
        level = add.node.path.rpartition(".")[0]
        path = edit.free_path(f"{level}.concat" if level else "concat")
        edit.redirect(add.value, edit.add(Concat(), add.node.inputs, at=add.index, path=path)[0])
        edit.remove(add.index)
        return None


def _axis(edit: Edit, add: Match[Add]) -> str | None:
    """The name of the axis along which the values would stand one after the other."""
    axes = add.node.outputs[0].axes
    return axes[0] if axes else None


def _mixes(op: Op, x: Shape) -> bool:
    """True if an operation takes any number of channels and makes as many as before."""
    if isinstance(op, Linear):
        return x.rank == 1
    return isinstance(op, Conv | ConvTranspose) and op.groups == 1


def _fixed(edit: Edit, start: int) -> str | None:
    """Why the number of channels cannot change here, or `None`: every way must lead into a layer that mixes them."""
    graph, todo, seen = edit.graph, [start], set[int]()
    while todo:
        index = todo.pop()
        if is_output(graph, index):
            return "its channels reach an output of the net"
        for reader in graph.readers(index):
            op = graph.nodes[reader].op
            if graph.applications[graph.nodes[reader].path] > 1:
                return (
                    f"{graph.nodes[reader].path} is applied in several places, and elsewhere to as many channels as now"
                )
            if _mixes(op, graph.nodes[index].outputs[0]):
                continue
            if op.takes != "one" or not op.per_channel:
                return f"{graph.nodes[reader].path} (`{op.word}`) needs as many channels as there are"
            if reader not in seen:
                seen.add(reader)
                todo.append(reader)
    return None
