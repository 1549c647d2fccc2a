"""A gate for every channel of a residual's body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Add, Conv, GlobalAvgPool, Mul, Relu, Sigmoid
from archdsl.passes.common import is_map, residual_is_shared, residual_sides
from archdsl.passes.edit import Edit, Source
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class SqueezeExcite(Pass):
    """A squeeze-and-excitation gate is put into every residual, before its addition."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "x * sigmoid(W2 relu(W1 mean(x))): channels are weighted by what all of them see"
    once: ClassVar[bool] = True
    source: ClassVar[str] = "Hu et al. 2017, arXiv:1709.01507, figures 2 and 3"

    reduction: int = 16  # how much narrower the middle of the gate is

    def rewrite(self, edit: Edit, add: Match[Add]) -> Keep | None:
        """Gates the body of one residual."""
        graph = edit.graph
        sides = residual_sides(graph, add)
        if sides is None:
            return NOT_A_SITE
        body = sides[0]
        shape = graph.shape(body)
        if isinstance(graph.nodes[body.node].op, Mul):
            return Keep("the body has a gate already")
        if not is_map(shape):
            return Keep("the body is no map of channels")
        if residual_is_shared(graph, add):
            return Keep("the block is applied in several places, and each would get a gate of its own")
        at, level = add.index, edit.child(add.node.scope, "se")
        channels = shape.sizes[0]
        pooled = edit.add(GlobalAvgPool(), (body,), at=at, path=f"{level}.pool")[0]
        narrow = Conv(out=max(1, channels // self.reduction), kernel=1)
        squeezed = edit.add(narrow, (pooled,), at=at, path=f"{level}.fc1")[0]
        active = edit.add(Relu(), (squeezed,), at=at, path=f"{level}.relu")[0]
        excited = edit.add(Conv(out=channels, kernel=1), (active,), at=at, path=f"{level}.fc2")[0]
        gate = edit.add(Sigmoid(), (excited,), at=at, path=f"{level}.sigmoid")[0]
        gated = edit.add(Mul(), (body, gate), at=at, path=f"{level}.mul")[0]
        inputs: list[Source] = list(add.node.inputs)
        inputs[inputs.index(body)] = gated
        total = edit.add(Add(), inputs, at=at, path=add.node.path)[0]
        edit.redirect(add.value, total)
        edit.remove(at)
        return None
