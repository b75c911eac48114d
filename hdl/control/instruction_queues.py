# SPDX-License-Identifier: Apache-2.0
"""The queues of the execution units, all in one memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa import FORMATS, INDEX_WIDTH, Opcode
from ..select import choose
from .dispatch import write_layout
from .instruction_word import words_of_instruction

__all__ = ["InstructionQueues", "fill_layout"]


def fill_layout(data_width: int, units: int) -> data.StructLayout:
    """A word on its way into a gate.

    Members: one bit of ``unit`` in the cycle of a word, ``position``, ``data``, the ``slice`` of
    the index that comes with it; with the ``last`` word, whether the instruction is ``free``
    because it waits for no semaphore.
    """
    words = words_of_instruction(data_width)
    return data.StructLayout(
        {
            "unit": unsigned(units),
            "position": range(max(2, words)),
            "data": unsigned(data_width),
            "slice": unsigned(INDEX_WIDTH // words),
            "last": unsigned(1),
            "free": unsigned(1),
        }
    )


class InstructionQueues(wiring.Component):
    """Holds checked instructions in block RAM and moves them into the gates, a word a cycle.

    The index of an instruction lies beside its words, a slice with each. One word is read in a
    cycle, so gates that are empty at one time are filled one after the other, the first queue in
    ``urgency`` first. An instruction committed in cycle t is in an empty gate in t + 6 + its words.

    Parameters
    ----------
    data_width : int
        Bits of a word.
    depth : int
        Instructions a queue holds. Power of two.
    urgency : tuple of int
        The numbers of the queues, that of the first to be served first.

    Members
    -------
    i : In(stream of write_layout(data_width, units), always ready)
        Words for the end of a queue. The writer knows that there is room.
    commit : In(units)
        The next instruction at a queue's end is complete.
    wanted : In(units)
        Gates that are empty.
    fill : Out(fill_layout(data_width, units))
        Words for the gates.
    filling : Out(units)
        Gates with words on their way; they are not asked whether they are ``wanted``.
    room : Out(1)
        At most half of every queue is taken.
    empty : Out(1)
        No queue holds a committed instruction, and none is on its way to its gate.
    """

    def __init__(self, *, data_width: int, depth: int, urgency: tuple[int, ...]) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two above 1, not {depth!r}")
        self.data_width = data_width
        self.depth = depth
        self.urgency = tuple(urgency)
        units = len(urgency)
        super().__init__(
            {
                "i": In(stream.Signature(write_layout(data_width, units), always_ready=True)),
                "commit": In(units),
                "wanted": In(units),
                "fill": Out(fill_layout(data_width, units)),
                "filling": Out(units),
                "room": Out(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, units = self.data_width, len(self.urgency)
        words = words_of_instruction(width)
        slice_width = INDEX_WIDTH // words
        slots = range(self.depth)
        m.submodules.storage = storage = memory.Memory(
            shape=width + slice_width,
            depth=units * self.depth * words,
            init=[],
            attrs={"no_rw_check": 1},  # Nothing is read while it is written.
        )
        write_port, read_port = storage.write_port(), storage.read_port()

        written, word = self.i.payload, self.i.payload.word
        slices = [word.index[n * slice_width :][:slice_width] for n in range(words)]
        place = (words - 1).bit_length()
        produce, consume, stored, some = [], [], [], []
        take = Signal(units)
        for number in range(units):
            produced = Signal(slots, name=f"produced_{number}")
            consumed = Signal(slots, name=f"consumed_{number}")
            level = Signal(range(self.depth + 1), name=f"level_{number}")
            with m.If(self.i.valid & written.last & (written.unit == number)):
                m.d.sync += produced.eq(produced + 1)
            with m.If(take[number]):
                m.d.sync += consumed.eq(consumed + 1)
            m.d.sync += level.eq(level + self.commit[number] - take[number])
            # Late by a cycle, in which the gate that has taken an instruction is not asked.
            holds = Signal(name=f"holds_{number}")
            m.d.sync += holds.eq(level.any())
            some.append(holds)
            produce.append(produced)
            consume.append(consumed)
            stored.append(level)
        half = self.depth // 2
        m.d.comb += self.room.eq(~Cat(level > half for level in stored).any())

        # A queue is chosen, its words are read in the cycles after, and come two cycles later, from
        # a register that can be that of the block RAM.
        reading, last = Signal(), Signal()
        unit = Signal(range(units))
        position, position_1, position_2 = (Signal.like(word.position) for _ in range(3))
        ready = Signal(units)
        m.d.comb += [
            ready.eq(self.wanted & ~self.filling & Cat(some)),
            last.eq(position == words - 1),
        ]
        with m.If(reading):
            m.d.sync += position.eq(Mux(last, 0, position + 1))
        with m.If(~reading | last):
            m.d.sync += reading.eq(ready.any())
            for number in reversed(self.urgency):
                with m.If(ready[number]):
                    m.d.sync += unit.eq(number)
        for number in range(units):
            begins = ready[number] & (~reading | last)
            for other in self.urgency[: self.urgency.index(number)]:
                begins &= ~ready[other]
            filled = self.fill.last & self.fill.unit[number]
            m.d.sync += self.filling[number].eq(begins | (self.filling[number] & ~filled))
            m.d.comb += take[number].eq(reading & last & (unit == number))

        produced, consumed = Signal(slots), Signal(slots)
        for number in range(units):
            with m.If(written.unit == number):
                m.d.comb += produced.eq(produce[number])
            with m.If(unit == number):
                m.d.comb += consumed.eq(consume[number])
        m.d.comb += [
            write_port.en.eq(self.i.valid),
            write_port.addr.eq(Cat(word.position[:place], produced, written.unit)),
            write_port.data.eq(
                Cat(word.data, choose(slices, word.position[:place]))
            ),
            read_port.addr.eq(Cat(position[:place], consumed, unit)),
            read_port.en.eq(1),
        ]

        found = Signal(width + slice_width, reset_less=True)
        arriving, arrived = Signal(), Signal()
        unit_1, unit_2 = Signal.like(unit), Signal.like(unit)
        m.d.sync += [
            found.eq(read_port.data),
            Cat(arriving, arrived).eq(Cat(reading, arriving)),
            Cat(unit_1, unit_2).eq(Cat(unit, unit_1)),
            Cat(position_1, position_2).eq(Cat(position, position_1)),
        ]
        wait = FORMATS[Opcode.SYNC].layout["wait"]
        waits: Any = found[wait.offset :][: wait.width]
        if words > 1:
            first_waits = Signal(wait.width)
            with m.If(arrived & (position_2 == 0)):
                m.d.sync += first_waits.eq(waits)
            waits = first_waits
        m.d.comb += [
            *(self.fill.unit[n].eq(arrived & (unit_2 == n)) for n in range(units)),
            self.fill.position.eq(position_2),
            Cat(self.fill.data, self.fill.slice).eq(found),
            self.fill.last.eq(arrived & (position_2 == words - 1)),
            self.fill.free.eq(~waits.any()),
            self.empty.eq(~Cat(stored, self.filling).any()),
        ]
        return m
