"""Small classes and functions for what torch has no module or function for, as source that imports torch alone.

`DEFINITIONS` maps each name to its source; a source uses what `HEADER` imports and nothing else, no other definition.
They are plain tensor code that takes sizes from its input, so that `torch.fx`, `torch.export`, `torch.jit.trace` and
`torch.compile` follow them. The classes for one, two and three dimensions are written from one text.
"""

from __future__ import annotations

from typing import Final

from archdsl.targets.torch_batchless import EITHER

HEADER: Final = """\
import torch
import torch.nn.functional as F
from torch import Tensor, nn
"""

_STOCHASTIC_DEPTH = '''\
class StochasticDepth(nn.Module):
    """Drops the branch of an example with probability `p`, and scales kept ones."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return input
        keep = 1.0 - self.p
        noise = input.new_empty(input.shape[0]).bernoulli_(keep)
        if keep > 0.0:
            noise = noise.div_(keep)
        return (input.transpose(0, -1) * noise).transpose(0, -1)

    def extra_repr(self) -> str:
        return f"p={self.p}"
'''

_MAKE_DIVISIBLE = '''\
def make_divisible(value: float, by: int = 8) -> int:
    """The nearest multiple of `by` that is not smaller by more than a tenth."""
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded
'''

_CHANNEL_LAYER_NORM = '''\
class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalization along one axis, the channels."""

    def __init__(
        self,
        channels: int,
        dim: int = 1,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, eps, elementwise_affine, bias)
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        last = super().forward(input.movedim(self.dim, -1))
        return last.movedim(-1, self.dim)
'''

_CENTER_CROP = '''\
def center_crop(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The middle of the last axes, of this size."""
    for axis, length in enumerate(size, start=-len(size)):
        x = x.narrow(axis, (x.shape[axis] - length) // 2, length)
    return x
'''

_AFFINE = '''\
def affine(
    x: Tensor,
    scale: tuple[float, ...],
    shift: tuple[float, ...],
    dim: int = 1,
) -> Tensor:
    """Each channel times its scale, plus its shift."""
    pairs = enumerate(zip(scale, shift, strict=True))
    channels = [x.select(dim, i) * a + b for i, (a, b) in pairs]
    return torch.stack(channels, dim)
'''

_GATHER = '''\
def gather(x: Tensor, indices: tuple[object, ...], dim: int = 0) -> Tensor:
    """The elements of an axis at these places, whose axes stand in its stead."""
    before = (slice(None),) * dim if dim >= 0 else (...,)
    return x[(*before, indices, *(slice(None),) * (-1 - dim))]
'''

_SLICE_FROM = '''\
def slice_from(x: Tensor, start: int, dim: int = 0) -> Tensor:
    """The elements of an axis from a place to its end."""
    return x.narrow(dim, start, x.shape[dim] - start)
'''

_CONSTANT = '''\
class Constant(nn.Module):
    """A tensor of given numbers, which no state_dict holds."""

    values: Tensor

    def __init__(self, values: tuple[object, ...]) -> None:
        super().__init__()
        self.register_buffer("values", torch.tensor(values), persistent=False)

    def forward(self) -> Tensor:
        return self.values

    def extra_repr(self) -> str:
        return f"{tuple(self.values.shape)}"
'''

_WITH_BATCH = '''\
def with_batch(x: Tensor, like: Tensor, rank: int) -> Tensor:
    """A tensor of `rank` axes, repeated for each example of `like`."""
    return x.unsqueeze(0).expand(like.shape[0], *[-1] * rank)
'''

_ALL_WITH_BATCH = '''\
def all_with_batch(
    values: list[Tensor],
    without: tuple[int, ...],
    rank: int,
) -> list[Tensor]:
    """The values; those `without` a batch are repeated for each example."""
    like = next(value for place, value in enumerate(values) if place not in without)
    made = list(values)
    for place in without:
        made[place] = made[place].unsqueeze(0).expand(like.shape[0], *[-1] * rank)
    return made
'''

_SAME_TF = '''\
    def sides(self, x: Tensor) -> list[int]:
        """What SAME adds on both sides of each axis, the last axis first."""
        sides: list[int] = []
        for axis, (extent, stride) in enumerate(self.windows, start=1):
            size = x.shape[-axis]
            total = (size - 1) // stride * stride + extent - size
            if isinstance(total, Tensor):
                total = total.clamp(min=0)
            else:
                total = torch.sym_max(total, 0)  # type: ignore[no-untyped-call]
            sides += [total // 2, total - total // 2]
        return sides
'''

