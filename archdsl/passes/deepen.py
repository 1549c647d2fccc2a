"""More blocks that change nothing at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Add, BatchNorm, Conv, Relu
from archdsl.passes.arrays import Const
from archdsl.passes.common import is_map, is_shared, residual_sides
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class Deepen(Pass):
    """Residual blocks that are the identity at first are put behind residual blocks."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "relu(x + 0) = x behind a ReLU: a deeper net can do all that the shallower one does"
    source: ClassVar[str] = "He et al. 2015, arXiv:1512.03385, section 1; Chen et al. 2015, arXiv:1511.05641"
    once: ClassVar[bool] = True

    def rewrite(self, edit: Edit, add: Match[Add], relu: Match[Relu]) -> Keep | None:
        """Puts one block behind a residual that ends in a ReLU; its last norm starts at zero."""
        graph = edit.graph
        if residual_sides(graph, add) is None:
            return NOT_A_SITE
        shape = relu.node.outputs[0]
        if not is_map(shape):
            return Keep("the residual is no map of channels")
        if is_shared(graph, relu):
            return Keep("the block is applied in several places, and each would get a block of its own")
        at, channels = relu.index, shape.sizes[0]
        dims = len(shape.spatial)
        conv = Conv(out=channels, kernel=(3,) * dims if dims > 1 else 3, bias=False)
        level = edit.child(relu.node.scope, "deeper")
        value = edit.add(conv, (relu.value,), at=at, path=f"{level}.conv1")[0]
        value = edit.add(BatchNorm(), (value,), at=at, path=f"{level}.bn1")[0]
        value = edit.add(Relu(), (value,), at=at, path=f"{level}.2")[0]
        value = edit.add(conv, (value,), at=at, path=f"{level}.conv2")[0]
        value = edit.add(BatchNorm(), (value,), at=at, path=f"{level}.bn2")[0]
        total = edit.add(Add(), (value, relu.value), at=at, path=f"{level}.add")[0]
        end = edit.add(Relu(), (total,), at=at, path=f"{level}.5")[0]
        edit.weight(
            f"{level}.bn2", weight=Const((0.0,) * channels, (channels,)), bias=Const((0.0,) * channels, (channels,))
        )
        edit.insert_after(relu.value, end)
        return None
