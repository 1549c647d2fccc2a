"""Operations of one value with random arguments that suit a shape: a maker for each, which may find none."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from archdsl import ops
from archdsl.ops.base import Init, Op
from archdsl.shapes import Shape

Maker = Callable[[Random, Shape], Op | None]
EPS = (2.0**-17, 2.0**-10)  # ONNX keeps these exactly, in float32, so that float64 results can be held to 1e-10
WIDTHS = (2, 3, 4, 6, 8)
INITS: tuple[Init | None, ...] = (
    None,
    None,
    ops.KaimingNormal(mode="fan_out"),
    ops.Normal(std=0.2),
    ops.XavierUniform(),
)


def positive(random: Random, low: int, high: int) -> int:
    """A whole number between two bounds, which it may be."""
    return random.randint(low, high)


def _flip(random: Random, chance: float = 0.5) -> bool:
    return random.random() < chance


def _divisor(random: Random, *numbers: int) -> int:
    return random.choice([count for count in (1, 1, 2, 3, 4) if all(number % count == 0 for number in numbers)])


def _size(random: Random, x: Shape, *choices: int) -> Any:
    """A whole number, or now and then one for each spatial axis."""
    if _flip(random, 0.25) and x.rank > 1:
        return tuple(random.choice(choices) for _ in x.spatial)
    return random.choice(choices)


def _odd(kernel: Any) -> bool:
    return all(size % 2 for size in (kernel if isinstance(kernel, tuple) else (kernel,)))


def conv(random: Random, x: Shape) -> Op:
    out, kernel = random.choice(WIDTHS), _size(random, x, 1, 2, 3, 3)
    paddings: list[Any] = ["valid", "same_tf", 1, tuple((positive(random, 0, 1), 1) for _ in x.spatial)]
    paddings += ["same"] * 4 if _odd(kernel) else []
    paddings += ["causal"] if x.rank == 2 else []
    padding = random.choice(paddings)
    return ops.Conv(
        out=out,
        kernel=kernel,
        stride=_size(random, x, 1, 1, 1, 2),
        padding=padding,
        groups=_divisor(random, out, x.sizes[0]),
        dilation=random.choice((1, 1, 1, 2)),
        bias=_flip(random),
        init=random.choice(INITS),
        padding_mode="zeros" if padding == "same_tf" else random.choice(("zeros", "zeros", "reflect", "circular")),
        reparam=random.choice((None, None, None, "weight_norm")),
    )


def conv_transpose(random: Random, x: Shape) -> Op:
    out, stride = random.choice(WIDTHS), random.choice((1, 2))
    return ops.ConvTranspose(
        out=out,
        kernel=_size(random, x, 1, 2, 3),
        stride=stride,
        padding=random.choice((0, 0, 1)),
        output_padding=random.choice((0, stride - 1)),
        groups=_divisor(random, out, x.sizes[0]),
        bias=_flip(random),
    )


def linear(random: Random, x: Shape) -> Op:
    return ops.Linear(out=random.choice(WIDTHS), bias=_flip(random), init=random.choice(INITS))


def maxpool(random: Random, x: Shape) -> Op:
    kernel = _size(random, x, 2, 3)
    padding: Any = random.choice((0, 0, 1, "same_tf", tuple((0, 1) for _ in x.spatial)))
    ceil = _flip(random, 0.3) and isinstance(padding, int)
    return ops.MaxPool(kernel=kernel, stride=random.choice((None, 1, 1, 2)), padding=padding, ceil=ceil)


def avgpool(random: Random, x: Shape) -> Op:
    padding: Any = random.choice((0, 0, 1, "same_tf", tuple((0, 1) for _ in x.spatial)))
    counts = None if padding == 0 else _flip(random)
    ceil = _flip(random, 0.3) and isinstance(padding, int)
    stride = random.choice((None, 1, 1, 2))
    return ops.AvgPool(kernel=_size(random, x, 2, 3), stride=stride, padding=padding, ceil=ceil, count_padding=counts)


def batchnorm(random: Random, x: Shape) -> Op:
    affine, track = _flip(random, 0.8), _flip(random, 0.85)
    init = random.choice((None, ops.Zeros(), ops.Constant(value=0.7))) if affine else None
    return ops.BatchNorm(
        eps=random.choice(EPS), momentum=random.choice((0.1, 0.3, None)), affine=affine, track=track, init=init
    )


def layernorm(random: Random, x: Shape) -> Op | None:
    axes = [name for name, size in zip(x.axes, x.sizes, strict=True) if name is not None and size > 3]
    if not axes:
        return None
    affine = _flip(random, 0.8)
    return ops.LayerNorm(axis=random.choice(axes), affine=affine, bias=_flip(random), eps=random.choice(EPS))


def groupnorm(random: Random, x: Shape) -> Op | None:
    groups = _divisor(random, x.sizes[0])
    return (
        ops.GroupNorm(groups=groups, eps=random.choice(EPS), affine=_flip(random, 0.7))
        if x.elements // groups > 5
        else None
    )


def instancenorm(random: Random, x: Shape) -> Op | None:
    return ops.InstanceNorm(eps=random.choice(EPS), affine=_flip(random)) if x.elements // x.sizes[0] > 5 else None


def lrn(random: Random, x: Shape) -> Op:
    return ops.LocalResponseNorm(size=random.choice((2, 3, 5)), alpha=random.choice((2.0**-13, 0.125)), k=1.0)


def softmax(random: Random, x: Shape) -> Op:
    axis = random.choice([None, *(name for name in x.axes if name is not None)])
    return random.choice((ops.Softmax, ops.LogSoftmax))(axis=axis)


def adaptive(random: Random, x: Shape) -> Op:
    return random.choice((ops.AdaptiveAvgPool, ops.AdaptiveMaxPool))(size=_size(random, x, 1, 2, 3, 4))


def whole_pool(random: Random, x: Shape) -> Op:
    return random.choice((ops.GlobalAvgPool, ops.GlobalMaxPool))()


def slice_(random: Random, x: Shape) -> Op | None:
    axes = [(name, size) for name, size in zip(x.axes, x.sizes, strict=True) if name is not None and size > 2]
    if not axes:
        return None
    name, size = random.choice(axes)
    start = positive(random, 0, size - 2)
    return ops.Slice(start=start, stop=random.choice((None, positive(random, start + 1, size))), axis=name)


def roll(random: Random, x: Shape) -> Op | None:
    names = [name for name in x.axes if name is not None]
    return ops.Roll(shift=random.choice((-2, 1, 3)), axis=random.choice(names)) if names else None


def gather(random: Random, x: Shape) -> Op:
    axis = random.choice((None, *(name for name in x.axes if name is not None)))
    size = x.sizes[0 if axis is None else x.axes.index(axis)]
    rows, columns = random.randint(1, 3), random.randint(1, 3)
    if x.rank > 2 or random.random() < 0.7:
        return ops.Gather(indices=tuple(random.randrange(size) for _ in range(rows * columns)), axis=axis)
    table = tuple(tuple(random.randrange(size) for _ in range(columns)) for _ in range(rows))
    return ops.Gather(indices=table, axis=axis)


def numbers(random: Random, sizes: tuple[int, ...]) -> Any:
    """Numbers in lists of these sizes; some of them float32 must round."""
    if not sizes:
        return random.choice((-1.5, 0.1, 0.5, 2, 1 / 3))
    return tuple(numbers(random, sizes[1:]) for _ in range(sizes[0]))


def last(random: Random, x: Shape) -> Op | None:
    names = [name for name in x.axes if name is not None]
    return ops.Last(axis=random.choice((None, *names))) if x.rank > 2 and _flip(random, 0.5) else None


def rearrange(random: Random, x: Shape) -> Op | None:
    if x.axes == ("c", "h", "w"):
        patterns: list[tuple[str, tuple[tuple[str, int], ...]]] = [("c h w -> h w c", ()), ("c h w -> c w h", ())]
        patterns += [("c h w -> c (h w)", ()), ("c h w -> c h w n", (("n", 2),))]
        if x.sizes[1] % 2 == 0:
            patterns.append(("c (h p) w -> (c p) h w", (("p", 2),)))
        pattern, sizes = random.choice(patterns)
        return ops.Rearrange(pattern=pattern, sizes=sizes)
    if x.axes == ("h", "w", "c"):
        return ops.Rearrange(pattern="h w c -> c h w")
    if x.axes == ("c", "l"):
        return random.choice(
            (ops.Rearrange(pattern="c l -> l c"), ops.Rearrange(pattern="c l -> c l w", sizes=(("w", 3),)))
        )
    if x.axes == ("l", "c"):
        return ops.Rearrange(pattern="l c -> c l")
    return None


def shuffle(random: Random, x: Shape) -> Op:
    return ops.Shuffle(groups=_divisor(random, x.sizes[0]))


def pad(random: Random, x: Shape) -> Op:
    sides: Any = random.choice((1, 2, tuple((positive(random, 0, 2), 1) for _ in x.spatial)))
    mode = random.choice(("constant", "reflect", "replicate", "circular"))
    return ops.Pad(sides=sides, mode=mode, value=random.choice((0.0, 0.5)) if mode == "constant" else 0.0)


def pad_channels(random: Random, x: Shape) -> Op:
    return ops.PadChannels(before=positive(random, 0, 2), after=positive(random, 0, 2))


def crop(random: Random, x: Shape) -> Op:
    return ops.Crop(size=_size(random, x, 3, 4, 5))


def _mode(random: Random, x: Shape) -> tuple[str, bool]:
    modes = {2: ("linear",), 3: ("bilinear", "bicubic"), 4: ("trilinear",)}.get(x.rank, ())
    mode = random.choice(("nearest", "nearest_exact", "area", *modes, *modes))
    return mode, mode in modes and _flip(random, 0.3)


def upsample(random: Random, x: Shape) -> Op:
    mode, corners = _mode(random, x)
    return ops.Upsample(factor=random.choice((2, 1.5, 0.6, 1, 1.25, 2.25, 3, 0.5)), mode=mode, align_corners=corners)  # type: ignore[arg-type]


def resize(random: Random, x: Shape) -> Op:
    mode, corners = _mode(random, x)
    return ops.Resize(size=_size(random, x, 3, 4, 6), mode=mode, align_corners=corners)  # type: ignore[arg-type]


def activation(random: Random, x: Shape) -> Op:
    made: tuple[Op, ...] = (
        *(ops.Relu(), ops.Relu(), ops.Relu6(), ops.Selu(), ops.Silu(), ops.Mish(), ops.Sigmoid(), ops.LogSigmoid()),
        *(ops.Tanh(), ops.Softsign(), ops.Hardswish(), ops.Hardsigmoid(), ops.Identity(), ops.Elu(), ops.Gelu()),
        *(ops.LeakyRelu(slope=0.25), ops.Celu(alpha=0.5), ops.Gelu(approximate="tanh"), ops.Hardtanh(low=-2.0)),
        *(ops.Softplus(beta=2.0), ops.Scale(factor=-0.7), ops.Prelu(), ops.Prelu(channelwise=True), ops.Elu(alpha=0.5)),
    )
    return random.choice(made)


def dropout(random: Random, x: Shape) -> Op:
    return random.choice((ops.Dropout, ops.DropoutChannels))(rate=random.choice((0.0, 0.0, 0.5)))


def flatten(random: Random, x: Shape) -> Op | None:
    return ops.Flatten() if _flip(random, 0.1) else None


def affine(random: Random, x: Shape) -> Op:
    numbers = [tuple(random.choice((-1.5, 0.1, 0.5, 2.0)) for _ in range(x.sizes[0])) for _ in range(2)]
    return ops.Affine(scale=numbers[0], shift=numbers[1])


UNARY: tuple[Maker, ...] = (
    *(conv,) * 8,
    *(conv_transpose, conv_transpose, linear, linear, maxpool, maxpool, avgpool, avgpool, affine),
    *(batchnorm, batchnorm, batchnorm, layernorm, layernorm, groupnorm, instancenorm, lrn, softmax, adaptive),
    *(activation,) * 8,
    *(
        whole_pool,
        slice_,
        roll,
        gather,
        last,
        rearrange,
        rearrange,
        shuffle,
        pad,
        pad,
        pad_channels,
        crop,
        upsample,
        resize,
    ),
    *(dropout, dropout, flatten),
)
