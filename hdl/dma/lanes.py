# SPDX-License-Identifier: Apache-2.0
"""Byte lane arithmetic shared by the aligners."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike

__all__ = ["at_least", "rotate_down", "select_bytes"]


def rotate_down(m: Module, value: Value, lanes: int, amount: Value) -> Value:
    """``value`` rotated by ``amount`` byte lanes towards lane 0, as a logarithmic shifter.

    Parameters
    ----------
    m : Module
        Gets one signal for each level.
    value : Value
        ``8 * lanes`` bits.
    lanes : int
        A power of two.
    amount : Value
        0 to ``lanes - 1``.
    """
    for level in range(len(amount)):
        step = 8 << level
        stage = Signal(8 * lanes, name=f"rotated_{1 << level}")
        m.d.comb += stage.eq(Mux(amount[level], Cat(value[step:], value[:step]), value))
        value = stage
    return value


def at_least(value: Value, lanes: int) -> Value:
    """One bit a lane: lane ``i`` is set where ``i >= value``."""
    largest = (1 << len(value)) - 1
    return Cat(Const(1) if lane >= largest else value <= lane for lane in range(lanes))


def select_bytes(mask: Value, chosen: ValueLike, other: ValueLike) -> Value:
    """Lanes of ``chosen`` where ``mask`` is set, of ``other`` elsewhere."""
    chosen, other = Value.cast(chosen), Value.cast(other)
    return Cat(
        Mux(mask[lane], chosen.word_select(lane, 8), other.word_select(lane, 8))
        for lane in range(len(mask))
    )
