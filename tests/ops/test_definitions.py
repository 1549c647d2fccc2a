"""Our own small classes and functions under every tracer of torch."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from archdsl import ops
from archdsl.ops import Op
from archdsl.outline.call import Call
from archdsl.shapes import Shape
from archdsl.targets.torch_definitions import DEFINITIONS, HEADER
from archdsl.targets.torch_ops import function_form, module_form
from tests.support.torch_forms import apply, function, module

IMAGE, SIGNAL = Shape.of(4, 9, 8), Shape.of(4, 12)
torch.set_num_threads(1)

PLAIN: tuple[tuple[Op, Shape], ...] = (
    (ops.Conv(out=6, kernel=3, stride=2, padding="same_tf"), IMAGE),
    (ops.Conv(out=6, kernel=2, stride=3, padding="same_tf", reparam="weight_norm"), IMAGE),
    (ops.Conv(out=6, kernel=3, padding=((0, 1), (2, 0)), padding_mode="reflect"), IMAGE),
    (ops.Conv(out=6, kernel=3, dilation=2, padding="causal"), SIGNAL),
    (ops.Conv(out=6, kernel=3, dilation=2, padding="causal", reparam="weight_norm"), SIGNAL),
    (ops.Conv(out=6, kernel=3, reparam="weight_norm"), IMAGE),
    (ops.MaxPool(kernel=3, stride=2, padding="same_tf"), IMAGE),
    (ops.MaxPool(kernel=2, stride=1, padding=((0, 1), (0, 1))), IMAGE),
    (ops.AvgPool(kernel=3, stride=2, padding="same_tf", count_padding=False), IMAGE),
    (ops.AvgPool(kernel=2, stride=1, padding=((0, 1), (0, 1)), count_padding=False), IMAGE),
    (ops.LayerNorm(axis="c"), IMAGE),
    (ops.LayerNorm(axis="h"), IMAGE),
    (ops.StochasticDepth(rate=0.4), IMAGE),
    (ops.Shuffle(groups=2), IMAGE),
    (ops.Crop(size=(5, 4)), IMAGE),
    (ops.Affine(scale=(2.0, 0.5, -1.0, 3.0), shift=(0.0, 1.5, -2.0, 0.25)), IMAGE),
    (ops.Rearrange(pattern="c (h p) (w q) -> (c p q) h w", sizes=(("p", 3), ("q", 2))), IMAGE),
    (ops.Rearrange(pattern="c l -> l n c", sizes=(("n", 3),)), SIGNAL),
    (ops.Last(), SIGNAL),
    (ops.Gather(indices=(3, 0, 0)), IMAGE),
    (ops.Gather(indices=((0, 11), (5, 5)), axis="l"), SIGNAL),
)
EITHER: tuple[tuple[Op, Shape], ...] = (
    (ops.BatchNorm(), SIGNAL),
    (ops.BatchNorm(), IMAGE),
    (ops.GroupNorm(groups=2), IMAGE),
    (ops.LayerNorm(axis="c"), IMAGE),
    (ops.Prelu(channelwise=True), IMAGE),
    (ops.DropoutChannels(), IMAGE),
    (ops.StochasticDepth(rate=0.4), IMAGE),
    (ops.AvgPool(kernel=3, stride=2, padding="same_tf", count_padding=False), IMAGE),
    (ops.AvgPool(kernel=2, stride=1, padding=((0, 1), (0, 1)), count_padding=False), IMAGE),
    (ops.LocalResponseNorm(size=3), IMAGE),
    (ops.Shuffle(groups=2), IMAGE),
    (ops.Upsample(factor=1.5, mode="bilinear"), IMAGE),
    (ops.Resize(size=7), SIGNAL),
    (ops.Affine(scale=(2.0, 0.5, -1.0, 3.0), shift=(0.0, 1.5, -2.0, 0.25)), IMAGE),
    (ops.Rearrange(pattern="c (h p) w -> (c p) n h w", sizes=(("p", 3), ("n", 2))), IMAGE),
    (ops.Gather(indices=((0, 11), (5, 5)), axis="l"), SIGNAL),
    (ops.Gather(indices=(3, 0, 0)), IMAGE),
)
OURS = (*((*case, False) for case in PLAIN), *((*case, True) for case in EITHER))
IDS = [f"{op.word}-{place}{'-either' * both}" for place, (op, _, both) in enumerate(OURS)]


class Applied(nn.Module):
    """A function's call as a module."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.function = function(call)

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def made(op: Op, shape: Shape, both: bool = False) -> tuple[nn.Module, torch.Tensor]:
    """The module or function as a module, perhaps the form that takes values without a batch too, and a batch."""
    called = function_form(op, (shape,), both=both)
    call = None if both and called is not None else module_form(op, (shape,), both=both)
    if call is None:
        assert called is not None
        return Applied(called), torch.randn(3, *shape.sizes)
    return module(call), torch.randn(3, *shape.sizes)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("op,shape,both", OURS, ids=IDS)
