"""Padding, cropping and resizing in ONNX.

Resizing by whole factors is a Resize; all else is spelt out as a choice of elements or as a product with a matrix for
each axis, since runtimes round coordinates in different ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from archdsl.ops.space import Crop, Pad, PadChannels, Resize, Upsample
from archdsl.targets.onnx_emit import Array
from archdsl.targets.onnx_place import Emitters, Link, Place

MODES = {"constant": "constant", "zeros": "constant", "reflect": "reflect", "replicate": "edge"}


def padding(place: Place, sides: Sequence[tuple[int, int]], mode: str, value: float = 0.0) -> list[Link]:
    """The links that pad the spatial axes of the only input."""
    sizes = place.shape.sizes
    if mode == "circular":
        return _circular(place, sides)
    padded = (sizes[0], *(size + sum(pair) for size, pair in zip(sizes[1:], sides, strict=True)))
    return [_pad_link(place, [(0, 0), *sides], padded, MODES[mode], value)]


def padded(place: Place, sizes: Sequence[int], sides: Sequence[tuple[int, int]]) -> Link:
    """The link that pads the spatial axes of a value of these sizes with zeros."""
    spatial = (size + sum(pair) for size, pair in zip(sizes[1:], sides, strict=True))
    return _pad_link(place, [(0, 0), *sides], (sizes[0], *spatial), "constant", 0.0)


def _pad_link(place: Place, sides: Sequence[tuple[int, int]], sizes: Sequence[int], mode: str, value: float) -> Link:
    pads = place.integers("pads", [0, *(before for before, _ in sides), 0, *(after for _, after in sides)])
    # Zeros are written as -0.0: onnxruntime 1.31 (PadFusion) merges padding by 0.0 into the pool behind it, then takes
    # the maximum without the zeros, or refuses padding as wide as the window.
    filling = [place.constant("value", value or -0.0)] if mode == "constant" else []
    return Link("Pad", [pads, *filling], sizes, "padded", {"mode": mode})


def _circular(place: Place, sides: Sequence[tuple[int, int]]) -> list[Link]:
    """Elements from the other end; ONNX has that as a mode from opset 19 only."""
    links, sizes = [], list(place.shape.sizes)
    for axis, (before, after) in enumerate(sides, 1):
        if before or after:
            indices = np.arange(-before, sizes[axis] + after) % sizes[axis]
            links.append(taken(place, sizes, axis, indices))
    return links


def taken(place: Place, sizes: list[int], axis: int, indices: Array) -> Link:
    """The link that takes these elements of an axis; `sizes` are then those that it makes."""
    sizes[axis] = len(indices)
    operands = [place.integers(f"{axis}/indices", indices)]
    return Link("Gather", operands, tuple(sizes), f"{axis}/taken", {"axis": axis + 1})


def _pad(place: Place, op: Pad) -> None:
    place.finish(place.input, padding(place, op.amounts(place.shape), op.mode, op.value))


def _pad_channels(place: Place, op: PadChannels) -> None:
    sides = [(op.before, op.after), *[(0, 0)] * (place.shape.rank - 1)]
    place.finish(place.input, [_pad_link(place, sides, place.output.sizes, "constant", 0.0)])


def _crop(place: Place, op: Crop) -> None:
    starts = [(size - kept) // 2 for size, kept in zip(place.shape.spatial, place.output.spatial, strict=True)]
    cut(place, starts, place.output.spatial, range(1, place.shape.rank))


def cut(place: Place, starts: Sequence[int], lengths: Sequence[int], axes: Sequence[int]) -> None:
    """The elements from `starts` on of these axes (counted without the batch) as the result."""
    stops = [start + length for start, length in zip(starts, lengths, strict=True)]
    names = [("starts", starts), ("ends", stops), ("axes", [axis + 1 for axis in axes])]
    place.result("Slice", [place.input, *(place.integers(name, values) for name, values in names)])


def _upsample(place: Place, op: Upsample) -> None:
    _sample(place, op.mode, op.align_corners, [float(factor) for factor in op.factors(place.shape)])


def _resize(place: Place, op: Resize) -> None:
    _sample(place, op.mode, op.align_corners, [None] * (place.shape.rank - 1))


def _sample(place: Place, mode: str, corners: bool, factors: Sequence[float | None]) -> None:
    pairs = list(zip(place.shape.spatial, place.output.spatial, strict=True))
    scales = [_scale(size, count, factor) for (size, count), factor in zip(pairs, factors, strict=True)]
    if mode == "area":
        averaged(place)
    elif mode in ("nearest", "nearest_exact"):
        _nearest(place, [_chosen(*pair, scale, mode) for pair, scale in zip(pairs, scales, strict=True)])
    elif mode == "bilinear" and not corners and _whole(place, scales):
        _resized(place, mode="linear", coordinate_transformation_mode="half_pixel")
    else:
        taps = _cubic if mode == "bicubic" else _linear
        mapped(place, [_weights(*pair, scale, corners, taps) for pair, scale in zip(pairs, scales, strict=True)])


def _scale(size: int, count: int, factor: float | None) -> float:
    """The step in the input for one of the output, as PyTorch: a factor's inverse, else the ratio of the sizes."""
    return size / count if factor is None else 1.0 / factor


def _whole(place: Place, scales: Sequence[float]) -> bool:
    """Whether every axis grows by a whole factor, the inverse of its scale."""
    pairs = zip(place.shape.spatial, place.output.spatial, scales, strict=True)
    return all(count % size == 0 and scale == size / count for size, count, scale in pairs)


