# SPDX-License-Identifier: Apache-2.0
"""Requantization against transcriptions of the C++ sources in exact integer arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from weft.sim.requantize import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_multiply,
)

INT32_MINIMUM = -(2**31)
INT32_MAXIMUM = 2**31 - 1


def truncate(numerator: int, denominator: int) -> int:
    """Integer division as C++ does it."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def gemmlowp_high_multiply(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul of gemmlowp, line by line."""
    if a == b == INT32_MINIMUM:
        return INT32_MAXIMUM
    product = a * b
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    return truncate(product + nudge, 1 << 31)


def gemmlowp_divide(x: int, exponent: int) -> int:
    """RoundingDivideByPOT of gemmlowp, line by line."""
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if remainder > threshold else 0)


def corners() -> list[int]:
    """Every power of two and its neighbours, both signs, within int32."""
    values = {0}
    for bit in range(32):
        for delta in (-2, -1, 0, 1, 2):
            values |= {(1 << bit) + delta, -(1 << bit) + delta}
            values |= {3 * (1 << bit) + delta, -3 * (1 << bit) + delta}
    return sorted(value for value in values if INT32_MINIMUM <= value <= INT32_MAXIMUM)


def test_high_multiply_equals_gemmlowp_at_every_pair_of_corners() -> None:
    values = corners()
    grid = np.array(values)
    actual = saturating_rounding_doubling_high_multiply(grid[:, None], grid[None, :])
    expected = [[gemmlowp_high_multiply(a, b) for b in values] for a in values]
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, np.array(expected))


def test_high_multiply_equals_gemmlowp_on_random_operands() -> None:
    generator = np.random.default_rng(20)
    a, b = generator.integers(INT32_MINIMUM, INT32_MAXIMUM, (2, 5000), endpoint=True)
    expected = [gemmlowp_high_multiply(int(x), int(y)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_array_equal(saturating_rounding_doubling_high_multiply(a, b), expected)


def test_the_only_overflow_saturates() -> None:
    actual = saturating_rounding_doubling_high_multiply(INT32_MINIMUM, INT32_MINIMUM)
    assert int(actual) == INT32_MAXIMUM


@pytest.mark.parametrize("exponent", range(32))
def test_divide_equals_gemmlowp_at_every_corner(exponent: int) -> None:
    values = corners()
    expected = [gemmlowp_divide(x, exponent) for x in values]
    np.testing.assert_array_equal(rounding_divide_by_power_of_two(values, exponent), expected)


@pytest.mark.parametrize("exponent", range(1, 9))
def test_divide_rounds_ties_away_from_zero(exponent: int) -> None:
    values = np.arange(-2048, 2049)
    expected = []
    for value in values:
        exact = Fraction(int(value), 1 << exponent)
        magnitude = math.floor(abs(exact) + Fraction(1, 2))
        expected.append(magnitude if exact >= 0 else -magnitude)
    np.testing.assert_array_equal(rounding_divide_by_power_of_two(values, exponent), expected)


def test_multiplier_equals_the_two_roundings_of_the_sources() -> None:
    generator = np.random.default_rng(21)
    accumulators = [0, 1, -1, 127, -128, 2**20, -(2**20), *generator.integers(-(2**24), 2**24, 40)]
    multipliers = [0, 2**30, 2**30 + 1, INT32_MAXIMUM, *generator.integers(2**30, 2**31, 10)]
    for multiplier, shift in itertools.product(multipliers, (-31, -30, -12, -8, -1, 0, 1, 6)):
        expected = [
            gemmlowp_divide(
                gemmlowp_high_multiply(int(x) << max(shift, 0), int(multiplier)), max(-shift, 0)
            )
            for x in accumulators
        ]
        actual = multiply_by_quantized_multiplier(accumulators, multiplier, shift)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    "scale", [1.0, 0.5, 0.25, 0.1, 0.0123, 1e-6, 2.0**-31, 3.5, 1000.25, 1 - 2.0**-40]
)
def test_quantized_multiplier_is_close_to_the_scale(scale: float) -> None:
    multiplier, shift = quantize_multiplier(scale)
    assert 2**30 <= multiplier < 2**31
    assert Fraction(multiplier, 2**31) * Fraction(2) ** shift == pytest.approx(scale, rel=2.0**-31)


def test_quantized_multiplier_at_the_ends() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)
    assert quantize_multiplier(0.5) == (2**30, 0)
    assert quantize_multiplier(1.0) == (2**30, 1)
    assert quantize_multiplier(1 - 2.0**-40) == (2**30, 1)
    with pytest.raises(ValueError, match=r"scale must be below 2\*\*30, not 2147483648.0"):
        quantize_multiplier(2.0**31)
    with pytest.raises(ValueError, match="scale must be zero or positive and finite, not -1.0"):
        quantize_multiplier(-1.0)


def test_requantize_per_channel_with_zero_point_and_clamp() -> None:
    accumulator = np.array([[0, 100, -100], [1000, -1000, 30000]], dtype=np.int32)
    pairs = [quantize_multiplier(scale) for scale in (0.5, 0.25, 0.125)]
    multiplier, shift = (np.array(values) for values in zip(*pairs, strict=True))
    actual = requantize(accumulator, multiplier, shift, -10)
    assert actual.dtype == np.int8
    # -100 * 0.125 = -12.5 is a tie: shift -2 leaves 2**-1 to the multiply, then -50 / 4 = -12.5
    # rounds away from zero to -13.
    np.testing.assert_array_equal(actual, [[-10, 15, -23], [127, -128, 127]])
    rectified = requantize(accumulator, multiplier, shift, -10, clamp_low=-10)
    np.testing.assert_array_equal(rectified, [[-10, 15, -10], [127, -10, 127]])


def test_every_int8_result_of_the_identity_scale() -> None:
    multiplier, shift = quantize_multiplier(1.0)
    values = np.arange(-300, 301)
    np.testing.assert_array_equal(
        requantize(values, multiplier, shift, 0), np.clip(values, -128, 127)
    )


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: rounding_divide_by_power_of_two(1.5, 1), TypeError, "x must be integers"),
        (lambda: rounding_divide_by_power_of_two(2**31, 1), ValueError, "x must fit in int32"),
        (lambda: rounding_divide_by_power_of_two(1, 32), ValueError, "exponent must be from 0"),
        (lambda: multiply_by_quantized_multiplier(2**30, 1, 1), ValueError, "x shifted left"),
        (lambda: multiply_by_quantized_multiplier(1, -1, 1), ValueError, "multiplier must be"),
        (lambda: multiply_by_quantized_multiplier(1, 1, 31), ValueError, "shift must be from -31"),
        (lambda: requantize(1, 1, 0, 128), ValueError, "zero_point must be from -128 to 127"),
        (lambda: requantize(1, 1, 0, 0, 5, 4), ValueError, "clamp_low must be at most clamp_high"),
    ],
)
def test_errors_say_what_is_legal(call, error, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=text):
        call()
