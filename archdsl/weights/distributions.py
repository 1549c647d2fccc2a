"""Distributions as functions that fill a block of float32 numbers in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import erf, pi, sqrt

import numpy as np
from numpy.random import Generator

from archdsl.ops import init as inits
from archdsl.ops.base import Init

Fill = Callable[[Generator, np.ndarray], None]
PAIRS = 1 << 14  # drawn at a time, so that they stay in the cache
FARTHEST = 6.0  # beyond what `normal` draws: sqrt(-2 log 2**-24) is 5.77
OFTEN = 0.25  # probability of an interval from which on plain normal numbers are drawn until they fall into it


def fill(init: Init, sizes: tuple[int, ...]) -> Fill:
    """How a tensor of these sizes is filled. Fans and gains are PyTorch's (`torch.nn.init`)."""
    match init:
        case inits.Normal(mean=mean, std=std):
            return partial(normal, mean, std)
        case inits.Uniform(low=low, high=high):
            return partial(uniform, low, high)
        case inits.TruncatedNormal(mean=mean, std=std, a=a, b=b):
            return partial(truncated_normal, mean, std, a, b)
        case inits.KaimingNormal(mode=mode, a=a):
            return partial(normal, 0.0, sqrt(2.0 / ((1.0 + a * a) * _fan(mode, sizes))))
        case inits.KaimingUniform(mode=mode, a=a):
            bound = sqrt(6.0 / ((1.0 + a * a) * _fan(mode, sizes)))
            return partial(uniform, -bound, bound)
        case inits.XavierNormal(gain=gain):
            return partial(normal, 0.0, gain * sqrt(2.0 / sum(inits.fans(sizes))))
        case inits.XavierUniform(gain=gain):
            bound = gain * sqrt(6.0 / sum(inits.fans(sizes)))
            return partial(uniform, -bound, bound)
        case _:
            raise AssertionError(f"{init} has no way to be drawn")


def _fan(mode: str, sizes: tuple[int, ...]) -> int:
    fan_in, fan_out = inits.fans(sizes)
    return fan_in if mode == "fan_in" else fan_out


def normal(mean: float, std: float, generator: Generator, block: np.ndarray) -> None:
    """Normal numbers, in pairs from a radius and an angle (Box and Muller 1958).

    This is vectorised all the way, which numpy's own float32 ziggurat is not: half the time for the same distribution.
    """
    pairs = np.empty((2, min(PAIRS, (block.size + 1) // 2)), np.float32)
    for start in range(0, block.size, 2 * PAIRS):
        part = block[start : start + 2 * PAIRS]
        half = (part.size + 1) // 2
        radius, angle = pairs[0, :half], pairs[1, :half]
        generator.random(dtype=np.float32, out=radius)
        generator.random(dtype=np.float32, out=angle)
        np.subtract(np.float32(1), radius, out=radius)  # in (0, 1], where the logarithm is finite
        np.log(radius, out=radius)
        radius *= np.float32(-2)
        np.sqrt(radius, out=radius)
        radius *= np.float32(std)
        angle *= np.float32(2 * pi)
        np.cos(angle, out=part[:half])
        part[:half] *= radius
        rest = part.size - half
        np.sin(angle[:rest], out=part[half:])
        part[half:] *= radius[:rest]
    if mean:
        block += np.float32(mean)


def uniform(low: float, high: float, generator: Generator, block: np.ndarray) -> None:
    """Uniform numbers from `low` to `high`."""
    generator.random(dtype=np.float32, out=block)
    block *= np.float32(high - low)
    block += np.float32(low)


def truncated_normal(mean: float, std: float, a: float, b: float, generator: Generator, block: np.ndarray) -> None:
    """Normal numbers between `a` and `b`, by drawing again whatever a proposal has too much of.

    Where the interval is likely, the proposal is the normal itself; in a far tail it is a shifted exponential, else
    uniform (Robert 1995, Simulation of truncated normal variables).
    """
    if std == 0.0:
        block[:] = min(max(mean, a), b)
        return
    low, high = (a - mean) / std, (b - mean) / std
    if min(-low, high) > FARTHEST:
        normal(mean, std, generator, block)
        return
    mirrored = abs(low) > abs(high) and high < 0.0
    if mirrored:
        low, high = -high, -low
    propose = _proposal(low, high)
    open = np.arange(block.size)
    while open.size:
        drawn = propose(generator, open.size)
        unfit = np.isnan(drawn)
        block[open] = drawn
        open = open[unfit]
    block *= np.float32(-std if mirrored else std)
    block += np.float32(mean)
    np.clip(block, np.float32(a), np.float32(b), out=block)


def _proposal(low: float, high: float) -> Callable[[Generator, int], np.ndarray]:
    """Draws `count` standard normal numbers between the bounds; NaN stands where one did not fit."""
    if (erf(high / sqrt(2.0)) - erf(low / sqrt(2.0))) / 2.0 >= OFTEN:
        return partial(_from_normal, low, high)
    if low > 0.0 and (high - low) * low > 1.0:
        return partial(_from_exponential, low, high)
    return partial(_from_uniform, low, high)


def _from_normal(low: float, high: float, generator: Generator, count: int) -> np.ndarray:
    drawn = np.empty(count, np.float32)
    normal(0.0, 1.0, generator, drawn)
    drawn[(drawn < low) | (drawn > high)] = np.nan
    return drawn


def _from_exponential(low: float, high: float, generator: Generator, count: int) -> np.ndarray:
    rate = (low + sqrt(low * low + 4.0)) / 2.0
    drawn = low + generator.standard_exponential(count) / rate
    kept = generator.random(count) <= np.exp(-np.square(drawn - rate) / 2.0)
    return np.where(kept & (drawn <= high), drawn, np.nan)


def _from_uniform(low: float, high: float, generator: Generator, count: int) -> np.ndarray:
    nearest = min(max(0.0, low), high)
    drawn = generator.uniform(low, high, count)
    kept = generator.random(count) <= np.exp((nearest * nearest - np.square(drawn)) / 2.0)
    return np.where(kept, drawn, np.nan)
