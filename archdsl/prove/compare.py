"""How far apart two results are: the one measure that tests, the prover, the fuzzers and the command line use."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

# Gates by pair, from docs and measurements of real nets; bitwise pairs have none (`identical`).
ONNXRUNTIME = 5e-6  # float32, against torch
REFERENCE = 1e-10  # ONNX ReferenceEvaluator in float64, against torch
REFERENCE_FLOAT32_ATTRIBUTES = 1e-7  # the same where an operation carries float32 attributes
REWRITE = 1e-10  # a graph before and after a pass, float64


def deviation(a: Array, b: Array) -> float:
    """`max|a-b| / max|b|`: how far `a` is from the expected `b`, by the size of the whole.

    Elementwise relative error is useless near zeros. Zero where all agree; infinite where the shapes differ, where
    only one side is not a number, where infinities disagree, and for any difference from an expected zero array.
    """
    return _deviation(a, b, floor=0.0)


def gradient_deviation(a: Array, b: Array) -> float:
    """`max|a-b| / max(1, max|b|)`: the same for gradients, which may all be near zero; infinite as in `deviation`."""
    return _deviation(a, b, floor=1.0)


def identical(a: Array, b: Array) -> bool:
    """Whether shapes, types and all bits agree (so 0.0 and -0.0 differ, and a NaN equals itself)."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _deviation(a: Array, b: Array, floor: float) -> float:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return math.inf
    if a.size == 0:
        return 0.0
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(wide_a) & np.isfinite(wide_b)
    if not np.array_equal(wide_a[~finite], wide_b[~finite], equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    distance = float(np.max(np.abs(wide_a[finite] - wide_b[finite])))
    if distance == 0.0:
        return 0.0
    size = max(floor, float(np.max(np.abs(wide_b[finite]))))
    return distance / size if size > 0.0 else math.inf
