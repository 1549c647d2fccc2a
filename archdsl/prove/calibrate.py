"""Random weights put right by a run: each layer's results get a given spread, so that what follows sees such values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from torch import nn

LAST, SECOND = -1, 1  # where the channels of a result are
MAPS = {F.linear: LAST} | dict.fromkeys(
    (F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), SECOND
)
NORM = inspect.signature(F.batch_norm)
JITTER = (0.8, 1.25)  # no spread is quite the wished one
LIFT = (0.3, 1.0)  # how far a channel's mean lies above zero, by its spread: a relu passes most of it


def calibrate(module: nn.Module, inputs: Sequence[Tensor], loudness: Mapping[str, float], seed: int) -> None:
    """Changes the weights of a module so that on these inputs, in inference, each linear map and batch norm makes
    results that spread by about the loudness of its path.

    The weights of a map are scaled, its bias puts most of each channel above zero: of centred values a relu makes every
    layer without a skip multiply rounding errors by 1.2 (Yang et al. 2019, arXiv:1902.08129, has the growth), and a
    channel that a relu never passes shows nothing. The running statistics of a batch norm are put near to those of what
    it sees, each by a random factor, as after training: with statistics from nowhere values grow from layer to layer,
    and where gates saturate a deep net multiplies rounding errors past all comparison. A layer that is applied in
    several places is put right for the first one.
    """
    module.eval()
    state = module.state_dict(keep_vars=True)
    held = {
        id(tensor): loudness[path]
        for key, tensor in state.items()
        if tensor.is_floating_point() and (path := key.rpartition(".")[0]) in loudness
    }
    with torch.no_grad(), _Calibration(held, seed):
        module(*inputs)


class _Calibration(TorchFunctionMode):
    """Changes weights as the functions that take them are called first."""

    def __init__(self, held: Mapping[int, float], seed: int) -> None:
        super().__init__()
        self.waiting = dict(held)
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in MAPS and id(_argument(args, kwargs, 1, "weight")) in self.waiting:
            return self._map(func, args, kwargs)
        if func is F.batch_norm:
            self._norm(**NORM.bind(*args, **kwargs).arguments)
        return func(*args, **kwargs)

    def _map(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        weight, bias = _argument(args, kwargs, 1, "weight"), _argument(args, kwargs, 2, "bias")
        loudness = self.waiting.pop(id(weight))
        result: Tensor = func(*args, **kwargs)
        spread, mean = _statistics(result, MAPS[func])
        typical = float(spread.square().mean().sqrt())
        if not 0 < typical < float("inf"):
            return result
        factor = loudness / typical * float(self._drawn((1,), JITTER, weight))
        weight.mul_(factor)
        if bias is not None and id(bias) in self.waiting:
            del self.waiting[id(bias)]
            lift = self._drawn(bias.shape, LIFT, bias) * torch.clamp(spread * factor, min=0.1 * loudness)
            bias.copy_(lift - (mean - bias) * factor)
        return func(*args, **kwargs)  # type: ignore[no-any-return]

    def _norm(self, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, **rest: Any) -> None:
        if rest.get("training") or running_mean is None or running_var is None or id(running_var) not in self.waiting:
            return
        loudness = self.waiting.pop(id(running_var))
        spread, mean = _statistics(input, SECOND)
        variance = torch.where(spread > 1e-6 * mean.abs(), spread.square(), torch.clamp(mean.square(), min=1e-2))
        variance = variance * self._drawn(variance.shape, JITTER, variance)
        if rest.get("weight") is None:  # nothing else makes its results loud
            variance = variance / loudness**2
        noise = torch.randn(mean.shape, generator=self.generator, dtype=mean.dtype)
        running_var.copy_(variance)
        running_mean.copy_(mean + 0.05 * variance.sqrt() * noise)

    def _drawn(self, shape: Any, bounds: tuple[float, float], like: Tensor) -> Tensor:
        low, high = bounds
        return low + (high - low) * torch.rand(tuple(shape), generator=self.generator, dtype=like.dtype)


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)


def _statistics(values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean of each channel."""
    rows = values.movedim(axis, 0).reshape(values.shape[axis], -1)
    return rows.std(dim=1, correction=0), rows.mean(dim=1)
