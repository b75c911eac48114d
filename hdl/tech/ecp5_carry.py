# SPDX-License-Identifier: Apache-2.0
"""Carry chains of ECP5, mapped by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value, ValueLike

__all__ = ["Slot", "add", "add_chosen", "add_or_load", "carry_chain", "carry_in"]

PINS = "ABCD"


@dataclass(frozen=True)
class Slot:
    """Half a CCU2C: a look-up table of four inputs on the carry chain.

    Its table says whether the carry is passed on. Where it is not, the carry out is the table at
    ``A``, ``B`` with ``C`` and ``D`` zero; the sum is the table exclusive or the carry in.

    Attributes
    ----------
    table : callable
        Output as a function of A, B, C, D, each 0 or 1.
    inputs : sequence of Value
        A, B, C, D or the first of them; the others are 0.
    """

    table: Callable[[int, int, int, int], int]
    inputs: Sequence[Value] = field(default=())

    @property
    def init(self) -> int:
        """The table as the number that the primitive takes, its bit 1 for A alone."""
        return sum(
            (self.table(*(index >> pin & 1 for pin in range(4))) & 1) << index
            for index in range(16)
        )


def carry_in(value: int) -> Slot:
    """A slot that sets the carry, for the beginning of a chain."""
    # C is 1, so the table's output is 0 and the carry out is its entry at C = 0.
    return Slot(lambda a, b, c, d: value & ~c, (Const(0), Const(0), Const(1)))


def _generate(left: Value, right: Value) -> Slot:
    """A slot whose carry out is that of ``left + right``, whatever comes in."""
    return Slot(lambda a, b, c, d: a & b & ~c, (left, right, Const(1)))


def carry_chain(m: Module, name: str, slots: Sequence[Slot]) -> list[Value]:
    """Put slots on a chain, the least significant first, and return their sums.

    The carry input of the first and the carry output of the last stay open. nextpnr would spend a
    CCU2C on each constant carry in; so the first slot must not pass the carry on, as `carry_in`.
    """
    padded = [*slots, carry_in(0)] if len(slots) % 2 else list(slots)
    sums = Signal(len(padded), name=f"{name}_sums")
    carry: Signal | None = None
    for low in range(0, len(padded), 2):
        ports: dict[str, Any] = {}
        for half in (0, 1):
            slot = padded[low + half]
            ports[f"p_INIT{half}"] = Const(slot.init, 16)
            ports[f"p_INJECT1_{half}"] = "NO"
            ports[f"o_S{half}"] = sums[low + half]
            values = [*slot.inputs, *[Const(0)] * (len(PINS) - len(slot.inputs))]
            for pin, value in zip(PINS, values, strict=True):
                ports[f"i_{pin}{half}"] = value
        if carry is not None:
            ports["i_CIN"] = carry
        if low + 2 < len(padded):
            carry = Signal(name=f"{name}_carry_{low + 2}")
            ports["o_COUT"] = carry
        m.submodules[f"{name}_{low}"] = Instance("CCU2C", **ports)
    return [sums[index] for index in range(len(slots))]


def add(m: Module, name: str, left: Value, right: Value, width: int) -> Value:
    """``left + right`` in ``width`` bits, signed values extended.

    Cost: ``width / 2`` CCU2C rounded up; for an even width also one LUT, the first slot being that
    of bit 0 and of the beginning of the chain.
    """
    bits = [
        tuple(value[min(bit, len(value) - 1)] for value in (left, right)) for bit in range(width)
    ]
    both = [Slot(lambda a, b, c, d: a ^ c, (low, Const(0), high)) for low, high in bits]
    if width % 2:
        return Cat(*carry_chain(m, name, [carry_in(0), *both])[1:])
    low, high = bits[0]
    return Cat(low ^ high, *carry_chain(m, name, [_generate(low, high), *both[1:]])[1:])


def add_chosen(
    m: Module, name: str, base: Value, select: Value, choices: tuple[Value, Value], width: int,
    carry: ValueLike = 0,
) -> Value:
    """``base + choices[select] + carry`` in ``width`` bits: the multiplexer is in the adder's
    tables.

    Where the two addends are equal the carry out is either of them, so ``base``, and the entry at
    ``C`` and ``D`` zero is that of ``base`` alone if the choice that ``D`` zero selects is at C.

    Cost: ``width / 2 + 1`` CCU2C.
    """
    slots = [
        Slot(
            lambda a, b, c, d: a ^ (b if d else c),
            (base[bit], choices[1][bit], choices[0][bit], select),
        )
        for bit in range(width)
    ]
    # As `carry_in`, but the entry at C = 0 is A.
    first = Slot(lambda a, b, c, d: a & ~c, (Value.cast(carry), Const(0), Const(1)))
    return Cat(*carry_chain(m, name, [first, *slots])[1:])


def add_or_load(
    m: Module,
    name: str,
    left: Value,
    right: Value,
    load: Value,
    value: Value,
    width: int,
) -> Value:
    """``left + right`` in ``width`` bits; with ``load``, while both are zero, ``value``: the
    multiplexer is in the adder's tables.

    With ``load`` there is no carry to make or to pass on, so the entry at ``C`` and ``D`` zero may
    leave ``value`` out.

    Cost: ``width / 2`` CCU2C rounded up; for an even width also one LUT.
    """
    slots = [
        Slot(
            lambda a, b, c, d: (a | (b & c)) ^ d, (left[bit], value[bit], load, right[bit])
        )
        for bit in range(width)
    ]
    if width % 2:
        return Cat(*carry_chain(m, name, [carry_in(0), *slots])[1:])
    lowest = (left[0] | (value[0] & load)) ^ right[0]
    return Cat(lowest, *carry_chain(m, name, [_generate(left[0], right[0]), *slots[1:]])[1:])
