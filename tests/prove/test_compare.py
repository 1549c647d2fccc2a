"""One measure of equality, by the rules of trust.md."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from archdsl.prove.compare import deviation, gradient_deviation, identical, look, state_deviation

NUMBERS = arrays(np.float64, (2, 3), elements=st.floats(-1e6, 1e6))


def test_the_largest_difference_counts_by_the_spread_of_what_is_expected() -> None:
    a, b = np.array([1.0, -4.0, 0.1, -1.0]), np.array([2.0, -4.0, 0.0, 0.0])
    assert deviation(a, b) == 1.0 / 6.0
    assert deviation(b, a) == 1.0 / 5.0


def test_an_offset_hides_nothing() -> None:
    b = np.random.default_rng(0).normal(size=(4, 3, 5))
    a = b * (1 + 1e-6)
    for offset in (0.0, 1e3, 1e6):
        assert 3e-7 < deviation(a + offset, b + offset) < 2e-6


def test_a_loud_channel_hides_nothing() -> None:
    b = np.random.default_rng(0).normal(size=(4, 3, 5))
    b[:, 1] *= 1e11
    a = b.copy()
    a[:, 2] *= 1 + 1e-6
    assert 3e-7 < deviation(a, b) < 2e-6
    assert deviation(np.moveaxis(a, 1, -1), np.moveaxis(b, 1, -1), axis=2) == deviation(a, b)
    assert gradient_deviation(np.moveaxis(a, 1, 0), np.moveaxis(b, 1, 0)) > 1e-7
    assert state_deviation(np.array([1e11, 1.0]), np.array([1e11, 1.1])) == pytest.approx(0.1 / 1.1)


def test_what_does_not_vary_is_seen_and_told() -> None:
    still, moves = np.full((9, 2), 5.0), np.arange(18.0).reshape(9, 2)
    assert deviation(still, still) == 0.0
    assert list(look([(still, still)]).blind(1e-10)) == [True, True]
    assert list(look([(moves, moves)]).blind(1e-10)) == [False, False]
    assert list(look([(moves + 1e15, moves + 1e15)]).blind(1e-10)) == [True, True]
    assert deviation(still + 1e-3, still) == pytest.approx(2e-4)


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


def test_only_finite_values_prove_anything() -> None:
    a = np.array([math.inf, -math.inf, math.nan, 2.0])
    assert deviation(a, a) == gradient_deviation(a, a) == state_deviation(a, a) == math.inf
    assert deviation(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0
    assert look([(a, a)]).fault


def test_float32_is_compared_in_float64() -> None:
    a, b = np.float32([1e38, -2e38]), np.float32([-3e38, 2e38])
    assert deviation(a, b) == pytest.approx(4 / 5, rel=1e-6)


@given(NUMBERS, NUMBERS)
def test_deviation_is_zero_only_for_equal_arrays(a: np.ndarray, b: np.ndarray) -> None:
    assert (deviation(a, b) == 0.0) == bool((a == b).all())
    assert (gradient_deviation(a, b) == 0.0) == bool((a == b).all())


def test_identical_sees_every_bit() -> None:
    assert identical(np.float32([0.0]), np.float32([0.0]))
    assert not identical(np.float32([0.0]), np.float32([-0.0]))
    assert not identical(np.float32([1.0]), np.float64([1.0]))
    assert not identical(np.zeros((1, 2)), np.zeros((2, 1)))
    assert identical(np.array([math.nan]), np.array([math.nan]))
