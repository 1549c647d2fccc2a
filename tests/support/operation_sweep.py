"""Every operation over a grid of its arguments, with edge values, on values of 1 to 5 axes: the points of a sweep.

A point is an operation on input sizes, and which of the values have a batch. `draw` gives a point for a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output, Value
from archdsl.ops.base import ArgumentError, Op, ShapeError

Sizes = tuple[int, ...]
W = ops.Word
DEEP: tuple[Sizes, ...] = ((4, 5, 6), (4, 9), (4, 3, 4, 5), (6, 7, 5), (6, 8), (2, 1, 1), (1, 5, 4), (4, 1), (4, 1, 7),
                           (1, 1), (2, 2, 2, 2), (8, 3, 3), (3, 1, 1, 1), (6, 4, 4))  # fmt: skip
FLAT: tuple[Sizes, ...] = ((4,), (1,), (6,))
FIVE: tuple[Sizes, ...] = ((2, 3, 2, 2, 3), (1, 1, 2, 1, 3))
ANY = (*DEEP, *FLAT, *FIVE)
SIZE = (1, 2, 3, 4, 5, 7, (1, 3), (3, 1), (2, 2), (3, 5), (1, 2, 3), (4, 1, 1), (6, 4), (5,))
MODES = tuple(map(W, ("nearest", "nearest_exact", "linear", "bilinear", "trilinear", "bicubic", "area")))
FACTORS = (1, 2, 3, 0.5, 1.25, 1.5, 0.6, 2.1, 2.25, 1.1, 0.3, 4, (1, 2), (1.25, 2), (0.5, 1.5), (2, 1, 1.5))
KERNELS = (1, 1, 2, 3, 3, 4, 5, (1, 3), (3, 2), (2, 1, 3))
STEPS = (1, 1, 2, 3, 4, (1, 2), (2, 3), (1, 2, 2))
SIDES = (0, 1, 2, 3, (0, 1), ((0, 1), (2, 0)), ((1, 2),), ((0, 0), (0, 0)), (1, 0, 1))
SAME = (W("same"), W("same"), W("valid"), W("same_tf"), W("same_tf"), W("causal"))
POOL_SIDES = (0, 0, 1, 2, W("same"), W("same_tf"), W("same_tf"), *SIDES)
EPS = (2.0**-17, 2.0**-10, 2.0**-30, 0.5)
AXES = (None, None, "c", "h", "w", "l", "d")
NUMBERS = (0.0, 0.5, 1.0, -0.5, 2.0, -1.0, 20.0, 0.25)
BOTH = (False, True)
WINDOW = {"kernel": KERNELS, "stride": STEPS, "dilation": (1, 1, 1, 2, 3, (1, 2))}
GRID: dict[str, tuple[tuple[Sizes, ...], dict[str, tuple[Any, ...]]]] = {
    "conv": (DEEP, {"out": (1, 2, 4, 6), **WINDOW, "padding": (*SAME, *SIDES), "groups": (1, 1, 2, 4, 6), "bias": BOTH,
                    "padding_mode": (W("zeros"), W("zeros"), W("reflect"), W("replicate"), W("circular")),
                    "reparam": (None, None, W("weight_norm"))}),
    "conv_transpose": (DEEP, {"out": (1, 2, 4, 6), **WINDOW, "padding": (0, 0, 1, 2, (0, 1)),
                              "output_padding": (0, 0, 1, 2, (0, 1), (1, 0, 1)), "groups": (1, 1, 2, 4, 6),
                              "bias": BOTH}),
    "linear": ((*FLAT, *FLAT, (3, 4), (2, 3, 4), (2, 2, 3, 4), (2, 2, 1, 3, 4)), {"out": (1, 2, 5), "bias": BOTH}),
    "maxpool": (DEEP, {**WINDOW, "stride": (None, *STEPS), "padding": POOL_SIDES, "ceil": BOTH}),
    "avgpool": (DEEP, {"kernel": KERNELS, "stride": (None, *STEPS), "ceil": BOTH, "count_padding": BOTH,
                       "padding": POOL_SIDES}),
    "adaptive_avgpool": (DEEP, {"size": SIZE}), "adaptive_maxpool": (DEEP, {"size": SIZE}),
    "gap": (DEEP, {}), "gmp": (DEEP, {}),
    "batchnorm": ((*DEEP, *FLAT), {"eps": EPS, "affine": BOTH, "track": (True, True, False)}),
    "layernorm": (ANY, {"eps": EPS, "axis": AXES, "affine": BOTH, "bias": BOTH}),
    "groupnorm": ((*DEEP, *FLAT), {"groups": (1, 2, 3, 4, 6), "eps": EPS, "affine": BOTH}),
    "instancenorm": (DEEP, {"eps": EPS, "affine": BOTH}),
    "lrn": (DEEP, {"size": (1, 2, 3, 4, 5, 9), "alpha": (0.0, 2.0**-13, 0.5, 3.0), "beta": (0.0, 0.75, 1.0, -0.5),
                   "k": (0.0, 1.0, 2.0)}),
    **dict.fromkeys(("relu", "relu6", "selu", "silu", "mish", "sigmoid", "log_sigmoid", "tanh", "softsign", "hardswish",
                     "hardsigmoid", "identity"), (ANY, {})),
    "leaky_relu": (ANY, {"slope": NUMBERS}), "prelu": (ANY, {"channelwise": BOTH}), "elu": (ANY, {"alpha": NUMBERS}),
    "celu": (ANY, {"alpha": NUMBERS}), "gelu": (ANY, {"approximate": (None, W("tanh"))}),
    "softplus": (ANY, {"beta": NUMBERS, "threshold": NUMBERS}),
    "hardtanh": (ANY, {"low": (-1.0, -2.5, 0.0), "high": (1.0, 0.25, 6.0)}),
    "softmax": (ANY, {"axis": AXES}), "log_softmax": (ANY, {"axis": AXES}), "scale": (ANY, {"factor": NUMBERS}),
    "affine": (((3, 4, 5), (3,), (3, 1)), {"scale": ((1, -2, 0.5),), "shift": ((0, 0.25, -1),)}),
    "dropout": (ANY, {"rate": (0.0, 0.5, 1.0)}), "dropout_channels": (DEEP, {"rate": (0.0, 0.5, 1.0)}),
    "stochastic_depth": (ANY, {"rate": (0.0, 0.5, 1.0)}),
    "split": (ANY, {"pieces": (1, 2, 3, 4, (1, 3), (2, 2), (1, 2, 1), (4,)), "axis": AXES}),
    "unstack": (ANY, {"axis": AXES}), "last": (ANY, {"axis": AXES}),
    "slice": (ANY, {"start": (0, 1, 3), "stop": (None, 1, 2, 4), "axis": AXES}),
    "gather": (ANY, {"indices": ((0,), (3, 0, 0), ((0, 1), (2, 0)), ((0,),), (((0,),),)), "axis": AXES}),
    "flatten": (ANY, {}),
    "rearrange": (ANY, {"pattern": ("c h w -> h w c", "c h w -> w (h c)", "c l -> l c", "(a b) l -> b l a",
                                    "c l -> (l c)", "c -> c n", "c -> n c", "c d h w -> (d c) w h",
                                    "c h w -> n c h w", "c h w -> c (n h) w", "c -> c", "c h w -> c h w",
                                    "a b c d e -> e d c b a", "a b c d e -> (a b) (c d e)", "(a b) h w -> h b a w"),
                        "n": (..., 1, 3), "a": (..., 1, 2)}),
    "shuffle": (DEEP, {"groups": (1, 2, 3, 4, 6)}),
    "roll": (ANY, {"shift": (0, 1, -1, 3, -7, 40), "axis": AXES[2:]}),
    "pad": (DEEP, {"sides": SIDES, "mode": (W("constant"), W("constant"), W("reflect"), W("replicate"), W("circular")),
                   "value": (0.0, 0.0, 0.5, -1.0)}),
    "pad_channels": ((*DEEP, *FLAT), {"before": (0, 1, 3), "after": (0, 1, 2)}),
    "crop": (DEEP, {"size": SIZE}),
    "upsample": (DEEP, {"factor": FACTORS, "mode": MODES, "align_corners": BOTH}),
    "resize": (DEEP, {"size": (*SIZE, 6, 8, 9, 10), "mode": MODES, "align_corners": BOTH}),
    "add": (ANY, {}), "mean": (ANY, {}), "mul": (ANY, {}),
    "concat": (ANY, {"axis": AXES}), "stack": (ANY, {"axis": (None, "n")}),
    "matmul": (((3, 4), (2, 3, 4), (2, 1, 3, 3), (1, 2, 2, 3, 2)), {}),
    "attention": (((5, 4), (2, 5, 4), (2, 3, 5, 4), (1, 1), (1, 2, 3)), {"scale": (None, 0.5, 2.0), "causal": BOTH}),
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """An operation, the sizes that it is given, and which of the values have a batch."""

    op: Op
    sizes: tuple[Sizes, ...]
    batched: tuple[bool, ...]

    def __str__(self) -> str:
        shown = zip(self.sizes, self.batched, strict=True)
        values = " ".join("x".join(map(str, sizes)) + ("" if batch else " (no batch)") for sizes, batch in shown)
        return f"{self.op!r} on {values}"


def draw(word: str, seed: int, kind: str) -> tuple[Point, Graph] | None:
    """A random point of an operation and its net, `None` where its arguments do not fit.

    `kind` is whether values have a batch: `batch` (all), `bare` (none), `mixed` (some), or `shared`: the operation in a
    level that is applied to values without and with one.
    """
    random = Random(f"{word} {seed}")
    shapes, arguments = GRID[word]
    given = {name: value for name, found in arguments.items() if (value := random.choice(found)) is not ...}
    cls = ops.OPERATIONS[word]
    sizes = _several(random, word, random.choice(shapes)) if cls.takes == "list" else (random.choice(shapes),)
    chance = {"batch": 0.0, "shared": 0.0, "bare": 1.0, "mixed": 0.5}[kind]
    try:
        point = Point(cls.make(**given), sizes, tuple(random.random() >= chance for _ in sizes))
        return point, shared(point) if kind == "shared" else alone(point)
    except (ArgumentError, ShapeError):
        return None


def _several(random: Random, word: str, first: Sizes) -> tuple[Sizes, ...]:
    """Sizes that a merge may take together."""
    count = random.choice((1, 2, 2, 3))
    match word:
        case "matmul":
            return first, (*first[:-2], first[-1], random.choice((1, 2, 5)))
        case "attention":
            keys = random.choice((first[-2], 1, 4))
            return first, (*first[:-2], keys, first[-1]), (*first[:-2], keys, random.choice((first[-1], 3)))
        case "mul":
            gates = [tuple(random.choice((size, 1)) for size in first) for _ in range(count - 1)]
            return tuple(random.sample([first, *gates], len(gates) + 1))
        case "concat":
            at = random.randrange(len(first))
            return tuple((*first[:at], random.choice((1, 2, first[at])), *first[at + 1 :]) for _ in range(count))
    return (first,) * count


def alone(point: Point) -> Graph:
    """The operation on inputs and learned tensors; all its results are outputs."""
    b = Builder("net")
    values = _given(b, point)
    return _with_outputs(b, b.add(point.op, values, "level.layer"))


def shared(point: Point) -> Graph:
    """The operation in a level that is applied twice: to values without a batch, and to values with one."""
    b = Builder("net")
    bare = _given(b, Point(point.op, point.sizes, (False,) * len(point.sizes)))
    full = tuple(b.input(*sizes, name=f"y{at}") for at, sizes in enumerate(point.sizes))
    results: tuple[Value, ...] = ()
    for turn, values in enumerate((bare, full)):
        entered = tuple(b.add(ops.Scale(factor=0.5), (value,), f"cell.s{at}")[0] for at, value in enumerate(values))
        path = "cell.layer" if point.op.numbered else f"cell.{point.op.word}{'_2' * turn}"
        made = b.add(point.op, entered, path)
        results += tuple(b.add(ops.Tanh(), (value,), f"cell.t{at}")[0] for at, value in enumerate(made))
    return _with_outputs(b, results)


def _given(b: Builder, point: Point) -> tuple[Value, ...]:
    values = []
    for at, (sizes, batched) in enumerate(zip(point.sizes, point.batched, strict=True)):
        if batched:
            values.append(b.input(*sizes, name=f"x{at}"))
        else:
            values += b.add(ops.Learned(init=ops.Normal(), sizes=sizes), (), f"p{at}")
    return tuple(values)


def _with_outputs(b: Builder, results: tuple[Value, ...]) -> Graph:
    return Graph(b.program(tuple(Output(f"out{number}", value) for number, value in enumerate(results))))
