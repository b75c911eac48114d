# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX in int8, in fixed point.

Source: TensorFlow Lite, ``kernels/internal/reference/softmax.h`` and
``kernels/internal/quantization_util.cc`` (PreprocessSoftmaxScaling, CalculateInputRadius).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .fixed_point import exp_on_negative_values, reciprocal
from .registry import Call, Step, Values, kernel
from .rescale import (
    multiply,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_multiply,
)

__all__ = ["input_radius"]

DIFFERENCE_BITS = 5
SUM_BITS = 12


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Largest input that still fits once it is scaled to ``integer_bits``."""
    return math.floor(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits - left_shift))


@kernel("SOFTMAX")
def softmax(call: Call) -> Step:
    """int8 SOFTMAX along the last axis; the result has scale 1/256 and zero point -128."""
    call.count(1)
    x = call.input(0)
    call.quantized(x, call.output)
    call.shaped(x.shape)
    if not x.shape or not x.elements:
        call.malformed("input is empty or a scalar")
    if call.output.zero_point != -128 or call.output.scale != 1 / 256:
        call.malformed("unsupported quantization: the result must have scale 1/256, zero -128")
    beta = float(np.float32(call.attribute("beta", 1.0)))
    scale = min(beta * x.scale * (1 << (31 - DIFFERENCE_BITS)), float((1 << 31) - 1))
    if not scale > 1:
        call.malformed(f"beta {beta} times scale {x.scale} is too small")
    multiplier, shift = _quantize_capped(scale)
    smallest = -input_radius(DIFFERENCE_BITS, shift)

    def run(values: Values) -> list[NDArray]:
        differences = values[0].astype(np.int64)
        differences -= differences.max(axis=-1, keepdims=True)
        counted = differences >= smallest
        scaled = multiply(np.where(counted, differences, 0), multiplier, shift)
        exponentials = exp_on_negative_values(scaled, DIFFERENCE_BITS)
        terms = rounding_divide_by_power_of_two(exponentials, SUM_BITS).astype(np.int64)
        total = np.where(counted, terms, 0).sum(axis=-1, keepdims=True)
        mantissa, exponent = reciprocal(total, SUM_BITS)
        product = saturating_rounding_doubling_high_multiply(mantissa, exponentials)
        result = rounding_divide_by_power_of_two(product, exponent + 31 - 8).astype(np.int64) - 128
        return [np.where(counted, np.clip(result, -128, 127), -128).astype(np.int8)]

    return run


def _quantize_capped(scale: float) -> tuple[int, int]:
    """`quantize_multiplier` for scales up to ``2**31 - 1``."""
    if scale < 1 << 30:
        return quantize_multiplier(scale)
    multiplier, shift = quantize_multiplier(scale / 4)
    return multiplier, shift + 2
