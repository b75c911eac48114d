# SPDX-License-Identifier: Apache-2.0
"""Functions of fixed-point numbers in 32 bits, bit for bit as gemmlowp computes them.

Numbers are raw int32 values held in int64 arrays; a format with ``n`` integer bits has ``31 - n``
fraction bits. Source: gemmlowp, ``fixedpoint/fixedpoint.h``, and TensorFlow Lite,
``kernels/internal/common.h`` (GetReciprocal).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rescale import rounding_divide_by_power_of_two, saturating_rounding_doubling_high_multiply

__all__ = ["exp_on_negative_values", "logistic", "one_over_one_plus_x", "reciprocal", "tanh"]

Raw = NDArray[np.int64]

ONE = (1 << 31) - 1
"""1.0 with no integer bits: the largest raw value."""

_NEWTON_STEPS = 3
_48_OVER_17 = 1515870810
_NEGATIVE_32_OVER_17 = -1010580540
_EXP_OF_NEGATIVE_EIGHTH = 1895147668
_ONE_THIRD = 715827883

_EXP_MULTIPLIERS = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535),
    (3, 720401), (4, 242),
)
"""``exp(-2**exponent)`` with no integer bits, by exponent."""


def _product(a: Raw | int, b: Raw | int) -> Raw:
    return saturating_rounding_doubling_high_multiply(a, b).astype(np.int64)


def _shift_right(a: Raw, bits: int) -> Raw:
    return rounding_divide_by_power_of_two(a, bits).astype(np.int64)


def _shift_left(a: Raw, bits: int) -> Raw:
    return np.clip(a << bits, -(1 << 31), ONE)


def _exp_near_zero(a: Raw) -> Raw:
    """exp on [-1/4, 0) with no integer bits."""
    x = a + (1 << 28)
    x2 = _product(x, x)
    x3 = _product(x2, x)
    x4_over_4 = _shift_right(_product(x2, x2), 2)
    tail = _shift_right(_product(x4_over_4 + x3, _ONE_THIRD) + x2, 1)
    return _EXP_OF_NEGATIVE_EIGHTH + _product(_EXP_OF_NEGATIVE_EIGHTH, x + tail)


def exp_on_negative_values(a: Raw, integer_bits: int) -> Raw:
    """``exp(a)`` for ``a <= 0`` with at most 5 integer bits, as a number with none."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(_shift_left(within, integer_bits))
    remainder = within - a
    for exponent, multiplier in _EXP_MULTIPLIERS:
        if integer_bits > exponent:
            chosen = (remainder >> (fraction_bits + exponent)) & 1
            result = np.where(chosen, _product(result, multiplier), result)
    return np.where(a == 0, ONE, result)


def _newton(a: Raw) -> Raw:
    """``2 / (1 + a)`` for a in [0, 1), with 2 integer bits."""
    half_denominator = (a + ONE + 1) // 2
    x = _48_OVER_17 + _product(half_denominator, _NEGATIVE_32_OVER_17)
    for _ in range(_NEWTON_STEPS):
        error = (1 << 29) - _product(half_denominator, x)
        x = x + _shift_left(_product(x, error), 2)
    return x


def one_over_one_plus_x(a: Raw) -> Raw:
    """``1 / (1 + a)`` for a in [0, 1), both with no integer bits."""
    return _shift_left(_newton(a), 1)


def reciprocal(x: Raw, integer_bits: int) -> tuple[Raw, Raw]:
    """``1 / x`` for positive x as a mantissa with no integer bits and bits over unit.

    Returns
    -------
    mantissa : array of int64
        From 1/2 to 1.
    exponent : array of int64
        ``1 / x = mantissa * 2**-exponent``.
    """
    leading_zeros = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    normalized = ((x << leading_zeros) & 0xFFFFFFFF) - (1 << 31)
    return one_over_one_plus_x(normalized), integer_bits - leading_zeros


def logistic(a: Raw, integer_bits: int) -> Raw:
    """``1 / (1 + exp(-a))`` with no integer bits."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, ONE - positive))


def tanh(a: Raw, integer_bits: int) -> Raw:
    """Hyperbolic tangent with no integer bits."""
    x = _newton(exp_on_negative_values(-np.abs(a), integer_bits + 1))
    positive = _shift_left(x - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a < 0, -positive, positive))
