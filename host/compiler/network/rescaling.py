# SPDX-License-Identifier: Apache-2.0
"""Parameters of the vector unit: bias, multiplier and shifts, and proofs that they are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...hdl.config import PARAMETER_LANE_BYTES
from ...sim.requantize import quantize_multiplier, scale_fixed_point, scale_float

__all__ = ["Rescaling", "find_rescaling", "wrap"]

_LANE = np.dtype([("bias", "<i4"), ("multiplier", "<i4"), ("left", "u1"), ("right", "u1"),
                  ("unused", "<u2")])
assert _LANE.itemsize == PARAMETER_LANE_BYTES


def wrap(values: NDArray) -> NDArray[np.int32]:
    """Two's complement wrap-around to 32 bits."""
    return np.asarray(values, np.int64).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Rescaling:
    """What the vector unit adds to and multiplies with; arrays of one shape [channels] or [1].

    Parameters
    ----------
    bias : array of int32
        Added first.
    multiplier : array of int32
        Q31, or under convention onnx the bits of a float32 scale.
    left, right : array of int64
        Shifts before and after the multiplication.
    """

    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def nothing(cls) -> Rescaling:
        """All zero."""
        return cls.fixed_point(0, 0, 0)

    @classmethod
    def fixed_point(cls, bias: ArrayLike, multiplier: ArrayLike, shift: ArrayLike,
                    left: int = 0) -> Rescaling:
        """From TensorFlow Lite's multiplier and shift (positive left), and a further left shift."""
        amount = np.atleast_1d(np.asarray(shift, np.int64))
        shape = np.broadcast_shapes(amount.shape, np.shape(bias), np.shape(multiplier))
        return cls(
            wrap(np.broadcast_to(np.asarray(bias), shape)),
            wrap(np.broadcast_to(np.asarray(multiplier), shape)),
            np.broadcast_to(np.maximum(amount, 0) + left, shape),
            np.broadcast_to(np.maximum(-amount, 0), shape),
        )

    @classmethod
    def float_scale(cls, bias: ArrayLike, scale: ArrayLike) -> Rescaling:
        """From a float32 scale, convention onnx."""
        factor = np.atleast_1d(np.asarray(scale, np.float32))
        shape = np.broadcast_shapes(factor.shape, np.shape(bias))
        zero = np.zeros(shape, np.int64)
        bits = np.broadcast_to(factor, shape).copy().view(np.int32)
        return cls(wrap(np.broadcast_to(np.asarray(bias), shape)), bits, zero, zero)

    @property
    def legal(self) -> bool:
        """Whether the shifts fit their fields."""
        return bool(max(self.left.max(), self.right.max()) <= 31)

    def words(self, first: int, end: int) -> bytes:
        """Parameters of channels ``first`` to ``end``, zero beyond those there are."""
        table = np.zeros(end - first, _LANE)
        for name in ("bias", "multiplier", "left", "right"):
            values = getattr(self, name)[first:end]
            table[name][: len(values)] = values
        return table.tobytes()

    def uniform(self, lanes: int) -> bytes:
        """One parameter word with the first channel in every lane."""
        table = np.zeros(lanes, _LANE)
        for name in ("bias", "multiplier", "left", "right"):
            table[name] = getattr(self, name)[0]
        return table.tobytes()

    def apply(self, values: NDArray, convention: str) -> NDArray[np.int64]:
        """What the vector unit makes of ``values`` with the first channel's parameters."""
        biased = wrap(np.asarray(values, np.int64) + int(self.bias[0]))
        if convention == "onnx":
            scaled = scale_float(biased, self.multiplier[:1].view(np.float32))
        else:
            scaled = scale_fixed_point(biased, self.multiplier[:1], self.left[:1], self.right[:1])
        return scaled.astype(np.int64)


def find_rescaling(
    function: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    low: int,
    high: int,
    ratio: float,
    bias: int = 0,
) -> Rescaling | None:
    """Fixed-point parameters that compute ``function`` for every integer in a range, or None.

    Parameters
    ----------
    function : callable
        What to compute, close to ``ratio`` times its argument plus ``bias``.
    low, high : int
        The range.
    ratio : float
        Positive.
    """
    values = np.arange(low, high + 1, dtype=np.int64)
    wanted = function(values)
    multiplier, shift = quantize_multiplier(ratio)
    room = 30 - max(abs(low + bias), abs(high + bias), 1).bit_length()
    for left in sorted({max(0, room), *range(max(0, room) + 1)}, reverse=True):
        if not 0 <= left - shift <= 31:
            continue
        for change in (0, 1, -1, 2, -2):
            if multiplier + change >= 1 << 31:
                continue
            found = Rescaling(
                wrap(np.array([bias])), wrap(np.array([multiplier + change])),
                np.array([left]), np.array([left - shift]),
            )
            if np.array_equal(found.apply(values, "tflite"), wanted):
                return found
    return None
