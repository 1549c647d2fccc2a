"""Residual specs without a twin in a library: against formulas written out, each other, and the papers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.ops.conv import Conv
from archdsl.prove.compare import deviation
from tests.support import written_out
from tests.support.peers import torchvision_model
from tests.support.spec_peers import image_of, put
from tests.support.twins import State, random_state

SPECS = archdsl.specs_root()
GATE = 1e-10
SMALL = {"size": 64, "width": 8}
Formula = Callable[[State, Tensor], Tensor]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def filled(spec: str | Path, **parameters: Any) -> nn.Module:
    """A spec's module in float64 with random weights and statistics, in inference."""
    module = archdsl.load(spec, seed=0, **parameters)
    return put(module, random_state(module), torch.float64, training=False)


FORMULAS: list[tuple[str, dict[str, Any], tuple[int, ...], Formula]] = [
    ("plain20", {}, (3, 32, 32), lambda state, x: written_out.cifar(state, x, 3, "none")),
    ("resnet20", {}, (3, 32, 32), lambda state, x: written_out.cifar(state, x, 3, "A")),
    ("resnet20", {}, (3, 31, 29), lambda state, x: written_out.cifar(state, x, 3, "A")),
    ("resnet20_b", {}, (3, 32, 32), lambda state, x: written_out.cifar(state, x, 3, "B")),
    ("resnet110", {}, (3, 32, 32), lambda state, x: written_out.cifar(state, x, 18, "A")),
    ("wrn_40_2", {}, (3, 32, 32), lambda state, x: written_out.wide(state, x, 6)),
    ("wrn_16_8", {}, (3, 16, 16), lambda state, x: written_out.wide(state, x, 2)),
    ("preact164", {}, (3, 32, 32), lambda state, x: written_out.preact(state, x, 18)),
    ("unet", {"size": 188, "width": 8}, (1, 188, 188), lambda state, x: written_out.unet(state, x, 0)),
    ("unet_same", SMALL, (1, 64, 64), lambda state, x: written_out.unet(state, x, 1)),
    ("unet_interpolated", SMALL, (1, 64, 64), lambda state, x: written_out.unet(state, x, 1, "interpolated")),
    ("unet_sum", SMALL, (1, 64, 64), lambda state, x: written_out.unet(state, x, 1, join="add")),
    ("unet_bn", SMALL, (3, 64, 64), lambda state, x: written_out.normed_unet(state, x, False)),
    ("unet_bn_interpolated", SMALL, (3, 64, 64), lambda state, x: written_out.normed_unet(state, x, True)),
    ("tcn", {}, (1, 784), lambda state, x: written_out.tcn(state, x, 8, 7)),
]


