# SPDX-License-Identifier: Apache-2.0
"""Changes the width of a byte stream."""

from __future__ import annotations

import math
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Gearbox", "gear_layout"]


def gear_layout(width_bytes: int) -> data.StructLayout:
    """Bytes into or out of a gearbox: ``data``, ``count`` of valid bytes (all but in the last
    chunk), ``last`` of the row, ``error``."""
    return data.StructLayout(
        {
            "data": unsigned(8 * width_bytes),
            "count": unsigned(width_bytes.bit_length()),
            "last": unsigned(1),
            "error": unsigned(1),
        }
    )


class Gearbox(wiring.Component):
    """Repacks rows of ``input_bytes``-wide chunks into words of ``output_bytes``.

    A buffer of ``input_bytes + output_bytes - g`` bytes in units of ``g``, the greatest common
    divisor: a chunk is inserted above what is there, a word is taken from the bottom. Every row
    starts a new word. The chunk is rotated once and each unit of the buffer then chooses between
    it and what it held, so equal widths are a register, a multiple is a set of slices
    with enables, a divisor is a shift register, and only ratios like 8 to 12 rotate.

    Takes a chunk a cycle if words are wider, gives a word a cycle if chunks are; latency 1 cycle.
    A row whose last chunk completes one word and starts another costs one cycle more.

    Parameters
    ----------
    input_bytes, output_bytes : int
        Widths, 1 to 1024.

    Members
    -------
    i : In(stream of gear_layout)
    o : Out(stream of gear_layout)
        A function of registers only. The tail of a last word is undefined. ``error`` once any
        chunk of the row in the buffer had it.
    idle : Out(1)
        The buffer is empty.

    Raises
    ------
    ValueError
        If a width is out of range.
    """

    def __init__(self, input_bytes: int, output_bytes: int) -> None:
        for name, value in (("input_bytes", input_bytes), ("output_bytes", output_bytes)):
            if not 1 <= value <= 1024:
                raise ValueError(f"{name} must be from 1 to 1024, not {value!r}")
        self.input_bytes = input_bytes
        self.output_bytes = output_bytes
        super().__init__(
            {
                "i": In(stream.Signature(gear_layout(input_bytes))),
                "o": Out(stream.Signature(gear_layout(output_bytes))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        unit = math.gcd(self.input_bytes, self.output_bytes)
        width = self.input_bytes + self.output_bytes - unit
        buffer = Signal(8 * width)
        level = Signal(range(width + 1))
        ending = Signal()
        error = Signal()

        has_word = Signal()
        has_last = Signal()
        take = Signal()
        insert = Signal()
        position = Signal(range(max(2, self.output_bytes // unit)))
        left = Signal.like(level)
        # In the cycle that takes a word, a chunk fits if less than a word stays.
        fits = level < 2 * self.output_bytes if width >= 2 * self.output_bytes else Const(1)
        m.d.comb += [
            has_last.eq(ending & (level <= self.output_bytes)),
            has_word.eq(ending | (level >= self.output_bytes)),
            self.o.valid.eq(has_word),
            self.o.payload.data.eq(buffer[: 8 * self.output_bytes]),
            self.o.payload.count.eq(Mux(has_last, level, self.output_bytes)),
            self.o.payload.last.eq(has_last),
            self.o.payload.error.eq(error),
            take.eq(has_word & self.o.ready),
            self.i.ready.eq(
                Mux(
                    has_word,
                    self.o.ready & (has_last | (~ending & fits)),
                    1,
                )
            ),
            insert.eq(self.i.valid & self.i.ready),
            left.eq(Mux(has_last, 0, Mux(has_word, level - self.output_bytes, level))),
            self.idle.eq(level == 0),
        ]
        if self.output_bytes > unit:
            with m.Switch(left):
                for slot in range(self.output_bytes // unit):
                    with m.Case(slot * unit):
                        m.d.comb += position.eq(slot)
        with m.If(insert):
            m.d.sync += [
                level.eq(left + self.i.payload.count),
                ending.eq(self.i.payload.last),
                error.eq(self.i.payload.error | (error & (position != 0))),
            ]
        with m.Elif(take):
            m.d.sync += level.eq(left)
            with m.If(has_last):
                m.d.sync += ending.eq(0)

        m.d.sync += buffer.eq(self._next(m, unit, buffer, take, insert, position))
        return m

    def _next(
        self, m: Module, unit: int, buffer: Value, take: Value, insert: Value, position: Value
    ) -> Value:
        """The buffer after taking a word and inserting a chunk at ``position`` units."""
        bits = 8 * unit
        units = len(buffer) // bits
        taken = self.output_bytes // unit
        chunks = self.input_bytes // unit
        chunk: Any = self.i.payload.data
        if chunks > 1 and taken > 1:
            rotated = Signal(8 * self.input_bytes)
            with m.Switch(position):
                for turn in range(taken):
                    split = (-turn) % chunks * bits
                    with m.Case(turn):
                        m.d.comb += rotated.eq(Cat(chunk[split:], chunk[:split]))
            chunk = rotated
        result = []
        for number in range(units):
            held = buffer.word_select(number, bits)
            if number + taken < units:
                held = Mux(take, buffer.word_select(number + taken, bits), held)
            fresh = chunk.word_select(number % chunks, bits)
            reached = Const(1) if number >= taken - 1 else position <= number
            result.append(Mux(insert & reached, fresh, held))
        return Cat(result)
