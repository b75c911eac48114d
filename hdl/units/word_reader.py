# SPDX-License-Identifier: Apache-2.0
"""The data side of STORE: reads the words of rows and makes beats of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from ..dma.fifo import StreamFIFO
from ..dma.gearbox import Gearbox, gear_input_layout
from ..memory.ports import ReadResponseSignature, request_layout
from ..once import Once
from .transfer import MemoryShape, memory_width, transfer_layout

__all__ = ["STORE_ROW_LAYOUT", "WordReader"]

STORE_ROW_LAYOUT = data.StructLayout({"last": unsigned(1)})
"""A row to read: whether it is the last of its instruction."""

WORDS_IN_FLIGHT = 8
"""Words requested and not yet in a gearbox; covers the read latency at one word a cycle."""


class WordReader(wiring.Component):
    """Reads the words of each row and repacks them to the width of a beat.

    ::

        row -> requests -> (memory) -> FIFO -> gearbox -> o

    A request goes out only when its answer has a place. Words of one memory are read back to
    back; before another memory is read, those of the first have left.

    Parameters
    ----------
    memories : Sequence[MemoryShape]
        The memories; ``number`` below is the position in this sequence.
    data_bytes : int
        Bytes of a chunk of ``o``.
    read_latency : int
        Cycles from an accepted request to its answer.

    Members
    -------
    instruction : In(stream of transfer_layout(memories))
        Taken with its last row.
    row : In(stream of STORE_ROW_LAYOUT)
        Taken with the request of its last word.
    request_<number> : Out(stream of request_layout)
    response_<number> : In(ReadResponseSignature)
    o : Out(stream of 8 * data_bytes)
        Rows as dense chunks; each starts a new chunk.
    accepted : Out(1)
        A word is requested in this cycle.
    """

    def __init__(
        self, memories: Sequence[MemoryShape], *, data_bytes: int, read_latency: int
    ) -> None:
        self.memories = tuple(memories)
        self.data_bytes = data_bytes
        self.read_latency = read_latency
        members: dict[str, Any] = {
            "instruction": In(stream.Signature(transfer_layout(self.memories))),
            "row": In(stream.Signature(STORE_ROW_LAYOUT)),
            "o": Out(stream.Signature(8 * data_bytes)),
            "accepted": Out(1),
        }
        for number, shape in enumerate(self.memories):
            address_width = (shape.depth - 1).bit_length()
            members[f"request_{number}"] = Out(stream.Signature(request_layout(address_width)))
            members[f"response_{number}"] = In(
                ReadResponseSignature(shape=unsigned(8 * shape.word_bytes))
            )
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = self.instruction.payload
        started = Signal()
        next_word = Signal(16)
        words_read = Signal(16)
        current = Signal(memory_width(self.memories), init=self.memories[0].memory.value)
        in_flight = Signal(range(WORDS_IN_FLIGHT + 1))

        ask = Signal()
        ready = Signal()
        address = Signal(16)
        row_end = Signal()
        last = Signal()
        left = Signal()
        quiet = Signal()
        m.d.comb += [
            ask.eq(
                self.row.valid
                & self.instruction.valid
                & (in_flight != WORDS_IN_FLIGHT)
                & (held.memory == current)
            ),
            self.accepted.eq(ask & ready),
            address.eq(Mux(started, next_word, held.word)),
            last.eq(words_read == held.last_word),
            row_end.eq(self.accepted & last),
            self.row.ready.eq(row_end),
            self.instruction.ready.eq(row_end & self.row.payload.last),
        ]
        m.d.sync += in_flight.eq(in_flight + self.accepted - left)
        with m.If(self.accepted):
            m.d.sync += [
                started.eq(1),
                next_word.eq(address + 1),
                words_read.eq(Mux(last, 0, words_read + 1)),
            ]
        with m.If(self.instruction.valid & self.instruction.ready):
            m.d.sync += started.eq(0)
        with m.If(self.instruction.valid & (in_flight == 0) & quiet):
            m.d.sync += current.eq(held.memory)

        # What is known of a word when it is requested waits for it.
        ends, tail = last, held.tail
        for stage in range(self.read_latency):
            ends_next = Signal(name=f"ends_{stage}")
            tail_next = Signal.like(held.tail, name=f"tail_{stage}")
            m.d.sync += [ends_next.eq(ends), tail_next.eq(tail)]
            ends, tail = ends_next, tail_next

        idle, popped = [], []
        for number, shape in enumerate(self.memories):
            request = getattr(self, f"request_{number}")
            chosen = Signal(name=f"chosen_{number}")
            m.d.comb += [
                chosen.eq(current == shape.memory.value),
                request.valid.eq(ask & chosen),
                request.payload.address.eq(address),
            ]
            with m.If(chosen):
                m.d.comb += ready.eq(request.ready)
            gearbox, pop = self._path(m, number, shape, ends, tail)
            with m.If(chosen):
                m.d.comb += [
                    self.o.valid.eq(gearbox.o.valid),
                    self.o.payload.eq(gearbox.o.payload.data),
                    gearbox.o.ready.eq(self.o.ready),
                ]
            idle.append(gearbox.idle)
            popped.append(pop)
        m.d.comb += quiet.eq(1)
        for flag in idle:
            with m.If(~flag):
                m.d.comb += quiet.eq(0)
        for pop in popped:
            with m.If(pop):
                m.d.comb += left.eq(1)
        return m

    def _path(
        self, m: Module, number: int, shape: MemoryShape, ends: Any, tail: Any
    ) -> tuple[Any, Any]:
        """FIFO and gearbox of one memory; returns the gearbox and the FIFO's pop."""
        response = getattr(self, f"response_{number}")
        layout = gear_input_layout(shape.word_bytes, fill=False)
        fifo = StreamFIFO(layout, WORDS_IN_FLIGHT)
        gearbox = Gearbox(shape.word_bytes, self.data_bytes, fill=False)
        m.submodules[f"words_{number}"] = Once(fifo)
        m.submodules[f"gearbox_{number}"] = Once(gearbox)
        connect(m, fifo.o, gearbox.i)
        pop = Signal(name=f"pop_{number}")
        m.d.comb += [
            fifo.i.valid.eq(response.valid),
            fifo.i.payload.data.eq(response.data),
            fifo.i.payload.count.eq(Mux(ends, tail + 1, shape.word_bytes)),
            fifo.i.payload.last.eq(ends),
            pop.eq(fifo.o.valid & fifo.o.ready),
        ]
        return gearbox, pop
