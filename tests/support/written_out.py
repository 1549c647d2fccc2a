"""Nets for which no other library is at hand, written out as formulas on a state_dict, from the papers and the builds
whose keys they have. They share nothing with the compiler."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as f
from torch import Tensor

from tests.support.twins import State


@dataclass(frozen=True)
class Weights:
    """A state_dict, and the layers that read it (in inference)."""

    state: State

    def conv(self, name: str, x: Tensor, stride: int = 1, padding: int | None = None) -> Tensor:
        weight = self.state[f"{name}.weight"]
        sides = weight.shape[-1] // 2 if padding is None else padding
        return f.conv2d(x, weight, self.state.get(f"{name}.bias"), stride, sides)

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean, variance, weight, bias = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x.mean((2, 3)) @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]


def cifar(state: State, x: Tensor, n: int, shortcut: str) -> Tensor:
    """He et al. 2015, section 4.2; `shortcut` is A, B or none. Option A is written as akamaster writes it."""
    net = Weights(state)
    x = net.norm("bn1", net.conv("conv1", x)).relu()
    for stage in (1, 2, 3):
        for unit in range(n):
            here, stride = f"layer{stage}.{unit}", 2 if stage > 1 and unit == 0 else 1
            y = net.norm(f"{here}.bn1", net.conv(f"{here}.conv1", x, stride)).relu()
            y = net.norm(f"{here}.bn2", net.conv(f"{here}.conv2", y))
            if shortcut != "none":
                if stride == 2 and shortcut == "A":
                    quarter = y.shape[1] // 4
                    x = f.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter))
                elif stride == 2:
                    x = net.norm(f"{here}.shortcut.1", net.conv(f"{here}.shortcut.0", x, 2))
                y = y + x
            x = y.relu()
    return net.linear("linear", x)


def wide(state: State, x: Tensor, n: int) -> Tensor:
    """Zagoruyko & Komodakis 2016, as xternalz builds it."""
    net = Weights(state)
    x = net.conv("conv1", x)
    for stage in (1, 2, 3):
        for unit in range(n):
            here, stride = f"block{stage}.layer.{unit}", 2 if stage > 1 and unit == 0 else 1
            active = net.norm(f"{here}.bn1", x).relu()
            y = net.norm(f"{here}.bn2", net.conv(f"{here}.conv1", active, stride)).relu()
            y = net.conv(f"{here}.conv2", y)
            x = y + (net.conv(f"{here}.convShortcut", active, stride) if x.shape != y.shape else x)
    return net.linear("fc", net.norm("bn1", x).relu())


def preact(state: State, x: Tensor, n: int) -> Tensor:
    """He et al. 2016, resnet-1k-layers: bottlenecks that stride in their first 1x1."""
    net = Weights(state)
    x = net.conv("stem.conv", x)
    for stage in range(3):
        for unit in range(n):
            here, stride = f"stages.{stage}.blocks.{unit}", 2 if stage > 0 and unit == 0 else 1
            active = net.norm(f"{here}.norm1", x).relu()
            y = net.norm(f"{here}.norm2", net.conv(f"{here}.conv1", active, stride)).relu()
            y = net.norm(f"{here}.norm3", net.conv(f"{here}.conv2", y)).relu()
            y = net.conv(f"{here}.conv3", y)
            x = y + (net.conv(f"{here}.downsample.conv", active, stride) if unit == 0 else x)
    return net.linear("head.fc", net.norm("norm", x).relu())


def unet(state: State, x: Tensor, padding: int, way_up: str = "transposed", join: str = "concat") -> Tensor:
    """Ronneberger et al. 2015, figure 1: five resolutions, the skips cropped to what comes up."""
    net = Weights(state)
    skips = []
    for level in range(5):
        for place in (0, 2):
            x = net.conv(f"down.{level}.{place}", x, padding=padding).relu()
        if level < 4:
            skips.append(x)
            x = f.max_pool2d(x, 2)
    for step, skip in enumerate(reversed(skips)):
        if way_up == "transposed":
            x = f.conv_transpose2d(x, state[f"up.{step}.weight"], state[f"up.{step}.bias"], 2)
        else:
            x = net.conv(f"up.{step}.1", f.interpolate(x, scale_factor=2, mode="bilinear"))
        top, left = ((skip.shape[axis] - x.shape[axis]) // 2 for axis in (2, 3))
        across = skip[:, :, top : top + x.shape[2], left : left + x.shape[3]]
        x = torch.cat([across, x], 1) if join == "concat" else across + x
        for place in (0, 2):
            x = net.conv(f"dec.{step}.{place}", x, padding=padding).relu()
    return net.conv("out", x)


def normed_unet(state: State, x: Tensor, interpolate: bool) -> Tensor:
    """U-Net as milesial builds it, for sides that are multiples of 16."""
    net = Weights(state)

    def double(here: str, y: Tensor) -> Tensor:
        y = net.norm(f"{here}.double_conv.1", net.conv(f"{here}.double_conv.0", y)).relu()
        return net.norm(f"{here}.double_conv.4", net.conv(f"{here}.double_conv.3", y)).relu()

    found = [double("inc", x)]
    for level in (1, 2, 3, 4):
        found.append(double(f"down{level}.maxpool_conv.1", f.max_pool2d(found[-1], 2)))
    x = found[4]
    for step in (1, 2, 3, 4):
        if interpolate:
            x = f.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        else:
            x = f.conv_transpose2d(x, state[f"up{step}.up.weight"], state[f"up{step}.up.bias"], 2)
        x = double(f"up{step}.conv", torch.cat([found[4 - step], x], 1))
    return net.conv("outc.conv", x)


def tcn(state: State, x: Tensor, blocks: int, kernel: int) -> Tensor:
    """Bai et al. 2018, as locuslab builds it: padded on both sides, then chomped behind."""

    def conv(name: str, y: Tensor, dilation: int) -> Tensor:
        value = state[f"{name}.weight_v"]
        weight = state[f"{name}.weight_g"] * value / value.flatten(1).norm(dim=1)[:, None, None]
        sides = (kernel - 1) * dilation
        return f.conv1d(y, weight, state[f"{name}.bias"], padding=sides, dilation=dilation)[:, :, :-sides]

    for block in range(blocks):
        here = f"tcn.network.{block}"
        y = conv(f"{here}.conv2", conv(f"{here}.conv1", x, 2**block).relu(), 2**block).relu()
        if f"{here}.downsample.weight" in state:
            x = f.conv1d(x, state[f"{here}.downsample.weight"], state[f"{here}.downsample.bias"])
        x = (y + x).relu()
    return x[:, :, -1] @ state["linear.weight"].T + state["linear.bias"]
