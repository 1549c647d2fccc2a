"""A live module is an ordinary module: what PyTorch users do with modules works on it."""

from __future__ import annotations

import copy
import io
import pickle
import traceback
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.graph.graph import Graph
from archdsl.source import Source
from archdsl.targets.torch_module import Provenance, WrongWeightsError, blank, instantiate
from archdsl.weights import initial
from tests.support import nets

torch.set_num_threads(1)


def make(text: str, classes: int) -> Graph:
    """Stands for the compiler: the same graph from the same arguments."""
    assert text == "spec"
    return nets.resnet18(size=32, classes=classes)


@pytest.fixture
def module() -> nn.Module:
    """A small net in eval mode, with its origin."""
    graph = make("spec", 10)
    return instantiate(graph, initial(graph, 0), provenance=Provenance(make, ("spec", 10))).eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def pickled(module: nn.Module) -> nn.Module:
    copied: nn.Module = pickle.loads(pickle.dumps(module))
    return copied


def saved(module: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    loaded: nn.Module = torch.load(buffer, weights_only=False)
    return loaded


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, saved])
def test_a_copy_computes_the_same_and_is_its_own(
    module: nn.Module, x: Tensor, copied: Callable[[nn.Module], nn.Module]
) -> None:
    module.get_parameter("conv1.weight").requires_grad_(False)
    other = copied(module)
    assert torch.equal(other(x), module(x))
    assert not other.training
    assert not other.get_parameter("conv1.weight").requires_grad
    with torch.no_grad():
        other.get_parameter("fc.weight").zero_()
    assert not torch.equal(other(x), module(x))


def test_a_pickle_holds_the_spec_and_no_source(module: nn.Module) -> None:
    data = pickle.dumps(module)
    assert b"spec" in data
    assert b"def forward" not in data
    assert b"nn.Module" not in data


def test_symbolic_trace_export_and_jit_trace_agree(module: nn.Module, x: Tensor) -> None:
    expected = module(x)
    assert torch.equal(torch.fx.symbolic_trace(module)(x), expected)
    assert torch.equal(torch.export.export(module, (x,)).module()(x), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.13 prefers export, users still trace
        assert torch.equal(torch.jit.trace(module, x)(x), expected)


def test_compile_agrees(module: nn.Module, x: Tensor) -> None:
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), module(x))


def test_hooks_and_conversions_work(module: nn.Module, x: Tensor) -> None:
    seen: list[torch.Size] = []
    module.get_submodule("layer1.0.conv1").register_forward_hook(lambda _, __, output: seen.append(output.shape))
    assert module.to(torch.float64)(x.double()).dtype == torch.float64
    assert seen == [torch.Size([2, 64, 8, 8])]


def test_a_traceback_shows_the_generated_line(module: nn.Module) -> None:
    try:
        module(torch.zeros(1, 4, 32, 32))
    except RuntimeError:
        assert "self.bn1(self.conv1(x))" in traceback.format_exc()
    else:
        pytest.fail("four channels were taken for three")


def test_the_arrays_are_copied_unless_they_are_given_away() -> None:
    graph = make("spec", 10)
    arrays = initial(graph, 0)
    own, shared = instantiate(graph, arrays), instantiate(graph, arrays, copy=False)
    arrays["fc.bias"][...] = 7.0
    assert not torch.equal(own.get_parameter("fc.bias"), torch.full((10,), 7.0))
    assert torch.equal(shared.get_parameter("fc.bias"), torch.full((10,), 7.0))


def test_arrays_that_do_not_fit_are_refused() -> None:
    graph = make("spec", 10)
    arrays = initial(graph, 0)
    with pytest.raises(WrongWeightsError, match=r"fc\.bias"):
        instantiate(graph, {**arrays, "fc.bias": np.zeros(11, np.float32)})
    with pytest.raises(WrongWeightsError, match="unknown"):
        instantiate(graph, {**arrays, "extra": np.zeros(1, np.float32)})


def test_building_draws_nothing() -> None:
    graph = make("spec", 10)
    arrays = initial(graph, 0)
    before = torch.get_rng_state()
    instantiate(graph, arrays)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_module_whose_weights_are_given_takes_no_memory_before_and_keeps_torchs_defaults() -> None:
    text = "conv(4, 3x3, init=truncated_normal(std=0.02)) -> batchnorm\n from [here, tensor([[[2.5]]])] -> mul"
    graph = archdsl.compile(Source(f"arch net() {{\n input 3x8x8\n {text}\n}}"))
    bare = blank(graph)
    assert all(parameter.is_meta for parameter in bare.parameters())
    assert sorted(name.rpartition(".")[2] for name, buffer in bare.named_buffers() if not buffer.is_meta) == [
        "num_batches_tracked",
        "values",
    ]
    arrays = initial(graph, 0)
    torch.set_default_dtype(torch.float64)
    try:
        wide = instantiate(graph, arrays, copy=False)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(p, torch.from_numpy(arrays[name]).double()) for name, p in wide.named_parameters())
    with torch.device("meta"):
        assert next(instantiate(graph, arrays).parameters()).is_meta


HEADS = """arch heads() {
    input 6x9
    rearrange("c l -> l c") -> rearrange("l (n c) -> n l c", n=3) -> softmax -> rearrange("n l c -> l (n c)")
}
"""
PATCHES = """arch patches() {
    input 2x4x6
    rearrange("c (h p) (w q) -> (h w) (p q c)", p=2, q=3) -> softmax
}
"""


def test_a_sum_of_thousands_of_values_is_no_expression_that_python_cannot_read() -> None:
    text = "arch t() {\n    input [4]\n    branches add { repeat 2000 { relu } }\n}\n"
    x = torch.rand(2, 4, dtype=torch.float64)
    assert torch.allclose(archdsl.load(Source(text, "t.arch"))(x), 2000 * x, rtol=1e-12)


@pytest.mark.parametrize(
    "layer, expected",
    [('slice(2, axis="l")', (2, 3, 18)), ("split(1) as p\n    from p[0] -> relu", (2, 3, 20)), ("last", (2, 3))],
)
def test_what_reaches_the_end_of_an_axis_does_so_at_every_size(layer: str, expected: tuple[int, ...]) -> None:
    module = archdsl.load(Source(f"arch t() {{\n    input 3x9\n    {layer}\n}}\n", "t.arch"))
    assert module(torch.randn(2, 3, 20)).shape == expected


def test_an_axis_of_another_size_never_becomes_a_larger_batch() -> None:
    """A rearrangement splits and merges its own axes alone: the others are free, and what does not fit is an error."""
    x = torch.randn(2, 6, 18, dtype=torch.float64)
    turned = x.transpose(1, 2).reshape(2, 18, 3, 2).softmax(3).reshape(2, 18, 6)
    assert torch.equal(archdsl.load(Source(HEADS, "heads.arch"))(x), turned)
    patches = archdsl.load(Source(PATCHES, "patches.arch"))
    assert patches(torch.randn(2, 2, 4, 6)).shape == (2, 4, 12)
    with pytest.raises(RuntimeError):
        patches(torch.randn(2, 2, 8, 6))
