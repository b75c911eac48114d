# SPDX-License-Identifier: Apache-2.0
"""Functions of one int8: every one is a table of 256 values.

LOGISTIC and TANH are fixed point (gemmlowp), HARD_SWISH works in 16 bits, RELU, RELU_N1_TO_1 and
LEAKY_RELU rescale, RELU6 clamps, ELU and GELU round a float32 function. Sources: TensorFlow Lite
Micro, ``kernels/{activations,hard_swish,leaky_relu,logistic,tanh}_common.cc`` and
``kernels/elu.cc``; TensorFlow Lite, ``kernels/activations.cc`` (GELU, which TensorFlow Lite Micro
does not have) and ``kernels/internal/reference/{hard_swish,leaky_relu}.h``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, Operator
from . import fixed_point
from .registry import Call, Step, kernel
from .rescale import (
    activation_range,
    multiply,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_power_of_two,
)
from .softmax import input_radius

__all__ = ["TABLES", "int8_table"]

INT8 = np.arange(-128, 128, dtype=np.int64)
INPUT_BITS = 4
INT16_MAXIMUM = (1 << 15) - 1

Table = Callable[[Call], NDArray]
TABLES: dict[str, Table] = {}
"""Per kind: the function that fills the table, wider than int8 and not yet clamped to it."""


def int8_table(graph: Graph, operator: Operator) -> NDArray[np.int8]:
    """What an operator of a kind in `TABLES` makes of every int8.

    Returns
    -------
    array of int8, shape [256]
        Entry ``value + 128`` is the result for ``value``.
    """
    return _table(Call(operator, graph.operands(operator), graph.results(operator)))


def _table(call: Call) -> NDArray[np.int8]:
    call.count(1)
    call.quantized(call.input(0), call.output)
    call.shaped(call.input(0).shape)
    return np.clip(TABLES[call.operator.kind](call), -128, 127).astype(np.int8)


def _unary(kind: str) -> Callable[[Table], Table]:
    def register(function: Table) -> Table:
        TABLES[kind] = function
        kernel(kind)(_lookup)
        return function

    return register


def _lookup(call: Call) -> Step:
    table = _table(call)
    return lambda values: [table[values[0].astype(np.int64) + 128]]


def _sigmoidal(call: Call, function: Callable, fraction_bits: int, zero_point: int) -> NDArray:
    """A fixed-point function with results in [-1, 1] at scale ``2**-fraction_bits``."""
    x = call.input(0)
    if call.output.zero_point != zero_point or call.output.scale != 2.0**-fraction_bits:
        call.malformed(
            f"unsupported quantization: the result must have scale 1/{1 << fraction_bits} and "
            f"zero point {zero_point}"
        )
    multiplier, shift = quantize_multiplier(x.scale * (1 << (31 - INPUT_BITS)))
    radius = input_radius(INPUT_BITS, shift)
    centered = INT8 - x.zero_point
    inside = np.abs(centered) < radius
    scaled = multiply(np.where(inside, centered, 0), multiplier, shift)
    raw = function(scaled, INPUT_BITS)
    result = rounding_divide_by_power_of_two(raw, 31 - fraction_bits).astype(np.int64) + zero_point
    return np.where(inside, result, np.where(centered > 0, 127, -128))


@_unary("LOGISTIC")
def logistic(call: Call) -> NDArray:
    """The sigmoid."""
    return _sigmoidal(call, fixed_point.logistic, 8, -128)


@_unary("TANH")
def tanh(call: Call) -> NDArray:
    """The hyperbolic tangent."""
    return _sigmoidal(call, fixed_point.tanh, 7, 0)


@_unary("RELU")
def relu(call: Call) -> NDArray:
    """Rescale and clamp from below."""
    x, y = call.input(0), call.output
    low, high = activation_range("RELU", y)
    scaled = multiply(INT8 - x.zero_point, *quantize_multiplier(x.scale / y.scale))
    return np.clip(scaled + y.zero_point, low, high)


@_unary("RELU_N1_TO_1")
def relu_n1_to_1(call: Call) -> NDArray:
    """Rescale and clamp to -1 and 1."""
    x, y = call.input(0), call.output
    low, high = activation_range("RELU_N1_TO_1", y)
    scaled = multiply(INT8 - x.zero_point, *quantize_multiplier(x.scale / y.scale))
    return np.clip(scaled + y.zero_point, low, high)


@_unary("RELU6")
def relu6(call: Call) -> NDArray:
    """Clamp in the scale of the input; the result must have it too."""
    call.same_type(call.input(0), call.output)
    return np.clip(INT8, *activation_range("RELU6", call.input(0)))


@_unary("LEAKY_RELU")
def leaky_relu(call: Call) -> NDArray:
    """Two slopes; the ratios of scales are taken in float32."""
    x, y = call.input(0), call.output
    scale, alpha = np.float32(x.scale), np.float32(call.attribute("alpha"))
    if not alpha >= 0:
        call.unsupported(f"alpha {alpha} is negative")
    centered = INT8 - x.zero_point
    with np.errstate(over="ignore"):
        identity = quantize_multiplier(float(scale / np.float32(y.scale)))
        slope = quantize_multiplier(float(scale * alpha / np.float32(y.scale)))
    return y.zero_point + np.where(
        centered >= 0, multiply(centered, *identity), multiply(centered, *slope)
    )


def _product16(a: NDArray, b: int) -> NDArray:
    """Saturating rounding doubling high multiply of int16."""
    return np.minimum((a * b + (1 << 14)) >> 15, INT16_MAXIMUM)


def _mantissa16(multiplier: int) -> int:
    """A Q31 multiplier rounded to Q15."""
    return min((multiplier + (1 << 15)) >> 16, INT16_MAXIMUM)


@_unary("HARD_SWISH")
def hard_swish(call: Call) -> NDArray:
    """``x * relu6(x + 3) / 6`` in 16 bits."""
    x, y = call.input(0), call.output
    fine_scale = np.float32(1 / 128) * np.float32(x.scale)
    with np.errstate(over="ignore"):
        output = quantize_multiplier(float(fine_scale / np.float32(y.scale)))
        slope = quantize_multiplier(float(fine_scale / (np.float32(3.0) / np.float32(32768.0))))
    if output[1] > 0:
        call.unsupported("the result's scale is too small for the input's")
    fine = (INT8 - x.zero_point) << 7
    scaled = _product16(fine, _mantissa16(output[0]))
    gate, exponent = fine, slope[1]
    if exponent > 0:
        gate = np.clip(gate << (exponent - 1), -INT16_MAXIMUM - 1, INT16_MAXIMUM)
    gate = _product16(gate, _mantissa16(slope[0]))
    if exponent > 0:
        gate = np.clip(gate << 1, -INT16_MAXIMUM - 1, INT16_MAXIMUM)
    elif exponent < 0:
        gate = rounding_divide_by_power_of_two(gate, -exponent).astype(np.int64)
    gate = (gate + (1 << 15)) >> 1
    # Division by 2**15 truncates towards zero, unlike a shift.
    product = np.fix(gate * scaled / (1 << 15)).astype(np.int64)
    return rounding_divide_by_power_of_two(product, -output[1]).astype(np.int64) + y.zero_point


def _rounded(call: Call, function: Callable[[NDArray], NDArray]) -> NDArray:
    """A function of float32, rounded to the scale of the result."""
    x, y = call.input(0), call.output
    real = np.float32(x.scale) * (INT8 - x.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        inverse = np.float32(1) / np.float32(y.scale)
        ratio = function(real).astype(np.float32) * inverse
    return np.clip(round_half_away(ratio), -(1 << 20), 1 << 20).astype(np.int64) + y.zero_point


@_unary("ELU")
def elu(call: Call) -> NDArray:
    """``exp(x) - 1`` below zero."""
    return _rounded(call, lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x))


@_unary("GELU")
def gelu(call: Call) -> NDArray:
    """The Gaussian error linear unit, exact or with the approximation by tanh."""
    if call.attribute("approximate", False):
        factor = math.sqrt(2 / math.pi)

        def function(x: NDArray) -> NDArray:
            wide = x.astype(np.float64)
            return 0.5 * wide * (1 + np.tanh(factor * (wide + 0.044715 * wide**3)))
    else:

        def function(x: NDArray) -> NDArray:
            return np.array([0.5 * v * math.erfc(-v * math.sqrt(0.5)) for v in x.tolist()])

    return _rounded(call, function)
