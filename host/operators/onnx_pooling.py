# SPDX-License-Identifier: Apache-2.0
"""Pools, means and softmax of integers under convention ``onnx``.

Source: onnxruntime, ``contrib_ops/cpu/quantization/{qlinear_pool,qlinear_global_average_pool}.cc``
and ``core/mlas/lib/qlgavgpool.cpp``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .convolution import windows
from .onnx_elementwise import file_offset
from .onnx_rescale import INTEGERS, dequantize, requantization
from .registry import Call, Step, Values, kernel

__all__ = ["average_of_sums", "pool_windows"]

RESERVED_BITS = 5
"""Powers of e that QLinearSoftmax keeps free below the largest float32."""


def pool_windows(call: Call) -> tuple[tuple[int, int], Any]:
    """Rows and columns of a pool's result, and the function from a padded map to its taps."""
    x = call.input(0)
    if len(x.shape) != 4:
        call.malformed("input must have four dimensions")
    extent, stride = call.attribute("filter"), call.attribute("stride")
    dilation = call.attribute("dilation", (1, 1))
    top, left, bottom, right = call.attribute("pads")
    sizes = []
    for axis, before, after in ((0, top, bottom), (1, left, right)):
        reach = (extent[axis] - 1) * dilation[axis] + 1
        padded = x.shape[1 + axis] + before + after
        if padded < reach:
            call.malformed(f"window {extent} does not fit input {x.shape} and padding")
        sizes.append((padded - reach) // stride[axis] + 1)
    call.shaped((x.shape[0], *sizes, x.shape[3]))
    outputs = (sizes[0], sizes[1])
    padding = ((0, 0), (top, bottom), (left, right), (0, 0))

    def taps(values: NDArray, fill: Any) -> list[NDArray]:
        full = np.pad(values, padding, constant_values=fill)
        view = windows(full, extent, stride, dilation, outputs)
        return [view[:, :, :, r, c] for r in range(extent[0]) for c in range(extent[1])]

    return outputs, taps


@kernel("MAX_POOL_2D", convention="onnx")
def max_pool(call: Call) -> Step:
    """MaxPool of integers."""
    call.count(1)
    x = call.input(0)
    call.same_type(x, call.output)
    if x.dtype.name not in INTEGERS:
        call.unsupported(f"MaxPool of {x.dtype}")
    _, taps = pool_windows(call)
    lowest = np.iinfo(x.dtype).min
    return lambda values: [np.maximum.reduce(taps(values[0], lowest))]


@kernel("AVERAGE_POOL_2D", convention="onnx")
def average_pool(call: Call) -> Step:
    """QLinearAveragePool: float32 sums in the order of the window, divided, quantized."""
    call.count(1)
    x, result = call.input(0), call.output
    call.quantized(x, result, dtypes=INTEGERS)
    outputs, taps = pool_windows(call)
    inside = np.ones((1, *x.shape[1:3], 1), np.float32)
    if call.attribute("count_include_pad", False):
        extent = call.attribute("filter")
        count = np.full((1, *outputs, 1), math.prod(extent), np.float32)
    else:
        count = np.add.reduce(taps(inside, 0))
    offset = file_offset(call, result)
    limits, zero = np.iinfo(result.dtype), np.float32(result.zero_point + offset)

    def run(values: Values) -> list[NDArray]:
        total = np.zeros(result.shape, np.float32)
        for tap in taps(dequantize(values[0], x), 0):
            total += tap
        with np.errstate(all="ignore"):
            rounded = np.nan_to_num(np.rint(total / count / np.float32(result.scale) + zero))
        return [np.clip(rounded - offset, limits.min, limits.max).astype(result.dtype)]

    return run


def average_of_sums(call: Call, taps: int, count: int) -> NDArray[np.int8] | None:
    """What QLinearAveragePool makes of every sum of int8 in a window, if the sum decides it.

    The float32 sum of a window depends on the order of its elements, by at most a bound that
    follows from the number of roundings. Where a sum is closer than that to where the result
    changes, two windows of the same sum may give different results.

    Parameters
    ----------
    taps : int
        Elements in the window that are not padding.
    count : int
        Divisor.

    Returns
    -------
    array of int8 or None
        For sums of ``taps`` integers from ``-128 * taps`` to ``127 * taps``; None if some sum does
        not decide the result.

    Notes
    -----
    The bound is the usual one of floating-point sums: N. J. Higham, "Accuracy and Stability of
    Numerical Algorithms", 2nd edition, section 4.2.
    """
    x, result = call.input(0), call.output
    zero = result.zero_point + file_offset(call, result)
    ratio = np.float64(np.float32(x.scale)) / np.float64(np.float32(result.scale)) / count
    low, high = -128 - x.zero_point, 127 - x.zero_point
    sums = np.arange(taps * low, taps * high + 1, dtype=np.int64)
    exact = sums * ratio + zero
    # With p elements above zero, the magnitudes of a sum S add up to S + 2 * (those below zero).
    above = np.arange(taps + 1)
    below = np.minimum((taps - above) * -low, above * high - sums[:, None]).max(axis=1)
    magnitude = sums + 2 * below
    roundings = (taps + 3) * 2.0**-24
    bound = roundings / (1 - roundings) * (magnitude * ratio + np.abs(exact) + abs(zero))
    distance = np.abs(exact - np.floor(exact) - 0.5)
    limits = np.iinfo(result.dtype)
    offset = zero - result.zero_point
    inside = (exact > limits.min + offset - 1) & (exact < limits.max + offset + 1)
    if (inside & (distance <= bound)).any():
        return None
    return np.clip(np.rint(exact) - offset, limits.min, limits.max).astype(np.int8)


@kernel("MEAN", convention="onnx")
def mean(call: Call) -> Step:
    """QLinearGlobalAveragePool: sums without zero point times one float32 factor."""
    call.count(2)
    x, result = call.input(0), call.output
    call.quantized(x, result, dtypes=INTEGERS)
    axes = tuple(sorted({call.axis(a, len(x.shape)) for a in call.integers(1, "axes")}))
    count = math.prod(x.shape[axis] for axis in axes)
    if not count:
        call.malformed("mean of no elements")
    kept = [1 if a in axes else n for a, n in enumerate(x.shape)
            if a not in axes or call.attribute("keep_dims", False)]
    call.shaped(kept)
    factor = np.float32(x.scale) / (np.float32(result.scale) * np.float32(count))
    finish = requantization(call, np.atleast_1d(factor))

    def run(values: Values) -> list[NDArray]:
        sums = values[0].astype(np.int64).sum(axis=axes) - x.zero_point * count
        return [finish(sums).reshape(result.shape)]

    return run


@kernel("SOFTMAX", convention="onnx")
def softmax(call: Call) -> Step:
    """QLinearSoftmax along the last axis: float32 sums of a table of exponentials.

    As in onnxruntime the reciprocal of the result's scale is cut to an integer, and a product of
    it and an exponential that overflows becomes the smallest int32: shares of so few elements that
    the exponentials leave no room for the scale. Added to the zero point that number wraps; int8
    results saturate, uint8 results keep the low byte. Source:
    ``contrib_ops/cpu/quantization/qlinear_softmax.cc``.
    """
    call.count(1)
    x = call.input(0)
    call.quantized(x, call.output, dtypes=INTEGERS)
    call.shaped(x.shape)
    if not x.shape or not x.elements:
        call.malformed("input is empty or a scalar")

    scale = np.float64(np.float32(x.scale))
    largest = np.float64(np.finfo(np.float32).max / np.float32(x.shape[-1]))
    shift = max(0.0, float(np.log(largest)) - RESERVED_BITS) / scale
    with np.errstate(all="ignore"):
        table = np.exp((np.arange(256) - 255 + shift) * scale).astype(np.float32)
        steps = np.floor(np.float32(1) / np.float32(call.output.scale))
    limits, offset = np.iinfo(call.output.dtype), file_offset(call, call.output)
    zero = call.output.zero_point + offset
    overflow = np.int64(zero - (1 << 31))
    if offset or call.output.dtype == np.uint8:
        overflow = np.int64(zero)
    elif zero < 0:
        overflow = np.int64(limits.max)

    def run(values: Values) -> list[NDArray]:
        integers = values[0].astype(np.int64)
        powers = table[255 + integers - integers.max(axis=-1, keepdims=True)]
        total = np.cumsum(powers, axis=-1, dtype=np.float32)[..., -1:]
        with np.errstate(all="ignore"):
            rounded = np.rint(powers * steps / total).astype(np.float64)
        found = np.where(np.isfinite(rounded), rounded + zero, overflow) - offset
        return [np.clip(found, limits.min, limits.max).astype(call.output.dtype)]

    return run
