# SPDX-License-Identifier: Apache-2.0
"""Decodes LOAD and STORE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT
from ..isa import FORMATS, Opcode
from ..once import Once
from .segment_table import SEGMENT_WRITE_LAYOUT, SegmentTable
from .transfer import MemoryShape, setup_layout
from .word_count import WordCount

__all__ = ["TransferSetup"]


class TransferSetup(wiring.Component):
    """Decodes an instruction, looks up its segment and counts the words of a row.

    Latency 1 cycle and one instruction a cycle; 17 more cycles where `WordCount` divides.

    Parameters
    ----------
    opcode : Opcode
        LOAD or STORE: the format of what arrives, SYNC apart.
    address_width : int
        Bits of a DRAM address.
    memories : Sequence[MemoryShape]
        The memories that the instruction can name.

    Members
    -------
    command : In(stream of COMMAND_LAYOUT)
    segment_write : In(SEGMENT_WRITE_LAYOUT)
        To the segment table; not while an instruction is taken.
    o : Out(stream of setup_layout)
    stop : In(1)
        Take nothing more and forget what is in hand.
    """

    def __init__(
        self, *, opcode: Opcode, address_width: int, memories: Sequence[MemoryShape]
    ) -> None:
        self.opcode = opcode
        self.address_width = address_width
        self.memories = tuple(memories)
        super().__init__(
            {
                "command": In(stream.Signature(COMMAND_LAYOUT)),
                "segment_write": In(SEGMENT_WRITE_LAYOUT),
                "o": Out(stream.Signature(setup_layout(address_width, memories))),
                "stop": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.word_count = word_count = Once(
            WordCount({shape.memory: shape.word_bytes for shape in self.memories})
        )
        m.submodules.segments = segments = Once(SegmentTable(address_width=self.address_width))
        form = FORMATS[self.opcode]
        biased = next(field for field in form.fields if field.name == "bytes").bias
        fields = data.View(form.layout, self.command.payload.instruction)
        valid = Signal()
        held = Signal(setup_layout(self.address_width, self.memories))
        take = Signal()
        is_sync = Signal()
        last_byte = Signal(16)
        m.d.comb += [
            self.command.ready.eq((~valid | (self.o.valid & self.o.ready)) & ~self.stop),
            take.eq(self.command.valid & self.command.ready),
            is_sync.eq(fields.opcode == Opcode.SYNC.value),
            last_byte.eq(fields.bytes if biased else Mux(fields.bytes == 0, 0, fields.bytes - 1)),
            segments.write.eq(self.segment_write),
            segments.read.eq(take),
            segments.number.eq(fields.segment),
            word_count.start.eq(take),
            word_count.last_byte.eq(last_byte),
            word_count.memory.eq(fields.memory),
            self.o.valid.eq(valid & (word_count.done | held.sync)),
            self.o.payload.eq(held),
            self.o.payload.base.eq(segments.base),
            self.o.payload.limit.eq(segments.limit),
            self.o.payload.transfer.last_word.eq(word_count.last_word),
            self.o.payload.transfer.tail.eq(word_count.tail),
        ]
        with m.If(take):
            m.d.sync += [
                held.transfer.memory.eq(fields.memory),
                held.transfer.word.eq(fields.address),
                held.transfer.signal.eq(fields.signal),
                held.transfer.index.eq(self.command.payload.index),
                held.sync.eq(is_sync),
                held.bytes.eq(Mux(is_sync, 0, fields.bytes + biased)),
                held.offset.eq(fields.offset),
                held.stride_x.eq(fields.stride_x),
                held.stride_y.eq(fields.stride_y),
                held.count_x.eq(Mux(is_sync, 0, fields.count_x)),
                held.count_y.eq(Mux(is_sync, 0, fields.count_y)),
            ]
            if "fill" in form.layout.members:
                m.d.sync += [
                    held.transfer.pad_before.eq(fields.pad_before),
                    held.transfer.pad_after.eq(fields.pad_after),
                    held.transfer.fill.eq(fields.fill),
                ]
        with m.If(self.stop):
            m.d.sync += valid.eq(0)
        with m.Elif(self.command.ready):
            m.d.sync += valid.eq(self.command.valid)
        return m
