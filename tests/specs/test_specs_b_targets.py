"""What is made of the residual specs, U-Nets, TCN and blocks: ONNX, source and pictures, each the live module's net."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.prove.compare import ONNXRUNTIME, deviation
from archdsl.targets import onnx_model
from archdsl.targets.torch_module import instantiate, module_class
from tests.support import onnx_run
from tests.support.spec_peers import put, standing_alone
from tests.support.twins import State, random_state, same_bits

ROOT = archdsl.specs_root()
BLOCKS = sorted(path.stem for path in (ROOT / "blocks").glob("*.arch"))
LOW = {"size": 64, "width": 16}  # a small picture and few channels
# One for each way in which they differ; all of them, as they are, in the slow tests.
SMALL: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("plain20", "resnet20", "resnet20_b", "wrn_40_2", "preact164", "tcn")},
    **{name: {} for name in ("resnet18d", "se_resnet18", "se_resnet18_legacy", "se_resnet50_legacy", "resnetv2_50")},
    "unet": {"size": 188, "width": 16},
    **dict.fromkeys(("unet_same", "unet_interpolated", "unet_sum", "unet_bn", "unet_bn_interpolated"), LOW),
    **{name: {} for name in BLOCKS},
}
MEMBERS = sorted(
    path.stem
    for pattern in ("plain*", "resnet*", "preact*", "resnext*", "se_*", "senet*", "wrn_*", "wide_*", "unet*", "tcn")
    for path in ROOT.glob(f"{pattern}.arch")
)
LARGE = [name for name in MEMBERS if name not in SMALL or SMALL[name]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights_of(name: str, module: nn.Module) -> State:
    """Random weights and statistics under which values stay of one size, also through 1,202 layers."""
    state = random_state(module)
    if name.startswith("resnet1202"):
        return {key: value / 2 if key.endswith("bn2.weight") else value for key, value in state.items()}
    return state


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_onnx_and_source_are_the_live_modules_net(name: str, request: pytest.FixtureRequest) -> None:
    """onnx accepts and infers every shape, onnxruntime computes what torch does; the source alone, the same bits."""
    slow = request.node.get_closest_marker("slow") is not None
    parameters = {} if slow else SMALL[name]
    graph = archdsl.compile(name, **parameters)
    live = instantiate(graph)
    state = weights_of(name, live)
    put(live, state, torch.float32, training=False)
    inputs = onnx_run.random_inputs(graph, 1 if slow else 2, dtype="float32")
    images = [torch.from_numpy(value) for value in inputs.values()]
    with torch.no_grad():
        expected = live(*images)
        source = archdsl.build(name, "torch", **parameters)
        assert isinstance(source, str)
        alone = standing_alone(source, module_class(graph).__name__)
        module = put(alone(), state, torch.float32, training=False)
        assert same_bits(module(*images), expected)
    assert expected.isfinite().all()
    onnx_run.assert_sound(onnx_model.structure(graph))
    data = onnx_model.write(graph, {key: value.numpy() for key, value in state.items()})
    (found,) = onnx_run.run_onnxruntime(data, inputs)
    assert deviation(found, expected.numpy()) <= ONNXRUNTIME


@pytest.mark.parametrize("depth", ["stage", "block", "layer"])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_can_be_drawn(name: str, depth: str) -> None:
    """Each picture is whole, and shows more the deeper it is."""
    dot = archdsl.render(name, format="dot", depth=depth)
    assert isinstance(dot, str)
    assert dot.startswith("digraph") or "digraph" in dot.partition("{")[0]
    assert dot.count("{") == dot.count("}")
    graph = archdsl.compile(name)
    if depth == "layer":
        assert all(f"{'x'.join(map(str, sizes))}" in dot for sizes in graph.output_shapes.values())