@pytest.mark.parametrize("training", [True, False])
def test_fx_follows(op: Op, shape: Shape, both: bool, training: bool) -> None:
    """Also on another batch than it was traced for."""
    net, x = made(op, shape, both)
    net.train(training)
    traced = torch.fx.symbolic_trace(net)
    for value in (x, torch.cat([x, x])):
        torch.manual_seed(3)
        expected = net(value)
        torch.manual_seed(3)
        assert torch.equal(traced(value), expected)


@pytest.mark.parametrize("op,shape,both", OURS, ids=IDS)
def test_export_follows_with_a_dynamic_batch(op: Op, shape: Shape, both: bool) -> None:
    net, x = made(op, shape, both)
    net.eval()
    exported = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    for value in (x, torch.cat([x, x])):
        torch.testing.assert_close(exported(value), net(value), rtol=0, atol=0)


@pytest.mark.parametrize("op,shape,both", OURS, ids=IDS)
def test_jit_trace_follows(op: Op, shape: Shape, both: bool) -> None:
    net, x = made(op, shape, both)
    net.eval()
    traced = torch.jit.trace(net, x)
    for value in (x, torch.cat([x, x])):
        assert torch.equal(traced(value), net(value))


@pytest.mark.parametrize("op,shape,both", OURS, ids=IDS)
def test_dynamo_captures_one_whole_graph(op: Op, shape: Shape, both: bool) -> None:
    net, x = made(op, shape, both)
    net.eval()
    torch._dynamo.reset()  # it compiles one forward, that of `Applied`, a few times only
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), net(x))


@pytest.mark.parametrize("op,shape", EITHER, ids=[f"{op.word}-{place}" for place, (op, _) in enumerate(EITHER)])
def test_a_value_without_a_batch_is_an_example_of_one(op: Op, shape: Shape) -> None:
    """In training too, where what is dropped is drawn for one example."""
    net, x = made(op, shape, both=True)
    for training in (True, False):
        net.train(training)
        torch.manual_seed(4)
        expected = net(x[:1])
        torch.manual_seed(4)
        torch.testing.assert_close(net(x[0]), expected[0], rtol=0, atol=0)


def test_jit_trace_pads_for_the_size_that_it_meets() -> None:
    net, x = made(ops.Conv(out=6, kernel=3, stride=2, padding="same_tf"), IMAGE)
    traced = torch.jit.trace(net, x)
    other = torch.randn(1, 4, 8, 11)
    assert torch.equal(traced(other), net(other))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_stochastic_depth_draws_as_torchvision_does(rate: float, training: bool) -> None:
    """One Bernoulli number for each example, shaped [N, 1, 1, 1], divided by the probability to survive."""
    net, x = made(ops.StochasticDepth(rate=rate), IMAGE)
    net.train(training)
    torch.manual_seed(5)
    result = net(x)
    torch.manual_seed(5)
    expected = x
    if training and rate > 0:
        noise = torch.empty([x.shape[0], 1, 1, 1]).bernoulli_(1 - rate)
        expected = x * (noise.div_(1 - rate) if rate < 1 else noise)
    assert torch.equal(result, expected)


def test_channel_layernorm_is_the_permuted_one_to_the_bit() -> None:
    net, x = made(ops.LayerNorm(axis="c", eps=1e-6), IMAGE)
    expected = nn.functional.layer_norm(x.permute(0, 2, 3, 1), (4,), net.weight, net.bias, 1e-6).permute(0, 3, 1, 2)  # type: ignore[arg-type]
    assert torch.equal(net(x), expected)


