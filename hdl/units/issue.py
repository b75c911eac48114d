# SPDX-License-Identifier: Apache-2.0
"""The array's front door: which vector enters in which cycle, and why none does."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory.accumulator import Accumulator
from ..memory.ports import int8_vector
from .matmul_layouts import tag_layout, target_layout
from .prefetch import Prefetcher

__all__ = ["ARRAY_ACTIVITY", "ArrayIssue"]

ARRAY_ACTIVITY = data.StructLayout(
    {
        "active": 1,
        "idle": 1,
        "semaphore": 1,
        "weights": 1,
        "activations": 1,
        "interlock": 1,
    }
)
"""What the array's input did in a cycle, the names of the ARRAY counters. One bit is set."""


class ArrayIssue(wiring.Component):
    """Hands activation vectors to the array and keeps accumulator updates apart.

    A vector whose result accumulates waits until ``Accumulator.hazard_distance`` cycles after the
    last vector for the same word; as the array's latency is constant, so are its updates apart. The
    sequencer says how many vectors before that was: as many must not have entered in the cycles
    that count.

    Faults are found ahead of time. They are reported in the order of the program: when the vector's
    turn comes, or that of the pass that the missing weights belong to. What comes before is done.

    Parameters
    ----------
    rows : int
        Elements of a vector, rows of the array.
    address_width : int
        Bits of an accumulator address.
    instructions : int
        Instructions whose completion can be waited for, but for one in the output of their queue.

    Members
    -------
    i : In(stream of StructLayout(data, tag))
        Vectors with tags as the activation sequencer gives them.
    o : Out(stream of StructLayout(data, first))
        The array's activations.
    issued : Out(1)
        A vector enters the array.
    target : Out(target_layout(address_width))
        Where its result goes.
    weights_taken : In(1)
        The array takes a weight vector.
    tile : In(1)
        The last word of a tile has been requested.
    weight_fault : In(1)
        The weight sequencer has come to a word that is not there.
    instruction : In(1)
        A MATMUL has been accepted.
    waiting_semaphore : In(1)
        The next instruction waits on semaphores.
    stop : In(1)
        Issue no more, from the next cycle on.
    error : Out(1)
        For a cycle: a fault's turn has come.
    error_in_activations : Out(1)
        With it: the fault is that of the activation sequencer.
    activity : Out(ARRAY_ACTIVITY)
    """

    def __init__(self, *, rows: int, address_width: int, instructions: int) -> None:
        self.rows = rows
        self.address_width = address_width
        self.instructions = instructions
        vector = int8_vector(rows)
        tagged = data.StructLayout({"data": vector, "tag": tag_layout(address_width)})
        super().__init__(
            {
                "i": In(stream.Signature(tagged)),
                "o": Out(stream.Signature(data.StructLayout({"data": vector, "first": 1}))),
                "issued": Out(1),
                "target": Out(target_layout(address_width)),
                "weights_taken": In(1),
                "tile": In(1),
                "weight_fault": In(1),
                "instruction": In(1),
                "waiting_semaphore": In(1),
                "stop": In(1),
                "error": Out(1),
                "error_in_activations": Out(1),
                "activity": Out(ARRAY_ACTIVITY),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_array_issue"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        tag = self.i.payload.tag
        first = self.i.valid & tag.first
        swap, stopped, goes = Signal(), Signal(), Signal()
        m.d.sync += stopped.eq(self.stop)
        m.d.comb += [
            self.issued.eq(self.o.valid),  # The array is ready then: it has the same tile.
            self.target.eq(tag.target),
            swap.eq(self.issued & tag.first),
        ]

        # Vectors of the last cycles, and of how many the next one keeps its distance.
        recent = Signal(Accumulator.hazard_distance - 1)
        entered = Signal(range(Accumulator.hazard_distance))
        interlock = Signal()
        m.d.sync += [
            recent.eq(Cat(self.issued, recent)),
            entered.eq(sum(recent[:-1], self.issued)),
        ]
        m.d.comb += interlock.eq((tag.behind != 0) & (entered >= tag.behind))

        # Tiles requested and not yet in use, and whether the array has a complete one.
        tiles = Signal(range(Prefetcher.depth + 3))
        tile_row = Signal(range(self.rows))
        tile_complete = Signal()
        m.d.sync += tiles.eq(tiles + self.tile - swap)
        with m.If(self.weights_taken):
            m.d.sync += tile_row.eq(Mux(tile_row == self.rows - 1, 0, tile_row + 1))
        with m.If(self.weights_taken & (tile_row == self.rows - 1)):
            m.d.sync += tile_complete.eq(1)
        with m.Elif(swap):
            m.d.sync += tile_complete.eq(0)

        # Instructions with vectors still to come.
        pending = Signal(range(self.instructions + 2))
        m.d.sync += pending.eq(pending + self.instruction - (self.issued & tag.target.last))

        weights_missing = self.weight_fault & first & ~tiles.any()
        at_mark = self.i.valid & tag.fault & (~first | (tiles != 0))
        no_weights = first & ~tile_complete
        m.d.comb += [
            self.o.payload.data.eq(self.i.payload.data),
            self.o.payload.first.eq(tag.first),
            # What is not there could go, too: this is the enable of the queue's output.
            goes.eq(~(tag.fault | interlock | stopped | (tag.first & ~tile_complete))),
            self.o.valid.eq(self.i.valid & goes),
            self.i.ready.eq(goes),
            self.error.eq((weights_missing | at_mark) & ~self.stop),
            self.error_in_activations.eq(at_mark),
        ]
        with m.If(self.issued):
            m.d.comb += self.activity.active.eq(1)
        with m.Elif(~pending.any() | self.stop):
            m.d.comb += self.activity.semaphore.eq(self.waiting_semaphore)
            m.d.comb += self.activity.idle.eq(~self.waiting_semaphore)
        with m.Elif(no_weights):
            m.d.comb += self.activity.weights.eq(1)
        with m.Elif(self.i.valid & interlock):
            m.d.comb += self.activity.interlock.eq(1)
        with m.Else():
            m.d.comb += self.activity.activations.eq(1)
        return m
