# SPDX-License-Identifier: Apache-2.0
"""The data side of LOAD: puts rows and padding into consecutive words, and fills their tails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..dma.fifo import StreamFIFO
from ..memory.ports import chunk_layout
from ..once import Once
from .transfer import MemoryShape, transfer_layout

__all__ = ["LOAD_ROW_LAYOUT", "WordWriter", "slot_layout", "slot_write_layout"]

LOAD_ROW_LAYOUT = data.StructLayout(
    {
        "last": unsigned(1),
        "before": unsigned(1),
        "after": unsigned(1),
        "fetch": unsigned(1),
        "sync": unsigned(1),
        "error": unsigned(1),
    }
)
"""What the data side needs of each row; as in `row_layout`."""


def slot_layout(width_bytes: int) -> data.StructLayout:
    """Bytes for a slot of a word: ``data``, ``count`` of them that are valid, ``last`` of the row,
    ``error``."""
    return data.StructLayout(
        {
            "data": unsigned(8 * width_bytes),
            "count": unsigned(width_bytes.bit_length()),
            "last": unsigned(1),
            "error": unsigned(1),
        }
    )


def slot_write_layout(shape: MemoryShape) -> data.StructLayout:
    """A write of a slot of plain bytes."""
    address_width = (shape.depth - 1).bit_length()
    return chunk_layout(address_width, shape.slots, unsigned(8 * shape.chunk_bytes))


class WordWriter(wiring.Component):
    """Writes the words of each row, and fill words where a row has padding or no bytes.

    One slot of a word a cycle, rows and instructions back to back. With a ``queue`` writes wait for
    the memories there, so that these are not in the path of the rows; an instruction ends with its
    last write, and the next one must not come before; its ``memory`` must be known a cycle before
    it is valid; and rows with padding wait a cycle before each of its words, in which these are
    counted.

    Parameters
    ----------
    memories : Sequence[MemoryShape]
        The memories; ``number`` below is the position in this sequence.
    queue : bool
        See above.

    Members
    -------
    instruction : In(stream of transfer_layout(memories))
        Taken when finished.
    row : In(stream of LOAD_ROW_LAYOUT)
        Taken when finished.
    slots_<bytes> : In(stream of slot_layout)
        Slots of the rows that go to memories with slots of that size.
    write_<number> : Out(stream of slot_write_layout)
    stop : In(1)
        Write nothing and finish nothing.
    accepted : Out(1)
        A slot is written in this cycle, or goes into the queue.
    finished : Out(1)
        The instruction at the head is complete with this cycle.
    refused : Out(1)
        The next row of the instruction at the head has an error.
    corrupt : Out(1)
        The next bytes of the instruction at the head came with an error response.
    """

    def __init__(self, memories: Sequence[MemoryShape], *, queue: bool = False) -> None:
        self.memories = tuple(memories)
        self.queue = queue
        self.widths = tuple(sorted({shape.chunk_bytes for shape in self.memories}))
        members: dict[str, Any] = {
            "instruction": In(stream.Signature(transfer_layout(self.memories))),
            "row": In(stream.Signature(LOAD_ROW_LAYOUT)),
            "stop": In(1),
            "accepted": Out(1),
            "finished": Out(1),
            "refused": Out(1),
            "corrupt": Out(1),
        }
        for width in self.widths:
            members[f"slots_{width}"] = In(stream.Signature(slot_layout(width)))
        for number, shape in enumerate(self.memories):
            members[f"write_{number}"] = Out(stream.Signature(slot_write_layout(shape)))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = self.instruction.payload
        row = self.row.payload
        pads = Signal(8)
        after = Signal()
        started = Signal()
        # Rows that come here are inside their memory.
        address_width = max((shape.depth - 1).bit_length() for shape in self.memories)
        next_word = Signal(address_width)
        slot = Signal(range(max(shape.slots for shape in self.memories)))
        rest = Signal()  # The row has ended inside the word.

        active = Signal()
        move = Signal()
        padding = Signal()
        filler = Signal()
        slot_valid = Signal()
        slot_last = Signal()
        slot_error = Signal()
        last_slot = Signal()
        write = Signal()
        ready = Signal()
        address = Signal(address_width)
        word_end = Signal()
        row_end = Signal()
        row_done = Signal()
        ends = Signal()
        padded = Signal()  # The row has its padding before it.
        last_pad = Signal()
        counted = Signal()  # These two belong to `pads`.
        m.d.comb += [
            active.eq(self.row.valid & self.instruction.valid & ~self.stop),
            move.eq(active & ~row.sync & ~row.error & (counted | ~(row.before | after))),
            padding.eq(after | (row.before & ~padded)),
            filler.eq(padding | ~row.fetch | rest),
            write.eq(move & (filler | (slot_valid & ~slot_error))),
            self.accepted.eq(write & ready),
            word_end.eq(self.accepted & last_slot),
            row_end.eq(word_end & ~padding & (~row.fetch | rest | slot_last)),
            row_done.eq(
                (active & row.sync)
                | (row_end & ~row.after)
                | (word_end & after & last_pad)
            ),
            self.row.ready.eq(row_done),
            ends.eq(row_done & row.last),
            self.instruction.ready.eq(self.finished),
            self.refused.eq(active & row.error),
            self.corrupt.eq(move & ~filler & slot_valid & slot_error),
            address.eq(Mux(started, next_word, held.word)),
        ]
        domain = m.d.sync if self.queue else m.d.comb
        domain += [
            padded.eq(pads == held.pad_before),
            last_pad.eq(pads + 1 == held.pad_after),
        ]
        if self.queue:
            m.d.sync += counted.eq(self.row.valid & ~word_end & ~row_done)
        else:
            m.d.comb += counted.eq(1)
        with m.If(self.accepted):
            m.d.sync += [
                slot.eq(Mux(last_slot, 0, slot + 1)),
                rest.eq(~last_slot & (rest | (~filler & slot_last))),
            ]
        with m.If(word_end):
            m.d.sync += [started.eq(1), next_word.eq(address + 1)]
            with m.If(padding):
                m.d.sync += pads.eq(pads + 1)
        with m.If(row_end):
            m.d.sync += [pads.eq(0), after.eq(row.after)]
        with m.If(row_done):
            m.d.sync += [pads.eq(0), after.eq(0)]
        with m.If(self.finished):
            m.d.sync += started.eq(0)

        filled, chosen_widths = {}, {}
        for width in self.widths:
            source = getattr(self, f"slots_{width}")
            chosen = Signal(name=f"chosen_{width}_bytes")
            word = Signal(8 * width, name=f"filled_{width}")
            m.d.comb += [
                source.ready.eq(chosen & self.accepted & ~filler),
                word.eq(
                    Cat(
                        Mux(
                            filler | (source.payload.count <= lane),
                            held.fill,
                            source.payload.data.word_select(lane, 8),
                        )
                        for lane in range(width)
                    )
                ),
            ]
            with m.If(chosen):
                m.d.comb += [
                    slot_valid.eq(source.valid),
                    slot_last.eq(source.payload.last),
                    slot_error.eq(source.payload.error),
                ]
            filled[width], chosen_widths[width] = word, chosen
        written: Any = stream.Signature(
            data.StructLayout(
                {
                    "memory": unsigned(len(self.memories)),
                    "address": unsigned(address_width),
                    "slot": unsigned(len(slot)),
                    "data": unsigned(8 * max(self.widths)),
                    "ends": unsigned(1),
                }
            )
        ).create()
        given = written
        if self.queue:
            m.submodules.writes = writes = Once(StreamFIFO(written.payload.shape(), 2))
            given, written = writes.i, writes.o
            m.d.comb += given.payload.ends.eq(ends)
            m.d.comb += self.finished.eq(
                (written.valid & written.ready & written.payload.ends & ~self.stop)
                | (active & row.sync & row.last)
            )
        else:
            m.d.comb += self.finished.eq(ends)
        m.d.comb += [
            given.valid.eq(write),
            given.payload.address.eq(address),
            given.payload.slot.eq(slot),
            ready.eq(given.ready),
        ]
        for width in self.widths:
            with m.If(chosen_widths[width]):
                m.d.comb += given.payload.data.eq(filled[width])
        for number, shape in enumerate(self.memories):
            port = getattr(self, f"write_{number}")
            chosen = Signal(name=f"chosen_{number}")
            domain += chosen.eq(held.memory == shape.memory.value)
            m.d.comb += [
                given.payload.memory[number].eq(chosen),
                port.valid.eq(written.valid & written.payload.memory[number]),
                port.payload.address.eq(written.payload.address),
                port.payload.slot.eq(written.payload.slot),
                port.payload.data.eq(written.payload.data),
            ]
            with m.If(written.payload.memory[number]):
                m.d.comb += written.ready.eq(port.ready)
            with m.If(chosen):
                m.d.comb += [
                    last_slot.eq(slot == shape.slots - 1),
                    chosen_widths[shape.chunk_bytes].eq(1),
                ]
        return m
