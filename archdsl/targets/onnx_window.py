"""Convolutions, linear maps and pools in ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from archdsl.ops.common import per_axis
from archdsl.ops.conv import Conv, ConvTranspose
from archdsl.ops.linear import Linear
from archdsl.ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archdsl.ops.window import Window
from archdsl.targets.onnx_emit import Array, Attribute
from archdsl.targets.onnx_place import Emitters, Link, Place
from archdsl.targets.onnx_space import averaged, bounds, even, padded, padding

Sides = Sequence[tuple[int, int]]


def _conv(place: Place, op: Conv) -> None:
    """A Conv with its padding as numbers; other padding than zeros is a step before it."""
    window = op.window(place.shape)
    x, sides = place.input, window.sides
    if op.padding_mode != "zeros" and any(map(any, sides)):
        x = place.chain(x, padding(place, sides, op.padding_mode))
        sides = ((0, 0),) * len(sides)
    weight = place.weight("weight") if op.reparam is None else _normed(place)
    bias = [place.weight("bias")] if op.bias else []
    place.result("Conv", [x, weight, *bias], **_window(window, sides), dilations=window.dilation, group=op.groups)


def _conv_transpose(place: Place, op: ConvTranspose) -> None:
    """A ConvTranspose; what stands behind the last window of an axis, and only dilation lets it, is padded to it.

    Runtimes refuse an `output_padding` that is not below the stride, or count it otherwise.
    """
    window = op.window(place.shape)
    extra = per_axis(op.output_padding, len(window.kernel), "output_padding")
    far = tuple(more if more >= step else 0 for more, step in zip(extra, window.stride, strict=True))
    behind = [max(0, more - after) for more, (_, after) in zip(far, window.sides, strict=True)]
    kept = [(before, after - min(after, more)) for more, (before, after) in zip(far, window.sides, strict=True)]
    facts: dict[str, Attribute] = {
        **_window(window, kept),
        "dilations": window.dilation,
        "group": op.groups,
        "output_padding": [more - most for more, most in zip(extra, far, strict=True)],
    }
    weight, bias = place.weight("weight"), [place.weight("bias")] if op.bias else []
    if not any(behind):
        place.result("ConvTranspose", [place.input, weight, *bias], **facts)
        return
    sizes = place.output.sizes
    shown = (sizes[0], *(size - more for size, more in zip(sizes[1:], behind, strict=True)))
    part = place.chain(place.input, [Link("ConvTranspose", [weight], shown, "windows", facts)])
    links = [padded(place, shown, [(0, more) for more in behind])]
    if op.bias:
        links.append(Link("Add", [place.weight_over_space("bias", len(shown) - 1)], sizes, "biased"))
    place.finish(part, links)


def _window(window: Window, sides: Sides) -> dict[str, Sequence[int]]:
    pads = [before for before, _ in sides] + [after for _, after in sides]
    return {"kernel_shape": window.kernel, "strides": window.stride, "pads": pads}


def _normed(place: Place) -> str:
    """Weight normalisation (Salimans and Kingma 2016) carried out: g * v / |v|, each output channel by itself."""

    def fold() -> Array:
        gain, value = (
            place.emission.array(f"{place.path}.{name}").astype(np.float64) for name in ("weight_g", "weight_v")
        )
        norm = np.sqrt(np.sum(value * value, axis=tuple(range(1, value.ndim)), keepdims=True))
        with np.errstate(invalid="ignore"):  # without a direction it is no number, as in PyTorch
            return np.asarray(gain * value / norm, place.emission.dtype)

    return place.emission.derived(f"{place.path}.weight", fold)


def _linear(place: Place, op: Linear) -> None:
    """Gemm for a vector; for more axes a product with the transposed weight, which runtimes fold."""
    weight, bias = place.weight("weight"), [place.weight("bias")] if op.bias else []
    if place.shape.rank == 1:
        place.result("Gemm", [place.input, weight, *bias], transB=1)
        return
    sizes = (place.shape.sizes[-1], op.out)
    turned = place.step("Transpose", [weight], sizes, "weight", lead=None, perm=(1, 0))
    if not op.bias:
        place.result("MatMul", [place.input, turned])
        return
    product = place.step("MatMul", [place.input, turned], place.output.sizes, "product")
    place.result("Add", [product, *bias])


def _maxpool(place: Place, op: MaxPool) -> None:
    """`ceil` becomes padding behind. Padding as wide as the kernel, which onnxruntime refuses, is a step of its own."""
    window = op.window(place.shape)
    x, sides = place.input, _covering(place, window)
    if any(max(pair) >= size for pair, size in zip(sides, window.kernel, strict=True)):
        x = place.chain(x, padding(place, sides, "constant", -np.inf))
        sides = ((0, 0),) * len(sides)
    place.result("MaxPool", [x], **_window(window, sides), dilations=window.dilation)


def _avgpool(place: Place, op: AvgPool) -> None:
    """AveragePool where all runtimes agree on the divisor, else the padding, the average and its correction apart.

    Runtimes differ in what they divide by where `ceil` lets a window pass the padded input and padding counts.
    """
    window = op.window(place.shape)
    covering = _covering(place, window)
    if not op.count_padding or covering == tuple(window.sides):
        counted = int(bool(op.count_padding))
        place.result("AveragePool", [place.input], **_window(window, covering), count_include_pad=counted)
        return
    x = place.chain(place.input, padding(place, covering, "constant"))
    none = ((0, 0),) * len(covering)
    average = place.chain(x, [Link("AveragePool", [], place.output.sizes, "average", _window(window, none))])
    place.result("Mul", [average, place.constant("correction", _correction(place, window))])


def _covering(place: Place, window: Window) -> tuple[tuple[int, int], ...]:
    """The padding on each side, widened behind where `ceil` lets the last window pass it."""
    sides = []
    for axis, (before, after) in enumerate(window.sides):
        reach = (place.output.spatial[axis] - 1) * window.stride[axis] + window.extents[axis]
        sides.append((before, max(after, reach - place.shape.spatial[axis] - before)))
    return tuple(sides)


def _correction(place: Place, window: Window) -> Array:
    """The size of the window over PyTorch's divisor, the elements and padding in it, at each place of the output."""
    ratios = []
    for axis, count in enumerate(place.output.spatial):
        before, after = window.sides[axis]
        start = np.arange(count) * window.stride[axis] - before
        stop = np.minimum(start + window.kernel[axis], place.shape.spatial[axis] + after)
        ratios.append(window.kernel[axis] / (stop - start))
    return np.asarray(reduce(np.multiply.outer, ratios))


