"""What each operation means, said once more in plain torch: the second opinion, in inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from archdsl import ops
from archdsl.ops.base import Op
from archdsl.ops.common import per_axis
from archdsl.shapes import Shape

torch.set_num_threads(1)
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
PLAIN: dict[type[Op], Any] = {
    ops.Relu: F.relu,
    ops.Relu6: F.relu6,
    ops.Selu: F.selu,
    ops.Silu: F.silu,
    ops.Mish: F.mish,
    ops.Sigmoid: torch.sigmoid,
    ops.LogSigmoid: F.logsigmoid,
    ops.Tanh: torch.tanh,
    ops.Softsign: F.softsign,
    ops.Hardswish: F.hardswish,
    ops.Hardsigmoid: F.hardsigmoid,
    ops.Identity: lambda x: x,
    ops.Dropout: lambda x: x,
    ops.DropoutChannels: lambda x: x,
    ops.StochasticDepth: lambda x: x,
}


def written(op: ops.TensorLiteral, like: Tensor) -> Tensor:
    """The numbers of a literal as one example, in the type of a value, rounded to float32 before."""
    return torch.tensor(op.values, dtype=torch.float32).to(like.dtype)[None]


def compute(op: Op, values: list[Tensor], shapes: tuple[Shape, ...], weights: Mapping[str, Tensor]) -> Any:
    """The results of one operation on values that all have a batch."""
    if type(op) in PLAIN:
        return PLAIN[type(op)](*values)
    x, shape = values[0], shapes[0]
    dims = shape.rank - 1
    weight, bias = weights.get("weight"), weights.get("bias")
    match op:
        case ops.Conv():
            window = op.window(shape)
            if op.reparam:
                v = weights["weight_v"]
                weight = weights["weight_g"] * v / v.flatten(1).norm(dim=1).reshape(-1, *[1] * (dims + 1))
            mode = "constant" if op.padding_mode == "zeros" else op.padding_mode
            x = F.pad(x, _around(window.sides), mode=mode)
            return CONV[dims](x, weight, bias, window.stride, 0, window.dilation, op.groups)
        case ops.ConvTranspose():
            window = op.window(shape)
            whole = CONV_TRANSPOSE[dims](x, weight, bias, window.stride, 0, 0, op.groups, window.dilation)
            extra = per_axis(op.output_padding, dims, "output_padding")
            if any(extra):  # beyond the last window there is only the bias
                grown = whole.new_zeros(
                    (*whole.shape[:2], *(n + e for n, e in zip(whole.shape[2:], extra, strict=True)))
                )
                grown += 0 if bias is None else bias.reshape(-1, *[1] * dims)
                grown[(..., *(slice(0, n) for n in whole.shape[2:]))] = whole
                whole = grown
            cut = (slice(a, n - b) for (a, b), n in zip(window.sides, whole.shape[2:], strict=True))
            return whole[(..., *cut)]
        case ops.Linear():
            return F.linear(x, weight, bias)
        case ops.MaxPool():
            window = op.window(shape)
            if window.symmetric is not None:
                return MAX_POOL[dims](x, window.kernel, window.stride, window.symmetric, window.dilation, op.ceil)
            x = F.pad(x, _around(window.sides), value=-np.inf)
            return MAX_POOL[dims](x, window.kernel, window.stride, 0, window.dilation)
        case ops.AvgPool():
            window = op.window(shape)
            if window.symmetric is not None and op.padding != "same_tf":
                return AVG_POOL[dims](
                    x, window.kernel, window.stride, window.symmetric, op.ceil, bool(op.count_padding)
                )
            padded = AVG_POOL[dims](F.pad(x, _around(window.sides)), window.kernel, window.stride)
            if op.count_padding:
                return padded
            ones = F.pad(torch.ones_like(x), _around(window.sides))
            return padded / AVG_POOL[dims](ones, window.kernel, window.stride)
        case ops.AdaptiveAvgPool():
            return ADAPTIVE_AVG[dims](x, per_axis(op.size, dims, "size"))
        case ops.AdaptiveMaxPool():
            return ADAPTIVE_MAX[dims](x, per_axis(op.size, dims, "size"))
        case ops.GlobalAvgPool():
            return x.mean(dim=tuple(range(2, dims + 2)), keepdim=True)
        case ops.GlobalMaxPool():
            return x.amax(dim=tuple(range(2, dims + 2)), keepdim=True)
        case ops.BatchNorm():
            tracked = (weights.get("running_mean"), weights.get("running_var"))
            return F.batch_norm(x, *tracked, weight, bias, not op.track, 0.0, op.eps)
        case ops.LayerNorm():
            axis = 1 + (dims if op.axis is None else shape.axes.index(op.axis))
            last = x.movedim(axis, -1)
            return F.layer_norm(last, last.shape[-1:], weight, bias, op.eps).movedim(-1, axis)
        case ops.GroupNorm():
            return F.group_norm(x, op.groups, weight, bias, op.eps)
        case ops.InstanceNorm():
            return F.instance_norm(x, weight=weight, bias=bias, eps=op.eps)
        case ops.LocalResponseNorm():
            return F.local_response_norm(x, op.size, op.alpha, op.beta, op.k)
        case _:
            return _more(op, values, shapes, weight)


def _more(op: Op, values: list[Tensor], shapes: tuple[Shape, ...], weight: Tensor | None) -> Any:
    x, shape = values[0], shapes[0]

    def dim(axis: str | None, default: int) -> int:
        return 1 + (default % shape.rank if axis is None else shape.axes.index(axis))

    match op:
        case ops.LeakyRelu():
            return F.leaky_relu(x, op.slope)
        case ops.Prelu():
            return F.prelu(x, weight)
        case ops.Elu():
            return F.elu(x, op.alpha)
        case ops.Celu():
            return F.celu(x, op.alpha)
        case ops.Gelu():
            return F.gelu(x, approximate=op.approximate or "none")
        case ops.Softplus():
            return F.softplus(x, op.beta, op.threshold)
        case ops.Hardtanh():
            return F.hardtanh(x, op.low, op.high)
        case ops.Softmax():
            return F.softmax(x, dim(op.axis, -1))
        case ops.LogSoftmax():
            return F.log_softmax(x, dim(op.axis, -1))
        case ops.Scale():
            return x * op.factor
        case ops.Affine():
            over = (-1, *(1 for _ in shape.spatial))
            return x * x.new_tensor(op.scale).reshape(over) + x.new_tensor(op.shift).reshape(over)
        case ops.Add():
            return sum(values[1:], x)
        case ops.Mul():
            for value in values[1:]:
                x = x * value
            return x
        case ops.Mean():
            return sum(values[1:], x) / len(values)
        case ops.Concat():
            return torch.cat(values, op.place(*shapes) + 1)
        case ops.Stack():
            return torch.stack(values, 1)
        case ops.Matmul():
            return torch.matmul(*values)
        case ops.Attention():
            return F.scaled_dot_product_attention(*values, is_causal=op.causal, scale=op.scale)
        case ops.Split():
            return list(torch.split(x, op.sizes(shape), dim(op.axis, 0)))
        case ops.Unstack():
            return list(torch.unbind(x, dim(op.axis, 0)))
        case ops.Slice():
            axis = dim(op.axis, 0)
            stop = x.shape[axis] if op.stop is None else op.stop
            return x.narrow(axis, op.start, stop - op.start)
        case ops.Last():
            return x.select(dim(op.axis, -1), -1)
        case ops.Flatten():
            return x.flatten(1)
        case ops.Rearrange():
            return _einops(op, x)
        case ops.Shuffle():
            return x.unflatten(1, (op.groups, -1)).transpose(1, 2).flatten(1, 2)
        case ops.Roll():
            return torch.roll(x, op.shift, dim(op.axis, 0))
        case ops.Gather():
            at = dim(op.axis, 0)
            places = torch.tensor(op.indices)
            return torch.index_select(x, at, places.reshape(-1)).unflatten(at, tuple(places.shape))
        case ops.Pad():
            return F.pad(x, _around(op.amounts(shape)), mode=op.mode, value=op.value if op.mode == "constant" else None)
        case ops.PadChannels():
            return F.pad(x, (0, 0) * (shape.rank - 1) + (op.before, op.after))
        case ops.Crop():
            for axis, kept in enumerate(per_axis(op.size, shape.rank - 1, "size"), 2):
                x = x.narrow(axis, (x.shape[axis] - kept) // 2, kept)
            return x
        case ops.Upsample():
            factors = tuple(float(factor) for factor in op.factors(shape))
            return F.interpolate(x, scale_factor=factors, mode=op.mode.replace("_", "-"), **_corners(op))
        case ops.Resize():
            size = per_axis(op.size, shape.rank - 1, "size")
            return F.interpolate(x, size=size, mode=op.mode.replace("_", "-"), **_corners(op))
    raise NotImplementedError(type(op))


def _corners(op: ops.Upsample | ops.Resize) -> dict[str, bool]:
    return {"align_corners": op.align_corners} if op.mode.endswith("linear") or op.mode == "bicubic" else {}


def _around(sides: Any) -> tuple[int, ...]:
    """Amounts before and after each axis in the order of `F.pad`: the last axis first."""
    return tuple(amount for pair in reversed(tuple(sides)) for amount in pair)


def _einops(op: ops.Rearrange, x: Tensor) -> Tensor:
    """The pattern carried out element by element, by where each named index comes from."""
    left, right = (_names(side) for side in op.pattern.split("->"))
    sizes = dict(op.sizes)
    for group, size in zip(left, x.shape[1:], strict=True):
        open_ = [name for name in group if name not in sizes]
        known = int(np.prod([sizes[name] for name in group if name in sizes]))
        sizes |= dict.fromkeys(open_, size // known)
    result = torch.empty(
        (x.shape[0], *(int(np.prod([sizes[name] for name in group])) for group in right)), dtype=x.dtype
    )
    order = [name for group in right for name in group]
    for index in np.ndindex(*(sizes[name] for name in order)):
        at = dict(zip(order, index, strict=True))
        result[(slice(None), *_flat(right, at, sizes))] = x[(slice(None), *_flat(left, at, sizes))]
    return result


def _names(side: str) -> list[list[str]]:
    groups: list[list[str]] = []
    inside = False
    for word in side.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(":
            groups.append([])
            inside = True
        elif word == ")":
            inside = False
        elif inside:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _flat(groups: list[list[str]], at: dict[str, int], sizes: dict[str, int]) -> tuple[int, ...]:
    places = []
    for group in groups:
        place = 0
        for name in group:
            place = place * sizes[name] + at[name]
        places.append(place)
    return tuple(places)
