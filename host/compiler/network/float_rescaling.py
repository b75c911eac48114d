# SPDX-License-Identifier: Apache-2.0
"""Rescalings of convention ``onnx`` that replace sums in float32, found and proven case by case.

onnxruntime adds and averages in float32 and rounds after every operation. The vector unit adds
integers. Both give the same int8 for almost all operands, and where they do not, a change of the
last bits of a scale usually helps. Each candidate is compared for every operand that there can be;
only one that is right for all of them is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .rescaling import Rescaling

__all__ = ["find_average", "find_sum"]

_VALUES = np.arange(-128, 128, dtype=np.int64)
_FRACTIONS = tuple(sorted(range(8, 24), key=lambda bits: abs(bits - 15)))
"""Fractional bits of the integers that are added. The float32 that the sum becomes has 24 bits; 15
leave 9 for the integer part."""

_OFFSETS = (0, 1, -1, 2, -2, 3, -3, 4, -4)
_STEPS = (0, 1, -1)
"""Changes of the last bits that are tried."""

_CLOSE = 1 / 64
"""Pairs whose sum is this close to halfway between two integers are compared first."""


def find_sum(
    wanted: NDArray[np.int8], ratios: tuple[float, float], zero_points: tuple[int, int, int],
) -> tuple[Rescaling, Rescaling, Rescaling] | None:
    """Rescalings of both operands and of their sum that give ``wanted``, or None.

    Parameters
    ----------
    wanted : array of int8, shape [256, 256]
        The result for every pair, operands from -128 to 127.
    ratios : tuple of float
        Scale of each operand over that of the result.
    zero_points : tuple of int
        Of the operands and of the result.
    """
    left, right = ((_VALUES - zero) * ratio
                   for ratio, zero in zip(ratios, zero_points, strict=False))
    exact = np.add.outer(left, right)
    inside = np.abs(exact + zero_points[2]) < 130
    close = np.nonzero((np.abs(exact - np.floor(exact) - 0.5) < _CLOSE) & inside)
    for bits, *steps in _candidates(ratios, zero_points):
        operands = [
            Rescaling.float_scale(-zero, _stepped(ratio * 2.0**bits, step))
            for ratio, step, zero in zip(ratios, steps, zero_points, strict=False)
        ]
        parts = [operand.apply(_VALUES, "onnx") for operand in operands]
        total = np.add.outer(*parts)
        for offset in _OFFSETS:
            result = Rescaling.float_scale(offset, np.float32(2.0**-bits))
            if _gives(wanted[close], result, total[close], zero_points[2]) and _gives(
                wanted, result, total, zero_points[2]
            ):
                return operands[0], operands[1], result
    return None


def _gives(
    wanted: NDArray[np.int8], rescaling: Rescaling, values: NDArray[np.int64], zero_point: int
) -> bool:
    found = rescaling.apply(values, "onnx") + zero_point
    return np.array_equal(np.clip(found, -128, 127), wanted)


def _candidates(
    ratios: tuple[float, float], zero_points: tuple[int, int, int]
) -> Iterator[tuple[int, int, int]]:
    """Fractional bits and changes of both scales, likely ones first."""
    largest = sum(ratio * (128 + abs(zero)) for ratio, zero in
                  zip(ratios, zero_points, strict=False))
    for steps in sorted(itertools.product(_STEPS, _STEPS), key=lambda pair: sum(map(abs, pair))):
        for bits in _FRACTIONS:
            if largest * 2.0**bits < 2.0**30:
                yield bits, *steps


def find_average(
    wanted: NDArray[np.int8], first: int, ratio: float, bias: int, zero_point: int
) -> Rescaling | None:
    """The rescaling of a sum that gives ``wanted``, or None.

    Parameters
    ----------
    wanted : array of int8, shape [sums]
        The result for every sum of a window, in ascending order.
    first : int
        The smallest sum.
    ratio : float
        Factor of the sum.
    bias : int
        Added to the sum first.
    zero_point : int
        Of the result.
    """
    sums = np.arange(first, first + len(wanted), dtype=np.int64)
    for step in _STEPS:
        found = Rescaling.float_scale(bias, _stepped(ratio, step))
        if _gives(wanted, found, sums, zero_point):
            return found
    return None


def _stepped(value: float, steps: int) -> np.float32:
    """The float32 that is ``steps`` behind the one nearest to ``value``."""
    result = np.float32(value)
    for _ in range(abs(steps)):
        result = np.nextafter(result, np.float32(np.inf if steps > 0 else 0))
    return result
