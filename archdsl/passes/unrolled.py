"""A linear map of a flattened convolution's result, as one of the flattened value that the convolution reads."""

from __future__ import annotations

from itertools import product
from math import prod

from archdsl.ops.window import Window
from archdsl.passes.arrays import Expr, MatMul, Padded, Part, Permute, Plus, Reshape, sizes_of


def unrolled(matrix: Expr, weight: Expr, window: Window, sizes: tuple[int, ...], places: tuple[int, ...]) -> Expr:
    """The matrix (out, inputs) that acts as `matrix` (out, middle * places) does behind a convolution.

    The convolution has the weight (middle, channels, *kernel), reads a map of spatial `sizes`, pads with zeros, and
    makes one of spatial sizes `places`. Each tap of its kernel puts a product of the two at the places that it reads.
    """
    out, dims = sizes_of(matrix)[0], len(sizes)
    middle, channels, *kernel = sizes_of(weight)
    last = Permute(Reshape(matrix, (out, middle, *places)), (0, *range(2, dims + 2), 1))
    taps = Reshape(Permute(weight, (0, *range(2, dims + 2), 1)), (middle, prod(kernel) * channels))
    joint = MatMul(last, taps)  # out, *places, taps and channels
    parts: list[Expr] = []
    for number, tap in enumerate(product(*map(range, kernel))):
        part: Expr = Part(joint, dims + 1, number * channels, (number + 1) * channels)
        for axis, (index, size) in enumerate(zip(tap, sizes, strict=True)):
            first = index * window.dilation[axis] - window.sides[axis][0]
            placed = _placed(part, axis + 1, window.stride[axis], first, size)
            if placed is None:
                break
            part = placed
        else:
            parts.append(part)
    total = parts[0] if len(parts) == 1 else Plus(tuple(parts))
    return Reshape(Permute(total, (0, dims + 1, *range(1, dims + 1))), (out, channels * prod(sizes)))


def _placed(part: Expr, axis: int, stride: int, first: int, size: int) -> Expr | None:
    """Entry `i` of an axis at place `first + stride * i` of an axis of this size, zeros elsewhere; those that fall
    beyond an edge are left out. `None` if all do."""
    count = sizes_of(part)[axis]
    low = max(0, -(first // stride)) if first < 0 else 0
    high = min(count, (size - 1 - first) // stride + 1)
    if low >= high:
        return None
    part, start = Part(part, axis, low, high), first + stride * low
    if stride > 1:
        before, after = sizes_of(part)[: axis + 1], sizes_of(part)[axis + 1 :]
        apart = _zeros(Reshape(part, (*before, 1, *after)), axis + 1, 0, stride - 1)
        part = Reshape(apart, (*before[:-1], before[-1] * stride, *after))
        part = Part(part, axis, 0, (high - low - 1) * stride + 1)
    return _zeros(part, axis, start, size - start - sizes_of(part)[axis])


def _zeros(part: Expr, axis: int, before: int, after: int) -> Expr:
    """Zeros around one axis."""
    if before == after == 0:
        return part
    return Padded(part, tuple((before, after) if index == axis else (0, 0) for index in range(len(sizes_of(part)))))
