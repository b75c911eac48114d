# SPDX-License-Identifier: Apache-2.0
"""Multiplication by a constant, without a multiplier."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Value

__all__ = ["constant_multiple"]


def constant_multiple(value: Any, factor: int) -> Value:
    """``factor`` times an unsigned value, by shifts and at most a few additions.

    The factor is recoded into non-adjacent digits -1, 0, 1 (Reitwiesner, 1960), of which at most
    every second is not zero.
    """
    terms: list[tuple[int, int]] = []
    position = 0
    while factor:
        if factor & 1:
            digit = 2 - (factor & 3)
            terms.append((digit, position))
            factor -= digit
        factor >>= 1
        position += 1
    total: Any = 0
    for digit, shift in reversed(terms):
        shifted = Cat(*[0] * shift, value)
        total = total + shifted if digit > 0 else total - shifted
    return Value.cast(total)
