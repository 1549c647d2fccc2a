"""Residual specs and timm's nets: the same function in float64, in inference and in a training step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from archdsl.prove.compare import deviation
from tests.support.spec_peers import image_of, layout, paired_by_shape, put, results, timm_peer
from tests.support.twins import State, random_state

# What timm calls each. Its `legacy_` nets are the published form of squeeze and excitation, the others today's.
TWINS = {
    **{name: name for name in ("resnet18d", "resnet34d", "resnet50d", "resnet101d", "resnet152d")},
    **{name: name for name in ("resnet50c", "resnet50s", "resnet50t", "resnext101_32x4d", "senet154")},
    **{name: name for name in ("resnetv2_50", "resnetv2_101", "resnetv2_152")},
    **{f"se_resnet{depth}": f"seresnet{depth}" for depth in (18, 34, 50, 101, 152)},
    **{f"se_resnet{depth}_legacy": f"legacy_seresnet{depth}" for depth in (18, 34, 50, 101, 152)},
    **{f"se_resnext{depth}_32x4d": f"seresnext{depth}_32x4d" for depth in (50, 101)},
    **{f"se_resnext{depth}_32x4d_legacy": f"legacy_seresnext{depth}_32x4d" for depth in (50, 101)},
    "senet154_legacy": "legacy_senet154",
}
# One for each way in which they differ; the others are in the slow tests.
SMALL = ("resnet18d", "resnet50t", "se_resnet18", "se_resnet18_legacy", "se_resnet50_legacy", "resnetv2_50")
LARGE = [name for name in TWINS if name not in SMALL]
SIDE = 72  # 9x9 in the third stage: halving it again shows how edges are rounded
GATE = 1e-10


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def carried(name: str, ours: torch.nn.Module, theirs: torch.nn.Module) -> State:
    """Their state under our names: by order within each shape, save where timm registers a projection earlier."""
    if name.startswith("resnetv2"):
        state: State = dict(theirs.state_dict())
        return {key: state[key] for key in ours.state_dict()}
    return paired_by_shape(ours, theirs)


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_a_spec_computes_as_timms_net(name: str) -> None:
    """Random weights and statistics: outputs in inference, then outputs and statistics of a training step."""
    peer = timm_peer(name, TWINS[name], SIDE)
    ours, theirs = peer.ours(), peer.bare()
    if name.startswith("se_") and name.endswith("_legacy"):
        theirs.__dict__["drop_rate"] = 0.0  # only SENet-154 was trained with dropout; timm's class has it for all
    put(theirs, random_state(theirs), torch.float64, training=False)
    put(ours, carried(name, ours, theirs), torch.float64, training=False)
    image = image_of(SIDE, 2, torch.float64)
    with torch.no_grad():
        for training in (False, True):
            one, other = (results(module.train(training), image)["output"] for module in (ours, theirs))
            assert other.isfinite().all()
            assert other.std() > 1e-6
            assert deviation(one.numpy(), other.numpy()) < GATE
    after = carried(name, ours, theirs)
    far = [key for key, value in ours.state_dict().items() if deviation(value.numpy(), after[key].numpy()) >= GATE]
    assert far == []


@pytest.mark.parametrize("name", [name for name in TWINS if name.startswith("resnetv2")])
def test_pre_activation_keys_are_timms_in_another_order(name: str) -> None:
    """timm registers a projection before the normalisation whose result it reads; here it stands where it runs."""
    peer = timm_peer(name, TWINS[name])
    ours = [(key, tensor.sizes) for key, _, tensor in peer.graph().state()]
    theirs = [row[:2] for row in layout(peer.bare("meta"))]
    assert ours != theirs
    assert sorted(ours) == sorted(theirs)
