"""The specs from AlexNet to ConvNeXt against timm's nets, by order and shape, and against published figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.prove.compare import deviation
from archdsl.source import Source
from archdsl.syntax.printer import format_source
from tests.support.spec_peers import Peer, image_of, paired_by_shape, put, timm_peer
from tests.support.twins import random_state

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/published_convnets.json").read_text())
SPECS = Path(__file__).parents[2] / "specs"
FAMILIES = [
    *("alexnets", "nin", "vgg", "inception1", "inception2", "inception3", "inception4", "inception_resnet", "densenet"),
    *("squeezenet", "shufflenet", "mnasnet", "mobilenet1", "mobilenet2", "mobilenet3", "efficientnet", "regnet"),
    "convnext",
]

TWINS = [
    timm_peer("inception_v3", "inception_v3", 96, aux_logits=False),
    timm_peer("inception_v4", "inception_v4", 96),
    timm_peer("inception_resnet_v2", "inception_resnet_v2", 96),
    timm_peer("densenet121", "densenet121"),
    timm_peer("mnasnet0_5", "mnasnet_050"),
    timm_peer("mnasnet1_0", "mnasnet_100"),
    timm_peer("mobilenet_v1", "mobilenetv1_100"),
    timm_peer("mobilenet_v2", "mobilenetv2_100"),
    timm_peer("efficientnet_b0", "efficientnet_b0"),
    timm_peer("convnext_tiny", "convnext_tiny"),
]
SLOW_TWINS = [
    *(timm_peer(f"vgg{depth}{norm}", f"vgg{depth}{norm}") for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(timm_peer(f"densenet{depth}", f"densenet{depth}") for depth in (161, 169, 201)),
    timm_peer("mnasnet0_75", "mnasnet_075"),
    *(timm_peer(f"resnet{depth}", f"resnet{depth}") for depth in (18, 34, 50, 101, 152)),
    *(
        timm_peer(name, name)
        for name in ("resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2")
    ),
    timm_peer("resnext50", "resnext50_32x4d"),
    *(timm_peer(f"efficientnet_b{n}", f"efficientnet_b{n}") for n in range(1, 5)),
    *(timm_peer(f"convnext_{size}", f"convnext_{size}") for size in ("small", "base", "large")),
]
# timm's normalise with eps 1e-5 where the papers' code and torchvision have 1e-3; nothing else differs.
OTHER_EPS = [
    timm_peer("mobilenet_v3_large", "mobilenetv3_large_100"),
    timm_peer("mobilenet_v3_small", "mobilenetv3_small_100"),
    timm_peer("efficientnet_b5", "efficientnet_b5"),
    timm_peer("efficientnet_v2_s", "efficientnetv2_s"),
]
SLOW_OTHER_EPS = [
    *(timm_peer(f"efficientnet_b{n}", f"efficientnet_b{n}") for n in (6, 7)),
    *(timm_peer(f"efficientnet_v2_{size}", f"efficientnetv2_{size}") for size in ("m", "l")),
]
# timm's regnets. Where it has two of a name, torchvision's sizes are those of the one whose name ends in `_tv`.
REGNETS = {
    "regnet_x_400mf": "regnetx_004_tv",
    "regnet_x_800mf": "regnetx_008",
    "regnet_x_1_6gf": "regnetx_016",
    "regnet_x_3_2gf": "regnetx_032",
    "regnet_x_8gf": "regnetx_080",
    "regnet_x_16gf": "regnetx_160",
    "regnet_x_32gf": "regnetx_320",
    "regnet_y_400mf": "regnety_004",
    "regnet_y_800mf": "regnety_008_tv",
    "regnet_y_1_6gf": "regnety_016",
    "regnet_y_3_2gf": "regnety_032",
    "regnet_y_8gf": "regnety_080_tv",
    "regnet_y_16gf": "regnety_160",
    "regnet_y_32gf": "regnety_320",
    "regnet_y_128gf": "regnety_1280",
}
# timm's tf_efficientnet* are the same nets as TensorFlow builds them: another padding, and eps 1e-3 from B0 on.
SAME_TF = archdsl.Expression("ConvNorm(padding=same_tf, norm=batchnorm(eps=1e-3))")
SCALES = [(1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1)]
TENSORFLOW: dict[str, dict[str, Any]] = {
    f"tf_efficientnet_b{n}": {"arch": "efficientnet", "width": width, "depth": depth, "resolution": 224}
    for n, (width, depth) in enumerate(SCALES)
}
for rows in ("small", "medium", "large"):
    v2 = {"arch": "efficientnet_v2", "rows": archdsl.Expression(rows), "resolution": 224}
    TENSORFLOW[f"tf_efficientnetv2_{rows[0]}"] = v2


def slow_but(names: Iterable[str], *quick: str) -> list[Any]:
    """The names, all but some of them only in the slow tests."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread: faster for small images, and no order of sums is left to chance."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def distance(peer: Peer, ours: nn.Module, theirs: nn.Module) -> float:
    """How far the outputs are apart in float64 inference, with random weights paired by order and shape."""
    put(theirs, random_state(theirs), torch.float64, training=False)
    put(ours, paired_by_shape(ours, theirs), torch.float64, training=False)
    image = image_of(peer.side, 2, torch.float64)
    with torch.no_grad():
        return deviation(ours(image).numpy(), theirs(image).numpy())


