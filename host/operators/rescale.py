# SPDX-License-Identifier: Apache-2.0
"""From real scales to Q31 multipliers, shifts and clamps, as TensorFlow Lite Micro has them.

Source: TensorFlow Lite Micro, ``kernels/kernel_util.cc`` and
``kernels/internal/quantization_util.cc``. Whether a product of scales is taken in float32 or
float64 decides the last bit of a multiplier, so each function says which.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..graph import ModelError, Tensor
from ..sim.requantize import (
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_multiply,
)

__all__ = [
    "activation_range",
    "channel_multipliers",
    "multiply",
    "quantize_multiplier",
    "quantize_multiplier_below_one",
    "round_half_away",
    "rounding_divide_by_power_of_two",
    "saturating_rounding_doubling_high_multiply",
    "wrap32",
]


def wrap32(values: NDArray) -> NDArray[np.int64]:
    """Two's complement wrap-around of integers to 32 bits, as int64."""
    return values.astype(np.int64).astype(np.int32).astype(np.int64)


def multiply(x: ArrayLike, multiplier: ArrayLike, shift: ArrayLike) -> NDArray[np.int64]:
    """``x * multiplier / 2**31 * 2**shift`` with double rounding.

    As `weft.sim.requantize.multiply_by_quantized_multiplier`, but a left shift that overflows
    int32 wraps, as the hardware and TensorFlow Lite on two's complement machines do.
    """
    amount = np.asarray(shift, np.int64)
    shifted = np.asarray(x, np.int64) << np.maximum(amount, 0)
    high = saturating_rounding_doubling_high_multiply(wrap32(shifted), multiplier)
    return rounding_divide_by_power_of_two(high, np.maximum(-amount, 0)).astype(np.int64)


def quantize_multiplier_below_one(scale: float) -> tuple[int, int]:
    """`quantize_multiplier` of a scale that must be between 0 and 1."""
    if not 0 < scale < 1:
        raise ModelError(f"scale ratio {scale!r} must be between 0 and 1")
    return quantize_multiplier(scale)


def round_half_away(value: ArrayLike) -> NDArray:
    """Round to the nearest integer, ties away from zero, in the type of ``value``."""
    array = np.asarray(value)
    whole = np.trunc(array)
    return np.where(np.abs(array - whole) >= 0.5, whole + np.sign(array), whole)


def channel_multipliers(
    source: Tensor, weights: Tensor, result: Tensor, channels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Multiplier and shift of every output channel, products in float64.

    Parameters
    ----------
    source, weights, result : Tensor
        Operands and result of the convolution; ``weights`` per channel or per tensor.
    channels : int
        Output channels.

    Returns
    -------
    multiplier, shift : arrays of int64, shape [channels]
    """
    if weights.quantization is None:
        raise ModelError(f"tensor {weights.name!r} has no quantization")
    scales = weights.quantization.scale.astype(np.float64)
    ratios = source.scale * scales / result.scale
    pairs = [quantize_multiplier(float(ratio)) for ratio in ratios]
    if len(pairs) == 1:
        pairs *= channels
    return (
        np.array([pair[0] for pair in pairs], np.int64),
        np.array([pair[1] for pair in pairs], np.int64),
    )


def activation_range(activation: str, result: Tensor) -> tuple[int, int]:
    """Smallest and largest integer that a fused activation leaves.

    Parameters
    ----------
    activation : str
        "NONE", "RELU", "RELU6" or "RELU_N1_TO_1".
    result : Tensor
        Gives the integer type, scale and zero point; bounds are rounded in float32.
    """
    limits = np.iinfo(result.dtype)
    low, high = limits.min, limits.max
    if activation == "NONE":
        return low, high
    bounds = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
    if activation not in bounds:
        raise ModelError(f"fused activation {activation} is not supported")
    below, above = bounds[activation]
    low = max(low, _quantize(below, result))
    if above is not None:
        high = min(high, _quantize(above, result))
    if low > high:
        raise ModelError(f"fused activation {activation} leaves no value ({low} to {high})")
    return low, high


def _quantize(value: float, tensor: Tensor) -> int:
    with np.errstate(over="ignore"):
        ratio = float(np.float32(value) / np.float32(tensor.scale))
    if not math.isfinite(ratio) or abs(ratio) >= 2**31:
        raise ModelError(f"tensor {tensor.name!r}: {value} has no integer at scale {tensor.scale}")
    return tensor.zero_point + int(round_half_away(np.float32(ratio)))
