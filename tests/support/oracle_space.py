"""Operations over space and channels, and activations, as `docs/operations.md` has them: see `oracle`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from tests.support.oracle_value import Array, Held, Value, along, each, over_channels, sizes_of

Sides = Sequence[tuple[int, int]]
PAD_MODES = {"zeros": "constant", "constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}

# -------------------------------------------------------------------- windows


def sides_of(padding: Any, x: Value, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Sides:
    """What is added before and after each spatial axis."""
    reach = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    match padding:
        case "valid":
            return [(0, 0)] * len(kernel)
        case "same":
            return [(each // 2, each // 2) for each in reach]
        case "causal":
            return [(reach[0], 0)]
        case "same_tf":
            wanted = [
                max((math.ceil(n / s) - 1) * s + r + 1 - n, 0) for n, s, r in zip(x.spatial, stride, reach, strict=True)
            ]
            return [(total // 2, total - total // 2) for total in wanted]
    listed = (padding,) * len(kernel) if isinstance(padding, int) else padding
    return [(side, side) if isinstance(side, int) else (side[0], side[1]) for side in listed]


def padded(data: Array, sides: Sides, mode: str = "zeros", value: float = 0.0) -> Array:
    """The spatial axes padded."""
    kind: Any = PAD_MODES[mode]
    extra = {"constant_values": value} if kind == "constant" else {}
    return np.pad(data, [(0, 0), (0, 0), *sides], mode=kind, **extra)


def taps(data: Array, kernel: Any, stride: Any, dilation: Any, counts: Any) -> list[tuple[tuple[int, ...], Array]]:
    """For each element of the window, what stands under it at every place."""
    found = []
    for tap in product(*map(range, kernel)):
        at = [
            slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, counts, stride, strict=True)
        ]
        found.append((tap, data[(slice(None), slice(None), *at)]))
    return found


def conv(op: Any, x: Value, own: Held) -> Value:
    dims = len(x.spatial)
    kernel, stride, dilation = (sizes_of(size, dims) for size in (op.kernel, op.stride, op.dilation))
    data = padded(x.data, sides_of(op.padding, x, kernel, stride, dilation), op.padding_mode)
    counts = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(data.shape[2:], kernel, stride, dilation, strict=True)
    ]
    weight = own["weight"] if op.reparam is None else _weight_of(own)
    groups = weight.reshape(op.groups, -1, *weight.shape[1:])
    apart = data.reshape(len(data), op.groups, -1, *data.shape[2:])
    total = np.zeros((len(data), op.groups, groups.shape[1], *counts))
    for group in range(op.groups):
        for tap, seen in taps(apart[:, group], kernel, stride, dilation, counts):
            total[:, group] += np.moveaxis(np.tensordot(groups[(group, ..., *tap)], seen, axes=(1, 1)), 1, 0)
    result = total.reshape(len(data), op.out, *counts)
    return x.with_data(result + (over_channels(own["bias"], result) if op.bias else 0), ("c", *x.axes[1:]))


def _weight_of(own: Held) -> Array:
    """Length times direction, for each output channel."""
    direction = own["weight_v"]
    norm = np.sqrt((direction**2).sum(axis=tuple(range(1, direction.ndim)), keepdims=True))
    return np.asarray(own["weight_g"] * direction / norm)


def conv_transpose(op: Any, x: Value, own: Held) -> Value:
    dims = len(x.spatial)
    kernel, stride, dilation = (sizes_of(size, dims) for size in (op.kernel, op.stride, op.dilation))
    cut, extra = sizes_of(op.padding, dims), sizes_of(op.output_padding, dims)
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.spatial, stride, dilation, kernel, strict=True)]
    grown = [size + more for size, more in zip(whole, extra, strict=True)]
    batch, inner, outer = len(x.data), x.data.shape[1] // op.groups, op.out // op.groups
    total = np.zeros((batch, op.out, *grown))
    for group in range(op.groups):
        part, weight = (array[axis] for array, axis in _grouped(x.data, own["weight"], group, inner))
        for tap, under in taps(total[:, group * outer : (group + 1) * outer], kernel, stride, dilation, x.spatial):
            under += np.moveaxis(np.tensordot(weight[(..., *tap)], part, axes=(0, 1)), 1, 0)
    kept = [slice(less, size - less) for less, size in zip(cut, grown, strict=True)]
    result = total[(slice(None), slice(None), *kept)]
    return x.with_data(result + (over_channels(own["bias"], result) if op.bias else 0), ("c", *x.axes[1:]))


def _grouped(data: Array, weight: Array, group: int, inner: int) -> list[tuple[Array, Any]]:
    span = slice(group * inner, (group + 1) * inner)
    return [(data, (slice(None), span)), (weight, span)]


def _pool(op: Any, x: Value, dilation: Any) -> tuple[Array, Array, Array]:
    """Under each window: the elements (NaN where there is none), which are elements, and which are padding."""
    dims = len(x.spatial)
    kernel, dilation = sizes_of(op.kernel, dims), sizes_of(dilation, dims)
    stride = kernel if op.stride is None else sizes_of(op.stride, dims)
    sides = sides_of(op.padding, x, kernel, stride, dilation)
    counts = [_places(n, b, a, d * (k - 1) + 1, s, op.ceil) for n, (b, a), d, k, s in zip(
        x.spatial, sides, dilation, kernel, stride, strict=True)]  # fmt: skip
    reach = [(c - 1) * s + d * (k - 1) + 1 for c, s, d, k in zip(counts, stride, dilation, kernel, strict=True)]
    over = [(0, max(0, far - n - b - a)) for far, n, (b, a) in zip(reach, x.spatial, sides, strict=True)]
    data = padded(padded(x.data, sides, value=np.nan), over, value=np.nan)
    inside = padded(padded(np.ones_like(x.data), sides, value=0.0), over, value=0.0)
    within = padded(padded(np.ones_like(x.data), sides, value=1.0), over, value=0.0)
    stacked = [
        np.stack([seen for _, seen in taps(array, kernel, stride, dilation, counts)])
        for array in (data, inside, within)
    ]
    return stacked[0], stacked[1], stacked[2]


def _places(size: int, before: int, after: int, extent: int, stride: int, ceil: bool) -> int:
    steps = (size + before + after - extent) / stride
    count = (math.ceil(steps) if ceil else math.floor(steps)) + 1
    while ceil and (count - 1) * stride >= size + before:
        count -= 1
    return count


def maxpool(op: Any, x: Value, own: Held) -> Value:
    elements, inside, _ = _pool(op, x, op.dilation)
    return x.with_data(np.where(inside > 0, elements, -np.inf).max(axis=0))


def avgpool(op: Any, x: Value, own: Held) -> Value:
    elements, inside, within = _pool(op, x, 1)
    divisor = (within if op.count_padding else inside).sum(axis=0)
    return x.with_data(np.where(inside > 0, elements, 0.0).sum(axis=0) / divisor)


def _regions(size: int, count: int) -> list[slice]:
    return [slice(math.floor(i * size / count), math.ceil((i + 1) * size / count)) for i in range(count)]


def _adaptive(reduce: Callable[..., Any]) -> Callable[..., Value]:
    def rule(op: Any, x: Value, own: Held) -> Value:
        sizes = sizes_of(getattr(op, "size", 1), len(x.spatial))
        result = np.empty((*x.data.shape[:2], *sizes))
        regions = [list(enumerate(_regions(n, m))) for n, m in zip(x.spatial, sizes, strict=True)]
        inner = tuple(range(2, x.data.ndim))
        for spans in product(*regions):
            at, seen = zip(*spans, strict=True)
            result[(..., *at)] = reduce(x.data[(slice(None), slice(None), *seen)], axis=inner)
        return x.with_data(result)

    return rule


# -------------------------------------------------------------------- resizing


def _chosen(size: int, count: int, step: float, mode: str) -> Array:
    shift = 0.5 if mode == "nearest_exact" else 0.0
    return np.eye(size)[[min(math.floor((i + shift) * step + 1e-9), size - 1) for i in range(count)]]


def _weighed(size: int, count: int, step: float, cubic: bool, corners: bool) -> Array:
    matrix = np.zeros((count, size))
    for row in range(count):
        source = (row * (size - 1) / (count - 1) if count > 1 else 0.0) if corners else (row + 0.5) * step - 0.5
        near = math.floor(source)
        for column in range(near - 1, near + 3):
            away = abs(source - column)
            matrix[row, min(max(column, 0), size - 1)] += _cubic(away) if cubic else max(0.0, 1 - away)
    return matrix


def _cubic(away: float, a: float = -0.75) -> float:
    if away <= 1:
        return (a + 2) * away**3 - (a + 3) * away**2 + 1
    return a * away**3 - 5 * a * away**2 + 8 * a * away - 4 * a if away < 2 else 0.0


def _resized(op: Any, x: Value, sizes: Sequence[int], steps: Sequence[float]) -> Value:
    if op.mode == "area":
        sized = type("Size", (), {"size": tuple(sizes)})
        return _adaptive(np.mean)(sized, x, {})
    data = x.data
    for axis, (size, count, step) in enumerate(zip(x.spatial, sizes, steps, strict=True), start=2):
        if op.mode.startswith("nearest"):
            matrix = _chosen(size, count, step, op.mode)
        else:
            matrix = _weighed(size, count, step, op.mode == "bicubic", op.align_corners)
        data = along(matrix, data, axis)
    return x.with_data(data)


def upsample(op: Any, x: Value, own: Held) -> Value:
    factors = op.factor if isinstance(op.factor, tuple) else (op.factor,) * len(x.spatial)
    sizes = [math.floor(n * factor) for n, factor in zip(x.spatial, factors, strict=True)]
    return _resized(op, x, sizes, [1 / factor for factor in factors])


def resize(op: Any, x: Value, own: Held) -> Value:
    sizes = sizes_of(op.size, len(x.spatial))
    return _resized(op, x, sizes, [n / m for n, m in zip(x.spatial, sizes, strict=True)])


# ------------------------------------------------------- padding and channels


def pad(op: Any, x: Value, own: Held) -> Value:
    sides = sides_of(op.sides, x, (1,) * len(x.spatial), (1,) * len(x.spatial), (1,) * len(x.spatial))
    return x.with_data(padded(x.data, sides, op.mode, op.value))


def pad_channels(op: Any, x: Value, own: Held) -> Value:
    return x.with_data(np.pad(x.data, [(0, 0), (op.before, op.after), *[(0, 0)] * len(x.spatial)]))


def crop(op: Any, x: Value, own: Held) -> Value:
    starts = [(n - m) // 2 for n, m in zip(x.spatial, sizes_of(op.size, len(x.spatial)), strict=True)]
    kept = [slice(a, a + m) for a, m in zip(starts, sizes_of(op.size, len(x.spatial)), strict=True)]
    return x.with_data(x.data[(slice(None), slice(None), *kept)])


def shuffle(op: Any, x: Value, own: Held) -> Value:
    apart = x.data.reshape(len(x.data), op.groups, -1, *x.spatial)
    return x.with_data(np.swapaxes(apart, 1, 2).reshape(x.data.shape))


# --------------------------------------------------------------- normalisation


def _normal(data: Array, axes: tuple[int, ...], eps: float) -> Array:
    mean = data.mean(axis=axes, keepdims=True)
    variance = ((data - mean) ** 2).mean(axis=axes, keepdims=True)
    return np.asarray((data - mean) / np.sqrt(variance + eps))


def _scaled(normal: Array, own: Held) -> Array:
    """Each channel scaled and shifted, where there is something to do it with."""
    if "weight" in own:
        normal = normal * over_channels(own["weight"], normal)
    return normal + over_channels(own["bias"], normal) if "bias" in own else normal


def batchnorm(op: Any, x: Value, own: Held) -> Value:
    if not op.track:
        return x.with_data(_scaled(_normal(x.data, (0, *range(2, x.data.ndim)), op.eps), own))
    mean, variance = (over_channels(own[name], x.data) for name in ("running_mean", "running_var"))
    return x.with_data(_scaled((x.data - mean) / np.sqrt(variance + op.eps), own))


def layernorm(op: Any, x: Value, own: Held) -> Value:
    axis = x.place(op.axis, -1)
    last = np.moveaxis(_normal(x.data, (axis,), op.eps), axis, -1) * own.get("weight", 1.0) + own.get("bias", 0.0)
    return x.with_data(np.moveaxis(last, -1, axis))


def groupnorm(op: Any, x: Value, own: Held) -> Value:
    grouped = x.data.reshape(len(x.data), op.groups, -1)
    return x.with_data(_scaled(_normal(grouped, (2,), op.eps).reshape(x.data.shape), own))


def instancenorm(op: Any, x: Value, own: Held) -> Value:
    return x.with_data(_scaled(_normal(x.data, tuple(range(2, x.data.ndim)), op.eps), own))


def lrn(op: Any, x: Value, own: Held) -> Value:
    channels = x.data.shape[1]
    spans = [slice(max(0, c - op.size // 2), c + (op.size - 1) // 2 + 1) for c in range(channels)]
    sums = np.stack([(x.data[:, span] ** 2).sum(axis=1) for span in spans], axis=1)
    return x.with_data(x.data / (op.k + op.alpha * sums / op.size) ** op.beta)


# ----------------------------------------------------------------- activations


def _sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _gelu(x: Array, approximate: str | None) -> Array:
    if approximate == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))))


def _softplus(x: Array, beta: float, threshold: float) -> Array:
    return np.where(beta * x > threshold, x, np.logaddexp(0.0, beta * x) / beta)


def prelu(op: Any, x: Value, own: Held) -> Value:
    slope = over_channels(own["weight"], x.data) if op.channelwise else own["weight"][0]
    return x.with_data(np.where(x.data > 0, x.data, slope * x.data))


def _log_softmax(x: Array, axis: int) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def affine(op: Any, x: Value, own: Held) -> Value:
    scale, shift = (over_channels(np.asarray(numbers, float), x.data) for numbers in (op.scale, op.shift))
    return x.with_data(x.data * scale + shift)


def linear(op: Any, x: Value, own: Held) -> Value:
    axes = (*(None if name == "c" else name for name in x.axes[:-1]), "c")
    return x.with_data(x.data @ own["weight"].T + own.get("bias", 0.0), axes)


SELU = (1.0507009873554805, 1.6732632423543772)
RULES: dict[str, Callable[..., Any]] = {
    "conv": conv, "conv_transpose": conv_transpose, "linear": linear,
    "maxpool": maxpool, "avgpool": avgpool, "adaptive_avgpool": _adaptive(np.mean),
    "adaptive_maxpool": _adaptive(np.max), "gap": _adaptive(np.mean), "gmp": _adaptive(np.max),
    "batchnorm": batchnorm, "layernorm": layernorm, "groupnorm": groupnorm, "instancenorm": instancenorm, "lrn": lrn,
    "relu": each(lambda x: np.maximum(x, 0)), "relu6": each(lambda x: np.clip(x, 0, 6)),
    "leaky_relu": lambda op, x, own: x.with_data(np.where(x.data > 0, x.data, op.slope * x.data)),
    "prelu": prelu, "elu": lambda op, x, own: x.with_data(_elu(x.data, op.alpha)),
    "selu": each(lambda x: SELU[0] * _elu(x, SELU[1])),
    "celu": lambda op, x, own: x.with_data(
        np.maximum(x.data, 0) + np.minimum(0, op.alpha * np.expm1(x.data / op.alpha))),
    "gelu": lambda op, x, own: x.with_data(_gelu(x.data, op.approximate)),
    "silu": each(lambda x: x * _sigmoid(x)), "mish": each(lambda x: x * np.tanh(np.logaddexp(0.0, x))),
    "sigmoid": each(_sigmoid), "log_sigmoid": each(lambda x: -np.logaddexp(0.0, -x)), "tanh": each(np.tanh),
    "softplus": lambda op, x, own: x.with_data(_softplus(x.data, op.beta, op.threshold)),
    "softsign": each(lambda x: x / (1 + np.abs(x))), "hardswish": each(lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "hardsigmoid": each(lambda x: np.clip(x + 3, 0, 6) / 6),
    "hardtanh": lambda op, x, own: x.with_data(np.minimum(np.maximum(x.data, op.low), op.high)),
    "softmax": lambda op, x, own: x.with_data(np.exp(_log_softmax(x.data, x.place(op.axis, -1)))),
    "log_softmax": lambda op, x, own: x.with_data(_log_softmax(x.data, x.place(op.axis, -1))),
    "scale": lambda op, x, own: x.with_data(x.data * op.factor), "affine": affine,
    **dict.fromkeys(("identity", "dropout", "dropout_channels", "stochastic_depth"), lambda op, x, own: x),
    "pad": pad, "pad_channels": pad_channels, "crop": crop, "upsample": upsample, "resize": resize, "shuffle": shuffle,
}  # fmt: skip