@pytest.mark.parametrize("peer", TWINS, ids=str)
def test_outputs_are_timms(peer: Peer) -> None:
    assert distance(peer, peer.ours(), peer.theirs()) <= 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("peer", SLOW_TWINS, ids=str)
def test_outputs_of_larger_members_are_timms(peer: Peer) -> None:
    assert distance(peer, peer.ours(), peer.theirs()) <= 1e-10


def projections_first(theirs: nn.Module) -> list[str]:
    """The keys of one of timm's regnets with each block's projection before its branch, as it is built here."""
    keys = list(theirs.state_dict())
    blocks = {key: key.split(".")[:2] for key in keys}  # s1.b1.conv1.conv.weight: the first block of the first stage
    starts = {".".join(block): keys.index(key) for key, block in reversed(blocks.items())}
    return sorted(keys, key=lambda key: (starts[".".join(blocks[key])], ".downsample." not in key))


@pytest.mark.parametrize("name", slow_but(REGNETS, "regnet_x_400mf", "regnet_y_400mf"))
def test_outputs_of_regnets_are_timms(name: str) -> None:
    """By order alone, once each block's projection, which timm registers last, stands first; sizes agree throughout."""
    peer = timm_peer(name, REGNETS[name])
    ours, theirs = peer.bare_ours(), peer.bare("meta")
    state = random_state(theirs)
    for key in state:
        state[key] = state[key].double()
    theirs.load_state_dict(state, assign=True)
    own = dict(zip(ours.state_dict(), (state[key] for key in projections_first(theirs)), strict=True))
    ours.load_state_dict(own, assign=True)
    image = image_of(64, 2, torch.float64)
    with torch.no_grad():
        one, other = (module.eval()(image).numpy() for module in (ours, theirs))
    assert abs(other).max() > 1e-3
    assert deviation(one, other) <= 1e-10


@pytest.mark.parametrize("name", slow_but(TENSORFLOW, "tf_efficientnet_b0", "tf_efficientnetv2_s"))
def test_outputs_are_those_of_timms_nets_from_tensorflow(name: str) -> None:
    """The same family with another convolution in its slot, and nothing else."""
    peer = timm_peer(str(SPECS / "families/efficientnet.arch"), name, unit=SAME_TF, rate=0.2, **TENSORFLOW[name])
    assert distance(peer, peer.ours(), peer.theirs()) <= 1e-10


def test_images_of_even_size_show_how_tensorflow_pads() -> None:
    """With the other eps alone the outputs are far from those of timm's net from TensorFlow."""
    peer = timm_peer("efficientnet_b0", "tf_efficientnet_b0")
    ours, theirs = peer.ours(), peer.theirs()
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    assert distance(peer, ours, theirs) > 1e-2


