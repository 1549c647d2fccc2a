"""`archdsl.load` gives an ordinary module, also for a net with gates, shared weights, a learned tensor, several outputs
and a side head. `tests/test_api.py` and `tests/targets/test_torch_module.py` have what is not repeated here."""

from __future__ import annotations

import copy
import pickle
import pickletools
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

import archdsl
from archdsl.prove.compare import gradient_deviation
from archdsl.weights import read
from tests.support.live_nets import EVERYTHING as SPEC


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net() -> nn.Module:
    """The net in eval mode, its statistics those of a few batches."""
    torch.manual_seed(0)  # what drops is the same in every test
    module = archdsl.load(SPEC, seed=1)
    for seed in range(2):
        module(images(seed))
    return module.eval()


def images(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def assert_equal(one: Any, other: Any) -> None:
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# ------------------------------------------------------------------- outputs


def test_outputs_are_named_and_a_side_head_is_there_in_training_alone(net: nn.Module) -> None:
    inference, training = net(images()), net.train()(images())
    assert inference._fields == ("logits", "features")
    assert training._fields == ("logits", "features", "side")
    assert training.side.shape == inference.logits.shape == (4, 5)
    assert archdsl.compile(SPEC).output_shapes == {"logits": (5,), "features": (16, 8, 8), "side": (5,)}


# ------------------------------------------------------------- state and copies


def test_a_state_dict_goes_into_another_module_and_a_wrong_one_is_refused(net: nn.Module) -> None:
    other = archdsl.load(SPEC, seed=2).eval()
    assert not torch.equal(other(images()).logits, net(images()).logits)
    assert str(other.load_state_dict(net.state_dict(), strict=True)) == "<All keys matched successfully>"
    assert_equal(other(images()), net(images()))
    with pytest.raises(RuntimeError, match=r"Missing key\(s\).*\"tower.weight\""):
        other.load_state_dict({key: value for key, value in net.state_dict().items() if key != "tower.weight"})


def test_a_copy_keeps_hooks_modes_frozen_weights_and_types(net: nn.Module) -> None:
    net.double().get_parameter("fc.weight").requires_grad_(False)
    net.get_submodule("layer1").train()
    seen: list[str] = []
    net.get_submodule("layer1.0").register_forward_hook(lambda *_: seen.append("called"))
    other = copy.deepcopy(net)
    seen.clear()
    before = net.get_parameter("entry.weight").detach().clone()
    assert_equal(other(images(dtype=torch.float64)), net(images(dtype=torch.float64)))
    assert seen == ["called", "called"]  # by both
    assert [module.training for module in other.modules()] == [module.training for module in net.modules()]
    assert not other.get_parameter("fc.weight").requires_grad
    with torch.no_grad():
        other.get_parameter("entry.weight").zero_()
    assert torch.equal(net.get_parameter("entry.weight"), before)


def test_a_pickle_calls_nothing_but_known_builders_and_holds_texts_and_state(net: nn.Module) -> None:
    data = pickle.dumps(net)
    found = names_called(data)
    ours = {name for name in found if name.startswith("archdsl")}
    assert ours == {
        "archdsl.targets.torch_classes _module",
        "archdsl.targets.torch_classes _classes",
        "archdsl.targets.torch_module Provenance",
        "archdsl.compiler _kept",
        "archdsl.compiler Kept.again",
        "archdsl.elaborate.packed Packed",
    }
    assert {name.split(".")[0].split(" ")[0] for name in found - ours} <= {"torch", "collections"}
    texts = [str(argument) for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)]
    assert SPEC.text in texts
    assert not any("import torch" in text or "nn.Module" in text or "def " in text for text in texts)


def names_called(data: bytes) -> set[str]:
    """Every global that a pickle names, as `module name`."""
    found: set[str] = set()
    strings: list[str] = []
    memo: list[str | None] = []
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("SHORT_BINUNICODE", "BINUNICODE"):
            strings.append(str(argument))
        elif code.name == "MEMOIZE":
            memo.append(strings[-1] if strings else None)
        elif code.name in ("BINGET", "LONG_BINGET"):
            strings.append(memo[int(argument)] or "")  # type: ignore[arg-type]
        elif code.name == "STACK_GLOBAL":
            found.add(f"{strings[-2]} {strings[-1]}")
        elif code.name == "GLOBAL":
            found.add(str(argument))
    return found


