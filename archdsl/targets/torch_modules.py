"""The modules of torch that operations are: a function for each, in a table by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from archdsl import ops
from archdsl.ops.base import Op
from archdsl.ops.common import axis_index, per_axis
from archdsl.ops.window import Window
from archdsl.outline.call import Argument, Call
from archdsl.shapes import Shape
from archdsl.targets.torch_calls import (
    adaptive_size,
    dims,
    flat,
    keyword,
    pool_own,
    pool_settings,
    positional,
    resized,
    size_of,
)
from archdsl.targets.torch_definitions import conv_name


def _conv(op: ops.Conv, x: Shape) -> Call:
    window = op.window(x)
    normed = op.reparam == "weight_norm"
    kind = _conv_kind(op, window)
    own = {
        "SameTF": (),
        "Padded": (keyword("sides", flat(window.sides)),),
        "plain": (keyword("padding", size_of(window.symmetric or (0,)), 0),),
    }[kind]
    name = conv_name(dims(x), kind, normed)
    moded = kind == "Padded" or (kind == "plain" and not normed)
    return Call(
        f"nn.{name}" if kind == "plain" and not normed else name,
        (
            *_channels(x.sizes[0], op.out, window),
            keyword("stride", size_of(window.stride), 1),
            *own,
            keyword("dilation", size_of(window.dilation), 1),
            keyword("groups", op.groups, 1),
            keyword("bias", op.bias, True),
            *((keyword("padding_mode", op.padding_mode, "zeros"),) if moded else ()),
        ),
    )


def _conv_kind(op: ops.Conv, window: Window) -> str:
    """Which class: with torch's padding, with its own on each side, or with TensorFlow's, taken from the input."""
    if op.padding == "same_tf" and not window.same_tf_is_symmetric:
        return "SameTF"
    # Ours with a weight norm pads with zeros only, so that other modes take the sides.
    reflecting = op.reparam == "weight_norm" and op.padding_mode != "zeros" and window.symmetric not in (None, ())
    return "Padded" if window.symmetric is None or reflecting else "plain"


def _channels(inner: int, outer: int, window: Window) -> tuple[Argument, ...]:
    return (
        positional("in_channels", inner),
        positional("out_channels", outer),
        positional("kernel_size", size_of(window.kernel)),
    )


def _conv_transpose(op: ops.ConvTranspose, x: Shape) -> Call:
    window = op.window(x)
    return Call(
        f"nn.ConvTranspose{dims(x)}d",
        (
            *_channels(x.sizes[0], op.out, window),
            keyword("stride", size_of(window.stride), 1),
            keyword("padding", size_of(window.symmetric or (0,)), 0),
            keyword("output_padding", size_of(per_axis(op.output_padding, dims(x), "output_padding")), 0),
            keyword("groups", op.groups, 1),
            keyword("bias", op.bias, True),
            keyword("dilation", size_of(window.dilation), 1),
        ),
    )


def _pool_name(op: Op) -> str:
    return "MaxPool" if isinstance(op, ops.MaxPool) else "AvgPool"


def _pool(op: ops.MaxPool | ops.AvgPool, x: Shape) -> Call:
    window = op.window(x)
    own = pool_own(op, window)
    if op.padding == "same_tf":
        sizes = (positional("kernel_size", window.kernel), keyword("stride", window.stride))
        more = keyword("dilation", window.dilation) if isinstance(op, ops.MaxPool) else own[0]
        return Call(f"SameTF{_pool_name(op)}{dims(x)}d", (*sizes, Argument(more.name, more.value)))
    kernel = positional("kernel_size", size_of(window.kernel))
    stride = keyword("stride", size_of(window.stride), size_of(window.kernel))
    if window.symmetric is None:
        name = f"Padded{_pool_name(op)}{dims(x)}d"
        return Call(name, (kernel, keyword("sides", flat(window.sides)), stride, *own))
    return Call(f"nn.{_pool_name(op)}{dims(x)}d", (kernel, stride, *pool_settings(op, window)))


def _adaptive(op: Any, x: Shape) -> Call:
    word = "Max" if isinstance(op, (ops.AdaptiveMaxPool, ops.GlobalMaxPool)) else "Avg"
    return Call(f"nn.Adaptive{word}Pool{dims(x)}d", (adaptive_size(op, x),))


def _linear(op: ops.Linear, x: Shape) -> Call:
    features = (positional("in_features", x.sizes[-1]), positional("out_features", op.out))
    return Call("nn.Linear", (*features, keyword("bias", op.bias, True)))


def _batchnorm(op: ops.BatchNorm, x: Shape) -> Call:
    return Call(
        f"nn.BatchNorm{dims(x)}d",
        (
            positional("num_features", x.sizes[0]),
            keyword("eps", op.eps, 1e-5),
            keyword("momentum", op.momentum, 0.1),
            keyword("affine", op.affine, True),
            keyword("track_running_stats", op.track, True),
        ),
    )


def _layernorm(op: ops.LayerNorm, x: Shape) -> Call:
    at = axis_index(op, x, op.axis, -1)
    last = at == x.rank - 1
    settings = (
        keyword("eps", op.eps, 1e-5),
        keyword("elementwise_affine", op.affine, True),
        keyword("bias", op.bias, True),
    )
    if last:
        return Call("nn.LayerNorm", (positional("normalized_shape", x.sizes[at]), *settings))
    return Call("ChannelLayerNorm", (positional("channels", x.sizes[at]), keyword("dim", at + 1, 1), *settings))


def _groupnorm(op: ops.GroupNorm, x: Shape) -> Call:
    sizes = (positional("num_groups", op.groups), positional("num_channels", x.sizes[0]))
    return Call("nn.GroupNorm", (*sizes, keyword("eps", op.eps, 1e-5), keyword("affine", op.affine, True)))


def _instancenorm(op: ops.InstanceNorm, x: Shape) -> Call:
    settings = (keyword("eps", op.eps, 1e-5), keyword("affine", op.affine, False))
    return Call(f"nn.InstanceNorm{dims(x)}d", (positional("num_features", x.sizes[0]), *settings))


def _lrn(op: ops.LocalResponseNorm, x: Shape) -> Call:
    settings = (keyword("alpha", op.alpha, 1e-4), keyword("beta", op.beta, 0.75), keyword("k", op.k, 1.0))
    return Call("nn.LocalResponseNorm", (positional("size", op.size), *settings))


def _prelu(op: ops.Prelu, x: Shape) -> Call:
    count = x.sizes[0] if op.channelwise else 1
    return Call("nn.PReLU", (keyword("num_parameters", count, 1), keyword("init", op.slope, 0.25)))


def _softmax(op: ops.Softmax | ops.LogSoftmax, x: Shape) -> Call:
    name = "nn.Softmax" if isinstance(op, ops.Softmax) else "nn.LogSoftmax"
    return Call(name, (keyword("dim", axis_index(op, x, op.axis, -1) + 1),))


def _shuffle(op: ops.Shuffle, x: Shape) -> Call:
    return Call("nn.ChannelShuffle", (positional("groups", op.groups),))


MODULES: dict[type[Op], Callable[..., Call]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    ops.Linear: _linear,
    ops.MaxPool: _pool,
    ops.AvgPool: _pool,
    ops.AdaptiveAvgPool: _adaptive,
    ops.AdaptiveMaxPool: _adaptive,
    ops.GlobalAvgPool: _adaptive,
    ops.GlobalMaxPool: _adaptive,
    ops.BatchNorm: _batchnorm,
    ops.LayerNorm: _layernorm,
    ops.GroupNorm: _groupnorm,
    ops.InstanceNorm: _instancenorm,
    ops.LocalResponseNorm: _lrn,
    ops.Prelu: _prelu,
    ops.Softmax: _softmax,
    ops.LogSoftmax: _softmax,
    ops.DropoutChannels: lambda op, x: Call(f"nn.Dropout{dims(x)}d", (keyword("p", op.rate, 0.5),)),
    ops.StochasticDepth: lambda op, x: Call("StochasticDepth", (positional("p", op.rate),)),
    ops.Flatten: lambda op, x: Call("nn.Flatten"),
    ops.Shuffle: _shuffle,
    ops.TensorLiteral: lambda op: Call("Constant", (positional("values", op.values),)),
    ops.Upsample: lambda op, x: Call("nn.Upsample", resized(op, x)),
    ops.Resize: lambda op, x: Call("nn.Upsample", resized(op, x)),
}


def _axes(call: Call, x: Shape) -> Call:
    """The class that takes a value of these axes with a batch or without one, in the stead of torch's own."""
    first = tuple(argument for argument in call.arguments if argument.positional)
    rest = tuple(argument for argument in call.arguments if not argument.positional)
    return Call(f"Either{call.function.removeprefix('nn.')}", (*first, keyword("axes", x.rank), *rest))


def _either_layernorm(op: ops.LayerNorm, x: Shape) -> Call:
    """The same class, its axis counted from the last."""
    call, at = _layernorm(op, x), axis_index(op, x, op.axis, -1)
    counted = (replace(item, value=at - x.rank) if item.name == "dim" else item for item in call.arguments)
    return Call(call.function, tuple(counted))


def _either_prelu(op: ops.Prelu, x: Shape) -> Call:
    return _axes(_prelu(op, x), x) if op.channelwise and x.rank else _prelu(op, x)


# What has another form where a value may have no batch; all else takes both as it is.
EITHER_MODULES: dict[type[Op], Callable[..., Call]] = {
    ops.BatchNorm: lambda op, x: _axes(_batchnorm(op, x), x),
    ops.GroupNorm: lambda op, x: _axes(_groupnorm(op, x), x),
    ops.LayerNorm: _either_layernorm,
    ops.Prelu: _either_prelu,
    ops.DropoutChannels: lambda op, x: _axes(MODULES[ops.DropoutChannels](op, x), x),
    ops.StochasticDepth: lambda op, x: _axes(MODULES[ops.StochasticDepth](op, x), x),
}
