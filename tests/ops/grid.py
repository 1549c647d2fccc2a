"""The grid: for each operation arguments and shapes to try, and the same operation written by hand in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archdsl.ops.init import Constant, Normal
from archdsl.shapes import Shape

Sizes = tuple[int, ...]
Reference = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """All combinations of the arguments' values on all the inputs; `reference` is a module or function of them."""

    word: str
    reference: Reference
    inputs: tuple[tuple[Sizes, ...], ...]
    arguments: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def points(self) -> Iterator[tuple[dict[str, Any], tuple[Shape, ...]]]:
        for values in product(*self.arguments.values()):
            given = {name: value for name, value in zip(self.arguments, values, strict=True) if value is not ...}
            for sizes in self.inputs:
                yield given, tuple(Shape.of(*each) for each in sizes)


def one(*sizes: Sizes) -> tuple[tuple[Sizes, ...], ...]:
    return tuple((each,) for each in sizes)


def dims(x: Shape) -> int:
    return x.rank - 1


def _known(given: dict[str, Any], *names: str) -> None:
    unknown = set(given) - set(names)
    if unknown:
        raise TypeError(f"unknown {unknown}")


def module(
    name: str, *positions: Callable[[Shape], Any] | str, fixed: dict[str, Any] | None = None, **renamed: str
) -> Reference:
    """torch's module of that name (`{n}` is the input's dimension), its arguments renamed from the language's."""

    def build(x: Shape, *more: Shape, **given: Any) -> Any:
        cls = getattr(nn, name.format(n=dims(x)))
        first = [given.pop(item) if isinstance(item, str) else item(x) for item in positions]
        _known(given, *renamed)
        keywords = {renamed[key]: value for key, value in given.items()}
        return cls(*first, **{**(fixed or {}), **keywords})

    return build


def function(make: Callable[..., Any], *names: str) -> Reference:
    """A function of the tensors (first) and the arguments by name."""

    def build(*shapes: Shape, **given: Any) -> Any:
        _known(given, *names)
        return lambda *values: make(*values, **given)

    return build


def channels(x: Shape) -> int:
    return x.sizes[0]


def last(x: Shape) -> int:
    return x.sizes[-1]