@pytest.mark.parametrize("spec, parameters, size, formula", FORMULAS, ids=lambda value: str(value)[:20])
def test_a_spec_computes_what_is_written_out(
    spec: str, parameters: dict[str, Any], size: tuple[int, ...], formula: Formula
) -> None:
    module = filled(spec, **parameters)
    image = torch.randn(2, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        expected = formula(module.state_dict(), image)
        assert expected.isfinite().all()
        assert deviation(module(image).numpy(), expected.numpy()) < GATE


def test_the_published_resnet50_is_torchvisions_with_its_strides_moved() -> None:
    """Torchvision's with the stride of three bottlenecks on the first 1x1: the same keys, the same function."""
    theirs = torchvision_model("resnet50")
    for stage in ("layer2", "layer3", "layer4"):
        block = theirs.get_submodule(f"{stage}.0")
        first, middle = block.get_submodule("conv1"), block.get_submodule("conv2")
        assert isinstance(first, nn.Conv2d)
        assert isinstance(middle, nn.Conv2d)
        first.stride, middle.stride = (2, 2), (1, 1)
    state = random_state(theirs)
    image = image_of(72, 2, torch.float64)
    with torch.no_grad():
        expected = put(theirs, state, torch.float64, training=False)(image)
        ours = put(archdsl.load("resnet50a", seed=0), state, torch.float64, training=False)
        assert deviation(ours(image).numpy(), expected.numpy()) < GATE


def branches(state: State, form: str) -> State:
    """The grouped form's weights as those of 32 paths: figure 3(a) sums them, figure 3(b) joins them."""
    given: State = {}
    for key, value in state.items():
        head, _, last = key.rpartition(".")
        block, _, name = head.rpartition(".")
        cut = name in ("conv1", "bn1", "conv2", "bn2") or (form == "multibranch" and name == "conv3")
        if not key.startswith("layer") or not cut:
            given[key] = value
            continue
        axis = 1 if name == "conv3" else 0
        pieces = value.chunk(32, axis) if value.ndim else [value] * 32
        for path, piece in enumerate(pieces):
            given[f"{block}.path{path}.{name}.{last}"] = piece
    return given


@pytest.mark.parametrize("form", ["multibranch", "concat"])
def test_resnexts_three_forms_are_one_function(form: str) -> None:
    """Xie et al. 2016, figure 3, (a) and (b) against (c): the same numbers, cut into paths."""
    grouped, cut = filled("resnext50"), archdsl.load(f"resnext50_{form}", seed=0)
    state = branches(grouped.state_dict(), form)
    put(cut, {key: state[key] for key in cut.state_dict()}, torch.float64, training=False)
    assert len(state) == len(cut.state_dict())
    image = image_of(64, 1, torch.float64)
    with torch.no_grad():
        assert deviation(cut(image).numpy(), grouped(image).numpy()) < GATE


def test_the_strides_place_is_all_that_pre_activation_counts_differ_by() -> None:
    """pytorchcv strides on the 3x3, so that its first 1x1s see a larger map: 247,646,720 multiply-accumulates."""
    larger = 64 * 32 * (32**2 - 16**2) + 128 * 64 * (16**2 - 8**2)
    assert archdsl.compile("preact164").macs + larger == 247_646_720
    assert archdsl.compile("preact1001").macs + larger == 1_490_995_712


def test_chomped_steps_are_all_that_tcn_counts_differ_by() -> None:
    """locuslab computes the steps that it cuts off too: 64,969,350 multiply-accumulates."""
    each = [7 * 25 * (1 if block == 0 and place == 0 else 25) for block in range(8) for place in (0, 1)]
    cut = sum(count * 6 * 2 ** (index // 2) for index, count in enumerate(each))
    assert archdsl.compile("tcn").macs + cut == 64_969_350


@pytest.mark.parametrize("kernel, blocks", [(2, 4), (3, 3), (7, 2)])
def test_a_tcn_sees_as_far_as_the_formula_says_and_never_ahead(kernel: int, blocks: int) -> None:
    """1 + 2 (k - 1) (2^n - 1) steps: with positive weights no influence is lost, none comes from before or later."""
    field = 1 + 2 * (kernel - 1) * (2**blocks - 1)
    length = field + 9
    family = SPECS / "families/temporal.arch"
    net = archdsl.load(family, seed=0, widths=[3] * blocks, kernel=kernel, length=length).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.01)
    steps = torch.rand(1, 1, length, dtype=torch.float64, requires_grad=True)
    net(steps).sum().backward()
    assert steps.grad is not None
    seen = steps.grad[0, 0] != 0
    assert seen.tolist() == [False] * (length - field) + [True] * field
    inside = net.get_submodule("tcn")
    values = steps.detach().clone().requires_grad_()
    middle = length // 2
    inside(values)[..., middle].sum().backward()
    assert values.grad is not None
    assert not values.grad[..., middle + 1 :].any()
    assert values.grad[..., middle].all()


def test_a_tcn_for_digits_sees_all_of_a_digit() -> None:
    """Each convolution looks back by its dilation times one less than its kernel: 3,061 of 784 pixels."""
    graph = archdsl.compile("tcn")
    back = [node.op for node in graph.nodes if isinstance(node.op, Conv) and ".conv" in node.path]
    assert [(op.kernel, op.dilation) for op in back] == [(7, 2 ** (place // 2)) for place in range(16)]
    assert 1 + sum(6 * 2 ** (place // 2) for place in range(16)) == 3061
    assert graph.nodes[graph.inputs[0]].outputs[0].sizes == (1, 784)


def test_unets_maps_have_the_papers_sizes() -> None:
    """Figure 1, from 572 to 388, and the smallest picture that ends in more than a few pixels."""
    graph = archdsl.compile("unet")
    convolved = [node.outputs[0].sizes[-1] for node in graph.nodes if node.op.word == "conv"]
    down = [570, 568, 282, 280, 138, 136, 66, 64, 30, 28]
    assert convolved == [*down, 54, 52, 102, 100, 198, 196, 390, 388, 388]
    crops = [node.outputs[0].sizes[-1] for node in graph.nodes if node.op.word == "crop"]
    assert crops == [56, 104, 200, 392]


WEIGHTS = {  # of convolutions alone, without normalisations: counted by hand from the papers' figures
    "basic_block": 73_728,
    "bottleneck_block": 69_632,
    "resnext_block": 70_144,
    "inception_block": 163_328,
    "squeeze_excite_block": 8_192,
    "depthwise_separable_block": 9 * 256 + 256 * 256,
    "inverted_residual_block": 2 * 6 * 32**2 + 9 * 6 * 32,
    "dense_block": 6 * 36 * 32**2 + sum(4 * 32 * (64 + 32 * layer) for layer in range(6)),
    "inception_resnet_a_block": 3 * 32 * 256 + 3 * 9 * 32**2 + 96 * 256,
    "inception_resnet_b_block": 2 * 896 * 128 + 2 * 7 * 128**2 + 256 * 896,
}


def test_every_teaching_block_has_its_formula_here() -> None:
    assert sorted(WEIGHTS) == sorted(path.stem for path in (SPECS / "blocks").glob("*.arch"))


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_blocks_weights_are_those_of_its_formula_and_each_is_used_once_a_pixel(name: str) -> None:
    graph = archdsl.compile(name)
    weights = sum(math.prod(tensor.sizes) for _, _, tensor in graph.state() if len(tensor.sizes) > 1)
    assert weights == WEIGHTS[name]
    pixels = 1 if name == "squeeze_excite_block" else math.prod(graph.nodes[graph.inputs[0]].outputs[0].sizes[1:])
    assert graph.macs == weights * pixels


@pytest.mark.parametrize("width", [8, 24, 64, 256])
def test_block_formulas_hold_at_every_width(width: int) -> None:
    """18 C^2 and 17 C^2; and what is stated in the blocks is checked for these widths too."""
    macs = {name: archdsl.compile(name, width=width, size=5).macs for name in ("basic_block", "bottleneck_block")}
    assert macs == {"basic_block": 18 * width**2 * 25, "bottleneck_block": 17 * width**2 * 25}


def test_the_width_of_resnexts_groups_solves_the_papers_equation() -> None:
    """9 d^2 + 8 C d = 17 C^2 / G, whose solutions rounded are table 2's: the block costs what the bottleneck does."""
    bottleneck = archdsl.compile("bottleneck_block").macs
    for groups, published in [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)]:
        solved = (-8 * 64 + math.sqrt((8 * 64) ** 2 + 36 * 17 * 64**2 / groups)) / 18
        assert round(solved) == published
        block = archdsl.compile("resnext_block", groups=groups, base=published)
        assert abs(block.macs / bottleneck - 1) < 0.03
