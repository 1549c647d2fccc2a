"""Small random nets for rewrites, with names that no bundled spec has, and a direct run of any graph."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from archdsl import ops
from archdsl.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output, Value
from archdsl.ops.base import Input, Learned, Op, ShapeError
from archdsl.shapes import Shape
from tests.support import torch_oracle

SYLLABLES = ("zor", "quil", "vex", "ombr", "thal", "yrk", "phae", "dwin", "gorl", "ixo")
BLOCKS = ("Wobble", "Zigzag", "Quagmire", "Thicket")
ACTIVATIONS: tuple[Op, ...] = (
    ops.Relu(),
    ops.Sigmoid(),
    ops.Tanh(),
    ops.LeakyRelu(slope=0.3),
    ops.Gelu(),
    ops.Silu(),
    ops.Softplus(),
)
MODES = ("zeros", "zeros", "zeros", "reflect", "replicate", "circular")


class Direct:
    """A graph as something to train, computed node by node; what is random is drawn by path, not by order."""

    def __init__(self, graph: Graph, arrays: Mapping[str, Any]) -> None:
        self.graph, self.training = graph, True
        self.tensors: dict[str, Tensor] = {}
        self.trainable: list[str] = []
        self.own: dict[str, dict[str, Tensor]] = {}
        for key, node, tensor in graph.state():
            held = torch.from_numpy(np.array(arrays[key])).requires_grad_(tensor.trainable)
            self.tensors[key] = held
            self.own.setdefault(node.path, {})[tensor.name] = held
            if tensor.trainable:
                self.trainable.append(key)

    def parameters(self) -> Iterator[Tensor]:
        return (self.tensors[key] for key in self.trainable)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        return ((key, self.tensors[key]) for key in self.trainable)

    def state_dict(self, keep_vars: bool = False) -> dict[str, Tensor]:
        return {key: tensor if keep_vars else tensor.detach() for key, tensor in self.tensors.items()}

    def train(self) -> Direct:
        self.training = True
        return self

    def eval(self) -> Direct:
        self.training = False
        return self

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        graph, fed, values = self.graph, iter(inputs), dict[tuple[int, int], Tensor]()
        batch = inputs[0].shape[0]
        for index, node in enumerate(graph.nodes):
            if node.training and not self.training:
                continue
            if isinstance(node.op, Input):
                values[index, 0] = next(fed)
                continue
            own = self.own.get(node.path, {})
            if isinstance(node.op, Learned):
                values[index, 0] = own[""].expand(batch, *node.op.sizes)
                continue
            if isinstance(node.op, ops.TensorLiteral):
                one = torch_oracle.written(node.op, inputs[0])
                values[index, 0] = one.expand(batch, *one.shape[1:])
                continue
            read = [values[value] for value in node.inputs]
            result = self._drawn(node.path, node.op, read[0], own) if self.training else None
            if result is None:
                shapes = zip(graph.program.shapes_in(node), read, strict=True)
                given = tuple(shape.resized(*value.shape[1:]) for shape, value in shapes)  # other sizes than declared
                result = torch_oracle.compute(node.op, read, given, own)
            results = result if isinstance(result, (tuple, list)) else (result,)
            values.update({(index, output): item for output, item in enumerate(results)})
        return tuple(values[out.value] for out in graph.outputs if self.training or not out.training)

    def _drawn(self, path: str, op: Op, x: Tensor, own: Mapping[str, Tensor]) -> Tensor | None:
        match op:
            case ops.BatchNorm(track=True):
                with torch.no_grad():
                    own["num_batches_tracked"].add_(1)
                momentum = 1 / int(own["num_batches_tracked"]) if op.momentum is None else op.momentum
                mean, var = own["running_mean"], own["running_var"]
                return F.batch_norm(x, mean, var, own.get("weight"), own.get("bias"), True, momentum, op.eps)
            case ops.Dropout() | ops.DropoutChannels() | ops.StochasticDepth():
                if op.rate == 0:
                    return x
                generator = torch.Generator().manual_seed(torch.initial_seed() + zlib.crc32(path.encode()))
                rank = {"dropout": x.dim(), "dropout_channels": 2, "stochastic_depth": 1}[op.word]
                sizes = (*x.shape[:rank], *(1,) * (x.dim() - rank))
                kept = torch.rand(sizes, generator=generator, dtype=x.dtype) >= op.rate
                return x * kept / max(1 - op.rate, 1e-9)
            case _:
                return None


class Garden:
    """A net as it grows: a random place in nested scopes, and random layers that fit a value."""

    def __init__(
        self, seed: int, dims: int | None = None, channels: int | None = None, size: int | None = None
    ) -> None:
        self.random = Random(seed)
        self.b = Builder("garden")
        self.dims = dims if dims is not None else self.random.choice((1, 2, 2, 2, 3))
        width = channels or self.random.randint(2, 6)
        low, high = {0: (1, 1), 1: (5, 12), 2: (4, 8), 3: (3, 5)}[self.dims]
        self.x = self.b.input(width, *(size or self.random.randint(low, high) for _ in range(self.dims)))
        self.scope = 0
        self.outputs: list[Output] = []
        self.count = 0

    def name(self) -> str:
        """A name that was not there before."""
        self.count += 1
        return "".join(self.random.choice(SYLLABLES) for _ in range(2)) + str(self.count)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def nest(self) -> None:
        """A scope inside the current one, of a random kind, or the way back to one around it."""
        kind = self.random.choice(("level", "block", "iteration", "role", "out", "stay"))
        if kind == "out":
            self.scope = self.random.choice(list(self.around()))
        elif kind == "block":
            level = self.name() if self.chance(0.7) else None
            self.scope = self.b.scope("block", self.scope, level=level, block=self.random.choice(BLOCKS))
        elif kind == "level":
            self.scope = self.b.scope("level", self.scope, level=self.name())
        elif kind in ("iteration", "role"):
            role = self.random.choice(("stage", "stem")) if kind == "role" else None
            self.scope = self.b.scope(kind, self.scope, role=role)

    def around(self) -> Iterator[int]:
        """The current scope and those around it."""
        scope: int | None = self.scope
        while scope is not None:
            yield scope
            scope = self.b.scopes[scope].parent

    def place(self, name: str | None = None) -> str:
        """A new path in the current level."""
        level = self.b.scopes[self.scope].path
        own = name or self.name()
        return f"{level}.{own}" if level else own

    def shape(self, value: Value) -> Shape:
        return self.b.shape(value)

    def channels(self, value: Value) -> int:
        return self.shape(value).sizes[0]

    def all(self, op: Op, *inputs: Value, path: str | None = None, **facts: Any) -> tuple[Value, ...]:
        """Every result of an operation on these values."""
        return self.b.add(op, inputs, path or self.place(), self.scope, **facts)

    def add(self, op: Op, *inputs: Value, path: str | None = None, **facts: Any) -> Value:
        """The first result of an operation on these values."""
        return self.all(op, *inputs, path=path, **facts)[0]

    def chain(self, x: Value, *steps: Op) -> Value:
        for op in steps:
            x = self.add(op, x)
        return x

    # ------------------------------------------------------------ operations

    def per_axis(self, dims: int, low: int, high: int) -> int | tuple[int, ...]:
        if self.chance(0.6):
            return self.random.randint(low, high)
        return tuple(self.random.randint(low, high) for _ in range(dims))

    def conv(self, x: Shape, **fixed: Any) -> ops.Conv:
        """A convolution of any kind that this value takes."""
        dims = x.rank - 1
        for _ in range(200):
            out = self.random.randint(1, 6)
            common = [n for n in range(1, 7) if x.sizes[0] % n == 0 and fixed.get("out", out) % n == 0]
            values: dict[str, Any] = {
                "out": out,
                "kernel": self.per_axis(dims, 1, 3),
                "stride": self.per_axis(dims, 1, 2),
                "dilation": self.per_axis(dims, 1, 2),
                "padding": self.padding(dims),
                "padding_mode": self.random.choice(MODES),
                "groups": self.random.choice(common),
                "bias": self.chance(0.5),
                "reparam": "weight_norm" if self.chance(0.15) else None,
            } | fixed
            op = self.made(ops.Conv, values, x)
            if op is not None:
                return op
        return ops.Conv(**({"out": 2, "kernel": 1} | fixed))

    def transposed(self, x: Shape, **fixed: Any) -> ops.ConvTranspose:
        """A transposed convolution that this value takes."""
        groups = self.random.choice([n for n in (1, 2, 3) if x.sizes[0] % n == 0])
        values: dict[str, Any] = {
            "out": groups * self.random.randint(1, 3),
            "kernel": self.per_axis(x.rank - 1, 1, 3),
            "stride": self.per_axis(x.rank - 1, 1, 2),
            "groups": groups,
            "bias": self.chance(0.5),
        }
        return ops.ConvTranspose(**(values | fixed))

    def made(self, kind: type[Op], values: Mapping[str, Any], *shapes: Shape) -> Any:
        """The operation, if its arguments agree and these shapes fit it."""
        try:
            op = kind(**values)
            op.outputs(*shapes)
            op.tensors(*shapes)
        except (ValueError, ShapeError):
            return None
        return op

    def padding(self, dims: int) -> Any:
        one = self.random.randint
        return self.random.choice(
            (
                "same",
                "same",
                "valid",
                "same_tf",
                "causal",
                one(0, 2),
                tuple(one(0, 2) for _ in range(dims)),
                tuple((one(0, 2), one(0, 2)) for _ in range(dims)),
            )
        )

    def norm(self, **fixed: Any) -> ops.BatchNorm:
        """A batch norm. Behind a nearly constant channel it multiplies rounding errors by up to 1 / sqrt(eps), at every
        norm of a chain, and ten steps of training: a small eps is for inference."""
        values: dict[str, Any] = {
            "eps": self.random.choice((1e-3, 0.01, 0.1)),
            "momentum": self.random.choice((0.1, 0.01, 0.5, None)),
            "affine": self.chance(0.8),
        }
        return ops.BatchNorm(**(values | fixed))

    def activation(self) -> Op:
        return self.random.choice(ACTIVATIONS)

    def per_channel(self, x: Shape) -> Op:
        """An operation of each channel alone, without weights."""
        spatial = x.rank - 1
        choices: list[Op] = [self.activation(), ops.Scale(factor=-0.7), ops.Hardtanh(low=-0.5, high=0.8)]
        if spatial:
            choices += [
                ops.MaxPool(kernel=2, stride=1, padding=1),
                ops.MaxPool(kernel=3, stride=1, padding="same"),
                ops.AvgPool(kernel=2, stride=1, padding=1, count_padding=self.chance(0.5)),
                ops.AdaptiveAvgPool(size=self.random.randint(1, 3)),
                ops.GlobalAvgPool(),
                ops.GlobalMaxPool(),
                ops.Pad(sides=1, mode="constant", value=0.25),
                ops.Upsample(factor=2),
            ]
            if max(x.spatial) > 1:
                choices.append(ops.InstanceNorm(eps=0.1))
        fitting = [op for op in choices if self.made(type(op), dict(op), x) is not None]
        return self.random.choice(fitting)

    def wander(self, x: Value, most: int = 2) -> Value:
        """A few layers that have nothing to do with the rule, in a random place."""
        for _ in range(self.random.randint(0, most)):
            if self.chance(0.5):
                self.nest()
            shape = self.shape(x)
            kind = self.random.choice(("conv", "norm", "act", "residual", "layernorm"))
            if kind == "conv" and shape.rank > 1:
                x = self.add(ops.Conv(out=self.random.randint(2, 5), kernel=self.random.choice((1, 3))), x)
            elif kind == "norm":
                x = self.add(self.norm(), x)
            elif kind == "residual":
                x = self.add(ops.Add(), self.add(self.activation(), x), x)
            elif kind == "layernorm":
                x = self.add(ops.LayerNorm(eps=0.1, axis="c" if shape.axes[0] == "c" else None), x)
            else:
                x = self.add(self.activation(), x)
        return x

    def used(self, values: Sequence[Value]) -> Value:
        """One value that depends on all: a concatenation or sum where they fit, else the first, the rest outputs."""
        shapes = [self.shape(value) for value in values]
        if len({shape.sizes for shape in shapes}) == 1 and len(values) > 1 and self.chance(0.4):
            return self.add(ops.Add(), *values)
        if len({shape.sizes[1:] for shape in shapes}) == 1 and self.chance(0.8):
            return self.add(ops.Concat(), *values)
        for value in values[1:]:
            self.output(value)
        return values[0]

    def output(self, value: Value) -> None:
        self.outputs.append(Output(self.name(), value))

    def graph(self, x: Value) -> Graph:
        """The finished net: what was named an output, and `x`."""
        self.scope = 0
        if self.shape(x).rank > 1 and self.chance(0.5):
            x = self.chain(x, ops.GlobalAvgPool(), ops.Flatten(), ops.Linear(out=3))
        self.outputs.insert(self.random.randint(0, len(self.outputs)), Output("result", x))
        return Graph(self.b.program(tuple(self.outputs)))


Site = Callable[[Garden, Value], Value]
