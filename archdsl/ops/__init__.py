"""What operations are: one frozen value each, by the word that a spec writes."""

from __future__ import annotations

from typing import Any

from archdsl.ops.activation import (
    Affine,
    Celu,
    Elementwise,
    Elu,
    Gelu,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyRelu,
    LogSigmoid,
    LogSoftmax,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from archdsl.ops.base import ArgumentError, Described, Init, Input, Learned, Op, ShapeError, Tensor, Word, register
from archdsl.ops.conv import Conv, ConvTranspose
from archdsl.ops.dropout import Dropout, DropoutChannels, StochasticDepth
from archdsl.ops.init import (
    INITS,
    Constant,
    KaimingNormal,
    KaimingUniform,
    Normal,
    NormOf,
    Ones,
    TruncatedNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)
from archdsl.ops.layout import Flatten, Gather, Last, Roll, Shuffle, Slice, Split, TensorLiteral, Unstack
from archdsl.ops.linear import Linear
from archdsl.ops.merge import Add, Attention, Concat, Matmul, Mean, Mul, Stack
from archdsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from archdsl.ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archdsl.ops.rearrange import Rearrange
from archdsl.ops.space import Crop, Pad, PadChannels, Resize, Upsample

OPERATIONS: dict[str, type[Op]] = register(  # type: ignore[assignment]
    Conv,
    ConvTranspose,
    Linear,
    MaxPool,
    AvgPool,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    GlobalAvgPool,
    GlobalMaxPool,
    BatchNorm,
    LayerNorm,
    GroupNorm,
    InstanceNorm,
    LocalResponseNorm,
    Relu,
    Relu6,
    LeakyRelu,
    Prelu,
    Elu,
    Selu,
    Celu,
    Gelu,
    Silu,
    Mish,
    Sigmoid,
    LogSigmoid,
    Tanh,
    Softplus,
    Softsign,
    Hardswish,
    Hardsigmoid,
    Hardtanh,
    Softmax,
    LogSoftmax,
    Scale,
    Affine,
    Identity,
    Dropout,
    DropoutChannels,
    StochasticDepth,
    Add,
    Mul,
    Mean,
    Concat,
    Stack,
    Matmul,
    Attention,
    Split,
    Unstack,
    Slice,
    Last,
    Flatten,
    Rearrange,
    Shuffle,
    Roll,
    Gather,
    TensorLiteral,
    Pad,
    PadChannels,
    Crop,
    Upsample,
    Resize,
)
INITIALIZERS: dict[str, type[Init]] = register(*INITS)  # type: ignore[assignment]
WORDS: frozenset[str] = frozenset(
    word for cls in (*OPERATIONS.values(), *INITIALIZERS.values()) for word in cls.words()
)

_made: dict[Any, Any] = {}
_MADE_LIMIT = 100_000


def make(cls: type[Described], **values: Any) -> Any:
    """`cls.make(**values)`, where equal arguments give the very same value. Raises `ArgumentError`."""
    key = (cls, *((name, _typed(value)) for name, value in values.items()))
    found = _made.get(key)
    if found is None:
        found = cls.make(**values)
        if len(_made) < _MADE_LIMIT:
            _made[key] = found
    return found


def _typed(value: Any) -> Any:
    """A key that tells 1, 1.0 and true apart."""
    if isinstance(value, (tuple, list)):
        return (type(value), *map(_typed, value))
    return (
        (type(value), value)
        if isinstance(value, (bool, int, float, str, Word, Described))
        else (type(value), repr(value))
    )


__all__ = [
    "INITIALIZERS",
    "OPERATIONS",
    "WORDS",
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "Add",
    "Affine",
    "ArgumentError",
    "Attention",
    "AvgPool",
    "BatchNorm",
    "Celu",
    "Concat",
    "Constant",
    "Conv",
    "ConvTranspose",
    "Crop",
    "Described",
    "Dropout",
    "DropoutChannels",
    "Elementwise",
    "Elu",
    "Flatten",
    "Gather",
    "Gelu",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "Init",
    "Input",
    "InstanceNorm",
    "KaimingNormal",
    "KaimingUniform",
    "Last",
    "LayerNorm",
    "LeakyRelu",
    "Learned",
    "Linear",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "Matmul",
    "MaxPool",
    "Mean",
    "Mish",
    "Mul",
    "NormOf",
    "Normal",
    "Ones",
    "Op",
    "Pad",
    "PadChannels",
    "Prelu",
    "Rearrange",
    "Relu",
    "Relu6",
    "Resize",
    "Roll",
    "Scale",
    "Selu",
    "ShapeError",
    "Shuffle",
    "Sigmoid",
    "Silu",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "Split",
    "Stack",
    "StochasticDepth",
    "Tanh",
    "Tensor",
    "TensorLiteral",
    "TruncatedNormal",
    "Uniform",
    "Unstack",
    "Upsample",
    "Word",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "make",
]
