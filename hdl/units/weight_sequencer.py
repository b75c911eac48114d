# SPDX-License-Identifier: Apache-2.0
"""Fetches the weight tiles of MATMUL instructions in the order the array takes them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ..isa import Memory
from ..memory.ports import ReadSignature, int8_vector
from ..memory.weight_scratchpad import WeightScratchpad
from ..multiple import constant_multiple
from ..once import Once
from .loop import AddressGenerator, LoopCounter
from .matmul_layouts import FAULT_LAYOUT, WEIGHT_COMMAND
from .prefetch import Prefetcher

__all__ = ["WeightSequencer", "constant_multiple"]

BLOCK_LEVELS = ("kernel_y", "kernel_x", "channel_blocks")
STRIDE_WIDTH = WEIGHT_COMMAND["weight_stride_row"].shape.width


class WeightSequencer(wiring.Component):
    """Reads each block's ``rows`` weight words, that of the bottom row first.

    ::

        command --> [x (rows - 1)] --> + --> counters, address --> [Prefetcher] --> o

    Runs ahead of the activations as far as the prefetcher and the array's shadow registers reach,
    also into the next instruction. An instruction is taken in the second cycle of its offer at the
    earliest (in the first of an array of one row), and only once the words of the one before have
    been requested. Rows from ``last_rows`` on of a last channel block are zero and are not read. A
    word beyond the memory is not read; everything before it is delivered.

    Parameters
    ----------
    rows, cols : int
        Size of the array.
    depth : int
        Words of the weight scratchpad.
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`, whose adders are used.

    Members
    -------
    command : In(stream of WEIGHT_COMMAND)
        An offer stays until it is taken.
    read : Out(ReadSignature)
        Port of the weight scratchpad, which gives zero for a word that is not read.
    o : Out(stream of ArrayLayout(signed(8), cols))
        Weight vectors for the array.
    tile : Out(1)
        The last word of a tile was requested in the cycle before.
    fault : Out(FAULT_LAYOUT)
        A word beyond the memory was needed; stays.
    stop : In(1)
        Read no more, from the next cycle on.
    """

    def __init__(
        self, *, rows: int, cols: int, depth: int, family: str = "generic"
    ) -> None:
        self.rows = rows
        self.family = family
        self.cols = cols
        self.depth = depth
        self.address_width = exact_log2(depth)
        # The largest address compared: an illegal block's start plus the way to its bottom row.
        highest = 2**16 + 2**14 + (rows - 1) * (2**STRIDE_WIDTH - 1)
        self.full_width = bits_for(highest)
        super().__init__(
            {
                "command": In(stream.Signature(WEIGHT_COMMAND)),
                "read": Out(
                    ReadSignature(address_width=self.address_width, shape=int8_vector(cols))
                ),
                "o": Out(stream.Signature(int8_vector(cols))),
                "tile": Out(1),
                "fault": Out(FAULT_LAYOUT),
                "stop": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_weight_sequencer"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        row_width = bits_for(max(1, self.rows - 1))
        m.submodules.counter = counter = Once(
            LoopCounter(
                {name: WEIGHT_COMMAND[name].width for name in BLOCK_LEVELS} | {"row": row_width}
            )
        )
        m.submodules.generator = generator = Once(
            AddressGenerator(
                {
                    "block": WEIGHT_COMMAND["weight_stride_block"].shape,
                    "row": signed(STRIDE_WIDTH + 1),
                },
                width=self.full_width,
                family=self.family,
            )
        )
        m.submodules.prefetcher = prefetcher = Once(
            Prefetcher(
                read_latency=WeightScratchpad.read_latency,
                address_width=self.address_width,
                shape=int8_vector(self.cols),
                tag=unsigned(0),
            )
        )
        wiring.connect(m, wiring.flipped(self.read), prefetcher.read)

        # The way from the first block's top row to its bottom row, found while the command waits.
        command = self.command.payload
        load = Signal()
        scaled: Value = Const(1, 1)
        way_down: Value = Const(0, 1)
        present: Value = self.command.valid
        if self.rows > 1:
            present = Const(1, 1)  # What has been scaled is still there.
            scaled, way_down = Signal(), Signal(self.full_width)
            m.d.sync += [
                scaled.eq(self.command.valid & ~load),
                way_down.eq(constant_multiple(command.weight_stride_row, self.rows - 1)),
            ]

        # One word a cycle.
        active, step, skip, beyond = Signal(), Signal(), Signal(), Signal()
        missing = Signal(row_width)  # Rows of a last block that are not there, at its bottom.
        running = active & ~self.fault.valid
        m.d.comb += [
            self.command.ready.eq(scaled & (~active | (step & counter.last))),
            load.eq(present & self.command.ready),
            skip.eq(counter.at_last.channel_blocks & (counter.done.row < missing)),
            beyond.eq(generator.address[self.address_width :].any() & ~skip),
            prefetcher.i.valid.eq(running & ~beyond),
            prefetcher.i.payload.address.eq(generator.address),
            prefetcher.i.payload.read.eq(~skip),
            step.eq(running & prefetcher.i.ready),
            counter.load.eq(load),
            counter.step.eq(step),
            counter.counts.row.eq(self.rows - 1),
            *(counter.counts[name].eq(command[name]) for name in BLOCK_LEVELS),
            generator.load.eq(load),
            generator.base.eq(command.weight_address + way_down),
            generator.strides.block.eq(command.weight_stride_block),
            generator.strides.row.eq(-command.weight_stride_row),
            generator.step.eq(step),
            generator.advance.row.eq(counter.advance.row),
            generator.moves.row.eq(counter.moves.row),
            generator.advance.block.eq(counter.moves[BLOCK_LEVELS[-1]]),
            generator.moves.block.eq(counter.moves[BLOCK_LEVELS[-1]]),
        ]
        m.d.sync += self.tile.eq(step & ~beyond & counter.at_last.row)
        fails = running & beyond
        # The fault follows the word of this cycle until there is one, as its registers have no time
        # to wait for that. The missing word may be the last one, with which the next instruction is
        # taken.
        index = Signal.like(self.fault.index)
        with m.If(~self.fault.valid):
            m.d.sync += [
                self.fault.valid.eq(fails),
                self.fault.index.eq(index),
                self.fault.address.eq(generator.address | (Memory.WEIGHT.value << 29)),
            ]
        with m.If(load):
            m.d.sync += [active.eq(1), missing.eq(0), index.eq(command.index)]
            with m.If(command.last_rows < self.rows):
                m.d.sync += missing.eq(self.rows - 1 - command.last_rows)
        with m.Elif(step & counter.last):
            m.d.sync += active.eq(0)
        with m.If(self.stop):
            m.d.sync += active.eq(0)

        m.d.comb += [
            self.o.valid.eq(prefetcher.o.valid),
            prefetcher.o.ready.eq(self.o.ready),
            self.o.payload.eq(prefetcher.o.payload.data),
        ]
        return m
