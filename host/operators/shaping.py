# SPDX-License-Identifier: Apache-2.0
"""Operators that only name the same elements otherwise: RESHAPE, SQUEEZE, EXPAND_DIMS, ..."""

from __future__ import annotations

import numpy as np

from .registry import Call, Step, kernel

__all__ = ["reshape", "shape"]


@kernel("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(call: Call) -> Step:
    """The same elements in the shape that the result has in the file."""
    call.count((1, 2))
    x = call.input(0)
    call.same_type(x, call.output, scale=False)
    if x.elements != call.output.elements:
        call.malformed(f"shape {x.shape} cannot become {call.output.shape}")
    result = call.output.shape
    return lambda values: [values[0].reshape(result)]


@kernel("SHAPE")
def shape(call: Call) -> Step:
    """The shape of a tensor, which is known."""
    call.count(1)
    extents = np.array(call.input(0).shape, call.output.dtype)
    call.shaped(extents.shape)
    return lambda values: [extents]
