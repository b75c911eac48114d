# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, MINIMUM and MAXIMUM in int8, with broadcasting.

Source: TensorFlow Lite Micro, ``kernels/{add,sub,mul}_common.cc``, and TensorFlow Lite,
``kernels/internal/reference/integer_ops/{add,mul}.h``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .registry import Call, Step, Values, kernel
from .rescale import activation_range, multiply, quantize_multiplier, quantize_multiplier_below_one

__all__ = ["ADD_LEFT_SHIFT", "AdditionScales", "addition_scales"]

ADD_LEFT_SHIFT = 20
"""Bits by which ADD and SUB widen their operands before rescaling them."""


@dataclass(frozen=True)
class AdditionScales:
    """Multipliers and (right, so negative) shifts of ADD and SUB.

    ``first``, ``second`` bring the operands, shifted left by `ADD_LEFT_SHIFT`, to a common scale,
    ``result`` brings their sum to the scale of the result.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    result: tuple[int, int]


def addition_scales(call: Call) -> AdditionScales:
    """The three rescalings of an ADD or SUB, ratios in float64."""
    a, b = call.input(0), call.input(1)
    twice = 2.0 * max(a.scale, b.scale)
    return AdditionScales(
        quantize_multiplier_below_one(a.scale / twice),
        quantize_multiplier_below_one(b.scale / twice),
        quantize_multiplier_below_one(twice / ((1 << ADD_LEFT_SHIFT) * call.output.scale)),
    )


def _broadcast(call: Call) -> None:
    call.count(2)
    a, b = call.input(0), call.input(1)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        call.malformed(f"shapes {a.shape} and {b.shape} do not broadcast")
    call.shaped(shape)


@kernel("ADD", "SUB")
def add(call: Call) -> Step:
    """int8 ADD and SUB."""
    _broadcast(call)
    a, b = call.input(0), call.input(1)
    call.quantized(a, b, call.output)
    scales = addition_scales(call)
    low, high = activation_range(call.attribute("activation", "NONE"), call.output)
    sign = -1 if call.operator.kind == "SUB" else 1

    def run(values: Values) -> list[NDArray]:
        first = (values[0].astype(np.int64) - a.zero_point) << ADD_LEFT_SHIFT
        second = (values[1].astype(np.int64) - b.zero_point) << ADD_LEFT_SHIFT
        total = multiply(first, *scales.first) + sign * multiply(second, *scales.second)
        scaled = multiply(total, *scales.result) + call.output.zero_point
        return [np.clip(scaled, low, high).astype(np.int8)]

    return run


@kernel("MUL")
def mul(call: Call) -> Step:
    """int8 MUL."""
    _broadcast(call)
    a, b = call.input(0), call.input(1)
    call.quantized(a, b, call.output)
    scale = quantize_multiplier(a.scale * b.scale / call.output.scale)
    low, high = activation_range(call.attribute("activation", "NONE"), call.output)

    def run(values: Values) -> list[NDArray]:
        product = (values[0].astype(np.int64) - a.zero_point) * (
            values[1].astype(np.int64) - b.zero_point
        )
        scaled = multiply(product, *scale) + call.output.zero_point
        return [np.clip(scaled, low, high).astype(np.int8)]

    return run


@kernel("MINIMUM", "MAXIMUM")
def extremum(call: Call) -> Step:
    """MINIMUM and MAXIMUM of any type; quantized operands and result share one scale."""
    _broadcast(call)
    call.same_type(call.input(0), call.input(1), call.output)
    function = np.minimum if call.operator.kind == "MINIMUM" else np.maximum
    return lambda values: [function(values[0], values[1])]
