"""Small classes and functions that take a value with a batch or without one, where torch's own take it with one only.

Each brings its value to a batch of examples, of one where it has none, and gives the result the value's own axes.
`axes` counts those behind the batch. As source, like `torch_definitions`.
"""

from __future__ import annotations

from typing import Final

_MODULE = '''\
class {name}({base}):
    """{doc} of `axes` axes, with a batch or without."""

    def __init__(
        self,
{parameters}
    ) -> None:
        super().__init__({given})
        self.axes = axes

    def forward(self, input: Tensor) -> Tensor:
        one = input.reshape((-1,) + input.shape[-self.axes :])
        result: Tensor = super().forward(one)
        return result.reshape(input.shape)
'''
_CHECK = '''
    def _check_input_dim(self, input: Tensor) -> None:
        """Nothing: the input has a batch by now."""
'''
_STOCHASTIC_DEPTH = '''\
class EitherStochasticDepth(nn.Module):
    """Stochastic depth of `axes` axes, with a batch or without."""

    def __init__(self, p: float, axes: int) -> None:
        super().__init__()
        self.p = p
        self.axes = axes

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return input
        keep = 1.0 - self.p
        one = input.reshape((-1,) + input.shape[-self.axes :])
        noise = one.new_empty(one.shape[0]).bernoulli_(keep)
        if keep > 0.0:
            noise = noise.div_(keep)
        kept = (one.transpose(0, -1) * noise).transpose(0, -1)
        return kept.reshape(input.shape)
'''
_FUNCTION = '''\
def {name}(
    x: Tensor,
    axes: int,
{parameters}
) -> Tensor:
    """{doc} over the last `axes` axes, batch or none."""
    one = x.reshape((-1,) + x.shape[-axes:])
    result = {call}
    return result.reshape(x.shape[:-axes] + result.shape[1:])
'''
_REARRANGE = '''\
def rearrange(
    x: Tensor,
    axes: int,
    split: tuple[int, ...],
    order: tuple[int, ...],
    new: tuple[int, ...],
    repeated: tuple[int, ...],
    merged: tuple[int, ...],
) -> Tensor:
    """The last `axes` axes split, permuted, repeated at `new` ones and merged."""
    one = x.reshape((-1,) + split)
    one = one.permute(0, *[place + 1 for place in order])
    for place in new:
        one = one.unsqueeze(place + 1)
    one = one.expand(-1, *repeated)
    return one.reshape(x.shape[:-axes] + merged)
'''


def _module(base: str, doc: str, *parameters: str, check: str = "") -> str:
    names = [parameter.partition(":")[0] for parameter in parameters if not parameter.startswith("axes")]
    text = _MODULE.format(
        name=f"Either{base.removeprefix('nn.')}",
        base=base,
        doc=doc,
        parameters="\n".join(f"        {parameter}," for parameter in parameters),
        given=", ".join(names),
    )
    return text + check


def _function(name: str, doc: str, call: str, *parameters: str) -> str:
    listed = "\n".join(f"    {parameter}," for parameter in parameters)
    return _FUNCTION.format(name=name, doc=doc, call=call, parameters=listed)


_NORM = ("num_features: int", "axes: int", "eps: float = 1e-5", "momentum: float | None = 0.1", "affine: bool = True",
         "track_running_stats: bool = True")  # fmt: skip
_GROUPS = ("num_groups: int", "num_channels: int", "axes: int", "eps: float = 1e-5", "affine: bool = True")

EITHER: Final[dict[str, str]] = {
    **{
        f"EitherBatchNorm{dims}d": _module(f"nn.BatchNorm{dims}d", "Batch normalization", *_NORM, check=_CHECK)
        for dims in (1, 2, 3)
    },
    **{
        f"EitherDropout{dims}d": _module(f"nn.Dropout{dims}d", "Dropout of channels", "axes: int", "p: float = 0.5")
        for dims in (1, 2, 3)
    },
    "EitherGroupNorm": _module("nn.GroupNorm", "Group normalization", *_GROUPS),
    "EitherPReLU": _module("nn.PReLU", "PReLU", "axes: int", "num_parameters: int = 1", "init: float = 0.25"),
    "EitherStochasticDepth": _STOCHASTIC_DEPTH,
    "interpolate": _function(
        "interpolate",
        "Interpolation",
        "F.interpolate(one, size, scale_factor, mode, align_corners)",
        "size: int | list[int] | None = None",
        "scale_factor: float | list[float] | None = None",
        'mode: str = "nearest"',
        "align_corners: bool | None = None",
    ),
    "local_response_norm": _function(
        "local_response_norm",
        "Local response normalization",
        "F.local_response_norm(one, size, alpha, beta, k)",
        *("size: int", "alpha: float = 1e-4", "beta: float = 0.75", "k: float = 1.0"),
    ),
    "channel_shuffle": _function("channel_shuffle", "Channel shuffle", "F.channel_shuffle(one, groups)", "groups: int"),
    "rearrange": _REARRANGE,
}
