# SPDX-License-Identifier: Apache-2.0
"""Multiplexers that shift."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const

from ..select import choose

__all__ = ["shift_left", "shift_right"]


def shift_left(value: Any, amount: Any, unit: int) -> Any:
    """``value`` shifted left by ``amount`` units, by a multiplexer."""
    choices = [Cat(Const(0, n * unit), value)[: len(value)] for n in range(1 << len(amount))]
    return choose(choices, amount)


def shift_right(value: Any, amount: Any, unit: int) -> tuple[Any, Any]:
    """``value`` shifted right by ``amount`` units, and whether a bit that fell out was set."""
    count = 1 << len(amount)
    lost = [value[: n * unit].any() if n else Const(0, 1) for n in range(count)]
    if value.shape().signed:
        shifted = [(value >> (n * unit)).as_signed() for n in range(count)]
        return choose(shifted, amount).as_signed(), choose(lost, amount)
    return choose([value >> (n * unit) for n in range(count)], amount), choose(lost, amount)
