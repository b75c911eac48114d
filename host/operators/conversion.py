# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE, DEQUANTIZE, CAST and PRELU.

Source: TensorFlow Lite, ``kernels/internal/reference/{quantize,requantize,dequantize,prelu}.h``,
and TensorFlow Lite Micro, ``kernels/{quantize,prelu}_common.cc``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .registry import Call, Step, Values, kernel
from .rescale import multiply, quantize_multiplier, round_half_away

__all__ = ["cast", "dequantize", "prelu", "quantize"]

INTEGERS = ("int8", "uint8", "int16")


@kernel("QUANTIZE")
def quantize(call: Call) -> Step:
    """From float32, or from one scale to another."""
    call.count(1)
    x, y = call.input(0), call.output
    call.shaped(x.shape)
    call.quantized(y, dtypes=INTEGERS)
    limits = np.iinfo(y.dtype)

    if x.dtype == np.float32:

        def run(values: Values) -> list[NDArray]:
            with np.errstate(over="ignore", invalid="ignore"):
                ratio = values[0] / np.float32(y.scale)
            if np.isnan(ratio).any():
                call.malformed("input has elements that are not numbers")
            bounded = round_half_away(np.clip(ratio, -(2.0**30), 2.0**30)).astype(np.int64)
            return [np.clip(bounded + y.zero_point, limits.min, limits.max).astype(y.dtype)]

        return run

    call.quantized(x, dtypes=INTEGERS)
    scale = quantize_multiplier(x.scale / y.scale)

    def rescale(values: Values) -> list[NDArray]:
        scaled = multiply(values[0].astype(np.int64) - x.zero_point, *scale) + y.zero_point
        return [np.clip(scaled, limits.min, limits.max).astype(y.dtype)]

    return rescale


@kernel("DEQUANTIZE")
def dequantize(call: Call) -> Step:
    """To float32, the product in float64."""
    call.count(1)
    x, y = call.input(0), call.output
    call.shaped(x.shape)
    call.quantized(x, dtypes=INTEGERS)
    if y.dtype != np.float32:
        call.unsupported(f"result of type {y.dtype} is not supported, only float32")
    return lambda values: [
        (x.scale * (values[0].astype(np.int64) - x.zero_point)).astype(np.float32)
    ]


@kernel("CAST")
def cast(call: Call) -> Step:
    """Between integers that hold each other's values, and from them to float32."""
    call.count(1)
    x, y = call.input(0), call.output
    call.shaped(x.shape)
    if not np.can_cast(x.dtype, y.dtype, "same_kind") and y.dtype != np.float32:
        call.unsupported(f"from {x.dtype} to {y.dtype} is not supported")
    return lambda values: [values[0].astype(y.dtype)]


@kernel("PRELU")
def prelu(call: Call) -> Step:
    """int8 PRELU: slopes below zero are a tensor that broadcasts."""
    call.count(2)
    x, alpha, y = call.input(0), call.input(1), call.output
    call.quantized(x, alpha, y)
    call.shaped(np.broadcast_shapes(x.shape, alpha.shape))
    identity = quantize_multiplier(x.scale / y.scale)
    slope = quantize_multiplier(x.scale * alpha.scale / y.scale)

    def run(values: Values) -> list[NDArray]:
        centered = values[0].astype(np.int64) - x.zero_point
        product = centered * (values[1].astype(np.int64) - alpha.zero_point)
        scaled = np.where(centered >= 0, multiply(centered, *identity), multiply(product, *slope))
        return [np.clip(scaled + y.zero_point, -128, 127).astype(np.int8)]

    return run
