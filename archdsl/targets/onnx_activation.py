"""Activations in ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archdsl.ops import activation as ops
from archdsl.targets.onnx_place import Emitters, Place

PLAIN = {
    ops.Relu: "Relu",
    ops.Sigmoid: "Sigmoid",
    ops.Tanh: "Tanh",
    ops.Softsign: "Softsign",
    ops.Hardswish: "HardSwish",
    ops.Selu: "Selu",
}


def _plain(place: Place, op: Any) -> None:
    """What ONNX has under one name and without arguments."""
    place.result(PLAIN[type(op)], [place.input])


def _scale(place: Place, op: ops.Scale) -> None:
    place.result("Mul", [place.input, place.constant("factor", op.factor)])


def _affine(place: Place, op: ops.Affine) -> None:
    """The numbers stand along the channels, the first axis behind the batch."""
    over = (len(op.scale), *(1 for _ in place.shape.sizes[1:]))
    scale, shift = (np.reshape(values, over) for values in (op.scale, op.shift))
    scaled = place.step("Mul", [place.input, place.constant("scale", scale)], place.shape.sizes, "scaled")
    place.result("Add", [scaled, place.constant("shift", shift)])


def _relu6(place: Place, op: ops.Relu6) -> None:
    _clip(place, 0.0, 6.0)


def _hardtanh(place: Place, op: ops.Hardtanh) -> None:
    _clip(place, op.low, op.high)


def _clip(place: Place, low: float, high: float) -> None:
    place.result("Clip", [place.input, place.constant("low", low), place.constant("high", high)])


def _leaky_relu(place: Place, op: ops.LeakyRelu) -> None:
    place.result("LeakyRelu", [place.input], alpha=op.slope)


def _elu(place: Place, op: ops.Elu) -> None:
    place.result("Elu", [place.input], alpha=op.alpha)


def _celu(place: Place, op: ops.Celu) -> None:
    """relu(x) + alpha * (exp(min(x, 0) / alpha) - 1): ONNX's own takes float32 alone, and no alpha below 0."""
    sizes, alpha = place.shape.sizes, place.constant("alpha", op.alpha)
    below = place.step("Min", [place.input, place.constant("zero", 0.0)], sizes, "below")
    power = place.step("Exp", [place.step("Div", [below, alpha], sizes, "divided")], sizes, "exp")
    less = place.step("Sub", [power, place.constant("one", 1.0)], sizes, "less")
    negative = place.step("Mul", [less, alpha], sizes, "negative")
    place.result("Add", [place.step("Relu", [place.input], sizes, "positive"), negative])


def _gelu(place: Place, op: ops.Gelu) -> None:
    """x * (1 + erf(x / sqrt 2)) / 2, or its approximation by tanh; ONNX has its own from opset 20 only."""
    sizes, x = place.shape.sizes, place.input
    if op.approximate == "tanh":
        square = place.step("Mul", [x, x], sizes, "square")
        inner = place.step("Mul", [square, place.constant("cubic", 0.044715)], sizes, "inner")
        more = place.step("Add", [inner, place.constant("one", 1.0)], sizes, "more")
        bent = place.step("Mul", [x, more], sizes, "bent")
        scaled = place.step("Mul", [bent, place.constant("root", math.sqrt(2 / math.pi))], sizes, "scaled")
        curve, one = place.step("Tanh", [scaled], sizes, "tanh"), f"{place.name}/one"
    else:
        scaled = place.step("Div", [x, place.constant("root", math.sqrt(2))], sizes, "scaled")
        curve, one = place.step("Erf", [scaled], sizes, "erf"), place.constant("one", 1.0)
    gate = place.step("Add", [curve, one], sizes, "gate")
    gated = place.step("Mul", [x, gate], sizes, "gated")
    place.result("Mul", [gated, place.constant("half", 0.5)])


def _silu(place: Place, op: ops.Silu) -> None:
    place.result("Mul", [place.input, place.step("Sigmoid", [place.input], place.shape.sizes, "sigmoid")])


def _mish(place: Place, op: ops.Mish) -> None:
    """x * tanh(softplus(x)); ONNX has its own from opset 18 only."""
    sizes = place.shape.sizes
    soft = place.step("Softplus", [place.input], sizes, "softplus")
    place.result("Mul", [place.input, place.step("Tanh", [soft], sizes, "tanh")])


def _softplus(place: Place, op: ops.Softplus) -> None:
    """softplus(beta * x) / beta, and x itself beyond the threshold."""
    sizes, x = place.shape.sizes, place.input
    beta = place.constant("beta", op.beta)
    scaled = x if op.beta == 1.0 else place.step("Mul", [x, beta], sizes, "scaled")
    soft = place.step("Softplus", [scaled], sizes, "softplus")
    curve = soft if op.beta == 1.0 else place.step("Div", [soft, beta], sizes, "curve")
    beyond = place.step("Greater", [scaled, place.constant("threshold", op.threshold)], sizes, "beyond", dtype="bool")
    place.result("Where", [beyond, x, curve])


def _hardsigmoid(place: Place, op: ops.Hardsigmoid) -> None:
    place.result("HardSigmoid", [place.input], alpha=1 / 6, beta=0.5)


def _log_sigmoid(place: Place, op: ops.LogSigmoid) -> None:
    """-softplus(-x), which does not overflow."""
    sizes = place.shape.sizes
    negative = place.step("Neg", [place.input], sizes, "negative")
    place.result("Neg", [place.step("Softplus", [negative], sizes, "softplus")])


def _prelu(place: Place, op: ops.Prelu) -> None:
    slope = place.weight_over_space("weight", place.shape.rank - 1) if op.channelwise else place.weight("weight")
    place.result("PRelu", [place.input, slope])


def _softmax(place: Place, op: ops.Softmax) -> None:
    place.result("Softmax", [place.input], axis=along(place, op.axis))


def _log_softmax(place: Place, op: ops.LogSoftmax) -> None:
    place.result("LogSoftmax", [place.input], axis=along(place, op.axis))


def along(place: Place, axis: str | None, default: int = -1) -> int:
    """The axis of that name in the only input, or the default one, counted with the batch."""
    index = None if axis is None else place.shape.axis(axis)
    return 1 + (default % place.shape.rank if index is None else index)


EMITTERS: Emitters = {
    **dict.fromkeys(PLAIN, _plain),
    ops.Scale: _scale,
    ops.Affine: _affine,
    ops.Relu6: _relu6,
    ops.Hardtanh: _hardtanh,
    ops.LeakyRelu: _leaky_relu,
    ops.Elu: _elu,
    ops.Celu: _celu,
    ops.Gelu: _gelu,
    ops.Silu: _silu,
    ops.Mish: _mish,
    ops.Softplus: _softplus,
    ops.Hardsigmoid: _hardsigmoid,
    ops.LogSigmoid: _log_sigmoid,
    ops.Prelu: _prelu,
    ops.Softmax: _softmax,
    ops.LogSoftmax: _log_softmax,
}