def _conv(x: Shape, out: int, kernel: Any, stride: Any = 1, padding: Any = "same", **given: Any) -> nn.Module:
    _known(given, "groups", "dilation", "bias", "padding_mode", "init")
    given.pop("init", None)
    n = dims(x)
    if padding == "same":
        each = lambda value: value if isinstance(value, tuple) else (value,) * n  # noqa: E731
        kernels, steps = each(kernel), each(given.get("dilation", 1))
        padding = tuple(step * (size - 1) // 2 for size, step in zip(kernels, steps, strict=True))
    if padding == "valid":
        padding = 0
    made: nn.Module = getattr(nn, f"Conv{n}d")(x.sizes[0], out, kernel, stride=stride, padding=padding, **given)
    return made


def _interpolate(x: Tensor, mode: str = "nearest", align_corners: bool = False, **given: Any) -> Tensor:
    kind = {"factor": "scale_factor", "size": "size"}
    keywords = {kind[key]: float(v) if key == "factor" and isinstance(v, int) else v for key, v in given.items()}
    return F.interpolate(x, mode=mode.replace("_", "-"), align_corners=align_corners or None, **keywords)


def _pad(x: Tensor, sides: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    n = x.dim() - 2
    each = ((sides, sides),) * n if isinstance(sides, int) else sides
    if len(each) != n:
        raise ValueError("sides")
    pairs = [(item, item) if isinstance(item, int) else item for item in each]
    if min(amount for pair in pairs for amount in pair) < 0:
        raise ValueError("negative")
    return F.pad(x, [amount for pair in reversed(pairs) for amount in pair], mode=mode, value=value)


def _axis(x: Tensor, axis: str) -> int:
    return {3: "cl", 4: "chw", 5: "cdhw", 2: "c"}[x.dim()].index(axis) + 1


def _split(x: Tensor, pieces: Any, axis: str = "c") -> tuple[Tensor, ...]:
    dim = _axis(x, axis)
    if isinstance(pieces, int):
        if pieces < 1 or x.shape[dim] % pieces:
            raise ValueError("pieces")
        return x.chunk(pieces, dim)
    return x.split(pieces, dim)


def _mul(*values: Tensor) -> Tensor:
    if len(values) < 2 or len({value.dim() for value in values}) > 1:
        raise ValueError("ranks")
    made = values[0]
    for other in values[1:]:
        made = made * other
    return made


def _sum(*values: Tensor) -> Tensor:
    if len(values) < 2 or len({tuple(value.shape) for value in values}) > 1:
        raise ValueError("shapes")
    made = values[0]
    for other in values[1:]:
        made = made + other
    return made


def _crop(x: Tensor, size: Any) -> Tensor:
    wanted = (size,) * (x.dim() - 2) if isinstance(size, int) else size
    if len(wanted) != x.dim() - 2 or not wanted:
        raise ValueError("size")
    for axis, length in enumerate(wanted, start=2):
        start = (x.shape[axis] - length) // 2
        if length < 1 or start < 0:
            raise ValueError("size")
        x = x.index_select(axis, torch.arange(start, start + length))
    return x


def _drop(p: float) -> nn.Module:
    return nn.Dropout(p).eval()


def _shuffle(x: Tensor, groups: int) -> Tensor:
    if x.dim() < 3:
        raise ValueError("torch's ChannelShuffle takes three axes or more")
    order = torch.arange(x.shape[1]).view(groups, -1).t().reshape(-1)
    return x[:, order]


def _roll(x: Tensor, shift: int, axis: str) -> Tensor:
    return x.roll(shift, _axis(x, axis))


def _gather(x: Tensor, indices: Any, axis: str = "c") -> Tensor:
    """By an explicit index; anything but lists of whole numbers from 0 to below the size is refused."""
    dim = _axis(x, axis)
    places = torch.tensor(indices)
    if places.dtype != torch.int64 or not places.dim() or not places.numel() or places.min() < 0:
        raise ValueError("indices")
    return torch.stack([x.select(dim, int(i)) for i in places.flatten()], dim).unflatten(dim, places.shape)


def _slice(x: Tensor, start: int, stop: int | None = None, axis: str = "c") -> Tensor:
    dim = _axis(x, axis)
    stop = x.shape[dim] if stop is None else stop
    if not 0 <= start < stop <= x.shape[dim]:
        raise ValueError("slice")
    return x.narrow(dim, start, stop - start)


def _channel_norm(x: Shape, **given: Any) -> Any:
    _known(given, "eps", "axis", "affine", "bias")
    at = -1 if "axis" not in given else {1: "c", 2: "cl", 3: "chw"}[x.rank].index(given["axis"])
    norm = nn.LayerNorm(
        x.sizes[at],
        eps=given.get("eps", 1e-5),
        elementwise_affine=given.get("affine", True),
        bias=given.get("bias", True),
    )
    norm.register_forward_pre_hook(lambda _, args: (args[0].movedim(at + (at >= 0), -1),))
    norm.register_forward_hook(lambda _, args, y: y.movedim(-1, at + (at >= 0)))
    return norm


def _affine(x: Tensor, scale: Any, shift: Any) -> Tensor:
    """The definition over an explicit index; lists of another length than the channels are refused."""
    if len(scale) != x.shape[1] or len(shift) != x.shape[1]:
        raise ValueError("one number for each channel")
    return torch.stack([x[:, i] * float(scale[i]) + float(shift[i]) for i in range(x.shape[1])], 1)


def _attention(*values: Tensor, **given: Any) -> Tensor:
    q, k, v = values
    if not 2 < q.dim() == k.dim() == v.dim():
        raise ValueError("ranks")
    scores = q @ k.transpose(-1, -2) * (given.get("scale") or q.shape[-1] ** -0.5)
    if given.get("causal"):
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(~allowed, float("-inf"))
    return scores.softmax(-1) @ v


IMAGES = one((4, 6, 5), (4, 9), (4, 5, 4, 6), (4,), (6, 1, 1))
PLAIN = (*one((4, 6, 5), (4, 9), (4,), (4, 3, 4, 5)), ((4,), (4,)))


def activation(word: str, name: str, **arguments: tuple[str, tuple[Any, ...]]) -> Case:
    renamed = {field: torch_name for field, (torch_name, _) in arguments.items()}
    grid = {field: (..., *values) for field, (_, values) in arguments.items()}
    return Case(word, module(name, **renamed), PLAIN, {**grid, "nonsense": (..., 1)})


CASES: tuple[Case, ...] = (
    Case("conv", _conv, IMAGES, {
        "out": (4, 6), "kernel": (1, 3, (3, 1), 2), "stride": (..., 2, (2, 1)), "padding": (..., 0, 1, "valid", (1, 2)),
        "groups": (..., 2, 4)}),
    Case("conv", _conv, one((4, 6, 5), (4, 9)), {
        "out": (0, 4), "kernel": (0, 3, 5), "dilation": (..., 0, 2, 3), "padding": (0, 3, 6), "stride": (..., 0, 3),
        "padding_mode": ("zeros", "reflect", "replicate", "circular"), "bias": (..., False)}),
    Case("conv_transpose", module(
        "ConvTranspose{n}d", channels, "out", "kernel", stride="stride", padding="padding", groups="groups",
        output_padding="output_padding", dilation="dilation", bias="bias"), IMAGES, {
        "out": (4, 3), "kernel": (1, 2, 3), "stride": (..., 2, (2, 3)), "padding": (..., 1, 4),
        "output_padding": (..., 1, 2), "groups": (..., 2), "dilation": (..., 2)}),
    Case("linear", module("Linear", last, "out", bias="bias"), one((4,), (6, 1, 1)), {
        "out": (0, 1, 7), "bias": (..., False), "nonsense": (..., 1)}),
    Case("maxpool", module(
        "MaxPool{n}d", "kernel", stride="stride", padding="padding", dilation="dilation", ceil="ceil_mode"), IMAGES, {
        "kernel": (0, 1, 2, 3, (3, 2)), "stride": (..., 1, 2, 3, (2, 1)), "padding": (..., 1, 2),
        "dilation": (..., 2), "ceil": (..., True)}),
    Case("avgpool", module(
        "AvgPool{n}d", "kernel", stride="stride", padding="padding", ceil="ceil_mode",
        count_padding="count_include_pad"), IMAGES, {
        "kernel": (0, 1, 2, 3, (3, 2)), "stride": (..., 1, 2, 3, (2, 1)), "padding": (..., 1, 2), "ceil": (..., True),
        "count_padding": (True, False)}),
    Case("adaptive_avgpool", module("AdaptiveAvgPool{n}d", "size"), IMAGES, {"size": (0, 1, 3, (2, 3), (2, 3, 4), 9)}),
    Case("adaptive_maxpool", module("AdaptiveMaxPool{n}d", "size"), IMAGES, {"size": (0, 1, 3, (2, 3), (2, 3, 4), 9)}),
    Case("gap", module("AdaptiveAvgPool{n}d", lambda x: 1), IMAGES, {"nonsense": (..., 1)}),
    Case("gmp", module("AdaptiveMaxPool{n}d", lambda x: 1), IMAGES, {"nonsense": (..., 1)}),
    Case("batchnorm", lambda x, **given: module(
        f"BatchNorm{max(dims(x), 1)}d", channels, eps="eps", momentum="momentum", affine="affine",
        track="track_running_stats")(x, **given), IMAGES + PLAIN[-1:], {
        "eps": (..., 1e-3), "momentum": (..., 0.01, None), "affine": (..., False), "track": (..., False)}),
    Case("layernorm", _channel_norm, one((4, 6, 5), (4,), (4, 9)), {
        "eps": (..., 1e-6), "axis": (..., "c", "h", "q"), "affine": (..., False), "bias": (..., False)}),
    Case("groupnorm", module("GroupNorm", "groups", channels, eps="eps", affine="affine"), IMAGES, {
        "groups": (0, 1, 2, 3, 4), "eps": (..., 1e-3), "affine": (..., False)}),
    Case("instancenorm", module("InstanceNorm{n}d", channels, eps="eps", affine="affine"), IMAGES, {
        "eps": (..., 1e-3), "affine": (..., True), "nonsense": (..., 1)}),
    Case("lrn", module("LocalResponseNorm", "size", alpha="alpha", beta="beta", k="k"), IMAGES, {
        "size": (0, 1, 4, 5), "alpha": (..., 1e-2), "beta": (..., 0.5), "k": (..., 2.0)}),
    activation("relu", "ReLU"),
    activation("relu6", "ReLU6"),
    activation("leaky_relu", "LeakyReLU", slope=("negative_slope", (0.2, "steep"))),
    activation("prelu", "PReLU", slope=("init", (0.1,))),
    Case("prelu", lambda x, channelwise: nn.PReLU(channels(x)), IMAGES, {"channelwise": (True,)}),
    activation("elu", "ELU", alpha=("alpha", (0.5,))),
    activation("selu", "SELU"),
    activation("celu", "CELU", alpha=("alpha", (0.5, 0.0))),
    activation("gelu", "GELU", approximate=("approximate", ("tanh", "sin"))),
    activation("silu", "SiLU"),
    activation("mish", "Mish"),
    activation("sigmoid", "Sigmoid"),
    activation("log_sigmoid", "LogSigmoid"),
    activation("tanh", "Tanh"),
    activation("softplus", "Softplus", beta=("beta", (2.0,)), threshold=("threshold", (1.0,))),
    activation("softsign", "Softsign"),
    activation("hardswish", "Hardswish"),
    activation("hardsigmoid", "Hardsigmoid"),
    activation("hardtanh", "Hardtanh", low=("min_val", (0.5, 3.0)), high=("max_val", (0.5, 2.0))),
    activation("identity", "Identity"),
    Case("softmax", function(lambda x, axis=None: x.softmax(-1 if axis is None else _axis(x, axis)), "axis"), PLAIN, {
        "axis": (..., "c", "h", "q")}),
    Case("log_softmax", function(
        lambda x, axis=None: x.log_softmax(-1 if axis is None else _axis(x, axis)), "axis"), PLAIN, {
        "axis": (..., "c", "h", "q")}),
    Case("scale", function(lambda x, factor: x * float(factor), "factor"), PLAIN, {"factor": (2, 0.5, "half")}),
    Case("affine", function(_affine, "scale", "shift"), PLAIN, {
        "scale": ((2, 0.5, -1.5, 3), (2,), (), 2, (1, "half", 1, 1)), "shift": ((0, 1.5, -2, 0), (0,) * 3, 1)}),
    Case("dropout", module("Dropout", rate="p"), PLAIN, {"rate": (..., 0.0, 0.3, 1.0, 1.5, -0.1)}),
    Case("dropout_channels", module("Dropout{n}d", rate="p"), IMAGES, {"rate": (..., 0.0, 0.3, 1.0, 1.5, -0.1)}),
    Case("stochastic_depth", lambda x, rate: _drop(rate), PLAIN, {"rate": (0.0, 0.3, 1.0, 1.5, -0.1)}),
    Case("flatten", module("Flatten"), PLAIN, {"nonsense": (..., 1)}),
    Case("pad", function(_pad, "sides", "mode", "value"), IMAGES, {
        "sides": (0, 1, 4, 5, 6, -1, (1, 2), ((0, 1), (2, 3)), ((3,),)),
        "mode": (..., "constant", "reflect", "replicate", "circular")}),
    Case("pad", function(_pad, "sides", "value"), IMAGES, {"sides": (1, ((0, 2),)), "value": (1.5, -2)}),
    Case("pad_channels", function(
        lambda x, before=0, after=0: torch.cat([
            x.new_zeros(x.shape[0], before, *x.shape[2:]), x, x.new_zeros(x.shape[0], after, *x.shape[2:])], 1),
        "before", "after"), IMAGES, {"before": (..., 0, 2, -1), "after": (..., 3)}),
    Case("crop", function(_crop, "size"), IMAGES, {"size": (0, 1, 3, 4, 6, (2, 3), (3, 3, 3))}),
    Case("upsample", function(_interpolate, "factor", "mode", "align_corners"), IMAGES, {
        "factor": (1, 2, 1.5, 0.4, 0.1, (2, 3), 1.1, 2.1, 0, -1),
        "mode": (..., "nearest", "nearest_exact", "linear", "bilinear", "bicubic", "trilinear", "area"),
        "align_corners": (..., True)}),
    Case("resize", function(_interpolate, "size", "mode", "align_corners"), IMAGES, {
        "size": (0, 1, 7, (3, 8)),
        "mode": (..., "nearest", "nearest_exact", "linear", "bilinear", "bicubic", "trilinear", "area"),
        "align_corners": (..., True)}),
    Case("shuffle", function(_shuffle, "groups"), IMAGES, {"groups": (0, 1, 2, 3, 4)}),
    Case("split", function(_split, "pieces", "axis"), PLAIN, {
        "pieces": (0, 1, 2, 3, 4, (1, 3), (1, 1), (1, 2, 1)), "axis": (..., "c", "h", "q")}),
    Case("unstack", function(
        lambda x, axis="c": x.unbind(_axis(x, axis)), "axis"), PLAIN, {"axis": (..., "h", "q")}),
    Case("last", function(
        lambda x, axis=None: x.select(-1 if axis is None else _axis(x, axis), -1), "axis"), PLAIN, {
        "axis": (..., "c", "h", "q")}),
    Case("slice", function(_slice, "start", "stop", "axis"), PLAIN, {
        "start": (0, 1, 3, 4), "stop": (..., 0, 2, 4, 6), "axis": (..., "h")}),
    Case("roll", function(_roll, "shift", "axis"), PLAIN, {"shift": (0, 1, -2), "axis": ("c", "h", "q")}),
    Case("gather", function(_gather, "indices", "axis"), PLAIN, {
        "indices": ((0,), (3, 0, 0), (4,), (-1,), (), 1, ((0, 1), (2, 0)), ((0,), (1, 2)), (0.5,), (True,)),
        "axis": (..., "c", "h", "q")}),
    Case("tensor", function(lambda values: torch.tensor(values, dtype=torch.float32), "values"), ((),), {"values": (
        (1,), (0.5, -2), ((1, 2, 3), (4, 5, 6)), (((1.5,),),), (), 2, (1, (2,)), ((1, 2), (3,)), ("a",), (1e39,),
        (True,), ((((((((((1,),),),),),),),),),))}),
    Case("rearrange", function(lambda x, pattern: x.permute(0, 2, 3, 1), "pattern"), one((4, 6, 5), (4, 9), (4,)), {
        "pattern": ("c h w -> h w c",)}),
    Case("rearrange", function(lambda x, pattern, p=2: x.reshape(
        x.shape[0], x.shape[1], x.shape[2] // p, p, x.shape[3]).permute(0, 1, 3, 2, 4).flatten(1, 2),
        "pattern", "p"), one((4, 6, 5), (4, 9), (4, 5, 4)), {"pattern": ("c (h p) w -> (c p) h w",), "p": (2, 4, 3)}),
    Case("rearrange", function(
        lambda x, pattern, n: x.transpose(1, 2).unsqueeze(1).repeat(1, n, 1, 1).transpose(2, 3).transpose(1, 2),
        "pattern", "n"), one((4, 9), (4,)), {
        "pattern": ("c l -> c n l",), "n": (1, 3)}),
    Case("add", function(_sum), (
        ((4, 5, 5), (4, 5, 5)), ((4,), (4,), (4,)), ((4, 5), (4, 1)), ((4,), (5,)), ((4,),), ((4, 5), (4,)))),
    Case("mean", function(lambda *values: _sum(*values) / len(values)), (
        ((4, 5, 5), (4, 5, 5)), ((4,), (4,), (4,)), ((4, 5), (4, 1)), ((4,), (5,)), ((4,),))),
    Case("mul", function(_mul), (
        ((4, 5, 5), (4, 1, 1)), ((4, 1, 1), (4, 5, 5)), ((4, 5), (1, 5), (4, 1)), ((4, 1), (1, 5)), ((4,), (5,)),
        ((4, 5), (4,)), ((4,),), ((4, 5), (4, 5)))),
    Case("concat", function(lambda *values, axis="c": torch.cat(values, _axis(values[0], axis)), "axis"), (
        ((4, 5, 5), (2, 5, 5)), ((4, 5, 5), (4, 2, 5)), ((4,), (5,), (6,)), ((4,),), ((4, 5), (4,))), {
        "axis": (..., "h", "c")}),
    Case("stack", function(lambda *values: torch.stack(values, 1)), (
        ((4, 5, 5), (4, 5, 5)), ((4,), (4,), (4,)), ((4,),), ((4, 5), (4, 1)), ((4, 5), (4,)))),
    Case("matmul", function(lambda a, b: a @ b), (
        ((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (3, 4, 5)), ((3, 4), (5, 4)), ((3, 4),),
        ((3, 4), (4, 5), (5, 6)))),
    Case("attention", function(_attention, "scale", "causal"), (
        ((6, 4), (6, 4), (6, 4)), ((6, 4), (7, 4), (7, 5)), ((2, 6, 4), (2, 7, 4), (2, 7, 5)), ((6, 4), (6, 5), (6, 4)),
        ((6, 4), (6, 4), (5, 4)), ((6, 4), (6, 4)), ((2, 6, 4), (3, 6, 4), (3, 6, 4))), {
        "scale": (..., 0.3), "causal": (..., True)}),
)  # fmt: skip

INITS = (Constant(value=0.5), Normal(std=0.1))


def _entries(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _transpose_is_empty(given: dict[str, Any], x: Shape) -> bool:
    n = dims(x)
    each = {name: value if isinstance(value, tuple) else (value,) * n for name, value in given.items()}
    one, zero = (1,) * n, (0,) * n
    windows = zip(
        x.spatial, each["kernel"], each.get("stride", one), each.get("padding", zero),
        each.get("output_padding", zero), each.get("dilation", one), strict=True,
    )  # fmt: skip
    return any((size - 1) * s - 2 * p + d * (k - 1) + o + 1 <= 0 for size, k, s, p, o, d in windows)


def _is_shrunk_away(factor: Any, x: Shape) -> bool:
    return any(size * each < 1 for size in x.spatial for each in _entries(factor))


def _steps_over(given: dict[str, Any], x: Shape) -> bool:
    """Whether some window of a maximum pool has no element under it, by every element of every window."""
    n = dims(x)
    each = {name: value if isinstance(value, tuple) else (value,) * n for name, value in given.items()}
    kernel, dilation = each["kernel"], each.get("dilation", (1,) * n)
    facts = zip(x.spatial, kernel, each.get("stride", kernel), each.get("padding", (0,) * n), dilation, strict=True)
    for size, k, s, p, d in facts:
        starts = range(-p, max(size + p - d * (k - 1), 1 - p), s)  # one at least, where `ceil` lets it
        if any(all(not 0 <= start + d * tap < size for tap in range(k)) for start in starts):
            return True
    return False


def _keeps_or_doubles(given: dict[str, Any], x: Shape) -> bool:
    """Whether a factor leaves an axis as it is, or doubles it for `nearest`, without being 1 or 2."""
    mode, factors = given.get("mode", "nearest"), _entries(given["factor"])
    pairs = [(size, factor) for size in x.spatial for factor in factors if size > 1]
    kept = any(int(size * factor) == size and factor != 1 for size, factor in pairs)
    doubled = any(int(size * factor) == 2 * size and factor != 2 for size, factor in pairs)
    return mode != "area" and not given.get("align_corners") and (kept or (doubled and mode == "nearest"))


# Where we reject on purpose what torch takes: who, where (arguments, shapes), and why.
STRICTER: tuple[tuple[str, Callable[[dict[str, Any], tuple[Shape, ...]], bool], str], ...] = (
    ("conv", lambda a, x: a.get("padding") is None and 2 in _entries(a["kernel"]), "`same` is not symmetric"),
    ("conv_transpose", lambda a, x: _transpose_is_empty(a, x[0]), "an empty result"),
    ("upsample", lambda a, x: _is_shrunk_away(a["factor"], x[0]), "an empty result"),
    ("upsample", lambda a, x: _keeps_or_doubles(a, x[0]), "PyTorch's kernels disagree"),
    ("maxpool", lambda a, x: _steps_over(a, x[0]), "minus infinity, the largest of no element"),
    ("groupnorm", lambda a, x: x[0].elements == a["groups"], "one element a group"),
    ("resize", lambda a, x: a["size"] == 0, "an empty result"),
    ("linear", lambda a, x: a["out"] == 0, "a layer without outputs"),
    ("linear", lambda a, x: x[0].rank > 1, "the last axis is not the channels: a forgotten flatten"),
    ("adaptive_avgpool", lambda a, x: a["size"] == 0, "an empty result"),
    ("adaptive_maxpool", lambda a, x: a["size"] == 0, "an empty result"),
    ("tensor", lambda a, x: a["values"] in (2, ()), "no list, or an empty one"),
    ("tensor", lambda a, x: a["values"] == (1e39,), "more than float32 holds"),
    ("tensor", lambda a, x: a["values"] == (True,) and a["values"][0] is True, "a truth value is no number"),
    ("tensor", lambda a, x: repr(a["values"]).startswith("((((((((("), "more than eight axes"),
    ("mul", lambda a, x: [each.sizes for each in x] == [(4, 1), (1, 5)], "two gates and nothing to gate"),
)
