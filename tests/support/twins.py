"""Two modules that must be one: the same keys, and bit for bit the same outputs, gradients and buffers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
_BITS = {torch.float32: torch.int32, torch.float64: torch.int64}


def bare(build: type[nn.Module] | object, *args: object, **options: object) -> nn.Module:
    """A module of another library without its initial values, which take most of the time of its constructor."""
    with torch.device("meta"):
        module = build(*args, **options)  # type: ignore[operator]
    made: nn.Module = module.to_empty(device="cpu")
    return made


def random_state(module: nn.Module, seed: int = 0) -> State:
    """Random weights and statistics for every entry of a state_dict, in float32: nothing is zero, one, or initial.

    Variances are log-uniform and means random, so that a wrong `eps` shows; counters are 3. Gains and weights are such
    that values stay of one size through 150 layers.
    """
    generator = torch.Generator().manual_seed(seed)
    return {key: _entry(key, tensor, generator) for key, tensor in module.state_dict().items()}


def _entry(key: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    sizes, name = tensor.shape, key.rpartition(".")[2]
    if not tensor.is_floating_point():
        return torch.full(sizes, 3, dtype=tensor.dtype)
    if name == "running_var":
        low, high = math.log(0.1), math.log(10.0)
        return torch.empty(sizes).uniform_(low, high, generator=generator).exp_()
    if name == "weight" and len(sizes) == 1:
        return torch.empty(sizes).uniform_(0.25, 0.75, generator=generator)
    fan = max(1, math.prod(sizes[1:])) if len(sizes) > 1 else 10
    return torch.empty(sizes).normal_(0, math.sqrt(2 / fan), generator=generator)


def refill(module: nn.Module, state: Mapping[str, Tensor], dtype: torch.dtype, training: bool) -> nn.Module:
    """The module in this type and mode, with a copy of the state, no gradients left."""
    module.to(dtype).train(training).zero_grad(set_to_none=True)
    module.load_state_dict(state, strict=True)
    return module


def step(module: nn.Module, image: Tensor, towards: Tensor) -> Tensor:
    """A training step's forward and backward of a fixed functional; the gradients are in the module."""
    output: Tensor = module(image)
    (output * towards).sum().backward()  # type: ignore[no-untyped-call]
    return output.detach()


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether shapes, types and all bits agree, so that 0.0 and -0.0 differ."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    kind = _BITS.get(one.dtype)
    return torch.equal(one, other) if kind is None else torch.equal(one.view(kind), other.view(kind))


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """The same names in the same order, with the same bits, and every number finite."""
    assert list(one) == list(other)
    assert all(tensor.isfinite().all() for tensor in one.values() if tensor.is_floating_point())
    assert [key for key in one if not same_bits(one[key], other[key])] == []


def gradients(module: nn.Module) -> State:
    """The gradient of every parameter, by name."""
    found = {name: parameter.grad for name, parameter in module.named_parameters()}
    assert all(gradient is not None for gradient in found.values())
    return found  # type: ignore[return-value]


def assert_twins(ours: nn.Module, theirs: nn.Module, state: State, dtype: torch.dtype, training: bool) -> None:
    """With this state both compute the same bits: outputs, and in training the gradients and buffers of a step."""
    refill(ours, state, dtype, training)
    refill(theirs, ours.state_dict(), dtype, training)
    generator = torch.Generator().manual_seed(1)
    if not training:
        image = torch.randn(2, 3, 40, 40, generator=generator, dtype=dtype)
        with torch.no_grad():
            assert_same_bits({"output": ours(image)}, {"output": theirs(image)})
        ours.load_state_dict(theirs.state_dict(), strict=True)
        return
    image = torch.randn(4, 3, 64, 64, generator=generator, dtype=dtype)  # 16 samples of a channel in the last stage
    towards = torch.randn(4, len(state["fc.bias"]), generator=generator, dtype=dtype)
    assert_same_bits({"output": step(ours, image, towards)}, {"output": step(theirs, image, towards)})
    assert_same_bits(gradients(ours), gradients(theirs))
    assert_same_bits(dict(ours.named_buffers()), dict(theirs.named_buffers()))
    unmoved = [key for key, value in ours.named_buffers() if same_bits(value, state[key].to(value.dtype))]
    assert unmoved == []  # every buffer took part in the step
