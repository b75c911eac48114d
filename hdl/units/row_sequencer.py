# SPDX-License-Identifier: Apache-2.0
"""Walks the rows of LOAD and STORE and checks each before it is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa import ErrorCode
from ..tech.technology import TECHNOLOGIES
from .transfer import FAULT_LAYOUT, MemoryShape, row_layout, setup_layout

__all__ = ["RowSequencer"]

OFFSET_WIDTH = 34
"""Bits, signed, of an offset: one step of a 32-bit stride away from a legal 32-bit offset."""

WORD_WIDTH = 18
"""Bits of an on-chip word number: a legal one, plus the words of a row and its padding."""


def _extended(stride: Any) -> Any:
    """A stride in as many bits as an offset."""
    return Cat(stride, stride[-1].replicate(OFFSET_WIDTH - len(stride)))


class RowSequencer(wiring.Component):
    """Makes one row a cycle, with its address, from decoded instructions.

    ::

        setup -> offset += stride -> 1: end, padding -> 2: base + offset, words -> 3: word += words
              -> 4: compare -> o

    One adder makes the next offset: from row to row by ``stride_x``, from the first row of a group
    to that of the next by ``stride_y``. Each addition is a stage of its own. No bubble between
    groups or instructions; latency 5 cycles.

    A row fails if its padding passes the end of the memory, else if its bytes leave the segment,
    else if its words (or the padding after it) pass the end of the memory. The first failing row
    comes out with ``error``; nothing comes after it.

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
    fault : Out(FAULT_LAYOUT)
        What was wrong with the row that came with ``error``; stands from then on.
    stop : In(1)
        Forget everything in hand.
    """

    def __init__(
        self, *, address_width: int, memories: Sequence[MemoryShape], family: str = "generic"
    ) -> None:
        self.address_width = address_width
        self.memories = tuple(memories)
        self.technology = TECHNOLOGIES[family]
        super().__init__(
            {
                "i": In(stream.Signature(setup_layout(address_width, memories))),
                "o": Out(stream.Signature(row_layout(address_width, memories))),
                "fault": Out(FAULT_LAYOUT),
                "stop": In(1),
            }
        )

    def _stage(self, number: int) -> Any:
        return Signal(
            data.StructLayout(
                {
                    "valid": unsigned(1),
                    "row": row_layout(self.address_width, self.memories),
                    "offset": signed(OFFSET_WIDTH),
                    "end": signed(OFFSET_WIDTH + 1),
                    "base": unsigned(self.address_width),
                    "limit": unsigned(32),
                    "outside": unsigned(1),
                    "padding": unsigned(9),
                    "words": unsigned(WORD_WIDTH),
                    "start": unsigned(WORD_WIDTH),
                    "body": unsigned(WORD_WIDTH),
                    "stop": unsigned(WORD_WIDTH),
                }
            ),
            name=f"stage_{number}",
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        stages = [self._stage(number) for number in range(1, 4)]
        advance = Signal()
        failed = Signal()
        drop = Signal()
        output_valid = Signal()
        m.d.comb += [
            advance.eq(~output_valid | self.o.ready),
            self.o.valid.eq(output_valid),
        ]
        m.d.comb += drop.eq(self.stop | failed)
        self._walk(m, stages[0], advance, drop)
        with m.If(advance):
            m.d.sync += [stages[1].eq(stages[0]), stages[2].eq(stages[1])]
        self._add(m, stages, advance)
        self._check(m, stages[2], advance, failed, output_valid)
        with m.If(drop):
            m.d.sync += [stage.valid.eq(0) for stage in stages]
        with m.If(self.stop):
            m.d.sync += output_valid.eq(0)
        return m

    def _walk(self, m: Module, stage: Any, advance: Signal, drop: Signal) -> None:
        """The loops: current row, and the offset of the next."""
        valid = Signal()
        setup = Signal(setup_layout(self.address_width, self.memories))
        offset = Signal(signed(OFFSET_WIDTH))
        group = Signal(signed(OFFSET_WIDTH))
        x_left = Signal(12)
        y_left = Signal(12)
        first = Signal()
        first_x = Signal()
        last_x = Signal()
        last = Signal()
        following = Signal(signed(OFFSET_WIDTH))
        transfer = setup.transfer
        row = stage.row
        m.d.comb += [
            last_x.eq(x_left == 0),
            last.eq(last_x & (y_left == 0)),
            following.eq(
                self.technology.add_chosen(
                    m,
                    "following",
                    Mux(last_x, group, offset),
                    last_x,
                    (_extended(setup.stride_x), _extended(setup.stride_y)),
                    OFFSET_WIDTH,
                )
            ),
            self.i.ready.eq((~valid | (advance & last)) & ~drop),
        ]
        with m.If(advance):
            m.d.sync += [
                offset.eq(following),
                x_left.eq(Mux(last_x, setup.count_x, x_left - 1)),
                y_left.eq(y_left - last_x),
                first.eq(0),
                first_x.eq(last_x),
                stage.valid.eq(valid),
                stage.offset.eq(offset),
                stage.end.eq(offset + setup.bytes),
                stage.base.eq(setup.base),
                stage.limit.eq(setup.limit),
                stage.padding.eq(
                    Mux(first_x, transfer.pad_before, 0) + Mux(last_x, transfer.pad_after, 0)
                ),
                row.transfer.eq(transfer),
                row.bytes.eq(setup.bytes),
                row.first.eq(first),
                row.last.eq(last),
                row.before.eq(first_x & (transfer.pad_before != 0)),
                row.after.eq(last_x & (transfer.pad_after != 0)),
                row.fetch.eq(setup.bytes != 0),
                row.sync.eq(setup.sync),
            ]
            with m.If(last_x):
                m.d.sync += group.eq(following)
            with m.If(last):
                m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            payload = self.i.payload
            m.d.sync += [
                valid.eq(1),
                setup.eq(payload),
                offset.eq(payload.offset),
                group.eq(payload.offset),
                x_left.eq(payload.count_x),
                y_left.eq(payload.count_y),
                first.eq(1),
                first_x.eq(1),
            ]
        with m.If(drop):
            m.d.sync += valid.eq(0)

    def _add(self, m: Module, stages: list[Any], advance: Signal) -> None:
        """Stages 2 and 3: DRAM address, and the words before and after the row."""
        one, two, three = stages
        following = Signal(WORD_WIDTH)
        start = Signal(WORD_WIDTH)
        stop = Signal(WORD_WIDTH)
        m.d.comb += [
            start.eq(Mux(two.row.first, two.row.transfer.word, following)),
            stop.eq(start + two.words),
        ]
        with m.If(advance):
            m.d.sync += [
                two.row.address.eq(one.base + one.offset),
                two.outside.eq((one.offset < 0) | (one.end > one.limit)),
                two.words.eq(one.row.transfer.last_word + one.padding + 1),
                three.start.eq(start),
                three.body.eq(start + Mux(two.row.before, two.row.transfer.pad_before, 0)),
                three.stop.eq(stop),
            ]
            with m.If(two.valid):
                m.d.sync += following.eq(stop)

    def _check(
        self, m: Module, stage: Any, advance: Signal, failed: Signal, output_valid: Signal
    ) -> None:
        """Stage 4: compare, and the output register."""
        # Depths are powers of two: a number is beyond one if it has a higher bit, or that bit and a
        # lower one. No comparison needs a carry chain.
        depth = Signal(WORD_WIDTH)
        with m.Switch(stage.row.transfer.memory):
            for shape in self.memories:
                with m.Case(shape.memory.value):
                    m.d.comb += depth.eq(shape.depth)
        below = Signal(WORD_WIDTH)
        m.d.comb += below.eq(
            Cat(depth[place + 1 :].any() for place in range(WORD_WIDTH))
        )

        def beyond(word: Any) -> Any:
            return (word & ~(depth | below)).any() | ((word & depth).any() & (word & below).any())

        padding_outside = Signal()
        outside = Signal()
        error = Signal()
        word = Signal(WORD_WIDTH)
        m.d.comb += [
            padding_outside.eq(beyond(stage.body)),
            outside.eq(stage.outside & stage.row.fetch & ~padding_outside),
            error.eq(~stage.row.sync & (padding_outside | outside | beyond(stage.stop))),
            word.eq(Mux(beyond(stage.start), stage.start, depth)),
        ]
        with m.If(advance):
            m.d.sync += [
                output_valid.eq(stage.valid & ~failed),
                self.o.payload.eq(stage.row),
                self.o.payload.error.eq(error),
                self.o.payload.fetch.eq(stage.row.fetch & ~error),
            ]
            with m.If(stage.valid & error & ~failed):
                m.d.sync += [
                    failed.eq(1),
                    self.fault.index.eq(stage.row.transfer.index),
                    self.fault.code.eq(
                        Mux(outside, ErrorCode.SEGMENT_LIMIT, ErrorCode.MEMORY_RANGE)
                    ),
                    self.fault.address.eq(
                        Mux(
                            outside,
                            stage.offset[:32],
                            Cat(word, Const(0, 29 - WORD_WIDTH), stage.row.transfer.memory),
                        )
                    ),
                ]