@pytest.mark.parametrize("bias", [True, False])
def test_weight_norm_is_torchs_old_one_to_the_bit(bias: bool) -> None:
    """The names and their order too, so that old checkpoints load; old is `torch.nn.utils.weight_norm`."""
    net, x = made(ops.Conv(out=6, kernel=3, reparam="weight_norm", bias=bias), IMAGE)
    old = torch.nn.utils.weight_norm(nn.Conv2d(4, 6, 3, padding=1, bias=bias))
    assert list(old.state_dict()) == list(net.state_dict())
    net.load_state_dict(old.state_dict())
    assert torch.equal(net(x), old(x))


def test_weight_norm_starts_as_the_plain_convolution() -> None:
    """weight_g is the norm of weight_v, as `tensors` says by `norm_of`."""
    net, _ = made(ops.Conv(out=6, kernel=3, reparam="weight_norm"), IMAGE)
    state = net.state_dict()
    torch.testing.assert_close(state["weight_g"], state["weight_v"].flatten(1).norm(dim=1).view(-1, 1, 1, 1))
    gain = next(
        each for each in ops.Conv(out=6, kernel=3, reparam="weight_norm").tensors(IMAGE) if each.name == "weight_g"
    )
    assert gain.init == ops.NormOf(of="weight_v")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_needs_torch_and_itself_alone(name: str) -> None:
    names: dict[str, Any] = {}
    exec(HEADER, names)
    exec(DEFINITIONS[name], names)
    assert name in names
    tree = ast.parse(DEFINITIONS[name])
    known = {name, "torch", "nn", "F", "Tensor", "super", "property"} | set(dir(__builtins__)) | set(__builtins__)  # type: ignore[arg-type,call-overload]
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert read <= known | bound
    assert max(map(len, DEFINITIONS[name].splitlines())) <= 88


@pytest.mark.parametrize(
    "op,shapes",
    [
        (ops.Concat(), ((1, 4), (9, 4))),
        (ops.Stack(), ((9, 4), (9, 4))),
        (ops.Add(), ((9, 4), (9, 4))),
        (ops.Mul(), ((1, 4), (9, 4))),
        (ops.Mean(), ((9, 4), (9, 4))),
        (ops.Matmul(), ((5, 9), (9, 4))),
        (ops.Attention(), ((2, 4), (9, 4), (9, 4))),
    ],
    ids=lambda value: value.word if isinstance(value, Op) else "",
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_learned_operand_serves_every_example(op: Op, shapes: tuple[tuple[int, ...], ...], place: int) -> None:
    """An operand without a batch gives what it gives when repeated by hand."""
    inputs = tuple(Shape(sizes, (None, None)) for sizes in shapes)
    values = [torch.randn(3, *sizes) for sizes in shapes]
    values[place] = values[place][:1].expand(3, *shapes[place])
    plain, learned = function_form(op, inputs), function_form(op, inputs, batchless=(place,))
    assert plain is not None
    assert learned is not None
    given = [value[0] if index == place else value for index, value in enumerate(values)]
    torch.testing.assert_close(apply(learned, *given), apply(plain, *values))


def test_what_is_computed_from_learned_tensors_alone_has_no_batch() -> None:
    shape = Shape((4, 9), (None, None))
    x = torch.randn(4, 9)
    cases: list[tuple[Op, torch.Tensor]] = [
        (ops.Rearrange(pattern="a b -> b a"), x.t()),
        (ops.Rearrange(pattern="a b -> a n b", sizes=(("n", 2),)), x[:, None].repeat(1, 2, 1)),
        (ops.Flatten(), x.flatten()),
        (ops.Last(), x[:, -1]),
        (ops.Slice(start=1, stop=3), x[1:3]),
        (ops.Softmax(), x.softmax(-1)),
    ]
    for op, expected in cases:
        call = function_form(op, (shape,), batchless=(0,))
        assert call is not None
        assert torch.equal(apply(call, x), expected)
        assert tuple(expected.shape) == op.outputs(shape)[0].sizes
