"""Every operation in ONNX, over a grid of its arguments, against torch: in onnxruntime and in onnx's own evaluator."""

from __future__ import annotations

import pytest

from archdsl import ops
from archdsl.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output
from archdsl.ops.base import Op
from archdsl.targets.onnx_model import model
from archdsl.targets.onnx_ops import EMITTERS, VANISHING
from tests.support import agreement, onnx_run

V, S, P, Q = (6,), (6, 9), (6, 9, 8), (4, 5, 6, 7)  # a vector, and values with one, two and three spatial axes


def grid(cls: type[Op], shapes: object, *arguments: dict[str, object]) -> list[tuple[Op, tuple[tuple[int, ...], ...]]]:
    """Each argument set with each input; an entry of `shapes` is one input's sizes or a list of several inputs'."""
    inputs = [tuple(entry) if isinstance(entry, list) else (entry,) for entry in shapes]  # type: ignore[attr-defined]
    return [(cls.make(**_words(cls, given)), entry) for given in arguments or ({},) for entry in inputs]


def _words(cls: type[Op], given: dict[str, object]) -> dict[str, object]:
    """Bare words as the language has them."""
    words = cls.words()
    bare = {name: ops.Word(value) for name, value in given.items() if isinstance(value, str) and value in words}
    return {**given, **bare}


