# SPDX-License-Identifier: Apache-2.0
"""AVERAGE_POOL_2D and MAX_POOL_2D in int8.

Source: TensorFlow Lite, ``kernels/internal/reference/integer_ops/pooling.h``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .convolution import windows
from .registry import Call, Step, Values, kernel
from .rescale import activation_range

__all__ = ["divide_half_away"]


def divide_half_away(total: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """``total / count`` rounded to nearest, ties away from zero."""
    magnitude = (np.abs(total) + count // 2) // count
    return np.where(total < 0, -magnitude, magnitude)


@kernel("AVERAGE_POOL_2D", "MAX_POOL_2D")
def pool(call: Call) -> Step:
    """Windows of a feature map; elements outside it count neither in the sum nor in the divisor."""
    call.count(1)
    x = call.input(0)
    call.quantized(x, call.output)
    call.same_type(x, call.output)
    if len(x.shape) != 4:
        call.malformed("input must have four dimensions")
    extent, stride = call.attribute("filter"), call.attribute("stride")
    top, left, bottom, right = call.attribute("pads")
    sizes = []
    for axis, before, after in ((0, top, bottom), (1, left, right)):
        padded = x.shape[1 + axis] + before + after
        if padded < extent[axis] or before >= extent[axis] or after >= extent[axis]:
            call.malformed(f"window {extent} does not fit input {x.shape} and padding")
        sizes.append((padded - extent[axis]) // stride[axis] + 1)
    call.shaped((x.shape[0], *sizes, x.shape[3]))
    low, high = activation_range(call.attribute("activation", "NONE"), call.output)
    outputs, once = (sizes[0], sizes[1]), (1, 1)
    padding = ((0, 0), (top, bottom), (left, right), (0, 0))
    average = call.operator.kind == "AVERAGE_POOL_2D"

    def run(values: Values) -> list[NDArray]:
        if average:
            sums = _reduce(np.pad(values[0].astype(np.int32), padding), np.add)
            inside = np.pad(np.ones((1, *x.shape[1:3], 1), np.int32), padding)
            result = divide_half_away(
                sums.astype(np.int64), _reduce(inside, np.add).astype(np.int64)
            )
        else:
            result = _reduce(np.pad(values[0], padding, constant_values=-128), np.maximum)
        return [np.clip(result, low, high).astype(np.int8)]

    def _reduce(padded: NDArray, function: np.ufunc) -> NDArray:
        view = windows(padded, extent, stride, once, outputs)
        result = view[:, :, :, 0, 0].copy()
        for row in range(extent[0]):
            for column in range(extent[1]):
                if row or column:
                    function(result, view[:, :, :, row, column], out=result)
        return result

    return run
