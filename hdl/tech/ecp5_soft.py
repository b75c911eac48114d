# SPDX-License-Identifier: Apache-2.0
"""ECP5: a multiplier of look-up tables, mapped to carry chains by hand."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value

from .ecp5_carry import Slot, add, carry_chain, carry_in
from .soft import SoftMultiplier

__all__ = ["ECP5SoftMultiplier"]


class ECP5SoftMultiplier(SoftMultiplier):
    """`SoftMultiplier` with each adder on CCU2C cells, masks and first additions in one.

    A slot of a carry chain has a table of four inputs: two bits of the activation and the two bits
    of the weight that mask them. The first level, eight masks and four additions, takes no more
    cells than its additions alone.

    Cost for 8 x 8 bits: 36 CCU2C, 7 LUTs, 112 flip-flops. Parameters, members and latency are those
    of `SoftMultiplier`.
    """

    def _pair(
        self, m: Module, name: str, activation: Value, one: Value, two: Value, *, subtract: bool
    ) -> Value:
        width = len(activation) + 2
        slots = [carry_in(subtract)]
        for bit in range(1, width):
            low = activation[min(bit, len(activation) - 1)]
            high = activation[min(bit - 1, len(activation) - 1)]
            # The masked high bit comes first: its mask decides the carry.
            slots.append(
                Slot(lambda a, b, c, d: (a & b) ^ (c & d) ^ subtract, (high, two, low, one))
            )
        return Cat(activation[0] & one, *carry_chain(m, name, slots)[1:])

    def _add(self, m: Module, name: str, low: Value, high: Value) -> Value:
        return add(m, name, low, high, len(high))
