# SPDX-License-Identifier: Apache-2.0
"""How many on-chip words a row of bytes takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..isa import Memory

__all__ = ["WordCount"]

LENGTH_WIDTH = 16


class WordCount(wiring.Component):
    """Divides the length of a row by the bytes of a word.

    Words of a power of two bytes and rows of one word take one cycle; other quotients 17, by
    restoring division. Without other words, results are a function of the inputs, which must stay.

    Parameters
    ----------
    word_bytes : Mapping[Memory, int]
        Bytes of a word of each memory, 1 to 1024.

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

    def __init__(self, word_bytes: Mapping[Memory, int]) -> None:
        self.word_bytes = dict(word_bytes)
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
        if not any(width & (width - 1) for width in self.word_bytes.values()):
            m.d.comb += self.done.eq(1)
            with m.Switch(self.memory):
                for memory, width in self.word_bytes.items():
                    shift = width.bit_length() - 1
                    with m.Case(memory.value):
                        m.d.comb += [
                            self.last_word.eq(self.last_byte >> shift),
                            self.tail.eq(self.last_byte[:shift]),
                        ]
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
