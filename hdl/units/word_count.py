# SPDX-License-Identifier: Apache-2.0
"""How many on-chip words a row of bytes takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..isa import Memory

__all__ = ["WordCount", "reciprocal"]

LENGTH_WIDTH = 16


def reciprocal(divisor: int, width: int) -> tuple[int, int]:
    """``multiplier`` and ``places``, so that ``number * multiplier >> places`` is the quotient of
    every ``number`` of ``width`` bits and ``divisor``."""
    for places in range(width, width + divisor.bit_length() + 1):
        multiplier = -(-(1 << places) // divisor)
        if (multiplier * divisor - (1 << places)) * ((1 << width) - 1) < 1 << places:
            return multiplier, places
    raise AssertionError("a multiplier of one bit more than the number always suffices")


class WordCount(wiring.Component):
    """Divides the length of a row by the bytes of a word.

    Words of a power of two bytes and rows of one word take one cycle; other quotients 17, by
    restoring division. Without other words, and with a multiplier, results are a function of the
    inputs, which must stay; they take one cycle, with a multiplier two.

    With a multiplier the quotient is the upper part of a product with the rounded reciprocal
    (Granlund and Montgomery, Division by invariant integers using multiplication, 1994). Registers
    before and behind it, without enable or reset, are those of a multiplier block.

    Parameters
    ----------
    word_bytes : Mapping[Memory, int]
        Bytes of a word of each memory, 1 to 1024.
    multiply : bool
        Divide by a multiplier of 18 bits.

    Members
    -------
    start : In(1)
        Take ``last_byte`` and ``memory``.
    last_byte : In(16)
        Bytes of the row, less one.
    memory : In(bits of the largest number)
        One of ``word_bytes``.
    done : Out(1)
        The result stands; falls in the cycle after ``start`` if the division takes longer.
    last_word : Out(16)
        Words of the row, less one.
    tail : Out(10)
        Bytes of the last word, less one.
    """

    def __init__(self, word_bytes: Mapping[Memory, int], *, multiply: bool = False) -> None:
        self.word_bytes = dict(word_bytes)
        self.multiply = multiply
        super().__init__(
            {
                "start": In(1),
                "last_byte": In(LENGTH_WIDTH),
                "memory": In(bits_for(max(memory.value for memory in self.word_bytes))),
                "done": Out(1),
                "last_word": Out(LENGTH_WIDTH),
                "tail": Out(10),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self.multiply or not any(width & (width - 1) for width in self.word_bytes.values()):
            self._at_once(m)
            return m
        divisor = Signal(11)
        steps = Signal(range(LENGTH_WIDTH + 1))
        partial = Signal(11)
        fits = Signal()
        rest = Signal(12)
        m.d.comb += [
            self.done.eq(steps == 0),
            partial.eq(Cat(self.last_word[-1], self.tail)),
            rest.eq(partial - divisor),
            fits.eq(~rest[-1]),
        ]
        with m.If(~self.done):
            m.d.sync += [
                steps.eq(steps - 1),
                self.tail.eq(Mux(fits, rest, partial)),
                self.last_word.eq(Cat(fits, self.last_word[:-1])),
            ]
        with m.If(self.start):
            with m.Switch(self.memory):
                for memory, width in self.word_bytes.items():
                    with m.Case(memory.value):
                        m.d.sync += divisor.eq(width)
                        self._begin(m, width, steps)
        return m

    def _at_once(self, m: Module) -> None:
        """Shift by the power of two in the width, multiply by the reciprocal of the rest."""
        factor, number = Signal(18), Signal(LENGTH_WIDTH)
        product = Signal(LENGTH_WIDTH + 18, reset_less=True)
        if any(width & (width - 1) for width in self.word_bytes.values()):
            factor_1 = Signal.like(factor, reset_less=True)
            number_1 = Signal.like(number, reset_less=True)
            m.d.sync += [
                factor_1.eq(factor),
                number_1.eq(number),
                product.eq(factor_1 * number_1),
                self.done.eq(~self.start),
            ]
        else:
            m.d.comb += self.done.eq(1)
        with m.Switch(self.memory):
            for memory, width in self.word_bytes.items():
                shift = (width & -width).bit_length() - 1
                odd = width >> shift
                shifted = self.last_byte >> shift
                with m.Case(memory.value):
                    quotient, rest = shifted, Const(0, 0)
                    if odd > 1:
                        multiplier, places = reciprocal(odd, LENGTH_WIDTH - shift)
                        m.d.comb += [factor.eq(multiplier), number.eq(shifted)]
                        quotient = (product >> places)[:LENGTH_WIDTH]
                        low = bits_for(odd - 1)
                        rest = (shifted[:low] - quotient[:low] * odd)[:low]
                    m.d.comb += [
                        self.last_word.eq(quotient),
                        self.tail.eq(Cat(self.last_byte[:shift], rest)),
                    ]

    def _begin(self, m: Module, width: int, steps: Signal) -> None:
        shift = width.bit_length() - 1
        if width == 1 << shift:
            m.d.sync += [
                self.last_word.eq(self.last_byte >> shift),
                self.tail.eq(self.last_byte[:shift]),
                steps.eq(0),
            ]
            return
        with m.If(self.last_byte < width):
            m.d.sync += [self.last_word.eq(0), self.tail.eq(self.last_byte), steps.eq(0)]
        with m.Else():
            m.d.sync += [
                self.last_word.eq(self.last_byte),
                self.tail.eq(0),
                steps.eq(LENGTH_WIDTH),
            ]
