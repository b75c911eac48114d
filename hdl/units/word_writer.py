# SPDX-License-Identifier: Apache-2.0
"""The data side of LOAD: puts rows and padding into consecutive words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..dma.gearbox import gear_output_layout
from .transfer import MemoryShape, transfer_layout

__all__ = ["LOAD_ROW_LAYOUT", "WordWriter", "word_write_layout"]

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


def word_write_layout(shape: MemoryShape) -> data.StructLayout:
    """A write of a whole word of plain bytes."""
    address_width = (shape.depth - 1).bit_length()
    return data.StructLayout(
        {"address": unsigned(address_width), "data": unsigned(8 * shape.word_bytes)}
    )


class WordWriter(wiring.Component):
    """Writes the words of each row, and fill words where a row has padding or no bytes.

    One word a cycle, rows and instructions back to back.

    Parameters
    ----------
    memories : Sequence[MemoryShape]
        The memories; ``number`` below is the position in this sequence.

    Members
    -------
    instruction : In(stream of transfer_layout(memories))
        Taken when finished.
    row : In(stream of LOAD_ROW_LAYOUT)
        Taken when finished.
    words_<number> : In(stream of gear_output_layout)
        Words of the rows that go to that memory.
    write_<number> : Out(stream of word_write_layout)
    stop : In(1)
        Write nothing and finish nothing.
    accepted : Out(1)
        A word is written in this cycle.
    finished : Out(1)
        The instruction at the head is complete with this cycle.
    refused : Out(1)
        The next row of the instruction at the head has an error.
    corrupt : Out(1)
        The next word of the instruction at the head came with an error response.
    """

    def __init__(self, memories: Sequence[MemoryShape]) -> None:
        self.memories = tuple(memories)
        members: dict[str, Any] = {
            "instruction": In(stream.Signature(transfer_layout(self.memories))),
            "row": In(stream.Signature(LOAD_ROW_LAYOUT)),
            "stop": In(1),
            "accepted": Out(1),
            "finished": Out(1),
            "refused": Out(1),
            "corrupt": Out(1),
        }
        for number, shape in enumerate(self.memories):
            members[f"words_{number}"] = In(stream.Signature(gear_output_layout(shape.word_bytes)))
            members[f"write_{number}"] = Out(stream.Signature(word_write_layout(shape)))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = self.instruction.payload
        row = self.row.payload
        pads = Signal(8)
        after = Signal()
        started = Signal()
        next_word = Signal(16)

        active = Signal()
        move = Signal()
        padding = Signal()
        filler = Signal()
        word_valid = Signal()
        word_last = Signal()
        word_error = Signal()
        write = Signal()
        ready = Signal()
        address = Signal(16)
        row_end = Signal()
        row_done = Signal()
        m.d.comb += [
            active.eq(self.row.valid & self.instruction.valid & ~self.stop),
            move.eq(active & ~row.sync & ~row.error),
            padding.eq(after | (row.before & (pads != held.pad_before))),
            filler.eq(padding | ~row.fetch),
            write.eq(move & (filler | (word_valid & ~word_error))),
            self.accepted.eq(write & ready),
            row_end.eq(self.accepted & ~padding & (~row.fetch | word_last)),
            row_done.eq(
                (active & row.sync)
                | (row_end & ~row.after)
                | (self.accepted & after & (pads + 1 == held.pad_after))
            ),
            self.row.ready.eq(row_done),
            self.finished.eq(row_done & row.last),
            self.instruction.ready.eq(self.finished),
            self.refused.eq(active & row.error),
            self.corrupt.eq(move & ~filler & word_valid & word_error),
            address.eq(Mux(started, next_word, held.word)),
        ]
        with m.If(self.accepted):
            m.d.sync += [started.eq(1), next_word.eq(address + 1)]
            with m.If(padding):
                m.d.sync += pads.eq(pads + 1)
        with m.If(row_end):
            m.d.sync += [pads.eq(0), after.eq(row.after)]
        with m.If(row_done):
            m.d.sync += [pads.eq(0), after.eq(0)]
        with m.If(self.finished):
            m.d.sync += started.eq(0)

        for number, shape in enumerate(self.memories):
            words = getattr(self, f"words_{number}")
            port = getattr(self, f"write_{number}")
            chosen = Signal(name=f"chosen_{number}")
            m.d.comb += [
                chosen.eq(held.memory == shape.memory.value),
                words.ready.eq(chosen & self.accepted & ~filler),
                port.valid.eq(chosen & write),
                port.payload.address.eq(address),
                port.payload.data.eq(
                    Mux(filler, held.fill.replicate(shape.word_bytes), words.payload.data)
                ),
            ]
            with m.If(chosen):
                m.d.comb += [
                    word_valid.eq(words.valid),
                    word_last.eq(words.payload.last),
                    word_error.eq(words.payload.error),
                    ready.eq(port.ready),
                ]
        return m
