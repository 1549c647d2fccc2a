"""A gate for every channel of a residual's body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import Add, Conv, GlobalAvgPool, Identity, Mul, Relu, Scale, Sigmoid, StochasticDepth
from archdsl.ops.base import Learned, Op
from archdsl.passes.common import is_map, only_reader, residual_is_shared, residual_sides
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
        at, body = _end_of_body(graph, add.index, sides[0])
        shape = graph.shape(body)
        if isinstance(graph.nodes[body.node].op, Mul):
            return Keep("the body has a gate already")
        if isinstance(graph.nodes[body.node].op, StochasticDepth):
            return Keep("the body is dropped at random for several readers at once")
        if not is_map(shape):
            return Keep("the body is no map of channels")
        if residual_is_shared(graph, add):
            return Keep("the block is applied in several places, and each would get a gate of its own")
        reader, channels = graph.nodes[at], shape.sizes[0]
        level = edit.child(reader.scope, "se")

        def made(op: Op, name: str, *inputs: Source, skip: bool = reader.skip) -> Source:
            """A layer of the gate, right behind the body."""
            path = f"{level}.{name}"
            return edit.add(op, inputs, at=body.node, path=path, scope=reader.scope, skip=skip)[0]

        one = (1,) * len(shape.spatial) if len(shape.spatial) > 1 else 1
        kept = made(Identity(), "0", body, skip=True)
        pooled = made(GlobalAvgPool(), "1", body)
        squeezed = made(Conv(out=max(1, channels // self.reduction), kernel=one), "fc1", pooled)
        excited = made(Conv(out=channels, kernel=one), "fc2", made(Relu(), "3", squeezed))
        gated = made(Mul(), "mul", kept, made(Sigmoid(), "5", excited))
        inputs = [gated if value == body else value for value in reader.inputs]
        edit.redirect(Value(at), edit.add(reader.op, inputs, at=at, path=reader.path)[0])
        edit.remove(at)
        return None


def _end_of_body(graph: Graph, reader: int, value: Value) -> tuple[int, Value]:
    """What the layers of a body make, and the node that reads it: how much of it is added (a layer scale, a drop of the
    whole body) belongs to the sum."""
    while only_reader(graph, value.node) == reader:
        inputs = graph.nodes[value.node].inputs
        made = [each for each in inputs if not isinstance(graph.nodes[each.node].op, Learned)]
        scaled = isinstance(graph.nodes[value.node].op, Mul) and len(made) == 1 < len(inputs)
        if not scaled and not isinstance(graph.nodes[value.node].op, Scale | StochasticDepth):
            break
        reader, value = value.node, made[0]
    return reader, value
