# SPDX-License-Identifier: Apache-2.0
"""Walks the rows of LOAD and STORE and checks each before it is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, signed, unsigned
from amaranth.lib import data, wiring

from ..tech.technology import TECHNOLOGIES
from .transfer import (
    MemoryShape,
    depth_of,
    offset_width,
    place_widths,
    row_layout,
    row_sequencer_members,
    setup_layout,
)

__all__ = ["RowSequencer"]


class RowSequencer(wiring.Component):
    """Makes one row a cycle, with its address, from decoded instructions.

    ::

        i -> offset += stride -> 1: base + offset, segment, words -> 2: place += words, memory -> o

    One adder makes the next offset: from row to row by ``stride_x``, from the first row of a group
    to that of the next by ``stride_y``. What all rows of an instruction have in common is kept once
    and only what differs moves through the stages. Words are counted from the word after the end
    of their memory, below zero, so that a sum's sign tells whether it is beyond.

    A row fails if its padding passes the end of the memory, else if its bytes leave the segment,
    else if its words (or the padding after it) pass the end of the memory. The first failing row
    comes out with ``error``; nothing comes after it.

    No bubble between groups or instructions; latency 3 cycles.

    Parameters
    ----------
    address_width : int
        Bits of a DRAM address.
    memories : Sequence[MemoryShape]
        Word size and depth of the memories.
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`, whose adders are used.

    Members
    -------
    i : In(stream of setup_layout)
    o : Out(stream of row_layout)
    fault : Out(fault_layout)
        What was wrong with the row that came with ``error``; stands from then on.
    stop : In(1)
        Forget everything in hand.
    """

    def __init__(
        self,
        *,
        address_width: int,
        memories: Sequence[MemoryShape],
        family: str = "generic",
    ) -> None:
        self.address_width = address_width
        self.memories = tuple(memories)
        self.technology = TECHNOLOGIES[family]
        self.number_width, self.place_width = place_widths(self.memories)
        super().__init__(row_sequencer_members(address_width, memories))

    def _stage(self) -> Any:
        """A row between the two stages."""
        return Signal(
            data.StructLayout(
                {
                    "valid": unsigned(1),
                    "first": unsigned(1),
                    "row": row_layout(self.address_width, self.memories),
                    "outside": unsigned(1),
                    "beyond": unsigned(1),
                    "long": unsigned(1),
                    "padding": unsigned(8),
                    "words": unsigned(self.place_width),
                    "start": signed(self.place_width),
                }
            ),
            name="stage",
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        stage = self._stage()
        advance = Signal()
        failed = Signal()
        drop = Signal()
        output_valid = Signal()
        m.d.comb += drop.eq(self.stop | failed)
        m.d.comb += [advance.eq(~output_valid | self.o.ready), self.o.valid.eq(output_valid)]
        self._walk(m, stage, advance, drop)
        self._check(m, stage, advance, failed, output_valid)
        with m.If(drop):
            m.d.sync += stage.valid.eq(0)
        with m.If(self.stop):
            m.d.sync += output_valid.eq(0)
        return m

    def _walk(self, m: Module, stage: Any, advance: Signal, drop: Signal) -> None:
        """The loops: the current row, and the offset of the next."""
        layout = setup_layout(self.address_width, self.memories)
        offset_shape = signed(offset_width(self.address_width))
        valid = Signal()
        load = Signal()
        offset = Signal(offset_shape)
        group = Signal(offset_shape)
        far = Signal()
        x = Signal(12)
        y = Signal(12)
        first = Signal()
        first_x = Signal()
        last_x = Signal()
        last = Signal()
        payload = self.i.payload
        setup = Signal(layout)
        last_offset = Signal(offset_shape)  # Of a row that ends at the limit.
        m.d.comb += [
            self.i.ready.eq((~valid | (advance & last)) & ~drop),
            load.eq(self.i.valid & self.i.ready),
        ]
        with m.If(load):
            m.d.sync += [
                setup.eq(payload),
                last_offset.eq(payload.limit + ~_signed(payload.last_byte)),
            ]

        m.d.comb += [
            last_x.eq(setup.sync | (x == setup.count_x)),
            last.eq(last_x & (setup.sync | (y == setup.count_y))),
        ]
        following = self.technology.add_chosen(
            m,
            "following",
            Mux(last_x, group, offset),
            last_x,
            (_one_more(setup.stride_x), _one_more(setup.stride_y)),
            offset_shape.width,
        )
        with m.If(advance):
            m.d.sync += [
                offset.eq(following),
                far.eq(Mux(last_x, setup.far_y, setup.far_x)),
                x.eq(Mux(last_x, 0, x + 1)),
                y.eq(y + last_x),
                first.eq(0),
                first_x.eq(last_x),
            ]
            with m.If(last_x):
                m.d.sync += group.eq(following)
            with m.If(last):
                m.d.sync += valid.eq(0)
        with m.If(load):
            m.d.sync += [
                valid.eq(1),
                offset.eq(payload.offset),
                group.eq(payload.offset),
                far.eq(payload.far),
                x.eq(0),
                y.eq(0),
                first.eq(1),
                first_x.eq(1),
            ]
        with m.If(drop):
            m.d.sync += valid.eq(0)

        outside = Signal()
        m.d.comb += outside.eq(setup.fetch & (far | (offset < 0) | (offset > last_offset)))
        self._pass(m, stage, valid, setup, offset, outside, first, first_x, last_x, last, advance)

    def _pass(
        self, m: Module, stage: Any, valid: Signal, setup: Any, offset: Signal, outside: Signal,
        first: Signal, first_x: Signal, last_x: Signal, last: Signal, advance: Signal,
    ) -> None:
        """The row on its way to the checks; and its offset, in case it fails."""
        transfer = setup.transfer
        row = stage.row
        before = Mux(first_x, transfer.pad_before, 0)
        after = Mux(last_x, transfer.pad_after, 0)
        depth = depth_of(m, self.memories, transfer.memory)
        values = [
            stage.valid.eq(valid),
            stage.outside.eq(outside),
            stage.beyond.eq(first & transfer.word[self.number_width + 1 :].any()),
            stage.long.eq(setup.last_word[self.number_width :].any()),
            stage.padding.eq(before),
            stage.words.eq(transfer.last_word + after + 1),
            # A word may be the one after the last of the deepest memory.
            stage.start.eq(transfer.word[: self.number_width + 1] + ~_signed(depth)),
            row.address.eq(setup.base + offset),
            stage.first.eq(first),
            row.last.eq(last),
            row.before.eq(first_x & (transfer.pad_before != 0)),
            row.after.eq(last_x & (transfer.pad_after != 0)),
            row.fetch.eq(setup.fetch),
            row.sync.eq(setup.sync),
            row.last_byte.eq(setup.last_byte),
            row.memory.eq(transfer.memory),
        ]
        seen = Signal()
        with m.If(advance & ~seen):
            m.d.sync += [seen.eq(valid & outside), self.fault.offset.eq(offset)]
        with m.If(advance):
            m.d.sync += values

    def _check(
        self, m: Module, stage: Any, advance: Signal, failed: Signal, output_valid: Signal
    ) -> None:
        """Whether the row fails, and the output register."""
        place = Signal(signed(self.place_width))
        start = Signal(signed(self.place_width))
        body = Signal(signed(self.place_width))
        stop = Signal(signed(self.place_width))
        starts_outside = Signal()
        padding_outside = Signal()
        outside = Signal()
        error = Signal()
        m.d.comb += [
            start.eq(Mux(stage.first, stage.start, place)),
            body.eq(start + stage.padding),
            stop.eq(body + stage.words),
            starts_outside.eq(stage.beyond | (start >= 0)),
            padding_outside.eq(starts_outside | (body >= 0)),
            outside.eq(stage.outside & ~padding_outside),
            error.eq(
                ~stage.row.sync & (padding_outside | outside | stage.long | (stop >= 0))
            ),
        ]
        row, output = stage.row, self.o.payload
        with m.If(advance):
            m.d.sync += [
                output.eq(row),
                output.error.eq(error),
                output.fetch.eq(row.fetch & ~error),
                output_valid.eq(stage.valid & ~failed),
                place.eq(stop),
            ]
            with m.If(stage.valid & error & ~failed):
                m.d.sync += [
                    failed.eq(1),
                    self.fault.outside.eq(outside),
                    self.fault.start.eq(starts_outside),
                ]


def _signed(value: Any) -> Value:
    """A value that is not negative, as one that could be."""
    return Cat(value, Const(0, 1)).as_signed()


def _one_more(stride: Any) -> Value:
    """A stride in as many bits as an offset."""
    return Cat(stride, stride[-1])
