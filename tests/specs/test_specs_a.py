"""The specs from AlexNet to ConvNeXt that torchvision has: keys, figures, and every bit of what they compute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

import archdsl
from archdsl.graph.graph import Graph
from archdsl.library import specs_root
from tests.support.peers import torchvision_models
from tests.support.spec_peers import (
    Peer,
    assert_same_inference,
    assert_same_step,
    bare_layout,
    image_of,
    layout,
    put,
    same_distribution,
    torchvision_peer,
)
from tests.support.twins import random_state

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/published_convnets.json").read_text())
REFERENCE: dict[str, Any] = PUBLISHED["torchvision"]
NAMES = list(REFERENCE)

# One small member of each family: what all of it shares is shown here, the other members in the slow tests.
SMALL = [
    *("alexnet", "vgg11_bn", "googlenet", "inception_v3", "densenet121", "squeezenet1_1", "shufflenet_v2_x0_5"),
    *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_s"),
    *("regnet_y_400mf", "regnet_x_400mf", "convnext_tiny"),
]
LARGE = [name for name in NAMES if name not in SMALL]
HEAVY = ["alexnet", "vgg11_bn"]  # most of their numbers are in linear layers
HUGE = "regnet_y_128gf"  # 645 million parameters: no training step
SIDES = {"googlenet": 96, "inception_v3": 299}  # the side heads need so much


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread: faster for small images, and no order of sums is left to chance."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def peer(name: str, side: int | None = None) -> Peer:
    return torchvision_peer(name, side or SIDES.get(name, 64))


@cache
def graph(name: str) -> Graph:
    return archdsl.compile(name)


def test_every_classifier_that_torchvision_has_in_these_files_has_its_spec() -> None:
    models = torchvision_models()
    files = "alexnet convnext densenet efficientnet googlenet inception mnasnet mobilenetv2 mobilenetv3 regnet"
    homes = {f"torchvision.models.{file}" for file in [*files.split(), "shufflenetv2", "squeezenet", "vgg"]}
    every = {name for name in models.list_models(models) if getattr(models, name).__module__ in homes}
    assert set(NAMES) == every
    assert [name for name in NAMES if not (specs_root() / f"{name}.arch").is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_has_torchvisions_keys_sizes_and_order(name: str) -> None:
    ours = bare_layout(graph(name))
    assert ours == layout(peer(name).bare("meta"))
    assert ours == [(key, tensor.sizes, getattr(torch, tensor.dtype)) for key, _, tensor in graph(name).state()]
    if name not in ("googlenet", "inception_v3"):  # there the reference leaves the side heads out
        lines = "\n".join(f"{key}:{','.join(map(str, sizes))}" for key, sizes, _ in ours)
        assert sha256(lines.encode()).hexdigest() == REFERENCE[name]["state_dict_sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_macs_are_the_published_ones(name: str) -> None:
    net, known = graph(name), REFERENCE[name]
    aux = {"googlenet": 6_379_984, "inception_v3": 3_326_696}.get(name, 0)
    assert net.params == known["params"] + aux
    image = [list(net.nodes[index].outputs[0].sizes) for index in net.inputs]
    if image == [known["input"]]:
        assert net.macs == known["macs"]
    else:  # counted at the size of its first weights; its second ones, for the spec's 224, are counted below
        assert name == HUGE


def test_the_largest_net_costs_what_is_published_at_both_of_its_sizes() -> None:
    """Torchvision gives 374.57 GMAC for the weights that see 384 pixels, and 127.518 for those that see 224."""
    weights = torchvision_models().get_model_weights(HUGE)
    published = {kind.meta["_ops"] for kind in weights}
    macs = {side: archdsl.compile(HUGE, resolution=side).macs for side in (384, 224)}
    assert macs == {384: REFERENCE[HUGE]["macs"], 224: graph(HUGE).macs}
    assert published == {round(count / 1e9, 3) for count in macs.values()}


@pytest.mark.parametrize("name", SMALL)
def test_inference_and_a_training_step_are_torchvisions_to_the_bit(name: str) -> None:
    row = peer(name, 96 if name in SIDES else None)
    ours, theirs = row.ours(), row.bare()
    assert_same_inference(row, ours, theirs, torch.float32)
    if name != "inception_v3":  # its side head needs a whole image: below without, in the slow tests with it
        assert_same_step(row, ours, theirs, torch.float32)
    if name not in HEAVY:
        assert_same_inference(row, ours, theirs, torch.float64)


@pytest.mark.slow
def test_the_largest_net_infers_as_torchvisions_to_the_bit() -> None:
    """In float32, with 10 GB; a training step of both would take twice that."""
    row = peer(HUGE, 64)
    assert_same_inference(row, row.ours(), row.bare(), torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SMALL, *(name for name in LARGE if name != HUGE)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_every_member_computes_as_torchvisions_to_the_bit(name: str, dtype: torch.dtype) -> None:
    row = peer(name)
    ours, theirs = row.ours(), row.bare()
    assert_same_inference(row, ours, theirs, dtype)
    assert_same_step(row, ours, theirs, dtype)


@pytest.mark.parametrize(
    "name, fields",
    [("googlenet", ["logits", "aux_logits2", "aux_logits1"]), ("inception_v3", ["logits", "aux_logits"])],
)
def test_side_heads_are_named_and_ordered_as_torchvisions_and_absent_in_inference(name: str, fields: list[str]) -> None:
    net = graph(name)
    assert [output.name for output in net.outputs] == fields
    assert [output.training for output in net.outputs] == [False] + [True] * (len(fields) - 1)
    bare = archdsl.compile(name, aux_logits=False)
    assert len(bare.outputs) == 1
    assert bare.params == REFERENCE[name]["params"]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_without_side_heads_training_is_torchvisions_to_the_bit(name: str) -> None:
    whole = peer(name, 96)
    options = {**whole.options, "aux_logits": False}
    row = Peer(name, whole.build, 96, options, {"aux_logits": False})
    theirs = row.bare()
    assert bare_layout(row.graph()) == layout(theirs)
    assert_same_step(row, row.ours(), theirs, torch.float32)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_images_are_rescaled_on_entry_as_torchvision_does_for_its_weights(name: str) -> None:
    chosen = {"aux_logits": False, "transform_input": True}
    row = Peer(name, peer(name).build, 96, {**peer(name).options, **chosen}, chosen)
    ours, theirs = row.ours(), row.bare()
    for dtype in (torch.float32, torch.float64):
        assert_same_inference(row, ours, theirs, dtype)
    state, image = random_state(theirs), image_of(96, 2)
    plain = archdsl.load(name, seed=0, aux_logits=False)
    with torch.no_grad():
        one, other = (put(module, state, torch.float32, training=False)(image) for module in (plain, ours))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in HEAVY else ()) for name in SMALL]
)
def test_initial_values_are_drawn_as_torchvision_draws_them(name: str) -> None:
    torch.manual_seed(5)
    theirs = peer(name).theirs().state_dict()
    ours = peer(name).ours(seed=7).state_dict()
    found = {key: same_distribution(ours[key], theirs[key]) for key in theirs}
    assert {key: why for key, why in found.items() if why is not None} == {}
