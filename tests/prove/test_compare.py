"""One measure of equality, by the rules of trust.md."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from archdsl.prove.compare import deviation, gradient_deviation, identical

NUMBERS = arrays(np.float64, (2, 3), elements=st.floats(-1e6, 1e6))


def test_the_largest_difference_counts_by_the_largest_expected_value() -> None:
    a, b = np.array([1.0, -4.0, 0.1]), np.array([1.0, -5.0, 0.0])
    assert deviation(a, b) == 1.0 / 5.0
    assert deviation(b, a) == 1.0 / 4.0


def test_small_gradients_are_compared_as_they_are() -> None:
    a, b = np.array([1e-3, 0.0]), np.array([0.0, 1e-4])
    assert gradient_deviation(a, b) == 1e-3
    assert gradient_deviation(a * 1e6, b * 1e6) == pytest.approx(10.0)


@pytest.mark.parametrize(
    "a, b",
    [
        (np.zeros(2), np.zeros(3)),
        (np.zeros((1, 2)), np.zeros(2)),
        (np.array([math.nan, 1.0]), np.array([0.0, 1.0])),
        (np.array([0.0, 1.0]), np.array([math.nan, 1.0])),
        (np.array([math.inf]), np.array([-math.inf])),
        (np.array([1e308]), np.array([math.inf])),
        (np.array([1e-30]), np.zeros(1)),
    ],
)
def test_what_cannot_be_near_is_infinitely_far(a: np.ndarray, b: np.ndarray) -> None:
    assert deviation(a, b) == math.inf


def test_the_same_infinities_and_nans_agree() -> None:
    a = np.array([math.inf, -math.inf, math.nan, 2.0])
    assert deviation(a, a) == gradient_deviation(a, a) == 0.0
    assert deviation(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0


def test_float32_is_compared_in_float64() -> None:
    a, b = np.float32([1e38, -2e38]), np.float32([-3e38, 2e38])
    assert deviation(a, b) == pytest.approx(4 / 3, rel=1e-6)


@given(NUMBERS, NUMBERS)
def test_deviation_is_zero_only_for_equal_arrays(a: np.ndarray, b: np.ndarray) -> None:
    assert (deviation(a, b) == 0.0) == bool((a == b).all())
    assert gradient_deviation(a, b) <= deviation(a, b)


def test_identical_sees_every_bit() -> None:
    assert identical(np.float32([0.0]), np.float32([0.0]))
    assert not identical(np.float32([0.0]), np.float32([-0.0]))
    assert not identical(np.float32([1.0]), np.float64([1.0]))
    assert not identical(np.zeros((1, 2)), np.zeros((2, 1)))
    assert identical(np.array([math.nan]), np.array([math.nan]))
