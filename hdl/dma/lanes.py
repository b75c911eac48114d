# SPDX-License-Identifier: Apache-2.0
"""Byte lane arithmetic shared by the aligners."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike

__all__ = ["WIDEST_PRODUCT", "at_least", "move_down", "one_hot", "rotate_down", "select_bytes"]


WIDEST_PRODUCT = 8
"""Most lanes that `move_down` takes: twice as many bits fit a factor of an 18-bit multiplier."""


def one_hot(number: Value, lanes: int) -> Value:
    """One bit a lane: lane ``number`` is set."""
    return Cat(number == lane for lane in range(lanes))


def move_down(m: Module, value: Value, lanes: int, power: Value) -> Value:
    """``lanes`` bytes of ``value`` from byte ``n`` on, by multiplications.

    The bits of all bytes that have one weight are a number; times ``2 ** (lanes - 1 - n)`` those
    wanted stand at ``lanes - 1`` and above. Eight multipliers of 18 bits do what takes four LUTs
    for each bit of eight lanes.

    Parameters
    ----------
    m : Module
        Gets the factors and products.
    value : Value
        ``2 * lanes - 1`` bytes.
    lanes : int
        At most `WIDEST_PRODUCT`.
    power : Value
        ``lanes`` bits of which bit ``lanes - 1 - n`` is set.
    """
    moved = []
    for weight in range(8):
        bits = Signal(2 * lanes - 1, name=f"bits_{weight}")
        product = Signal(3 * lanes - 1, name=f"product_{weight}")
        m.d.comb += [
            bits.eq(Cat(value[8 * lane + weight] for lane in range(2 * lanes - 1))),
            product.eq(bits * power),
        ]
        moved.append(product[lanes - 1 : 2 * lanes - 1])
    return Cat(moved[weight][lane] for lane in range(lanes) for weight in range(8))


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
