"""Normalisations in ONNX, in their inference form."""

from __future__ import annotations

import numpy as np

from archdsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from archdsl.targets.onnx_activation import along
from archdsl.targets.onnx_emit import Attribute
from archdsl.targets.onnx_place import Emitters, Link, Place


def _batchnorm(place: Place, op: BatchNorm) -> None:
    """By the tracked statistics; without them by those of the batch."""
    channels = place.shape.sizes[0]
    scale, bias = _scale(place, channels)
    if not op.track:
        _batch_statistics(place, op)
        return
    inputs = [place.input, scale, bias, place.weight("running_mean"), place.weight("running_var")]
    place.result("BatchNormalization", inputs, epsilon=op.eps)


def _batch_statistics(place: Place, op: BatchNorm) -> None:
    """Mean and variance over the batch and space, spelt out."""
    shape, axes = place.shape, [0, *range(2, place.shape.rank + 1)]
    sizes = (shape.sizes[0], *(1,) * (shape.rank - 1))
    mean = place.step("ReduceMean", [place.input], sizes, "mean", lead=1, axes=axes, keepdims=1)
    centred = place.step("Sub", [place.input, mean], shape.sizes, "centred")
    square = place.step("Mul", [centred, centred], shape.sizes, "square")
    variance = place.step("ReduceMean", [square], sizes, "variance", lead=1, axes=axes, keepdims=1)
    raised = place.step("Add", [variance, place.constant("eps", op.eps)], sizes, "raised", lead=1)
    deviation = place.step("Sqrt", [raised], sizes, "deviation", lead=1)
    if not op.affine:
        place.result("Div", [centred, deviation])
        return
    _affine(place, place.step("Div", [centred, deviation], shape.sizes, "normal"))


def _affine(place: Place, normal: str) -> None:
    """The channels' scale and bias as the result."""
    dims = place.shape.rank - 1
    scaled = place.step("Mul", [normal, place.weight_over_space("weight", dims)], place.shape.sizes, "scaled")
    place.result("Add", [scaled, place.weight_over_space("bias", dims)])


def _scale(place: Place, channels: int) -> tuple[str, str]:
    """Scale and bias, ones and zeros where there are none."""
    if place.has_weight("weight"):
        return place.weight("weight"), place.weight("bias")
    return place.constant("ones", np.ones(channels)), place.constant("zeros", np.zeros(channels))


def _layernorm(place: Place, op: LayerNorm) -> None:
    """LayerNormalization of the last axis; another is brought there and back."""
    rank, axis = place.shape.rank, along(place, op.axis) - 1
    size = place.shape.sizes[axis]
    scale = place.weight("weight") if op.affine else place.constant("ones", np.ones(size))
    bias = [place.weight("bias")] if place.has_weight("bias") else []
    if axis == rank - 1:
        place.result("LayerNormalization", [place.input, scale, *bias], axis=-1, epsilon=op.eps)
        return
    others = [index for index in range(rank) if index != axis]
    order = [0, *(index + 1 for index in others), axis + 1]
    sizes = [place.shape.sizes[index] for index in (*others, axis)]
    last = place.step("Transpose", [place.input], sizes, "last", perm=order)
    normal = place.step("LayerNormalization", [last, scale, *bias], sizes, "normal", axis=-1, epsilon=op.eps)
    place.result("Transpose", [normal], perm=[order.index(index) for index in range(rank + 1)])


def _groupnorm(place: Place, op: GroupNorm) -> None:
    """InstanceNormalization of the groups, then the channels' scale; ONNX's own is per channel from opset 21 only."""
    shape, groups = place.shape, op.groups
    flat = (groups, shape.elements // groups)
    grouped = place.step("Reshape", [place.input, place.integers("groups", [0, *flat])], flat, "grouped")
    ones, zeros = place.constant("ones", np.ones(groups)), place.constant("zeros", np.zeros(groups))
    normal = place.step("InstanceNormalization", [grouped, ones, zeros], flat, "normal", epsilon=op.eps)
    inputs = [normal, place.integers("sizes", [0, *shape.sizes])]
    if not op.affine:
        place.result("Reshape", inputs)
        return
    _affine(place, place.step("Reshape", inputs, shape.sizes, "back"))


def _instancenorm(place: Place, op: InstanceNorm) -> None:
    scale, bias = _scale(place, place.shape.sizes[0])
    place.result("InstanceNormalization", [place.input, scale, bias], epsilon=op.eps)


def _lrn(place: Place, op: LocalResponseNorm) -> None:
    """LRN in 2-D with an odd size; else spelt out, since ONNX's leans to the other side and has no other dimensions,
    and onnxruntime takes nothing but alpha and beta above 0, and loses small sums of squares beside large ones."""
    if place.shape.rank == 3 and op.size % 2 and op.beta > 0 and 0 < op.alpha <= op.k:
        place.result("LRN", [place.input], size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)
        return
    shape = place.shape
    flat = (1, shape.sizes[0], shape.elements // shape.sizes[0])
    square = place.step("Mul", [place.input, place.input], shape.sizes, "square")
    rows = place.step("Reshape", [square, place.integers("flat", [0, *flat])], flat, "rows")
    pads = [op.size // 2, 0, (op.size - 1) // 2, 0]
    window: dict[str, Attribute] = {
        "kernel_shape": [op.size, 1],
        "strides": [1, 1],
        "pads": pads,
        "count_include_pad": 1,
    }
    mean = place.chain(rows, [Link("AveragePool", [], flat, "mean", window)])
    back = place.step("Reshape", [mean, place.integers("sizes", [0, *shape.sizes])], shape.sizes, "back")
    scaled = place.step("Mul", [back, place.constant("alpha", op.alpha)], shape.sizes, "scaled")
    raised = place.step("Add", [scaled, place.constant("k", op.k)], shape.sizes, "raised")
    power = place.step("Pow", [raised, place.constant("beta", op.beta)], shape.sizes, "power")
    place.result("Div", [place.input, power])


EMITTERS: Emitters = {
    BatchNorm: _batchnorm,
    LayerNorm: _layernorm,
    GroupNorm: _groupnorm,
    InstanceNorm: _instancenorm,
    LocalResponseNorm: _lrn,
}