def test_a_saved_module_and_a_saved_state_come_back_in_another_process(net: nn.Module, tmp_path: Path) -> None:
    torch.save(net, tmp_path / "net.pt")
    torch.save(net.state_dict(), tmp_path / "state.pt")
    torch.save(tuple(net(images())), tmp_path / "expected.pt")
    (tmp_path / "everything.arch").write_text(SPEC.text)
    script = """\
import archdsl, torch
torch.set_num_threads(1)
x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
expected = torch.load("expected.pt")
whole = torch.load("net.pt", weights_only=False)
made = archdsl.load("everything.arch", weights="state.pt").eval()
for net in (whole, made):
    assert all(torch.equal(a, b) for a, b in zip(net(x), expected, strict=True))
print("same")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "same\n", done.stderr


def test_a_saved_module_is_refused_where_only_weights_are_read(net: nn.Module, tmp_path: Path) -> None:
    torch.save(net, tmp_path / "net.pt")
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights.only"):
        torch.load(tmp_path / "net.pt", weights_only=True)
    with pytest.raises(archdsl.ArchdslError, match=r"net\.pt"):
        archdsl.load(SPEC, weights=tmp_path / "net.pt")


# ------------------------------------------------------------ tools of PyTorch


def traced(net: nn.Module, x: Tensor) -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made: Callable[..., Any] = torch.jit.trace(net, x)
    return made


TOOLS: dict[str, Callable[[nn.Module, Tensor], Callable[..., Any]]] = {
    "torch.compile": lambda net, _: torch.compile(net, backend="aot_eager", fullgraph=True),
    "fx.symbolic_trace": lambda net, _: torch.fx.symbolic_trace(net),
    "export": lambda net, x: torch.export.export(net, (x,)).module(),
    "jit.trace": traced,
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_of_pytorch_computes_what_the_module_does(net: nn.Module, tool: str) -> None:
    made = TOOLS[tool](net, images())
    for seed in (0, 1):
        assert_equal(made(images(seed)), net(images(seed)))


def test_torch_compile_trains(net: nn.Module) -> None:
    """The compiled module's step has the module's own gradients."""
    other = copy.deepcopy(net)
    for module in (net, other):
        module.train().get_submodule("drop").eval()
    for run in (torch.compile(net, backend="aot_eager"), other):
        outputs = run(images())
        (outputs.logits.square().sum() + outputs.side.square().sum()).backward()
    for name, parameter in net.named_parameters():
        theirs = other.get_parameter(name).grad
        assert parameter.grad is not None
        assert theirs is not None
        assert gradient_deviation(parameter.grad.numpy(), theirs.numpy()) < 1e-6, name


def test_export_takes_another_batch_where_it_is_dynamic(net: nn.Module) -> None:
    batch = torch.export.Dim("batch", min=1, max=64)
    made = torch.export.export(net, (images(),), dynamic_shapes=({0: batch},)).module()
    assert_equal(made(images()[:3]), net(images()[:3]))


def test_a_module_moves_between_types_layouts_and_devices(net: nn.Module) -> None:
    expected = net(images()).logits
    last = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert torch.allclose(last(images().contiguous(memory_format=torch.channels_last)).logits, expected, atol=1e-5)
    half = copy.deepcopy(net).to(torch.bfloat16)
    assert half(images().bfloat16()).logits.dtype == torch.bfloat16
    meta = copy.deepcopy(net).to("meta")
    assert meta(images().to("meta")).features.shape == (4, 16, 8, 8)
    assert net.to(torch.float64)(images(dtype=torch.float64)).logits.dtype == torch.float64


@pytest.mark.parametrize("arrays", [None, "given"])
def test_a_module_is_made_where_and_in_the_type_that_torch_is_told(arrays: str | None) -> None:
    weights = archdsl.load("resnet18", seed=3).state_dict() if arrays else None
    with torch.device("meta"):
        module = archdsl.load("resnet18", weights=weights)
    assert {str(tensor.device) for tensor in module.state_dict().values()} == {"meta"}
    torch.set_default_dtype(torch.float64)
    try:
        wide = archdsl.load("resnet18", seed=None if arrays else 3, weights=weights)
    finally:
        torch.set_default_dtype(torch.float32)
    narrow = archdsl.load("resnet18", seed=3)
    assert {tensor.dtype for tensor in wide.parameters()} == {torch.float64}
    found = wide.state_dict()
    assert all(torch.equal(tensor, found[key].to(tensor.dtype)) for key, tensor in narrow.state_dict().items())


def test_hooks_see_every_use_of_shared_weights_in_order(net: nn.Module) -> None:
    seen: list[str] = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(lambda *_, name=name: seen.append(name))
    handle = net.register_forward_hook(lambda *_: seen.append("done"))
    net(images())
    units = [f"layer1.{unit}.{name}" for unit in (0, 1) for name in ("conv1", "gate.fc1", "gate.fc2", "downsample")]
    assert seen == ["entry", *units, "tower", "tower", "done"]
    handle.remove()
    net(images())
    assert seen.count("done") == 1


def test_gradients_of_shared_weights_are_summed_and_an_optimizer_moves_all(net: nn.Module) -> None:
    net.train()
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    outputs = net(images())
    (outputs.logits.square().sum() + outputs.side.square().sum()).backward()
    optimizer.step()
    still = [name for name, value in net.named_parameters() if torch.equal(value, before[name])]
    assert set(still) <= {"entry.bias"}  # a bias before a norm moves by rounding errors, if at all
    assert sum(name.startswith("tower") for name, _ in net.named_parameters()) == 2


# ------------------------------------------------------------------ one weight


@pytest.mark.parametrize("spec", [SPEC, "resnet18"], ids=["everything", "resnet18"])
def test_a_seed_gives_the_same_weights_in_module_onnx_and_safetensors(spec: Any, tmp_path: Path) -> None:
    """Bit for bit; another seed gives others."""
    live = {key: tensor.numpy() for key, tensor in archdsl.load(spec, seed=11).state_dict().items()}
    archdsl.build(spec, out=tmp_path / "net.safetensors", seed=11)
    archdsl.build(spec, out=tmp_path / "net.onnx", seed=11)
    saved = read(tmp_path / "net.safetensors")
    assert list(saved) == list(live) or set(saved) == set(live)
    assert all(saved[key].tobytes() == live[key].tobytes() for key in live)
    graph = onnx.load(tmp_path / "net.onnx").graph
    written = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    graph_keys = {key for key, node, tensor in archdsl.compile(spec).state() if not node.training}
    expected = {key for key in graph_keys if not key.endswith("num_batches_tracked")}
    assert expected <= set(written)
    assert all(written[key].tobytes() == live[key].tobytes() for key in expected)
    other = archdsl.load(spec, seed=12).state_dict()
    assert not np.array_equal(other["fc.weight"].numpy(), live["fc.weight"])


def test_a_missing_seed_is_0_where_there_is_no_torch_and_torchs_own_where_there_is(tmp_path: Path) -> None:
    archdsl.build(SPEC, out=tmp_path / "none.safetensors")
    archdsl.build(SPEC, out=tmp_path / "zero.safetensors", seed=0)
    assert (tmp_path / "none.safetensors").read_bytes() == (tmp_path / "zero.safetensors").read_bytes()
    torch.manual_seed(3)
    archdsl.load(SPEC)
    after = torch.randn(1)
    torch.manual_seed(3)
    archdsl.load(SPEC, seed=5)  # a given seed leaves torch's generator alone
    assert not torch.equal(torch.randn(1), after)
    torch.manual_seed(3)
    fresh = torch.randn(1)
    torch.manual_seed(3)
    archdsl.load(SPEC, seed=5)
    assert torch.equal(torch.randn(1), fresh)
