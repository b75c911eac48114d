# SPDX-License-Identifier: Apache-2.0
"""Splits a byte range that stands still into AXI bursts."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .splitter import LAST_BYTE_WIDTH, PAGE_BYTES, burst_layout, request_layout

__all__ = ["CompactSplitter", "compact_burst_layout"]


def compact_burst_layout(
    address_width: int, data_bytes: int, max_burst_beats: int
) -> data.StructLayout:
    """A burst as `CompactSplitter` gives it: that of `burst_layout`, and what its data side would
    take time to see: it has a ``single`` beat, which ``spills``: it is the extra one; its request
    is ``aligned``, ``shift`` is 0; with it ends a request that ``owes`` a chunk after its last
    beat."""
    flags = dict.fromkeys(("single", "spills", "aligned", "owes"), unsigned(1))
    whole = burst_layout(address_width, data_bytes, max_burst_beats)
    return data.StructLayout({**whole.members, **flags})


class CompactSplitter(wiring.Component):
    """Splits each request into the bursts that `BurstSplitter` makes, with less.

    Bursts are a function of the request and of a count of those taken, without a register for
    either: a request is taken with its last burst. Latency 1 cycle, in which is seen whether the
    burst is the last one: a burst in two cycles.

    Parameters
    ----------
    address_width, data_width, max_burst_beats : int
        As for `BurstSplitter`.

    Members
    -------
    i : In(stream of request_layout)
        Taken with its last burst; where it is withdrawn, no burst must be taken any more.
    o : Out(stream of compact_burst_layout)
    """

    def __init__(self, *, address_width: int, data_width: int, max_burst_beats: int) -> None:
        self.address_width = address_width
        self.data_bytes = data_width // 8
        self.max_burst_beats = max_burst_beats
        self.block_bytes = min(max_burst_beats * self.data_bytes, PAGE_BYTES)
        burst = compact_burst_layout(address_width, self.data_bytes, max_burst_beats)
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(address_width))),
                "o": Out(stream.Signature(burst)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lane = exact_log2(self.data_bytes)
        block = exact_log2(self.block_bytes)
        request, burst = self.i.payload, self.o.payload
        address, last_byte = request.address, request.last_byte
        following_end = Signal(LAST_BYTE_WIDTH + 1)
        end = Signal(LAST_BYTE_WIDTH + 1)
        taken = Signal(LAST_BYTE_WIDTH + 1 - block)
        first = Signal(init=1)
        final = Signal()  # This and `end` are those of the burst in its second cycle.
        seen = Signal()
        single = Signal(init=1)
        extra = Signal()
        beat: Value = Const(0, 0)
        if block > lane:
            beat = Signal(block - lane)
            stop_beat = Mux(final, end[lane:block], ~Const(0, block - lane))
            m.d.comb += [
                beat.eq(Mux(first, address[lane:block], 0)),
                burst.beats.eq(stop_beat - beat),
                single.eq(stop_beat == beat),
            ]
        m.d.comb += [
            following_end.eq(address[:block] + last_byte),
            self.o.valid.eq(seen),
            self.i.ready.eq(self.o.ready & seen & final),
            burst.address.eq(Cat(Const(0, lane), beat, (address[block:] + taken))),
            burst.first.eq(first),
            burst.extra.eq(extra),
            burst.last.eq(final),
            burst.shift.eq(address[:lane]),
            burst.single.eq(single),
            burst.spills.eq(single & final & extra),
            burst.aligned.eq(address[:lane] == 0),
            burst.owes.eq(final & (address[:lane] != 0) & ~extra),
            burst.end_lane.eq(end[:lane]),
            burst.tail.eq(last_byte[:lane]),
            # The carry into the bits above the lanes.
            extra.eq((end ^ address[:block] ^ last_byte)[lane]),
        ]
        m.d.sync += [
            end.eq(following_end),
            final.eq(taken == following_end[block:]),
            seen.eq(self.i.valid & ~seen),
        ]
        with m.If(seen & ~self.o.ready):
            m.d.sync += seen.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [taken.eq(taken + 1), first.eq(final)]
        with m.If(self.i.ready):
            m.d.sync += taken.eq(0)
        return m
