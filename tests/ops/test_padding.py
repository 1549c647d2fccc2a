"""Every padding of convolutions and pools against sums written out in numpy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.ops import AvgPool, Conv, MaxPool, ShapeError
from archdsl.shapes import Shape
from archdsl.targets.torch_ops import module_form
from tests.support.torch_forms import module

Sides = list[tuple[int, int]]
torch.set_num_threads(1)


def tensorflow_same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """The padding of TensorFlow's documentation, by its two cases."""
    extent = (kernel - 1) * dilation + 1
    rest = size % stride
    total = max(extent - (stride if rest == 0 else rest), 0)
    return total // 2, total - total // 2


def windows(x: np.ndarray, kernel: Any, stride: Any, dilation: Any) -> np.ndarray:
    """All windows of a padded [c, *spatial] array: [c, *places, *kernel]."""
    places = [
        (size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(x.shape[1:], kernel, stride, dilation, strict=True)
    ]
    out = np.empty((x.shape[0], *places, *kernel))
    for place in product(*map(range, places)):
        at = tuple(
            slice(p * s, p * s + d * (k - 1) + 1, d) for p, s, k, d in zip(place, stride, kernel, dilation, strict=True)
        )
        out[(slice(None), *place)] = x[(slice(None), *at)]
    return out


def padded(x: np.ndarray, sides: Sides, mode: str = "constant", value: float = 0.0) -> np.ndarray:
    kinds = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    kind: Any = kinds.get(mode, mode)
    extra = {"constant_values": value} if kind == "constant" else {}
    return np.pad(x, [(0, 0), *sides], mode=kind, **extra)


def run(op: Any, x: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The operation in torch, in float64, with its weights."""
    shape = Shape.of(*x.shape)
    call = module_form(op, (shape,))
    assert call is not None
    made = module(call).double()
    result = made(torch.from_numpy(x)[None])[0].detach().numpy()
    assert result.shape == op.outputs(shape)[0].sizes
    return result, {name: tensor.numpy() for name, tensor in made.state_dict().items()}


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: Any, dilation: Any) -> np.ndarray:
    dims = weight.ndim - 2
    seen = windows(x, weight.shape[2:], stride, dilation)
    inner = [0, *range(seen.ndim - dims, seen.ndim)]
    summed = np.tensordot(weight, seen, axes=([1, *range(2, weight.ndim)], inner))
    return summed + bias.reshape(-1, *[1] * dims)


PADDINGS: tuple[tuple[str, Any, Any], ...] = (
    ("valid", "valid", lambda size, k, s, d: (0, 0)),
    ("same", "same", lambda size, k, s, d: (d * (k - 1) // 2,) * 2),
    ("same_tf", "same_tf", tensorflow_same),
    ("number", 2, lambda size, k, s, d: (2, 2)),
)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kernel,stride,dilation", [(3, 1, 1), (3, 2, 1), (3, 2, 2), (5, 3, 1), (1, 2, 1)])
@pytest.mark.parametrize("name,padding,sides", PADDINGS, ids=[name for name, _, _ in PADDINGS])
@pytest.mark.parametrize("reparam", [None, "weight_norm"])
def test_a_padded_convolution_is_the_sum_over_windows(
    dims: int, kernel: int, stride: int, dilation: int, name: str, padding: Any, sides: Any, reparam: Any
) -> None:
    x = np.random.default_rng(1).normal(size=(3, *(7, 8, 5)[:dims]))
    op = Conv(out=4, kernel=kernel, stride=stride, dilation=dilation, padding=padding, reparam=reparam)
    result, state = run(op, x)
    weight = state["weight"] if reparam is None else normalised(state["weight_g"], state["weight_v"])
    around = [sides(size, kernel, stride, dilation) for size in x.shape[1:]]
    expected = convolved(padded(x, around), weight, state["bias"], (stride,) * dims, (dilation,) * dims)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def normalised(length: np.ndarray, direction: np.ndarray) -> np.ndarray:
    norm = np.sqrt((direction**2).sum(axis=tuple(range(1, direction.ndim)), keepdims=True))
    made: np.ndarray = direction / norm * length
    return made


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [((0, 1), (2, 1)), 1, (2, 0)])
@pytest.mark.parametrize("reparam", [None, "weight_norm"])
def test_padding_modes_and_sides_are_numpys(mode: Any, padding: Any, reparam: Any) -> None:
    x = np.random.default_rng(2).normal(size=(3, 6, 5))
    result, state = run(Conv(out=2, kernel=(2, 3), padding=padding, padding_mode=mode, reparam=reparam), x)
    sides = [(side, side) if isinstance(side, int) else side for side in (padding if padding != 1 else (1, 1))]
    weight = state["weight"] if reparam is None else normalised(state["weight_g"], state["weight_v"])
    expected = convolved(padded(x, sides, mode), weight, state["bias"], (1, 1), (1, 1))
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel,dilation,stride", [(2, 1, 1), (3, 4, 1), (7, 1, 2)])
def test_a_causal_convolution_never_sees_the_future(kernel: int, dilation: int, stride: int) -> None:
    """Result t depends on inputs up to t * stride, and on nothing behind them."""
    x = np.random.default_rng(3).normal(size=(2, 20))
    op = Conv(out=3, kernel=kernel, dilation=dilation, stride=stride, padding="causal")
    result, state = run(op, x)
    expected = convolved(
        padded(x, [(dilation * (kernel - 1), 0)]), state["weight"], state["bias"], (stride,), (dilation,)
    )
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)
    made = module(module_form(op, (Shape.of(2, 20),))).double()  # type: ignore[arg-type]
    inputs = torch.from_numpy(x)[None].requires_grad_()
    made(inputs)[0, :, 4].sum().backward()
    assert inputs.grad is not None
    touched = inputs.grad[0].abs().sum(0).nonzero().flatten()
    assert touched.max() == 4 * stride


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kernel,stride", [(2, 2), (3, 2), (3, 1), (5, 3)])
@pytest.mark.parametrize("padding", ["same_tf", "sides"])
@pytest.mark.parametrize("counts", [None, True, False])
def test_padded_pools_are_sums_over_windows(dims: int, kernel: int, stride: int, padding: str, counts: Any) -> None:
    """A maximum ignores padding; an average counts it or divides by the elements that are there."""
    x = np.random.default_rng(4).normal(size=(3, *(7, 8, 5)[:dims]))
    if padding == "sides":
        around, given = [(0, 1)] * dims, ((0, 1),) * dims
    else:
        around, given = [tensorflow_same(size, kernel, stride, 1) for size in x.shape[1:]], "same_tf"
    ones, inner = (1,) * dims, tuple(range(-dims, 0))
    if counts is None:
        result, _ = run(MaxPool(kernel=kernel, stride=stride, padding=given), x)
        seen = windows(padded(x, around, value=-np.inf), (kernel,) * dims, (stride,) * dims, ones)
        expected = seen.max(axis=inner)
    else:
        result, _ = run(AvgPool(kernel=kernel, stride=stride, padding=given, count_padding=counts), x)
        arguments = (kernel,) * dims, (stride,) * dims, ones
        total = windows(padded(x, around), *arguments).sum(axis=inner)
        there = windows(padded(np.ones_like(x), around), *arguments).sum(axis=inner)
        expected = total / (kernel**dims if counts else there)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 8), dilation=st.integers(1, 3))
def test_same_tf_gives_the_size_over_the_stride_rounded_up(size: int, kernel: int, stride: int, dilation: int) -> None:
    """Also from the class that takes its padding from the input, on an input of another size than it was made for."""
    op = Conv(out=2, kernel=kernel, stride=stride, dilation=dilation, padding="same_tf")
    assert op.outputs(Shape.of(3, size))[0].sizes == (2, -(-size // stride))
    made = module(module_form(op, (Shape.of(3, 17),)))  # type: ignore[arg-type]
    assert made(torch.zeros(1, 3, size)).shape == (1, 2, -(-size // stride))


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), kernel=st.integers(0, 3).map(lambda n: 2 * n + 1), dilation=st.integers(1, 3))
def test_same_keeps_the_size(size: int, kernel: int, dilation: int) -> None:
    assert Conv(out=2, kernel=kernel, dilation=dilation).outputs(Shape.of(3, size))[0].sizes == (2, size)


def test_an_even_kernel_must_say_its_padding() -> None:
    with pytest.raises(ShapeError, match="even kernel 4") as caught:
        Conv(out=2, kernel=(3, 4)).outputs(Shape.of(3, 8, 8))
    assert caught.value.argument == "padding"
