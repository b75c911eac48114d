# SPDX-License-Identifier: Apache-2.0
"""Decodes LOAD and STORE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT
from ..dma.splitter import LAST_BYTE_WIDTH
from ..isa import FORMATS, Opcode
from ..once import Once
from .segment_table import SEGMENT_WRITE_LAYOUT, SegmentTable
from .transfer import MemoryShape, setup_layout
from .word_count import WordCount

__all__ = ["TransferSetup"]


class TransferSetup(wiring.Component):
    """Decodes an instruction, looks up its segment and counts the words of a row.

    What an instruction says is kept here, so that nothing depends on where it comes from; that it
    leaves when it is ``done``. Latency 2 cycles, one more where `WordCount` multiplies and 17 where
    it divides.

    Parameters
    ----------
    opcode : Opcode
        LOAD or STORE: the format of what arrives, SYNC apart.
    address_width : int
        Bits of a DRAM address.
    memories : Sequence[MemoryShape]
        The memories that the instruction can name.
    multiply : bool
        As for `WordCount`.

    Members
    -------
    command : In(stream of COMMAND_LAYOUT)
    segment_write : In(SEGMENT_WRITE_LAYOUT)
        To the segment table; not while an instruction is taken.
    o : Out(stream of setup_layout)
        Stands, taken or not, until ``done``.
    taken : Out(1)
        Work on an instruction begins.
    done : In(1)
        Take the instruction and look at the next.
    stop : In(1)
        Offer and take nothing.
    """

    def __init__(
        self, *, opcode: Opcode, address_width: int, memories: Sequence[MemoryShape],
        multiply: bool = False,
    ) -> None:
        self.opcode = opcode
        self.address_width = address_width
        self.memories = tuple(memories)
        self.multiply = multiply
        super().__init__(
            {
                "command": In(stream.Signature(COMMAND_LAYOUT)),
                "segment_write": In(SEGMENT_WRITE_LAYOUT),
                "o": Out(stream.Signature(setup_layout(address_width, memories))),
                "taken": Out(1),
                "done": In(1),
                "stop": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.word_count = word_count = Once(
            WordCount(
                {shape.memory: shape.word_bytes for shape in self.memories}, multiply=self.multiply
            )
        )
        m.submodules.segments = segments = Once(SegmentTable(address_width=self.address_width))
        form = FORMATS[self.opcode]
        biased = next(field for field in form.fields if field.name == "bytes").bias
        arriving = data.View(form.layout, self.command.payload.instruction)
        fields = Signal(form.layout)
        index = Signal.like(self.command.payload.index)
        kept = Signal()
        known = Signal()
        is_sync = Signal()
        has_bytes = Signal()
        last_byte = Signal(LAST_BYTE_WIDTH)
        setup = self.o.payload
        transfer = setup.transfer
        m.d.comb += [
            self.taken.eq(self.command.valid & ~kept & ~self.stop),
            self.command.ready.eq(self.done),
            segments.write.eq(self.segment_write),
            segments.read.eq(self.taken),
            segments.number.eq(arriving.segment),
            word_count.start.eq(kept & ~known),
            word_count.last_byte.eq(last_byte),
            word_count.memory.eq(fields.memory),
            self.o.valid.eq(known & (word_count.done | is_sync) & ~self.stop),
            setup.sync.eq(is_sync),
            setup.fetch.eq(has_bytes),
            setup.last_byte.eq(last_byte),
            setup.last_word.eq(word_count.last_word),
            setup.count_x.eq(fields.count_x),
            setup.count_y.eq(fields.count_y),
            setup.base.eq(segments.base),
            setup.limit.eq(segments.limit),
            transfer.memory.eq(fields.memory),
            transfer.word.eq(fields.address),
            transfer.last_word.eq(word_count.last_word),
            transfer.tail.eq(word_count.tail),
            transfer.signal.eq(fields.signal),
            transfer.index.eq(index),
        ]
        # What does not fit leads outside of the address space.
        m.d.comb += [
            setup.offset.eq(fields.offset),
            setup.far.eq(fields.offset[len(setup.offset) :].any()),
        ]
        for axis in ("x", "y"):
            stride, short = fields[f"stride_{axis}"], setup[f"stride_{axis}"]
            signs = stride[len(short) - 1 :]
            m.d.comb += [short.eq(stride), setup[f"far_{axis}"].eq(signs.any() & ~signs.all())]
        if "fill" in form.layout.members:
            m.d.comb += [
                transfer.pad_before.eq(fields.pad_before),
                transfer.pad_after.eq(fields.pad_after),
                transfer.fill.eq(fields.fill),
            ]
        syncs = arriving.opcode == Opcode.SYNC.value
        some = Const(1, 1) if biased else arriving.bytes != 0
        with m.If(self.taken):
            m.d.sync += [
                kept.eq(1),
                fields.eq(arriving),
                index.eq(self.command.payload.index),
                is_sync.eq(syncs),
                has_bytes.eq(some & ~syncs),
                last_byte.eq(arriving.bytes if biased else arriving.bytes - some),
            ]
        m.d.sync += known.eq(kept)
        with m.If(self.done | self.stop):
            m.d.sync += [kept.eq(0), known.eq(0)]
        return m