def _adaptive_avgpool(place: Place, op: AdaptiveAvgPool) -> None:
    averaged(place)


def _adaptive_maxpool(place: Place, op: AdaptiveMaxPool) -> None:
    """A pool where the regions are equal and apart, else the largest of the elements of each region, axis by axis."""
    if kernel := even(place):
        place.result("MaxPool", [place.input], kernel_shape=kernel, strides=kernel)
        return
    x, sizes, last = place.input, list(place.shape.sizes), place.shape.rank - 1
    for axis in range(1, last + 1):
        count = place.output.sizes[axis]
        members = _members(sizes[axis], count)
        apart = (*sizes[:axis], *members.shape, *sizes[axis + 1 :])
        inputs = [x, place.integers(f"{axis}/members", members)]
        gathered = place.step("Gather", inputs, apart, f"{axis}/gathered", axis=axis + 1)
        sizes[axis] = count
        if axis == last:
            place.result("ReduceMax", [gathered], axes=[axis + 2], keepdims=0)
        else:
            x = place.step("ReduceMax", [gathered], sizes, f"{axis}/largest", axes=[axis + 2], keepdims=0)


def _members(size: int, count: int) -> Array:
    """The elements of each region, a shorter one's last repeated."""
    spans = bounds(size, count)
    widest = max(stop - start for start, stop in spans)
    return np.array([[min(start + step, stop - 1) for step in range(widest)] for start, stop in spans])


def _gap(place: Place, op: GlobalAvgPool) -> None:
    place.result("GlobalAveragePool", [place.input])


def _gmp(place: Place, op: GlobalMaxPool) -> None:
    """A ReduceMax, since onnx's own evaluator has GlobalMaxPool wrong in all but 2-D."""
    place.result("ReduceMax", [place.input], axes=list(range(2, place.shape.rank + 1)), keepdims=1)


EMITTERS: Emitters = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    Linear: _linear,
    MaxPool: _maxpool,
    AvgPool: _avgpool,
    AdaptiveAvgPool: _adaptive_avgpool,
    AdaptiveMaxPool: _adaptive_maxpool,
    GlobalAvgPool: _gap,
    GlobalMaxPool: _gmp,
}
