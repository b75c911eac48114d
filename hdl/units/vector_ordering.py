# SPDX-License-Identifier: Apache-2.0
"""Keeps a VECTOR from reading what an older one has not written yet."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .vector_layouts import CHUNKS_AHEAD

__all__ = ["VectorOrdering"]


class VectorOrdering(wiring.Component):
    """Knows, for both destination memories, the range of words older instructions still write.

    Destinations only grow along an instruction, so its range is from its base to the address of
    its last chunk. An instruction that starts while the one before it is in flight joins the range
    of all that are; once those have been written, only the last one's counts.

    Parameters
    ----------
    width : int
        Bits of an address.

    Members
    -------
    start : In(1)
        An instruction starts: from the next cycle on, what was issued before belongs to older ones.
    accumulator, base : In(1), In(width)
        Its destination.
    address : In(width)
        Destination of the chunk at hand, with ``start`` still that of the last chunk.
    issued, written : In(1)
        A chunk is issued; the oldest chunk has been written.
    in_flight : Out(range)
        Chunks issued and not written.
    read_accumulator, read_address : In(1), In(width)
        A word that is read.
    read_hazard : Out(1)
        It may be in a range.
    old_hazard : Out(1)
        The accumulator word ``address`` may be.
    """

    def __init__(self, *, width: int) -> None:
        self.width = width
        super().__init__(
            {
                "start": In(1),
                "accumulator": In(1),
                "base": In(width),
                "address": In(width),
                "issued": In(1),
                "written": In(1),
                "in_flight": Out(range(CHUNKS_AHEAD)),
                "read_accumulator": In(1),
                "read_address": In(width),
                "read_hazard": Out(1),
                "old_hazard": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        bounds = data.StructLayout(
            {"valid": 1, "low": unsigned(self.width), "high": unsigned(self.width)}
        )
        older = Signal.like(self.in_flight)
        following = Signal.like(self.in_flight)
        m.d.comb += following.eq(self.in_flight + self.issued - self.written)
        m.d.sync += self.in_flight.eq(following)
        with m.If(self.start):
            m.d.sync += older.eq(following)
        with m.Elif(self.written & (older != 0)):
            m.d.sync += older.eq(older - 1)

        current, target = Signal(self.width), Signal()
        running = Signal()
        with m.If(self.start):
            m.d.sync += [current.eq(self.base), target.eq(self.accumulator), running.eq(1)]
        ranges = []
        for number in range(2):
            kept = Signal(bounds, name=f"range_{number}")
            joins = Signal(name=f"joins_{number}")
            stays = Signal(name=f"stays_{number}")
            m.d.comb += [
                joins.eq(running & (target == number)),
                stays.eq(kept.valid & (older != 0)),
            ]
            with m.If(self.start):
                m.d.sync += kept.valid.eq(joins | stays)
                with m.If(joins):
                    m.d.sync += [
                        kept.low.eq(Mux(stays & (kept.low < current), kept.low, current)),
                        kept.high.eq(
                            Mux(stays & (self.address < kept.high), kept.high, self.address)
                        ),
                    ]
            ranges.append(kept)

        def inside(kept: Any, address: Any) -> Any:
            return kept.valid & (address >= kept.low) & (kept.high >= address)

        pending = older != 0
        m.d.comb += [
            self.read_hazard.eq(
                pending
                & Mux(
                    self.read_accumulator,
                    inside(ranges[1], self.read_address),
                    inside(ranges[0], self.read_address),
                )
            ),
            self.old_hazard.eq(pending & inside(ranges[1], self.address)),
        ]
        return m
