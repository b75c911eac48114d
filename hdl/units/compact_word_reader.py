# SPDX-License-Identifier: Apache-2.0
"""The data side of STORE, for one instruction at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, wiring

from ..dma.fifo import StreamBuffer, StreamFIFO
from ..once import Once
from ..select import choose
from .transfer import MemoryShape
from .word_reader import word_reader_members

__all__ = ["CompactWordReader", "serves"]

SLOTS_IN_FLIGHT = 16
"""Slots requested and not yet out of the queue, a power of two; covers the read latency at one a
cycle."""


def serves(data_bytes: int, memories: Sequence[MemoryShape]) -> bool:
    """Whether all slots of these memories are made of whole chunks."""
    return all(shape.chunk_bytes % data_bytes == 0 for shape in memories)


class CompactWordReader(wiring.Component):
    """Does what `WordReader` does, with one queue and without gearboxes.

    ::

        row -> requests -> buffer -> (memory) -> register -> FIFO -> part of a slot -> o

    Parameters
    ----------
    memories : Sequence[MemoryShape]
        The memories, as in `serves`; ``number`` below is the position in this sequence.
    data_bytes : int
        Bytes of a chunk of ``o``.
    read_latency : int
        Cycles from an accepted request to its answer.

    Members
    -------
    instruction : In(stream of transfer_layout(memories, fills=False))
        Valid until all is read and not in the cycle after that; its fields stand from three cycles
        before its first row.
    row : In(stream of STORE_ROW_LAYOUT)
        Taken with the request of its last slot.
    request_<number> : Out(stream of request_layout)
    response_<number> : In(ReadResponseSignature)
    o : Out(stream of 8 * data_bytes)
        Rows as dense chunks; each starts a new chunk.
    """

    def __init__(
        self, memories: Sequence[MemoryShape], *, data_bytes: int, read_latency: int
    ) -> None:
        self.memories = tuple(memories)
        self.data_bytes = data_bytes
        self.read_latency = read_latency
        self.width = max(shape.chunk_bytes for shape in self.memories)
        super().__init__(word_reader_members(self.memories, data_bytes))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = self.instruction.payload
        parts = self.width // self.data_bytes
        address_width = max((shape.depth - 1).bit_length() for shape in self.memories)
        asked_shape = data.StructLayout(
            {
                "address": unsigned(address_width),
                "slot": range(max(2, *(shape.slots for shape in self.memories))),
                "last_part": range(max(2, parts)),
            }
        )
        m.submodules.buffer = buffer = Once(StreamBuffer(asked_shape))
        ask, asked = buffer.i.payload, buffer.o.payload
        # Of the instruction: parts and slots of a word, less one; those of a row's last word.
        whole, end_part = Signal.like(ask.last_part), Signal.like(ask.last_part)
        last_slot, end_slot = Signal.like(ask.slot), Signal.like(ask.slot)
        one_word = Signal()
        chosen = Signal(len(self.memories))
        m.d.sync += one_word.eq(held.last_word == 0)
        for number, shape in enumerate(self.memories):
            part, slot = self.data_bytes, shape.chunk_bytes
            m.d.sync += chosen[number].eq(held.memory == shape.memory.value)
            with m.If(chosen[number]):
                m.d.sync += [
                    whole.eq(slot // part - 1),
                    last_slot.eq(shape.slots - 1),
                    end_slot.eq(held.tail >> (slot - 1).bit_length() if shape.slots > 1 else 0),
                    end_part.eq(
                        (held.tail & (slot - 1) if shape.slots > 1 else held.tail)
                        >> (part - 1).bit_length()
                    ),
                ]

        started = Signal()
        address = Signal(address_width)
        words = Signal(address_width)
        slot = Signal.like(ask.slot)
        at_last = Signal()  # The word is the row's last one.
        accepted = Signal()
        slot_end = Signal()
        in_flight = Signal(range(SLOTS_IN_FLIGHT + 1))
        left = Signal()
        m.d.comb += [
            slot_end.eq(slot == Mux(at_last, end_slot, last_slot)),
            buffer.i.valid.eq(self.row.valid & ~in_flight[-1]),
            accepted.eq(buffer.i.valid & buffer.i.ready),
            self.row.ready.eq(accepted & slot_end & at_last),
            self.instruction.ready.eq(self.row.ready & self.row.payload.last),
            ask.address.eq(address),
            ask.slot.eq(slot),
            ask.last_part.eq(Mux(slot_end & at_last, end_part, whole)),
        ]
        m.d.sync += in_flight.eq(in_flight + accepted - left)
        with m.If(~started):
            m.d.sync += [address.eq(held.word), at_last.eq(one_word)]
        with m.If(accepted):
            m.d.sync += [started.eq(1), slot.eq(slot + 1)]
            with m.If(slot_end):
                m.d.sync += [
                    slot.eq(0),
                    address.eq(address + 1),
                    words.eq(words + 1),
                    at_last.eq(
                        Mux(at_last, one_word, words + 1 == held.last_word[:address_width])
                    ),
                ]
        with m.If(self.row.ready):
            m.d.sync += words.eq(0)
        with m.If(~self.instruction.valid):
            m.d.sync += started.eq(0)

        entry_shape = data.StructLayout(
            {"data": unsigned(8 * self.width), "last_part": range(max(2, parts))}
        )
        m.submodules.slots = slots = Once(
            StreamFIFO(entry_shape, SLOTS_IN_FLIGHT, credited=True)
        )
        # A register between the memories, whose words are an OR of many, and the queue.
        answer = Signal(8 * self.width, reset_less=True)
        answers = []
        for number in range(len(self.memories)):
            request = getattr(self, f"request_{number}")
            response = getattr(self, f"response_{number}")
            m.d.comb += [
                request.valid.eq(buffer.o.valid & chosen[number]),
                request.payload.address.eq(asked.address),
                request.payload.slot.eq(asked.slot),
            ]
            with m.If(chosen[number]):
                m.d.comb += buffer.o.ready.eq(request.ready)
                m.d.sync += answer.eq(response.data)
            answers.append(response.valid)
        # What is known of a slot when it is requested waits for it.
        last_part: Any = asked.last_part
        for stage in range(self.read_latency + 1):
            following = Signal.like(ask.last_part, name=f"last_part_{stage}")
            m.d.sync += following.eq(last_part)
            last_part = following
        part = Signal.like(ask.last_part)
        beat = 8 * self.data_bytes
        slot_done = Signal()
        shown = slots.o.payload
        answered = Signal()
        m.d.sync += answered.eq(Cat(answers).any())
        m.d.comb += [
            slots.i.valid.eq(answered),
            slots.i.payload.data.eq(answer),
            slots.i.payload.last_part.eq(last_part),
            self.o.valid.eq(slots.o.valid),
            self.o.payload.eq(
                choose([shown.data[n * beat :][:beat] for n in range(parts)], part)
            ),
            slot_done.eq(part == shown.last_part),
            slots.o.ready.eq(self.o.ready & slot_done),
            left.eq(slots.o.valid & slots.o.ready),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(Mux(slot_done, 0, part + 1))
        return m
