"""Random nets that take inputs of any size: what they do is decided by the size that comes, not by the declared one."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import numpy as np

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.ops.base import Op, ShapeError
from archdsl.shapes import Shape
from tests.support import wild_ops as makers
from tests.support.nets import Net

INPUTS = ((4, 7, 6), (3, 8, 8), (2, 9), (4, 12), (3, 4, 5, 4))
STEPS = ((1, 1, 1, 1), (3, 1, 2, 1), (5, 7, 4, 3))  # how much larger other inputs are, axis by axis


def _upsample(random: Random, x: Shape) -> Op:
    modes = {2: ("linear",), 3: ("bilinear", "bicubic"), 4: ("trilinear",)}[x.rank]
    mode = random.choice(("nearest", "nearest_exact", "area", *modes))
    return ops.Upsample(factor=random.choice((2, 3, 1.5, 0.5)), mode=mode)  # type: ignore[arg-type]


def _same_tf(random: Random, x: Shape) -> Op:
    """What TensorFlow pads by the size that it meets."""
    kernel, stride = random.choice((1, 2, 3, 4, 5)), random.choice((1, 2, 3))
    if random.random() < 0.5:
        return ops.Conv(out=random.choice((2, 4)), kernel=kernel, stride=stride, padding="same_tf", dilation=1)
    if random.random() < 0.5:
        return ops.MaxPool(kernel=kernel, stride=stride, padding="same_tf")
    counts = random.random() < 0.5
    return ops.AvgPool(kernel=kernel, stride=stride, padding="same_tf", count_padding=counts)


MAKERS = (
    *(_same_tf,) * 6,
    *(makers.conv, makers.conv_transpose, makers.maxpool, makers.avgpool, makers.batchnorm, makers.groupnorm),
    *(makers.instancenorm, makers.lrn, makers.activation, makers.activation, makers.shuffle, makers.pad, _upsample),
    *(makers.pad_channels, makers.crop, makers.whole_pool),
)


def sized_net(seed: int) -> Graph:
    """A legal net of 5 to 12 operations that fits inputs larger than its own; the same seed gives the same net."""
    random = Random(f"sizes {seed}")
    net = Net.start("net", *random.choice(INPUTS))
    for _ in range(random.randint(5, 12)):
        for _ in range(12):
            with suppress(ShapeError, ValueError):
                if _grown(random, net):
                    break
    return net.graph()


def _grown(random: Random, net: Net) -> bool:
    """One operation on the current value, or a join of it with itself behind another."""
    shape = net.builder.shape(net.here)
    op = random.choice(MAKERS)(random, shape)
    if op is None or op.outputs(shape)[0].elements > 3_000 or min(op.outputs(shape)[0].spatial) < 2:
        return False
    before = net.here
    net.then(op)
    if net.builder.shape(net.here).sizes == shape.sizes and random.random() < 0.5:
        net.merge(random.choice((ops.Add(), ops.Concat(), ops.Mean())), (before, net.here))
    return True


def inputs(graph: Graph, seed: int, turn: int) -> dict[str, Any]:
    """A random batch of inputs that are larger than the declared ones."""
    rng = np.random.default_rng(seed)
    shapes = {graph.nodes[index].path: graph.nodes[index].outputs[0].sizes for index in graph.inputs}
    return {
        name: rng.standard_normal((2, channels, *(size + more for size, more in zip(spatial, STEPS[turn]))))  # noqa: B905
        for name, (channels, *spatial) in shapes.items()
    }