def _resized(place: Place, **attributes: str) -> None:
    pairs = zip(place.shape.spatial, place.output.spatial, strict=True)
    scales = np.asarray([1, 1, *(count // size for size, count in pairs)], np.float32)
    place.result("Resize", [place.input, "", place.emission.constant(f"{place.name}/scales", scales)], **attributes)


def _chosen(size: int, count: int, scale: float, mode: str) -> Array:
    """The nearest element for each place of the output, in the float32 arithmetic that PyTorch uses."""
    if mode == "nearest" and count in (size, 2 * size):
        return np.asarray(np.arange(count) // (count // size))
    half = np.float32(0.5 if mode == "nearest_exact" else 0.0)
    source = np.floor((np.arange(count, dtype=np.float32) + half) * np.float32(scale))
    return np.asarray(np.minimum(source, size - 1), np.int64)


def _nearest(place: Place, chosen: Sequence[Array]) -> None:
    if all(map(_repeats, place.shape.spatial, chosen)):
        _resized(place, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        return
    sizes = list(place.shape.sizes)
    place.finish(place.input, [taken(place, sizes, axis, indices) for axis, indices in enumerate(chosen, 1)])


def _repeats(size: int, indices: Array) -> bool:
    """Whether each element of an axis is repeated the same number of times, in order."""
    count = len(indices)
    return count % size == 0 and np.array_equal(indices, np.arange(count) // (count // size))


Taps = Callable[[float], list[tuple[int, float]]]


def _weights(size: int, count: int, scale: float, corners: bool, taps: Taps) -> Array | None:
    """The matrix that interpolates one axis, or `None` if it leaves the axis as it is."""
    if corners:
        scale = (size - 1) / (count - 1) if count > 1 else 0.0
    matrix = np.zeros((count, size))
    for row in range(count):
        source = row * scale if corners else (row + 0.5) * scale - 0.5
        for column, weight in taps(source):
            matrix[row, min(max(column, 0), size - 1)] += weight
    return None if np.array_equal(matrix, np.eye(size)) else matrix


def _linear(source: float) -> list[tuple[int, float]]:
    first = int(np.floor(source))
    return [(first, 1 - (source - first)), (first + 1, source - first)]


def _cubic(source: float) -> list[tuple[int, float]]:
    """Cubic convolution (Keys 1981) with a = -0.75, as PyTorch has it."""
    first = int(np.floor(source))
    return [(first + step, _kernel(abs(source - first - step))) for step in (-1, 0, 1, 2)]


def _kernel(x: float, a: float = -0.75) -> float:
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def averaged(place: Place) -> None:
    """The averages of regions that cover the input evenly: a pool where they are equal and apart, else a product."""
    if kernel := even(place):
        place.result("AveragePool", [place.input], kernel_shape=kernel, strides=kernel)
        return
    pairs = zip(place.shape.spatial, place.output.spatial, strict=True)
    mapped(place, [None if size == count else _regions(size, count) for size, count in pairs])


def even(place: Place) -> tuple[int, ...] | None:
    """The size of all regions, if they are equal and do not overlap."""
    pairs = list(zip(place.shape.spatial, place.output.spatial, strict=True))
    return None if any(size % count for size, count in pairs) else tuple(size // count for size, count in pairs)


def bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` regions of an axis starts and stops."""
    return [(index * size // count, -(-(index + 1) * size // count)) for index in range(count)]


def _regions(size: int, count: int) -> Array:
    """The matrix that averages each of `count` regions of an axis."""
    matrix = np.zeros((count, size))
    for row, (start, stop) in enumerate(bounds(size, count)):
        matrix[row, start:stop] = 1 / (stop - start)
    return matrix


def mapped(place: Place, matrices: Sequence[Array | None]) -> None:
    """A matrix (output by input) applied along each spatial axis as the result; `None` leaves an axis as it is."""
    sizes, links = list(place.shape.sizes), []
    for axis, matrix in enumerate(matrices, 1):
        if matrix is not None:
            links += _along(place, sizes, axis, matrix)
    place.finish(place.input, links)


def _along(place: Place, sizes: list[int], axis: int, matrix: Array) -> list[Link]:
    """The links of one axis: a product from the right for the last, from the left for others; updates `sizes`."""
    rest = sizes[axis + 1 :]
    before, size = sizes[:axis], len(matrix)
    sizes[axis] = size
    if not rest:
        return [Link("MatMul", [place.constant(f"{axis}/matrix", matrix.T)], tuple(sizes), f"{axis}/mapped")]
    folded = int(np.prod(rest))
    product = Link(
        "MatMul", [place.constant(f"{axis}/matrix", matrix)], (*before, size, folded), f"{axis}/mapped", {}, True
    )
    if len(rest) == 1:
        return [product]
    flat, full = (*before, matrix.shape[1], folded), tuple(sizes)
    fold = Link("Reshape", [place.integers(f"{axis}/flat", [0, *flat])], flat, f"{axis}/folded")
    return [fold, product, Link("Reshape", [place.integers(f"{axis}/full", [0, *full])], full, f"{axis}/unfolded")]


EMITTERS: Emitters = {Pad: _pad, PadChannels: _pad_channels, Crop: _crop, Upsample: _upsample, Resize: _resize}