@pytest.mark.parametrize(
    "peer", [*OTHER_EPS, *(pytest.param(peer, marks=pytest.mark.slow) for peer in SLOW_OTHER_EPS)], ids=str
)
def test_outputs_are_timms_but_for_the_eps_of_the_normalisation(peer: Peer) -> None:
    ours, theirs = peer.ours(), peer.theirs()
    assert distance(peer, ours, theirs) > 1e-4
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    assert distance(peer, ours, theirs) <= 1e-10


@pytest.mark.parametrize("name", PUBLISHED["others"])
def test_the_state_dict_is_that_of_the_published_build(name: str) -> None:
    known = PUBLISHED["others"][name]
    net = archdsl.compile(name, **known.get("parameters", {}))
    lines = [f"{key}:{','.join(map(str, tensor.sizes))}" for key, _, tensor in net.state()]
    assert (net.params, len(lines)) == (known["params"], known["keys"])
    assert sha256("\n".join(lines).encode()).hexdigest() == known["state_dict_sha256"]


@pytest.mark.parametrize("row", PUBLISHED["counts"], ids=lambda row: row["spec"])
def test_figures_are_the_published_ones_to_the_digit(row: dict[str, Any]) -> None:
    net = archdsl.compile(row["spec"], **row.get("parameters", {}))
    assert net.params == row["params"]
    assert net.macs == row.get("macs", net.macs)


def test_the_naive_module_costs_three_times_the_reduced_one() -> None:
    """28x28x256 with 128, 192 and 96 filters: 854.2 million multiplications and 672 channels."""
    net = archdsl.compile("inception_naive", channels=256, c1=128, c3=192, c5=96)
    assert net.macs == 854_196_224
    assert list(net.output_shapes.values()) == [(672, 28, 28)]


@pytest.mark.parametrize(
    "spec, millions, macs",
    [("mobilenet_v1_0_75", 2.6, 325), ("mobilenet_v1_0_5", 1.3, 149), ("mobilenet_v1_0_25", 0.5, 41)],
)
def test_thinner_mobilenets_have_the_figures_of_the_papers_table_6(spec: str, millions: float, macs: int) -> None:
    net = archdsl.compile(spec)
    assert round(net.params / 1e6, 1) == millions
    assert round(net.macs / 1e6) == macs


def test_compound_scaling_by_zero_is_b0_and_each_step_about_doubles_the_cost() -> None:
    steps = [archdsl.compile("efficientnet_phi", phi=phi) for phi in range(5)]
    b0 = archdsl.compile("efficientnet_b0")
    assert [(key, tensor.sizes) for key, _, tensor in steps[0].state()] == [
        (key, tensor.sizes) for key, _, tensor in b0.state()
    ]
    assert steps[0].macs == b0.macs
    ratios = [after.macs / before.macs for before, after in pairwise(steps)]
    assert all(1.6 < ratio < 2.6 for ratio in ratios), ratios


def test_compound_scaling_holds_its_rule() -> None:
    with pytest.raises(archdsl.CompileError, match="is about 2"):
        archdsl.compile("efficientnet_phi", phi=1, beta=1.3)


@pytest.mark.parametrize("file", [SPECS / f"families/{name}.arch" for name in FAMILIES], ids=lambda file: file.stem)
def test_a_family_is_formatted_and_worth_its_length(file: Path) -> None:
    text = file.read_text()
    assert format_source(Source(text, file.name, file)) == text
    assert len(text.splitlines()) <= 120


@pytest.mark.parametrize(
    "name", [*PUBLISHED["torchvision"], *dict.fromkeys(row["spec"] for row in PUBLISHED["counts"])]
)
def test_a_member_is_short_formatted_and_states_its_figures(name: str) -> None:
    file = SPECS / f"{name}.arch"
    text = file.read_text()
    assert format_source(Source(text, file.name, file)) == text
    assert len(text.splitlines()) < 15
    assert all(claim in text for claim in ("## ", "expect params ==", "expect macs ==", "expect depth =="))
    assert any(source in text for source in ("arXiv:", "NeurIPS"))