_CONV = """\
class {name}(nn.Conv{n}d):
    {doc}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: {size},
        stride: {size} = 1,
        {padding}
        dilation: {size} = 1,
        groups: int = 1,
        bias: bool = True,
        {mode}
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            {around},
            dilation,
            groups,
            bias,
        )
        {keep}
        {norm}

    {method}

    def forward(self, input: Tensor) -> Tensor:
        {pad}
        {weigh}
        return F.conv{n}d(
            input,
            {weight},
            self.bias,
            self.stride,
            {self_around},
            self.dilation,
            self.groups,
        )
"""

_WEIGHT_NORM = """\
weight = self.weight.detach()
del self.weight
length = torch.linalg.vector_norm(weight, dim={inner}, keepdim=True)
self.weight_g = nn.Parameter(length)
self.weight_v = nn.Parameter(weight)
"""

_KINDS: Final[dict[str, dict[str, str]]] = {
    "plain": {
        "doc": "A convolution",
        "padding": "padding: {size} = 0,",
        "around": "padding",
        "self_around": "self.padding",
    },
    "Padded": {
        "doc": "A convolution with its own padding on each side",
        "padding": "sides: tuple[{sides}] = ({zeros}),",
        "mode": 'padding_mode: str = "zeros",',
        "keep": 'self.sides = sides\nself.mode = {"zeros": "constant"}.get(padding_mode, padding_mode)',
        "pad": "input = F.pad(input, self.sides, self.mode)",
    },
    "SameTF": {
        "doc": "A convolution padded by TensorFlow's SAME",
        "keep": "sizes = zip(self.kernel_size, self.stride, self.dilation)\n"
        "windows = [(step * (size - 1) + 1, stride) for size, stride, step in sizes]\n"
        "self.windows = windows[::-1]",
        "method": _SAME_TF.strip(),
        "pad": "input = F.pad(input, self.sides(input))",
    },
}


def _size(dims: int) -> str:
    return f"int | tuple[{_ints(dims)}]"


def _ints(count: int) -> str:
    return ", ".join(["int"] * count)


def conv_name(dims: int, kind: str, weight_norm: bool) -> str:
    """The class of a convolution; `kind` is `plain`, `Padded` (its own on each side) or `SameTF`."""
    return f"{'WeightNorm' if weight_norm else ''}{'' if kind == 'plain' else kind}Conv{dims}d"


def _conv(dims: int, kind: str, weight_norm: bool) -> str:
    parts = {"padding": "", "mode": "", "around": "0", "self_around": "0", "keep": "", "method": "", "pad": ""}
    parts |= {
        "norm": _WEIGHT_NORM.format(inner=tuple(range(1, dims + 2))).strip() if weight_norm else "",
        "weigh": "weight = torch._weight_norm(self.weight_v, self.weight_g)" if weight_norm else "",
        "weight": "weight" if weight_norm else "self.weight",
    }
    sizes = {"size": _size(dims), "sides": _ints(2 * dims), "zeros": ", ".join(["0"] * (2 * dims))}
    parts |= {name: text.format(**sizes) if name == "padding" else text for name, text in _KINDS[kind].items()}
    length = ", of direction and length" if weight_norm else ""
    parts["doc"] = f'"""{parts["doc"]}{length}."""'
    return _filled(_CONV, {"name": conv_name(dims, kind, weight_norm), "n": str(dims), **sizes, **parts})


def _filled(template: str, parts: dict[str, str]) -> str:
    """The template with its parts, those of several lines indented as their place is; the lines of empty parts go."""
    lines: list[str] = []
    for line in template.splitlines():
        key = line.strip()[1:-1]
        if line.strip() != f"{{{key}}}":
            lines += [line.format(**parts)] if line else [""] * bool(lines[-1])
        elif parts[key]:
            indent = line[: len(line) - len(line.lstrip())]
            lines += [
                f"{indent}{part}".rstrip() if not part.startswith(" ") else part for part in parts[key].split("\n")
            ]
    return "\n".join(lines) + "\n"