CASES = [
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 3}, {"out": 4, "kernel": 3, "stride": 2, "bias": False}),
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 3, "stride": 2, "padding": "same_tf", "groups": 2}),
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 2, "dilation": 3, "padding": "same_tf"}),
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 3, "padding": "valid", "dilation": 2}),
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 3, "padding_mode": "reflect"}),
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 3, "padding_mode": "replicate", "stride": 2}),
    *grid(ops.Conv, [S, P, Q], {"out": 4, "kernel": 3, "padding_mode": "circular", "padding": 2}),
    *grid(ops.Conv, [S, P], {"out": 4, "kernel": 3, "reparam": "weight_norm"}),
    *grid(ops.Conv, [S], {"out": 6, "kernel": 3, "dilation": 2, "padding": "causal", "groups": 6}),
    *grid(
        ops.Conv, [P], {"out": 4, "kernel": (1, 4), "padding": ((0, 0), (1, 2))}, {"out": 3, "kernel": 1, "stride": 2}
    ),
    *grid(ops.Conv, [P], {"out": 4, "kernel": 3, "padding": ((0, 3), (2, 1)), "padding_mode": "circular"}),
    *grid(ops.ConvTranspose, [S, P, Q], {"out": 4, "kernel": 2, "stride": 2}, {"out": 4, "kernel": 3, "padding": 1}),
    *grid(ops.ConvTranspose, [S, P, Q], {"out": 4, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    *grid(ops.ConvTranspose, [S, P], {"out": 4, "kernel": 3, "dilation": 2, "groups": 2, "bias": False}),
    *grid(
        ops.ConvTranspose, [P], {"out": 6, "kernel": (1, 3), "stride": (1, 2), "output_padding": (0, 1), "groups": 3}
    ),
    *grid(ops.Linear, [V], {"out": 4}, {"out": 4, "bias": False}),
    *grid(ops.MaxPool, [S, P, Q], {"kernel": 2}, {"kernel": 3, "stride": 2, "padding": 1}),
    *grid(ops.MaxPool, [S, P, Q], {"kernel": 3, "stride": 2, "ceil": True}, {"kernel": 2, "stride": 3, "ceil": True}),
    *grid(ops.MaxPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": 1, "ceil": True}),
    *grid(ops.MaxPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": "same_tf"}, {"kernel": 2, "dilation": 2}),
    *grid(ops.MaxPool, [S, P], {"kernel": 2, "dilation": 4, "padding": 1, "stride": 1}),
    *grid(ops.MaxPool, [S, P], {"kernel": 2, "dilation": 4, "stride": 3, "ceil": True}),
    *grid(ops.MaxPool, [S, P], {"kernel": 3, "dilation": 3, "padding": 1, "stride": 2, "ceil": True}),
    *grid(ops.MaxPool, [P], {"kernel": (1, 3), "stride": (1, 2), "padding": ((0, 0), (1, 0))}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 2}, {"kernel": 3, "stride": 2, "padding": 1, "count_padding": True}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": 1, "count_padding": False}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 3, "stride": 2, "ceil": True}, {"kernel": 2, "stride": 3, "ceil": True}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": 1, "ceil": True, "count_padding": True}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": 1, "ceil": True, "count_padding": False}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 4, "stride": 3, "padding": 2, "ceil": True, "count_padding": True}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": "same_tf", "count_padding": True}),
    *grid(ops.AvgPool, [S, P, Q], {"kernel": 3, "stride": 2, "padding": "same_tf", "count_padding": False}),
    *grid(ops.AvgPool, [P], {"kernel": (1, 4), "stride": 2, "padding": ((0, 0), (0, 2)), "count_padding": False}),
    *grid(ops.AdaptiveAvgPool, [S, P, Q], {"size": 1}, {"size": 2}, {"size": 4}, {"size": 10}),
    *grid(ops.AdaptiveAvgPool, [P], {"size": (3, 4)}, {"size": (9, 3)}, {"size": (9, 8)}),
    *grid(ops.AdaptiveMaxPool, [S, P, Q], {"size": 1}, {"size": 2}, {"size": 4}, {"size": 10}),
    *grid(ops.AdaptiveMaxPool, [P], {"size": (3, 4)}, {"size": (9, 3)}, {"size": (9, 8)}),
    *grid(ops.GlobalAvgPool, [S, P, Q]),
    *grid(ops.GlobalMaxPool, [S, P, Q]),
    *grid(ops.BatchNorm, [V, S, P, Q], {}, {"eps": 1e-3, "momentum": None}, {"affine": False}),
    *grid(ops.BatchNorm, [S, P], {"track": False}, {"track": False, "affine": False}),
    *grid(ops.LayerNorm, [V, S, P, Q], {}, {"affine": False}, {"bias": False, "eps": 1e-6}, {"axis": "c"}),
    *grid(ops.LayerNorm, [P], {"axis": "h"}),
    *grid(ops.GroupNorm, [V, S, P, Q], {"groups": 2}, {"groups": 1, "eps": 1e-3}, {"groups": 2, "affine": False}),
    *grid(ops.InstanceNorm, [S, P, Q], {}, {"affine": True, "eps": 1e-3}),
    *grid(ops.LocalResponseNorm, [S, P, Q], {"size": 5}, {"size": 4, "alpha": 0.5, "k": 2.0}, {"size": 3, "beta": 0.5}),
    *(
        case
        for cls in (
            *(ops.Relu, ops.Relu6, ops.Selu, ops.Silu, ops.Mish, ops.Sigmoid, ops.LogSigmoid, ops.Tanh),
            *(ops.Softsign, ops.Hardswish, ops.Hardsigmoid, ops.Identity, ops.Dropout),
        )
        for case in grid(cls, [V, P])
    ),
    *grid(ops.DropoutChannels, [P]),
    *grid(ops.StochasticDepth, [P], {"rate": 0.2}),
    *grid(ops.LeakyRelu, [V, P], {}, {"slope": 0.2}),
    *grid(ops.Prelu, [V, S, P, Q], {}, {"channelwise": True}),
    *grid(ops.Elu, [V, P], {}, {"alpha": 0.5}),
    *grid(ops.Celu, [V, P], {}, {"alpha": 0.3}, {"alpha": -2.0}),
    *grid(ops.Gelu, [V, P], {}, {"approximate": "tanh"}),
    *grid(ops.Softplus, [V, P], {}, {"beta": 2.0, "threshold": 1.0}, {"beta": 0.5}),
    *grid(ops.Hardtanh, [V, P], {}, {"low": -0.5, "high": 2.0}),
    *grid(ops.Softmax, [V, S, P], {}, {"axis": "c"}),
    *grid(ops.LogSoftmax, [V, S, P], {}, {"axis": "c"}),
    *grid(ops.Scale, [V, P], {"factor": 0.17}, {"factor": -3.0}),
    *grid(ops.Affine, [V, S, P], {"scale": (2.0, -1.0, 0.5, 3.0, 1.0, 0.0), "shift": (0.0, 1.0, -2.0, 0.5, 4.0, 1.0)}),
    *grid(ops.Add, [[P, P], [P, P, P], [V, V]]),
    *grid(ops.Mean, [[P, P], [P, P, P]]),
    *grid(ops.Mul, [[P, P], [P, (6, 1, 1)], [(6, 1, 1), P, (1, 9, 8)], [V, V]]),
    *grid(ops.Concat, [[P, (3, 9, 8)], [P], [P, P, P]]),
    *grid(ops.Concat, [[P, (6, 9, 3)]], {"axis": "w"}),
    *grid(ops.Stack, [[P, P], [V], [S, S, S]], {}, {"axis": "n"}),
    *grid(ops.Matmul, [[(4, 5), (5, 3)], [(2, 4, 5), (2, 5, 3)]]),
    *grid(ops.Attention, [[(5, 4), (7, 4), (7, 3)], [(2, 5, 4), (2, 5, 4), (2, 5, 4)]], {}, {"causal": True}),
    *grid(ops.Attention, [[(2, 3, 5, 4)] * 3], {"scale": 0.3}, {"scale": 1.0, "causal": True}),
    *grid(ops.Split, [S, P], {"pieces": 2}, {"pieces": (1, 2, 3)}, {"pieces": 1}),
    *grid(ops.Split, [P], {"pieces": 4, "axis": "w"}),
    *grid(ops.Unstack, [S, P], {}, {"axis": "c"}),
    *grid(ops.Unstack, [P], {"axis": "w"}),
    *grid(ops.Slice, [S, P], {"start": 2}, {"start": 1, "stop": 4}, {"start": 0, "stop": 1}),
    *grid(ops.Slice, [P], {"start": 3, "stop": 8, "axis": "w"}),
    *grid(ops.Last, [V, S, P], {}, {"axis": "c"}),
    *grid(ops.Flatten, [V, S, P, Q]),
    *grid(ops.Rearrange, [P], {"pattern": "c h w -> h w c"}, {"pattern": "c h w -> c (h w)"}),
    *grid(
        ops.Rearrange, [P], {"pattern": "c (h p) (w q) -> (p q c) h w", "p": 3, "q": 2}, {"pattern": "c h w -> c h w"}
    ),
    *grid(ops.Rearrange, [P], {"pattern": "(a b) h w -> (b a) h n w", "b": 3, "n": 2}),
    *grid(ops.Rearrange, [V], {"pattern": "c -> c h w", "h": 2, "w": 3}, {"pattern": "c -> (n c)", "n": 2}),
    *grid(ops.Shuffle, [S, P], {"groups": 2}, {"groups": 3}, {"groups": 1}),
    *grid(ops.Roll, [P], {"shift": 2, "axis": "h"}, {"shift": -3, "axis": "w"}, {"shift": 13, "axis": "c"}),
    *grid(ops.Gather, [V, S, P], {"indices": (5, 0, 0)}, {"indices": ((1, 2), (3, 4))}, {"indices": (1,), "axis": "c"}),
    *grid(ops.Gather, [P], {"indices": (7, 1), "axis": "w"}, {"indices": (((0, 8),),), "axis": "h"}),
    *grid(ops.Pad, [S, P, Q], {"sides": 1}, {"sides": 2, "value": 0.5}, {"sides": 2, "mode": "reflect"}),
    *grid(ops.Pad, [S, P, Q], {"sides": 2, "mode": "replicate"}, {"sides": 2, "mode": "circular"}),
    *grid(ops.Pad, [P], {"sides": ((0, 1), (2, 3))}, {"sides": ((3, 0), (0, 0)), "mode": "circular"}),
    *grid(ops.Pad, [P], {"sides": 0}, {"sides": 0, "mode": "circular"}),
    *grid(ops.PadChannels, [V, P], {"before": 1, "after": 2}, {"after": 3}, {}),
    *grid(ops.Crop, [S, P, Q], {"size": 4}, {"size": 5}),
    *grid(ops.Crop, [P], {"size": (9, 3)}),
    *(
        (cls.make(mode=ops.Word(mode), **given), (shape,))
        for cls, sizes in (
            (ops.Upsample, ({"factor": 2}, {"factor": 3}, {"factor": 1.5}, {"factor": 0.6}, {"factor": 1})),
            (ops.Resize, ({"size": 18}, {"size": 5}, {"size": 7}, {"size": 1})),
        )
        for given in sizes
        for modes, shape in (
            (("nearest", "nearest_exact", "area", "linear"), S),
            (("nearest", "nearest_exact", "area", "bilinear", "bicubic"), P),
            (("nearest", "nearest_exact", "area", "trilinear"), Q),
        )
        for mode in modes
    ),
    *grid(ops.Resize, [P], {"size": (9, 8), "mode": "bilinear"}, {"size": (18, 8), "mode": "bilinear"}),
    *(
        (cls.make(mode=ops.Word(mode), align_corners=True, **given), (shape,))
        for cls, given in ((ops.Upsample, {"factor": 2}), (ops.Upsample, {"factor": 1.5}), (ops.Resize, {"size": 1}))
        for mode, shape in (("linear", S), ("bilinear", P), ("bicubic", P), ("trilinear", Q))
    ),
]


