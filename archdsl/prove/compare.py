"""How far apart two results are: the one measure that tests, the prover, the fuzzers and the command line use."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

# Gates by pair, from docs and measurements of real nets; bitwise pairs have none (`identical`).
ONNXRUNTIME = 5e-6  # float32, against torch
REFERENCE = 1e-10  # ONNX ReferenceEvaluator in float64, against torch
REFERENCE_FLOAT32_ATTRIBUTES = 1e-7  # the same where an operation carries float32 attributes
REWRITE = 1e-10  # a graph before and after a pass, float64

FEW = 8  # values of a channel from which on their spread says how large a difference is
RESOLUTION = float(np.finfo(np.float64).eps)
QUIET = 0.1
NOISE = 64 * RESOLUTION  # what varies less by its size is constant, and rounded


@dataclass(frozen=True, slots=True)
class Look:
    """What pairs of results show, by channel: how far they are apart, how far the expected values spread, from the
    smallest to the largest, and how large they are. `fault` says why nothing can be seen: other shapes, or values that
    are not finite; `narrow` that some are float32."""

    apart: Array
    spread: Array
    size: Array
    fault: str = ""
    narrow: bool = False

    @property
    def deviation(self) -> float:
        """The largest distance of a channel by the spread of its values.

        It is infinite where there is a fault, and for any difference from a channel of zeros. Values that do not vary
        have no spread: their own size stands for it. In float32 a quiet channel (what a relu leaves of a lot, say) is
        rounded as the others are: `QUIET` of their median is the least spread.
        """
        if self.fault:
            return math.inf
        unit = np.where(self.spread > 0, self.spread, self.size)
        if self.narrow:
            unit = np.maximum(unit, QUIET * np.median(self.spread))
        differs = self.apart > 0
        if not differs.any():
            return 0.0
        with np.errstate(divide="ignore", over="ignore"):
            return float(np.max(self.apart[differs] / unit[differs]))

    def blind(self, gate: float) -> Array:
        """For each channel whether its values say nothing by this gate: they vary less than they are rounded."""
        return np.asarray(self.spread * gate <= self.size * RESOLUTION)


def look(pairs: Iterable[tuple[Array, Array]], axis: int = 1) -> Look:
    """The view of pairs of a result and what is expected, each with its channels along an axis, all of one net.

    The pairs are of one output on several batches, whose values are taken together. Where a channel has fewer than
    `FEW` values, or the pairs have not the same channels, the whole stands for each.
    """
    both = [(np.asarray(a), np.asarray(b)) for a, b in pairs]
    if any(a.shape != b.shape for a, b in both):
        return _fault("they have other shapes")
    wide = [(a.astype(np.float64), b.astype(np.float64)) for a, b in both if a.size]
    if not all(np.isfinite(array).all() for pair in wide for array in pair):
        return _fault("some values are not finite")
    rows = [(_rows(a, axis), _rows(b, axis)) for a, b in wide]
    if len({len(b) for _, b in rows}) > 1 or sum(b.shape[1] for _, b in rows) < FEW:
        rows = [(a.reshape(1, -1), b.reshape(1, -1)) for a, b in rows]
    if not rows:
        return Look(np.zeros(0), np.zeros(0), np.zeros(0))
    found, expected = (np.concatenate(side, axis=1) for side in zip(*rows, strict=True))
    with np.errstate(over="ignore"):
        apart = np.max(np.abs(found - expected), axis=1)
        spread = np.max(expected, axis=1) - np.min(expected, axis=1)
    if not (np.isfinite(apart).all() and np.isfinite(spread).all()):
        return _fault("some values are too large to be compared")
    size = np.max(np.abs(expected), axis=1)
    narrow = any(array.dtype.itemsize < 8 for pair in both for array in pair)
    return Look(apart, np.where(spread > NOISE * size, spread, 0.0), size, narrow=narrow)


def deviation(a: Array, b: Array, axis: int = 1) -> float:
    """How far `a` is from the expected `b`: `max|a-b| / (max(b) - min(b))`, the largest of all channels along an axis.

    Elementwise relative error is useless near zeros, and a loud channel or an offset would hide all else. Only finite
    values prove anything: infinite for others on either side, where the shapes differ, and for any difference from a
    channel of zeros. A channel of few values is measured with all others.
    """
    return look([(a, b)], axis).deviation


def gradient_deviation(a: Array, b: Array) -> float:
    """`max|a-b| / max(1, max|b|)`, the largest of all rows: for gradients, which may all be near zero; infinite as in
    `deviation`."""
    return _by_size(a, b, lambda whole: _rows(whole, 0) if whole.ndim > 1 else whole.reshape(1, -1))


def state_deviation(a: Array, b: Array) -> float:
    """`max |a-b| / max(1, |b|)`, number by number: for weights and buffers; infinite as in `deviation`."""
    return _by_size(a, b, lambda whole: whole.reshape(-1, 1))


def identical(a: Array, b: Array) -> bool:
    """Whether shapes, types and all bits agree (so 0.0 and -0.0 differ, and a NaN equals itself)."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _by_size(a: Array, b: Array, rows: Any) -> float:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return math.inf
    if a.size == 0:
        return 0.0
    found, expected = rows(a.astype(np.float64)), rows(b.astype(np.float64))
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    size = np.maximum(1.0, np.max(np.abs(expected), axis=1))
    return float(np.max(np.max(np.abs(found - expected), axis=1) / size))


def _rows(array: Array, axis: int) -> Array:
    """The array with one row for each index along an axis; one row in all where it has no such axis."""
    if array.ndim <= axis:
        return array.reshape(1, -1)
    moved = np.moveaxis(array, axis, 0)
    return moved.reshape(len(moved), -1)


def _fault(reason: str) -> Look:
    return Look(np.zeros(0), np.zeros(0), np.zeros(0), reason)
