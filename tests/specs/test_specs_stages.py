"""Stage shapes and depths that specs state, one by one, against other builds and what papers call their nets.

`archdsl check` holds them to our own nets; here the same figures are measured on nets that others wrote.
"""

from __future__ import annotations

import json
import operator
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

import archdsl
from tests.specs.test_specs_a import NAMES
from tests.specs.test_specs_a import SMALL as SMALL_A
from tests.specs.test_specs_b_twins import SMALL as SMALL_B
from tests.specs.test_specs_b_twins import TWINS as TIMM
from tests.support.spec_peers import Peer, timm, timm_peer, torchvision_peer

DATA = Path(__file__).parents[1] / "data"
BUILDS: dict[str, Any] = json.loads((DATA / "stage_shapes.json").read_text())["builds"]
RESIDUAL: dict[str, Any] = json.loads((DATA / "torchvision_resnets.json").read_text())["models"]
MEMBERS = sorted(path.stem for path in archdsl.specs_root().glob("*.arch"))
CLAIM = re.compile(r'expect (?:"([^"]+)"|([\w.]+))\.shape == (\d+(?:x\d+)*)\n')
DEPTH = re.compile(r"expect depth == (\d+)\n")
Sizes = tuple[int, ...]

FORMS = ("resnext50_multibranch", "resnext50_concat")  # of one net, whose twin is the third
TORCHVISION = {
    **{name: name for name in NAMES},
    **{spec: row["torchvision"] for spec, row in RESIDUAL.items()},
    **dict.fromkeys(FORMS, "resnext50_32x4d"),
}
MOBILE = {f"mobilenet_v1{end}": share for end, share in (("", 1.0), ("_0_75", 0.75), ("_0_5", 0.5), ("_0_25", 0.25))}
OTHER_NAMES = {
    "inception_v4": "inception_v4",
    "inception_resnet_v2": "inception_resnet_v2",
    "mobilenet_v1": "mobilenetv1_100",
}
QUICK = {*SMALL_A, *SMALL_B, "resnet18", "resnet50", "resnext50"}

# Stated after what we built alone. U-Net with interpolation or sums is our variation of the built `unet_same`; of what
# Lin et al. released for ImageNet only the last size is known: its pool has a window of six.
OWN_SHAPES = {"inception_naive", "nin_imagenet", "unet_interpolated", "unet_sum"}
# No paper names them, and no twin can be traced.
OWN_DEPTHS = {
    *("bninception", "inception_naive", "inception_resnet_v1", "nin_cifar10", "nin_imagenet", "tcn"),
    *("unet_bn_interpolated", "unet_interpolated", "unet_sum"),
}


def stated(name: str) -> dict[str, Sizes]:
    """The shapes that a spec expects, by path."""
    text = (archdsl.specs_root() / f"{name}.arch").read_text("utf-8")
    found = {quoted or plain: tuple(map(int, sizes.split("x"))) for quoted, plain, sizes in CLAIM.findall(text)}
    assert len(found) == text.count(".shape == ")
    return found


def stated_depth(name: str) -> int:
    """The depth that a spec expects."""
    (depth,) = DEPTH.findall((archdsl.specs_root() / f"{name}.arch").read_text("utf-8"))
    return int(depth)


def image_sizes(name: str) -> Sizes:
    """The sizes of a spec's own input."""
    net = archdsl.compile(name)
    return net.nodes[net.inputs[0]].outputs[0].sizes


def sizes_at(module: nn.Module, image: Sizes, paths: dict[str, str]) -> dict[str, Sizes]:
    """What a net's modules return for an image, by our name of each place; nothing is computed."""
    found: dict[str, Sizes] = {}

    def note(name: str) -> Any:
        return lambda _module, _inputs, result: found.__setitem__(name, tuple(result.shape[1:]))

    for name, path in paths.items():
        module.get_submodule(path).register_forward_hook(note(name))
    module.eval()(torch.empty(1, *image, device="meta"))
    return found


def measured_depth(module: nn.Module, image: Sizes) -> int:
    """The most convolutions and linear layers on a path of torch's own trace that passes no stretched factor."""
    traced = fx.symbolic_trace(module.eval())
    ShapeProp(traced).propagate(torch.empty(1, *image, device="meta"))
    depths: dict[fx.Node, int] = {}
    for node in traced.graph.nodes:
        sources = node.all_input_nodes
        if node.op == "call_function" and node.target in (operator.mul, torch.mul):
            whole = node.meta["tensor_meta"].shape
            sources = [source for source in sources if source.meta["tensor_meta"].shape == whole]
        layer = module.get_submodule(node.target) if node.op == "call_module" else None
        counted = isinstance(layer, nn.Conv2d | nn.Linear)
        depths[node] = counted + max((depths[source] for source in sources), default=0)
    return max(depth for node, depth in depths.items() if node.op == "output")