def net(op: Op, shapes: tuple[tuple[int, ...], ...]) -> Graph:
    """The operation alone, on inputs of these sizes; all its results are outputs."""
    b = Builder("net")
    inputs = tuple(b.input(*sizes, name=f"x{number}") for number, sizes in enumerate(shapes))
    results = b.add(op, inputs, "level.layer")
    return Graph(b.program(tuple(Output(f"y{number}", value) for number, value in enumerate(results))))


def assert_agrees(graph: Graph) -> None:
    """The model is sound, and the module and both runtimes compute what the reference says, at batch 1 and 3."""
    onnx_run.assert_sound(model(graph, onnx_run.random_weights(graph)))
    for batch in (1, 3):
        assert agreement.faults(graph, batch, batch) == []


def _name(case: object) -> str:
    op, shapes = case  # type: ignore[misc]
    given = ",".join(f"{key}={value}" for key, value in op.model_dump(exclude_defaults=True).items())
    return f"{op.word}({given})-{'+'.join('x'.join(map(str, sizes)) for sizes in shapes)}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_an_operation_computes_what_torch_does(case: tuple[Op, tuple[tuple[int, ...], ...]]) -> None:
    op, shapes = case
    assert_agrees(net(op, shapes))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("pattern, sizes", [("c l -> l c", S), ("c h w -> h w c", P)])
