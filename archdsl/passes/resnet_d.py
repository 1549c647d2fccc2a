"""Average pooling before the projection of a shortcut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import AvgPool, Conv
from archdsl.passes.common import input_shape, is_shared
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class ResnetD(Pass):
    """The strided 1x1 of a shortcut becomes an average pool with its stride and an unstrided 1x1."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "a strided 1x1 ignores three quarters of its input; an average before it reads all of it"
    source: ClassVar[str] = "He et al. 2018, arXiv:1812.01187, section 4.1 (ResNet-D)"

    def rewrite(self, edit: Edit, conv: Match[Conv]) -> Keep | None:
        """Pools before a strided 1x1 that lies on a shortcut; its weights stay."""
        graph, op = edit.graph, conv.op
        window = op.window(input_shape(graph, conv))
        if any(size != 1 for size in window.kernel) or all(stride == 1 for stride in window.stride):
            return NOT_A_SITE
        if not conv.node.skip:
            return Keep("it does not lie on a shortcut")
        if is_shared(graph, conv) or op.groups != 1:
            return Keep("it is grouped or shared")
        if any(side != (0, 0) for side in window.sides):
            return Keep("it pads, and so reads beyond the edge")
        pool = AvgPool(kernel=window.stride, ceil=True)
        level = conv.node.path.rpartition(".")[0]
        path = edit.free_path(f"{level}.pool" if level else "pool")
        pooled = edit.add(pool, conv.node.inputs, at=conv.index, path=path)
        moved = edit.add(op.model_copy(update={"stride": 1}), pooled, at=conv.index, path=conv.node.path)
        edit.redirect(conv.value, moved[0])
        edit.remove(conv.index)
        return None
