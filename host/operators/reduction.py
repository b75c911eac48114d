# SPDX-License-Identifier: Apache-2.0
"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX and ARG_MIN.

Source: TensorFlow Lite, ``kernels/internal/reference/reduce.h`` (QuantizedMeanOrSum).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .registry import Call, Step, Values, kernel
from .rescale import multiply, quantize_multiplier, wrap32

__all__ = ["mean_multiplier", "reduction_axes"]


def reduction_axes(call: Call) -> tuple[int, ...]:
    """The axes of a reduction, from 0 and without repetition; checks the shape of the result."""
    call.count(2)
    shape = call.input(0).shape
    axes = tuple(
        sorted({call.axis(axis, len(shape)) for axis in call.integers(1, "axes of a reduction")})
    )
    kept = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    if not call.attribute("keep_dims", False):
        kept = tuple(extent for axis, extent in enumerate(shape) if axis not in axes)
    call.shaped(kept)
    return axes


def mean_multiplier(scale: float, count: int) -> tuple[int, int]:
    """Multiplier and shift of ``scale / count``, the division in integers."""
    multiplier, shift = quantize_multiplier(scale)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


@kernel("MEAN", "SUM")
def mean(call: Call) -> Step:
    """int8 MEAN and SUM over any axes."""
    axes = reduction_axes(call)
    x = call.input(0)
    call.quantized(x, call.output)
    count = math.prod(x.shape[axis] for axis in axes)
    if not count:
        call.malformed("mean of no elements")
    ratio = x.scale / call.output.scale
    if call.operator.kind == "MEAN":
        scale = mean_multiplier(ratio, count)
    else:
        scale = quantize_multiplier(ratio)

    def run(values: Values) -> list[NDArray]:
        sums = values[0].astype(np.int64).sum(axis=axes) - x.zero_point * count
        result = multiply(wrap32(sums), *scale) + call.output.zero_point
        return [np.clip(result, -128, 127).astype(np.int8).reshape(call.output.shape)]

    return run


@kernel("REDUCE_MAX", "REDUCE_MIN")
def extremum(call: Call) -> Step:
    """Largest or smallest element; a quantized result has the scale of the input."""
    axes = reduction_axes(call)
    call.same_type(call.input(0), call.output)
    if not call.input(0).elements:
        call.malformed("extremum of no elements")
    function = np.max if call.operator.kind == "REDUCE_MAX" else np.min
    return lambda values: [
        np.asarray(function(values[0], axis=axes)).reshape(call.output.shape)
    ]


@kernel("ARG_MAX", "ARG_MIN")
def position(call: Call) -> Step:
    """Index of the first largest or smallest element along an axis."""
    call.count(2)
    shape = call.input(0).shape
    axes = call.integers(1, "axis")
    if len(axes) != 1:
        call.malformed(f"{len(axes)} axes, not one")
    axis = call.axis(axes[0], len(shape))
    if not call.input(0).elements:
        call.malformed("extremum of no elements")
    call.shaped(shape[:axis] + shape[axis + 1 :])
    dtype = call.output.dtype
    if dtype not in (np.int32, np.int64):
        call.malformed(f"indices cannot be {dtype}")
    function = np.argmax if call.operator.kind == "ARG_MAX" else np.argmin
    return lambda values: [np.asarray(function(values[0], axis=axis)).astype(dtype)]
