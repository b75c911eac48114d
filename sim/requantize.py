# SPDX-License-Identifier: Apache-2.0
"""Requantization: from int32 accumulators to int8, bit for bit as TensorFlow Lite does it.

Convention ``tflite``: an accumulator is multiplied by a real scale that is given as a Q31
multiplier and a power of two. The multiplication rounds twice, first in a saturating rounding
doubling high multiply, then in a rounding divide by a power of two. Sources: gemmlowp,
``fixedpoint/fixedpoint.h`` (SaturatingRoundingDoublingHighMul, RoundingDivideByPOT), and TensorFlow
Lite, ``kernels/internal/common.h`` (MultiplyByQuantizedMultiplier, double rounding).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "multiply_by_quantized_multiplier",
    "quantize_multiplier",
    "requantize",
    "rounding_divide_by_power_of_two",
    "saturating_rounding_doubling_high_multiply",
    "scale_fixed_point",
    "scale_float",
]

INT32_MINIMUM = -(1 << 31)
INT32_MAXIMUM = (1 << 31) - 1
LARGEST_LEFT_SHIFT = 30
LARGEST_RIGHT_SHIFT = 31


def _int32(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {array.dtype}")
    if array.size and (int(array.min()) < INT32_MINIMUM or int(array.max()) > INT32_MAXIMUM):
        raise ValueError(
            f"{name} must fit in int32, not be from {int(array.min())} to {int(array.max())}"
        )
    return array.astype(np.int64)


def saturating_rounding_doubling_high_multiply(a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
    """The high 32 bits of ``2 * a * b``, rounded to nearest, ties towards plus infinity.

    gemmlowp adds ``2**30`` or ``1 - 2**30`` by sign and divides with truncation towards zero. For
    both signs that is ``floor((a * b + 2**30) / 2**31)``, which is what stands here.

    Parameters
    ----------
    a, b : array of integers that fit in int32
        Factors; they broadcast.

    Returns
    -------
    array of int32
        ``-2**31 * -2**31`` is the one product that does not fit: it saturates to ``2**31 - 1``.
    """
    left, right = np.broadcast_arrays(_int32("a", a), _int32("b", b))
    quotient = (left * right + (1 << 30)) >> 31
    return np.minimum(quotient, INT32_MAXIMUM).astype(np.int32)


def rounding_divide_by_power_of_two(x: ArrayLike, exponent: ArrayLike) -> NDArray[np.int32]:
    """``x / 2**exponent``, rounded to nearest, ties away from zero.

    Parameters
    ----------
    x : array of integers that fit in int32
        Dividend.
    exponent : array of integers, 0 to 31
        Power of two of the divisor; broadcasts against ``x``.
    """
    dividend = _int32("x", x)
    power = _int32("exponent", exponent)
    if power.size and (power.min() < 0 or power.max() > LARGEST_RIGHT_SHIFT):
        raise ValueError(
            f"exponent must be from 0 to {LARGEST_RIGHT_SHIFT}, "
            f"not from {power.min()} to {power.max()}"
        )
    mask = (np.int64(1) << power) - 1
    remainder = dividend & mask
    threshold = (mask >> 1) + (dividend < 0)
    return ((dividend >> power) + (remainder > threshold)).astype(np.int32)


def multiply_by_quantized_multiplier(
    x: ArrayLike, multiplier: ArrayLike, shift: ArrayLike
) -> NDArray[np.int32]:
    """``x * multiplier / 2**31 * 2**shift`` with the double rounding of TensorFlow Lite.

    Parameters
    ----------
    x : array of integers that fit in int32
        Accumulators.
    multiplier : array of integers, 0 to 2**31 - 1
        Q31 multiplier; broadcasts against ``x``.
    shift : array of integers, -31 to 30
        Positive shifts left before the multiplication, negative divides after it.

    Raises
    ------
    ValueError
        If a left shift overflows int32. TensorFlow Lite leaves that case undefined.
    """
    amount = _int32("shift", shift)
    factor = _int32("multiplier", multiplier)
    if factor.size and factor.min() < 0:
        raise ValueError(f"multiplier must be from 0 to {INT32_MAXIMUM}, not {factor.min()}")
    if amount.size and (amount.min() < -LARGEST_RIGHT_SHIFT or amount.max() > LARGEST_LEFT_SHIFT):
        raise ValueError(
            f"shift must be from {-LARGEST_RIGHT_SHIFT} to {LARGEST_LEFT_SHIFT}, "
            f"not from {amount.min()} to {amount.max()}"
        )
    shifted = _int32("x shifted left", _int32("x", x) << np.maximum(amount, 0))
    high = saturating_rounding_doubling_high_multiply(shifted, factor)
    return rounding_divide_by_power_of_two(high, np.maximum(-amount, 0))


def quantize_multiplier(scale: float) -> tuple[int, int]:
    """The Q31 multiplier and the shift that represent a positive real scale.

    Parameters
    ----------
    scale : float
        Zero or a positive, finite number below ``2**30``.

    Returns
    -------
    multiplier : int
        0 for a scale too small to represent, else from ``2**30`` to ``2**31 - 1``.
    shift : int
        Exponent: ``scale`` is close to ``multiplier / 2**31 * 2**shift``.
    """
    if not math.isfinite(scale) or scale < 0:
        raise ValueError(f"scale must be zero or positive and finite, not {scale!r}")
    fraction, shift = math.frexp(scale)
    # TensorFlow Lite rounds with std::round, ties away from zero; Python's round() goes to even.
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -LARGEST_RIGHT_SHIFT:
        return 0, 0
    if shift > LARGEST_LEFT_SHIFT:
        raise ValueError(f"scale must be below 2**{LARGEST_LEFT_SHIFT}, not {scale!r}")
    return multiplier, shift


def requantize(
    accumulator: ArrayLike,
    multiplier: ArrayLike,
    shift: ArrayLike,
    zero_point: int,
    clamp_low: int = -128,
    clamp_high: int = 127,
) -> NDArray[np.int8]:
    """Scale accumulators, add the output's zero point and clamp to int8.

    Parameters
    ----------
    accumulator : array of integers that fit in int32, shape [..., channels]
        Sums of products, with the bias added and the input's zero point folded into it.
    multiplier, shift : scalar or array, shape [channels]
        Per channel, from `quantize_multiplier`.
    zero_point : int, -128 to 127
        Zero point of the output.
    clamp_low, clamp_high : int, -128 to 127
        Smallest and largest result; a rectifier is ``clamp_low=zero_point``.
    """
    for name, value in (
        ("zero_point", zero_point), ("clamp_low", clamp_low), ("clamp_high", clamp_high)
    ):
        if not -128 <= value <= 127:
            raise ValueError(f"{name} must be from -128 to 127, not {value}")
    if clamp_low > clamp_high:
        raise ValueError(f"clamp_low must be at most clamp_high ({clamp_high}), not {clamp_low}")
    scaled = multiply_by_quantized_multiplier(accumulator, multiplier, shift).astype(np.int64)
    return np.clip(scaled + zero_point, clamp_low, clamp_high).astype(np.int8)


def scale_fixed_point(
    values: ArrayLike, multiplier: ArrayLike, left: ArrayLike, right: ArrayLike
) -> NDArray[np.int32]:
    """What the vector unit does under convention ``tflite``: both shifts, wrapping.

    Parameters
    ----------
    values : array of integers that fit in int32
        Sums with their bias.
    multiplier : array of integers that fit in int32
        Q31.
    left, right : array of integers, 0 to 31
        Shift before the multiplication, which wraps to int32, and power of two divided by after it.
    """
    shifted = (_int32("values", values) << _int32("left", left)).astype(np.int32)
    high = saturating_rounding_doubling_high_multiply(shifted, multiplier)
    return rounding_divide_by_power_of_two(high, right)


def scale_float(values: ArrayLike, scale: ArrayLike) -> NDArray[np.int32]:
    """What the vector unit does under convention ``onnx``.

    The value becomes a float32, is multiplied by ``scale`` in float32, rounded to an integer, ties
    to even, and saturated to int32.

    Parameters
    ----------
    values : array of integers that fit in int32
        Sums with their bias.
    scale : array of float32
        Finite; broadcasts against ``values``.
    """
    factor = np.asarray(scale, dtype=np.float32)
    if not np.isfinite(factor).all():
        raise ValueError("scale must be finite")
    with np.errstate(over="ignore", under="ignore"):
        product = _int32("values", values).astype(np.int32).astype(np.float32) * factor
    limited = np.clip(np.rint(product).astype(np.float64), INT32_MINIMUM, INT32_MAXIMUM)
    return limited.astype(np.int32)