def test_a_linear_map_takes_the_last_of_several_axes(bias: bool, pattern: str, sizes: tuple[int, ...]) -> None:
    b = Builder("net")
    x = b.add(ops.Rearrange(pattern=pattern), (b.input(*sizes),), "0")[0]
    assert_agrees(Graph(b.program(b.add(ops.Linear(out=4, bias=bias), (x,), "fc")[0])))


@pytest.mark.parametrize("pool", [ops.MaxPool(kernel=3, stride=2), ops.AvgPool(kernel=3, stride=2)])
@pytest.mark.parametrize("sides", [1, 2, 3])
def test_zeros_around_a_pools_input_take_part(sides: int, pool: Op) -> None:
    """onnxruntime merges padding into what follows; the values are below zero, so that a lost zero shows."""
    b = Builder("net")
    (x,) = b.add(ops.Softplus(), (b.input(*P),), "0")
    (x,) = b.add(ops.Scale(factor=-1.0), (x,), "1")
    (x,) = b.add(ops.Pad(sides=sides), (x,), "2")
    assert_agrees(Graph(b.program(b.add(pool, (x,), "3")[0])))


NUMBERS = tuple(((0.1 * number,),) for number in range(-2, 4))


@pytest.mark.parametrize("merge", [ops.Mul(), ops.Concat(), ops.Concat(axis="w")], ids=["mul", "concat", "concat-w"])
@pytest.mark.parametrize("before", [None, ops.Sigmoid(), ops.Gather(indices=(5, 4, 3, 2, 1, 0))])
def test_a_literal_stretches_to_any_batch(merge: Op, before: Op | None) -> None:
    b = Builder("net")
    (x,) = (b.input(6, 9, 1, name="x"),)
    numbers = tuple((row[0],) * (1 if isinstance(merge, ops.Mul) else 9) for row in NUMBERS)
    (given,) = b.add(ops.TensorLiteral(values=numbers), (), "tensor")
    if before is not None:
        (given,) = b.add(before, (given,), "0")
    assert_agrees(Graph(b.program(b.add(merge, (x, given), "merge")[0])))


def test_every_operation_has_one_emitter_and_is_tried_here() -> None:
    known = set(ops.OPERATIONS.values())
    assert set(EMITTERS) | set(VANISHING) == known
    assert not set(EMITTERS) & set(VANISHING)
    assert {type(op) for op, _ in CASES} == known - {ops.TensorLiteral}  # which stands in a test of its own
