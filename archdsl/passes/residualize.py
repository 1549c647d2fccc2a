"""Shortcuts for a plain net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.analysis.places import sizes_like
from archdsl.ops import Add, BatchNorm, Conv, MaxPool, PadChannels, Relu
from archdsl.passes.common import input_shape, is_shared, only_reader
from archdsl.passes.edit import Edit, Source
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class Residualize(Pass):
    """A plain block of two convolutions gets a shortcut, without parameters where the shapes differ (option A)."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "y = F(x) + x: the block learns what is left to learn"
    source: ClassVar[str] = "He et al. 2015, arXiv:1512.03385, sections 3.1 to 3.3"

    def rewrite(
        self,
        edit: Edit,
        conv1: Match[Conv],
        norm1: Match[BatchNorm],
        relu1: Match[Relu],
        conv2: Match[Conv],
        norm2: Match[BatchNorm],
        relu2: Match[Relu],
    ) -> Keep | None:
        """Adds what enters the block before its last ReLU."""
        graph, chain = edit.graph, (conv1, norm1, relu1, conv2, norm2, relu2)
        if len({match.node.scope for match in chain}) > 1 or graph.scopes[conv1.node.scope].block is None:
            return NOT_A_SITE
        entered = conv1.node.inputs[0]
        if graph.nodes[entered.node].scope == conv1.node.scope:
            return NOT_A_SITE
        if any(only_reader(graph, match.index) is None for match in chain[:-1]):
            return Keep("the block is read in its middle")
        if any(is_shared(graph, match) for match in chain):
            return Keep("the block is applied in several places")
        before, after = input_shape(graph, conv1), norm2.node.outputs[0]
        more = after.sizes[0] - before.sizes[0]
        if more < 0:
            return Keep("the block narrows, and a shortcut without parameters only widens")
        strides = {-(-a // b) for a, b in zip(before.spatial, after.spatial, strict=True)}
        if len(strides) > 1 or any(
            -(-a // s) != b for s in strides for a, b in zip(before.spatial, after.spatial, strict=True)
        ):
            return Keep("the block changes its resolution by no whole stride")
        (stride,) = strides
        for x in sizes_like(before, 2 * stride):
            if conv2.op.output(conv1.op.output(x)).spatial != tuple(-(-size // stride) for size in x.spatial):
                return Keep("the block changes its resolution by no whole stride at other sizes")
        source: Source = entered
        level = conv1.node.path.rpartition(".")[0]
        if stride != 1 or more:
            name = edit.free_path(f"{level}.shortcut" if level else "shortcut")
            source = edit.add(MaxPool(kernel=1, stride=stride), (source,), at=relu2.index, path=f"{name}.0", skip=True)[
                0
            ]
            if more:
                pad = PadChannels(before=more // 2, after=more - more // 2)
                source = edit.add(pad, (source,), at=relu2.index, path=f"{name}.1", skip=True)[0]
        path = edit.free_path(f"{level}.add" if level else "add")
        total = edit.add(Add(), (norm2.value, source), at=relu2.index, path=path)[0]
        end = edit.add(Relu(), (total,), at=relu2.index, path=relu2.node.path)[0]
        edit.redirect(relu2.value, end)
        edit.remove(relu2.index)
        return None