def twin(name: str) -> Peer:
    """Torchvision's net."""
    return torchvision_peer(name, name=TORCHVISION[name])


def quick_first(names: Any) -> list[Any]:
    """The names, those that are not quick only in the slow tests."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", quick_first(TORCHVISION))
def test_shapes_and_depth_are_those_of_torchvisions_modules(name: str) -> None:
    """Each place that a spec names is a module of torchvision's of the same name; its depth is traced by torch."""
    theirs, image, shapes = twin(name).bare("meta"), image_sizes(name), stated(name)
    assert shapes
    assert sizes_at(theirs, image, {path: path for path in shapes}) == shapes
    assert measured_depth(twin(name).bare("meta"), image) == stated_depth(name)


@pytest.mark.parametrize("name", quick_first(TIMM))
def test_shapes_and_depth_are_those_of_timms_modules(name: str) -> None:
    """Under the same names, save that a stage of pre-activation blocks is looked at as a whole."""
    shapes = stated(name)
    assert shapes
    paths = {path: path.removesuffix(".blocks") if name.startswith("resnetv2") else path for path in shapes}
    theirs, image = timm_peer(name, TIMM[name]), image_sizes(name)
    assert sizes_at(theirs.bare("meta"), image, paths) == shapes
    assert measured_depth(theirs.bare("meta"), image) == stated_depth(name)


@pytest.mark.parametrize("name, theirs", OTHER_NAMES.items())
def test_depths_are_those_of_timms_nets_with_other_names_inside(name: str, theirs: str) -> None:
    assert measured_depth(timm_peer(name, theirs).bare("meta"), image_sizes(name)) == stated_depth(name)


@pytest.mark.parametrize("name", MOBILE)
def test_shapes_of_mobilenets_are_those_of_timms_stages(name: str) -> None:
    """A spec's blocks stand in one row, and timm's in stages: the last of each stage is compared."""
    stages = {"features.1": 0, "features.3": 1, "features.5": 2, "features.11": 3, "features.13": 4}
    with torch.device("meta"):
        theirs = timm().models.efficientnet._gen_mobilenet_v1("mobilenetv1_100", MOBILE[name])
    shapes = stated(name)
    assert shapes.keys() == stages.keys()
    assert sizes_at(theirs, image_sizes(name), {path: f"blocks.{stage}" for path, stage in stages.items()}) == shapes


@pytest.mark.parametrize("name", BUILDS)
def test_shapes_are_those_recorded_from_other_builds(name: str) -> None:
    row, shapes = BUILDS[name], stated(name)
    assert shapes == {path: tuple(place["sizes"]) for path, place in row["shapes"].items()}
    assert "input" not in row or image_sizes(name) == tuple(row["input"])


def test_what_remains_our_own_is_listed() -> None:
    compared = {*TORCHVISION, *TIMM, *MOBILE, *BUILDS}
    assert set(MEMBERS) - compared == OWN_SHAPES
    assert set(MEMBERS) - {*TORCHVISION, *TIMM, *OTHER_NAMES, *PUBLISHED} == OWN_DEPTHS


def named_depths() -> dict[str, int]:
    """Depths that a name or paper states, by spec."""
    said = {"alexnet_two_tower": 8, "googlenet_paper": 22, "senet154": 154, "senet154_legacy": 154}
    said |= dict.fromkeys(("unet", "unet_same", "unet_bn"), 23)
    said |= dict.fromkeys(MOBILE, 28)
    number = re.compile(r"(?:plain|resnet|se_resnet|se_resnext|resnext|preact|resnetv2_)(\d+)(?:_.*|a)?\Z")
    return said | {name: int(match[1]) for name in MEMBERS if (match := number.match(name))}


def other_depths() -> dict[str, int]:
    """Depths of nets whose names count otherwise."""
    deeper = re.compile(
        r"resnet(\d+)[cdst]\Z"
    )  # two convolutions more in the stem than the net that they are named for
    wide = re.compile(r"wrn_(\d+)_\d+\Z")  # names count three projections beside the path, and no linear layer
    found = {name: int(match[1]) + 2 for name in MEMBERS if (match := deeper.match(name))}
    return found | {name: int(match[1]) - 2 for name in MEMBERS if (match := wide.match(name))}


PUBLISHED = {**named_depths(), **other_depths()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_depth_is_the_one_that_the_paper_gives_its_net(name: str) -> None:
    """AlexNet's eight layers, GoogLeNet's 22, MobileNet's 28, U-Net's 23 convolutions; elsewhere the net's name."""
    assert stated_depth(name) == PUBLISHED[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("vgg", "densenet"))])
def test_vgg_and_densenet_are_named_after_their_depths(name: str) -> None:
    assert stated_depth(name) == int(re.sub(r"\D", "", name))
