"""The stride of a bottleneck, moved from its 1x1 to its 3x3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.analysis.places import sizes_like
from archdsl.ops import BatchNorm, Conv
from archdsl.ops.base import Op
from archdsl.passes.common import input_shape, is_shared, only_reader
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class ResnetB(Pass):
    """The stride of a strided 1x1 convolution moves to the larger convolution behind it."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "a strided 1x1 reads a quarter of its input; a strided 3x3 reads all of it"
    source: ClassVar[str] = "He et al. 2018, arXiv:1812.01187, section 4.1 (ResNet-B)"

    def rewrite(
        self, edit: Edit, narrow: Match[Conv], norm: Match[BatchNorm], act: Match[Op], wide: Match[Conv]
    ) -> Keep | None:
        """Swaps the strides of the two convolutions."""
        graph = edit.graph
        first, second = (conv.op.window(input_shape(graph, conv)) for conv in (narrow, wide))
        if any(size != 1 for size in first.kernel) or all(stride == 1 for stride in first.stride):
            return NOT_A_SITE
        if all(size == 1 for size in second.kernel):
            return Keep("the convolution behind it is a 1x1 too")
        if not act.op.elementwise or act.op.takes != "one":
            return Keep(f"`{act.op.word}` between them is no activation")
        if any(stride != 1 for stride in second.stride):
            return Keep("the larger convolution has a stride of its own")
        if any(only_reader(graph, match.index) is None for match in (narrow, norm, act)):
            return Keep("what the 1x1 makes is read elsewhere too, at the smaller size")
        if is_shared(graph, narrow) or is_shared(graph, wide):
            return Keep("the weights are shared")
        whole, strided = (
            conv.op.model_copy(update={"stride": stride}) for conv, stride in ((narrow, 1), (wide, narrow.op.stride))
        )
        reads = sizes_like(input_shape(graph, narrow), max(first.stride))
        if any(strided.output(whole.output(x)) != wide.op.output(narrow.op.output(x)) for x in reads):
            return Keep("the larger convolution does not pad half its size, and would make a map of another size")
        edit.change(narrow.index, whole)
        edit.change(wide.index, strided)
        return None