_PADDED_MAX = '''\
class PaddedMaxPool{n}d(nn.MaxPool{n}d):
    """A maximum pool with its own padding on each side."""

    def __init__(
        self,
        kernel_size: {size},
        sides: {sides},
        stride: {size} | None = None,
        dilation: {size} = 1,
    ) -> None:
        super().__init__(kernel_size, stride, 0, dilation)
        self.sides = sides

    def forward(self, input: Tensor) -> Tensor:
        input = F.pad(input, self.sides, value=float("-inf"))
        most: Tensor = super().forward(input)
        return most
'''

_PADDED_AVG = '''\
class PaddedAvgPool{n}d(nn.AvgPool{n}d):
    """An average pool with its own padding on each side."""

    def __init__(
        self,
        kernel_size: {size},
        sides: {sides},
        stride: {size} | None = None,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, kernel_size if stride is None else stride)
        self.sides = sides
        self.counts = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        mean: Tensor = super().forward(F.pad(input, self.sides))
        if self.counts:
            return mean
        ones = torch.ones_like(input.narrow(-{n} - 1, 0, 1))
        return mean / super().forward(F.pad(ones, self.sides))
'''

_SAME_TF_MAX = '''\
class SameTFMaxPool{n}d(nn.MaxPool{n}d):
    """A maximum pool padded by TensorFlow's SAME."""

    def __init__(
        self,
        kernel_size: {tuple},
        stride: {tuple},
        dilation: {tuple},
    ) -> None:
        super().__init__(kernel_size, stride, 0, dilation)
        sizes = zip(kernel_size, stride, dilation)
        windows = [(step * (size - 1) + 1, stride) for size, stride, step in sizes]
        self.windows = windows[::-1]

{method}
    def forward(self, input: Tensor) -> Tensor:
        input = F.pad(input, self.sides(input), value=float("-inf"))
        most: Tensor = super().forward(input)
        return most
'''

_SAME_TF_AVG = '''\
class SameTFAvgPool{n}d(nn.AvgPool{n}d):
    """An average pool padded by TensorFlow's SAME."""

    def __init__(
        self,
        kernel_size: {tuple},
        stride: {tuple},
        count_include_pad: bool,
    ) -> None:
        super().__init__(kernel_size, stride)
        self.windows = list(zip(kernel_size, stride))[::-1]
        self.counts = count_include_pad

{method}
    def forward(self, input: Tensor) -> Tensor:
        sides = self.sides(input)
        mean: Tensor = super().forward(F.pad(input, sides))
        if self.counts:
            return mean
        ones = torch.ones_like(input.narrow(-{n} - 1, 0, 1))
        return mean / super().forward(F.pad(ones, sides))
'''


def _pool(template: str, dims: int) -> str:
    sides = f"tuple[{_ints(2 * dims)}]"
    return template.format(n=dims, size=_size(dims), sides=sides, tuple=f"tuple[{_ints(dims)}]", method=_SAME_TF)


DEFINITIONS: Final[dict[str, str]] = {
    "make_divisible": _MAKE_DIVISIBLE,
    "StochasticDepth": _STOCHASTIC_DEPTH,
    "ChannelLayerNorm": _CHANNEL_LAYER_NORM,
    "center_crop": _CENTER_CROP,
    "affine": _AFFINE,
    "gather": _GATHER,
    "slice_from": _SLICE_FROM,
    "Constant": _CONSTANT,
    "with_batch": _WITH_BATCH,
    "all_with_batch": _ALL_WITH_BATCH,
    **EITHER,
    **{
        conv_name(dims, padding, weight_norm): _conv(dims, padding, weight_norm)
        for dims in (1, 2, 3)
        for padding in ("plain", "Padded", "SameTF")
        for weight_norm in (False, True)
        if weight_norm or padding != "plain"
    },
    **{f"PaddedMaxPool{dims}d": _pool(_PADDED_MAX, dims) for dims in (1, 2, 3)},
    **{f"PaddedAvgPool{dims}d": _pool(_PADDED_AVG, dims) for dims in (1, 2, 3)},
    **{f"SameTFMaxPool{dims}d": _pool(_SAME_TF_MAX, dims) for dims in (1, 2, 3)},
    **{f"SameTFAvgPool{dims}d": _pool(_SAME_TF_AVG, dims) for dims in (1, 2, 3)},
}
