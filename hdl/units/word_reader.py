# SPDX-License-Identifier: Apache-2.0
"""The data side of STORE: reads the words of rows and makes beats of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..dma.fifo import StreamBuffer, StreamFIFO
from ..dma.gearbox import Gearbox, gear_layout
from ..memory.ports import ReadResponseSignature, request_layout
from ..once import Once
from .transfer import MemoryShape, transfer_layout

__all__ = ["STORE_ROW_LAYOUT", "WORDS_IN_FLIGHT", "WordReader", "word_reader_members"]

STORE_ROW_LAYOUT = data.StructLayout({"last": unsigned(1)})
"""A row to read: whether it is the last of its instruction."""

WORDS_IN_FLIGHT = 8
"""Words requested and not yet in a gearbox; covers the read latency at one word a cycle."""


def word_reader_members(memories: Sequence[MemoryShape], data_bytes: int) -> dict[str, Any]:
    """The ports of a `WordReader`, but for ``accepted``."""
    members: dict[str, Any] = {
        "instruction": In(stream.Signature(transfer_layout(memories, fills=False))),
        "row": In(stream.Signature(STORE_ROW_LAYOUT)),
        "o": Out(stream.Signature(8 * data_bytes)),
    }
    for number, shape in enumerate(memories):
        address_width = (shape.depth - 1).bit_length()
        request = request_layout(address_width, shape.slots)
        members[f"request_{number}"] = Out(stream.Signature(request))
        members[f"response_{number}"] = In(
            ReadResponseSignature(shape=unsigned(8 * shape.chunk_bytes))
        )
    return members


class WordReader(wiring.Component):
    """Reads the words of each row and repacks them to the width of a beat.

    ::

        row -> requests -> [buffer] -> (memory) -> FIFO -> gearbox -> [FIFO] -> o

    The buffer and the last FIFO keep the memories' ports, the rows and what takes the chunks from
    being one path; they are there in a ``registered`` one.

    A request, for a slot of a word, goes out only when its answer has a place. Memories with slots
    of one size share a path, which has no gearbox if a slot is as wide as a beat. Slots of one
    size are read back to back; before others are read, those of the first have left.

    Parameters
    ----------
    memories : Sequence[MemoryShape]
        The memories; ``number`` below is the position in this sequence.
    data_bytes : int
        Bytes of a chunk of ``o``.
    read_latency : int
        Cycles from an accepted request to its answer.
    registered : bool
        See above.

    Members
    -------
    instruction : In(stream of transfer_layout(memories, fills=False))
        Taken with its last row.
    row : In(stream of STORE_ROW_LAYOUT)
        Taken with the request of its last slot.
    request_<number> : Out(stream of request_layout)
    response_<number> : In(ReadResponseSignature)
    o : Out(stream of 8 * data_bytes)
        Rows as dense chunks; each starts a new chunk.
    accepted : Out(1)
        A slot to be requested leaves the row in this cycle.
    """

    def __init__(
        self, memories: Sequence[MemoryShape], *, data_bytes: int, read_latency: int,
        registered: bool = True,
    ) -> None:
        self.memories = tuple(memories)
        self.data_bytes = data_bytes
        self.read_latency = read_latency
        self.registered = registered
        super().__init__(
            {**word_reader_members(self.memories, data_bytes), "accepted": Out(1)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = self.instruction.payload
        widths = sorted({shape.chunk_bytes for shape in self.memories})
        started = Signal()
        # Rows that come here are inside their memory.
        address_width = max((shape.depth - 1).bit_length() for shape in self.memories)
        next_word = Signal(address_width)
        words_read = Signal(address_width)
        slot = Signal(range(max(shape.slots for shape in self.memories)))
        current = Signal(range(len(widths)))  # The path in use.
        in_flight = Signal(range(WORDS_IN_FLIGHT + 1))

        ask = Signal()
        ready = Signal()
        wanted = Signal.like(current)
        address = Signal(address_width)
        last_slot = Signal.like(slot)
        end_slot = Signal.like(slot)
        tail = Signal.like(held.tail)
        word_end = Signal()
        row_end = Signal()
        last = Signal()
        left = Signal()
        quiet = Signal()
        m.d.comb += [
            ask.eq(
                self.row.valid
                & self.instruction.valid
                & (in_flight != WORDS_IN_FLIGHT)
                & (wanted == current)
            ),
            self.accepted.eq(ask & ready),
            address.eq(Mux(started, next_word, held.word)),
            last.eq((words_read == held.last_word[:address_width]) & (slot == end_slot)),
            row_end.eq(self.accepted & last),
            word_end.eq(self.accepted & (last | (slot == last_slot))),
            self.row.ready.eq(row_end),
            self.instruction.ready.eq(row_end & self.row.payload.last),
        ]
        m.d.sync += in_flight.eq(in_flight + self.accepted - left)
        with m.If(self.accepted):
            m.d.sync += slot.eq(Mux(word_end, 0, slot + 1))
        with m.If(word_end):
            m.d.sync += [
                started.eq(1),
                next_word.eq(address + 1),
                words_read.eq(Mux(last, 0, words_read + 1)),
            ]
        with m.If(self.instruction.valid & self.instruction.ready):
            m.d.sync += started.eq(0)
        with m.If(self.instruction.valid & (in_flight == 0) & quiet):
            m.d.sync += current.eq(wanted)

        requests: Any = stream.Signature(
            data.StructLayout(
                {
                    "memory": unsigned(len(self.memories)),
                    "address": unsigned(address_width),
                    "slot": unsigned(len(slot)),
                    "ends": unsigned(1),
                    "tail": unsigned(len(tail)),
                }
            )
        ).create()
        asked = requests.payload
        known: Any = requests
        if self.registered:
            m.submodules.buffer = buffer = Once(StreamBuffer(asked.shape()))
            known, requests, asked = buffer.i, buffer.o, buffer.o.payload
        m.d.comb += [
            known.valid.eq(ask),
            ready.eq(known.ready),
            known.payload.address.eq(address),
            known.payload.slot.eq(slot),
            known.payload.ends.eq(last),
            known.payload.tail.eq(tail),
        ]
        for number, shape in enumerate(self.memories):
            request = getattr(self, f"request_{number}")
            chosen = Signal(name=f"chosen_{number}")
            # Bytes of the row's last word: whole slots before its last one, the rest in that.
            shift = (shape.chunk_bytes - 1).bit_length() if shape.slots > 1 else len(held.tail)
            m.d.comb += [
                chosen.eq(held.memory == shape.memory.value),
                known.payload.memory[number].eq(chosen),
                request.valid.eq(requests.valid & asked.memory[number]),
                request.payload.address.eq(asked.address),
                request.payload.slot.eq(asked.slot),
            ]
            with m.If(asked.memory[number]):
                m.d.comb += requests.ready.eq(request.ready)
            with m.If(chosen):
                m.d.comb += [
                    wanted.eq(widths.index(shape.chunk_bytes)),
                    last_slot.eq(shape.slots - 1),
                    end_slot.eq(held.tail[shift:]),
                    tail.eq(held.tail[:shift]),
                ]

        # What is known of a slot when it is requested waits for it.
        ends: Any = asked.ends
        tail = asked.tail
        for stage in range(self.read_latency):
            ends_next = Signal(name=f"ends_{stage}")
            tail_next = Signal.like(held.tail, name=f"tail_{stage}")
            m.d.sync += [ends_next.eq(ends), tail_next.eq(tail)]
            ends, tail = ends_next, tail_next

        output: Any = self.o
        if self.registered:
            m.submodules.chunks = chunks = Once(StreamFIFO(8 * self.data_bytes, 2))
            connect(m, chunks.o, flipped(self.o))
            output = chunks.i
        m.d.comb += quiet.eq(1)
        for number, width in enumerate(widths):
            o, chunk, pop, idle = self._path(m, width, ends, tail)
            with m.If(current == number):
                m.d.comb += [
                    output.valid.eq(o.valid),
                    output.payload.eq(chunk),
                    o.ready.eq(output.ready),
                ]
            with m.If(pop):
                m.d.comb += left.eq(1)
            with m.If(~idle):
                m.d.comb += quiet.eq(0)
        return m

    def _path(self, m: Module, width: int, ends: Any, tail: Any) -> tuple[Any, Any, Any, Any]:
        """FIFO and gearbox of slots of ``width`` bytes: the stream of chunks and its data, whether
        a slot leaves the FIFO, and whether none is in the gearbox."""
        has_gearbox = width != self.data_bytes
        entry_shape = gear_layout(width) if has_gearbox else unsigned(8 * width)
        fifo = StreamFIFO(entry_shape, WORDS_IN_FLIGHT, credited=True)
        m.submodules[f"words_{width}"] = Once(fifo)
        entry = fifo.i.payload
        word = entry.data if has_gearbox else entry
        for number, shape in enumerate(self.memories):
            if shape.chunk_bytes == width:
                response = getattr(self, f"response_{number}")
                with m.If(response.valid):
                    m.d.comb += [fifo.i.valid.eq(1), word.eq(response.data)]
        pop = fifo.o.valid & fifo.o.ready
        if not has_gearbox:
            return fifo.o, fifo.o.payload, pop, Const(1, 1)
        m.d.comb += [entry.count.eq(Mux(ends, tail + 1, width)), entry.last.eq(ends)]
        gearbox = Gearbox(width, self.data_bytes)
        m.submodules[f"gearbox_{width}"] = Once(gearbox)
        connect(m, fifo.o, gearbox.i)
        return gearbox.o, gearbox.o.payload.data, pop, gearbox.idle
