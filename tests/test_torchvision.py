"""The ten residual nets that torchvision has, from their specs: keys, figures, and every bit of what they compute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from tests.support.peers import torchvision_models
from tests.support.twins import State, assert_twins, bare, random_state

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "data/torchvision_resnets.json").read_text())["models"]
Pair = tuple[nn.Module, nn.Module, State]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread: faster for small images, and no order of sums is left to chance."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Pair:
    """Our module, torchvision's, and a random state that both can hold."""
    ours = archdsl.load(request.param, seed=0)
    theirs = bare(getattr(torchvision_models(), REFERENCE[request.param]["torchvision"]))
    return ours, theirs, random_state(theirs)


def layout(module: nn.Module) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    """Every entry of the state_dict in order: key, sizes and type."""
    return [(key, tuple(tensor.shape), tensor.dtype) for key, tensor in module.state_dict().items()]


def test_the_list_is_torchvisions_whole_resnet_module() -> None:
    models = torchvision_models().resnet
    every = {name for name in models.__all__ if name[0].islower()}
    assert {entry["torchvision"] for entry in REFERENCE.values()} == every
    assert len(every) == 10


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("pair", REFERENCE, indirect=True)
def test_a_spec_is_torchvisions_model_to_the_bit(pair: Pair, dtype: torch.dtype, training: bool) -> None:
    """Keys, shapes, types and order; strict loads both ways; outputs, and the gradients and buffers of a step."""
    ours, theirs, state = pair
    assert layout(ours.to(dtype)) == layout(theirs.to(dtype))
    assert_twins(ours, theirs, state, dtype, training)


@pytest.mark.parametrize("name", REFERENCE)
def test_figures_and_keys_are_the_published_ones(name: str) -> None:
    """Parameters, multiply-accumulates and the hash of all keys with their shapes, without torchvision at hand."""
    graph, known = archdsl.compile(name), REFERENCE[name]
    assert (graph.params, graph.macs) == (known["params"], known["macs"])
    lines = (f"{key}:{','.join(map(str, tensor.sizes))}" for key, _, tensor in graph.state())
    assert sha256("\n".join(lines).encode()).hexdigest() == known["state_dict_sha256"]
    assert sum(not tensor.trainable for _, _, tensor in graph.state()) == known["buffers"]
