"""Two laws that teach, as docs/how-convolution-is-a-matrix.md tells them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.ops import Conv, ConvTranspose
from archdsl.shapes import Shape
from archdsl.targets.torch_ops import module_form
from tests.support.torch_forms import module

torch.set_num_threads(1)


def toeplitz(weight: np.ndarray, size: tuple[int, int], stride: int, padding: int, dilation: int) -> np.ndarray:
    """The matrix of a convolution: a row for each output element, a column for each input element.

    Row (o, y, x) holds the kernel of output channel o where it meets the input, and zeros elsewhere.
    """
    out, channels, high, wide = weight.shape
    rows = [
        (length + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for length, k in zip(size, (high, wide), strict=True)
    ]
    matrix = np.zeros((out, *rows, channels, *size))
    for y, x, i, j in product(range(rows[0]), range(rows[1]), range(high), range(wide)):
        row, column = y * stride + i * dilation - padding, x * stride + j * dilation - padding
        if 0 <= row < size[0] and 0 <= column < size[1]:
            matrix[:, y, x, :, row, column] = weight[:, :, i, j]
    return matrix.reshape(out * rows[0] * rows[1], -1)


windows = st.fixed_dictionaries(
    {
        "high": st.integers(3, 7),
        "wide": st.integers(3, 7),
        "kernel": st.integers(1, 3),
        "stride": st.integers(1, 3),
        "padding": st.integers(0, 2),
    }
)


@settings(max_examples=40, deadline=None)
@given(windows, st.integers(1, 2))
def test_a_convolution_is_a_sparse_toeplitz_matrix_product(window: dict[str, int], dilation: int) -> None:
    size = (window["high"], window["wide"])
    kernel, stride, padding = window["kernel"], window["stride"], window["padding"]
    dilation = dilation if min(size) + 2 * padding > dilation * (kernel - 1) else 1
    shape = Shape.of(2, *size)
    op = Conv(out=3, kernel=kernel, stride=stride, padding=padding, dilation=dilation, bias=False)
    made = module(module_form(op, (shape,))).double()  # type: ignore[arg-type]
    x = torch.randn(1, *shape.sizes, dtype=torch.float64)
    matrix = toeplitz(made.weight.detach().numpy(), size, stride, padding, dilation)  # type: ignore[operator]
    expected = (matrix @ x.numpy().reshape(-1)).reshape(op.outputs(shape)[0].sizes)
    np.testing.assert_allclose(made(x)[0].detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    assert np.count_nonzero(matrix) <= op.macs((shape,), op.outputs(shape))


def test_the_matrix_of_a_one_dimensional_convolution_has_constant_diagonals() -> None:
    """What makes a matrix Toeplitz: every diagonal repeats one weight."""
    weight = np.arange(1.0, 4.0).reshape(1, 1, 1, 3)
    matrix = toeplitz(weight, (1, 6), stride=1, padding=0, dilation=1)
    assert matrix.shape == (4, 6)
    for offset in range(-3, 6):
        assert len(set(np.diagonal(matrix, offset))) == 1
    assert matrix[0].tolist() == [1, 2, 3, 0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(windows, st.integers(0, 2))
def test_a_transposed_convolution_is_zero_insertion_and_a_convolution(window: dict[str, int], more: int) -> None:
    """stride - 1 zeros between the elements, kernel - 1 - padding around them, then the flipped kernel."""
    kernel, stride = window["kernel"], window["stride"]
    padding, more = min(window["padding"], kernel - 1), min(more, stride - 1)
    shape = Shape.of(2, window["high"], window["wide"])
    op = ConvTranspose(out=3, kernel=kernel, stride=stride, padding=padding, output_padding=more, bias=False)
    made = module(module_form(op, (shape,))).double()  # type: ignore[arg-type]
    x = torch.randn(1, *shape.sizes, dtype=torch.float64)
    spread = torch.zeros(1, 2, *((size - 1) * stride + 1 for size in shape.spatial), dtype=torch.float64)
    spread[:, :, ::stride, ::stride] = x
    around = kernel - 1 - padding
    spread = F.pad(spread, (around, around + more) * 2)
    weight = made.weight.detach()  # type: ignore[operator]
    expected = F.conv2d(spread, weight.flip(2, 3).transpose(0, 1))  # type: ignore[union-attr]
    torch.testing.assert_close(made(x), expected, rtol=1e-12, atol=1e-12)
    assert tuple(expected.shape[1:]) == op.outputs(shape)[0].sizes


@pytest.mark.parametrize("stride,padding", [(1, 0), (2, 1), (3, 2)])
def test_a_transposed_convolution_is_the_transposed_matrix(stride: int, padding: int) -> None:
    """The same weights, the matrix turned over: that is where the name comes from."""
    shape = Shape.of(3, 3, 4)
    op = ConvTranspose(out=2, kernel=3, stride=stride, padding=padding, bias=False)
    made = module(module_form(op, (shape,))).double()  # type: ignore[arg-type]
    x = torch.randn(1, *shape.sizes, dtype=torch.float64)
    (result,) = op.outputs(shape)
    forward = toeplitz(made.weight.detach().numpy(), result.spatial, stride, padding, 1)  # type: ignore[operator,arg-type]
    expected = (forward.T @ x.numpy().reshape(-1)).reshape(result.sizes)
    np.testing.assert_allclose(made(x)[0].detach().numpy(), expected, rtol=1e-12, atol=1e-12)
