# SPDX-License-Identifier: Apache-2.0
"""Turns dense chunks of bytes into the beats of write bursts."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .lanes import at_least, move_down, one_hot, rotate_down, select_bytes
from .splitter import beats_width, write_burst_layout

__all__ = ["WriteAligner", "write_beat_layout"]


def write_beat_layout(data_bytes: int) -> data.StructLayout:
    """A beat of write data: ``data``, ``strobe`` and ``last`` of its burst."""
    return data.StructLayout(
        {
            "data": unsigned(8 * data_bytes),
            "strobe": unsigned(data_bytes),
            "last": unsigned(1),
        }
    )


class WriteAligner(wiring.Component):
    """Shifts the bytes of each request to the lanes of its address and sets the strobes.

    Each chunk is rotated on arrival; lane ``i`` of a beat comes from the chunk of the same number
    where ``i >= shift``, else from the chunk before. A request whose last bytes spill over takes
    one beat more than chunks. Makes one beat a cycle; latency 2 cycles. With multipliers chunks are
    not rotated: products pick the beat out of two of them.

    Parameters
    ----------
    data_bytes, max_burst_beats : int
        As in `write_burst_layout`.
    multiply : bool
        Shift by multipliers, eight of 18 bits; for up to `WIDEST_PRODUCT` bytes.

    Members
    -------
    burst : In(stream of write_burst_layout)
        Taken with the last beat of the burst.
    data : In(stream of 8 * data_bytes)
        ``ceil(bytes / data_bytes)`` chunks for each request, its first byte in lane 0.
    o : Out(stream of write_beat_layout)
    idle : Out(1)
        No beat is in hand.
    """

    def __init__(
        self, *, data_bytes: int, max_burst_beats: int, multiply: bool = False
    ) -> None:
        self.data_bytes = data_bytes
        self.max_burst_beats = max_burst_beats
        self.multiply = multiply
        super().__init__(
            {
                "burst": In(stream.Signature(write_burst_layout(data_bytes, max_burst_beats))),
                "data": In(stream.Signature(8 * data_bytes)),
                "o": Out(stream.Signature(write_beat_layout(data_bytes))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        burst = self.burst.payload
        lanes = self.data_bytes
        valid = Signal()
        current = Signal(8 * lanes)
        previous = Signal(8 * lanes)
        choice = Signal(lanes)  # Lanes of the current chunk, or the factor.
        strobe = Signal(lanes)
        last = Signal()

        beats_made = Signal(beats_width(lanes, self.max_burst_beats))
        burst_end = Signal()
        spill = Signal()
        free = Signal()
        leaves = Signal()
        o_valid = Signal()
        beat = Signal(write_beat_layout(lanes))
        make = Signal()
        first_beat = Signal()
        last_beat = Signal()
        m.d.comb += [
            leaves.eq(~o_valid | self.o.ready),
            free.eq(~valid | leaves),
            burst_end.eq(beats_made == burst.beats),
            first_beat.eq(burst.first & (beats_made == 0)),
            last_beat.eq(burst.last & burst_end),
            spill.eq(last_beat & burst.extra),
            make.eq(self.burst.valid & (spill | self.data.valid) & free),
            self.data.ready.eq(self.burst.valid & ~spill & free),
            self.burst.ready.eq(make & burst_end),
            self.o.valid.eq(o_valid),
            self.o.payload.eq(beat),
            self.idle.eq(~valid & ~o_valid),
        ]
        from_shift = at_least(burst.shift, lanes)
        if self.multiply:
            arrived = self.data.payload
            next_choice = one_hot(burst.shift, lanes)
            aligned = move_down(m, Cat(previous, current)[8:], lanes, choice)
        else:
            # Rotating up by the shift is rotating down by its negative, modulo the lanes.
            amount = Signal(exact_log2(lanes))
            m.d.comb += amount.eq(-burst.shift)
            arrived = rotate_down(m, self.data.payload, lanes, amount)
            next_choice = from_shift
            aligned = select_bytes(choice, current, previous)
        to_end = ~at_least(burst.end_lane + 1, lanes)
        with m.If(make):
            m.d.sync += [
                beats_made.eq(Mux(burst_end, 0, beats_made + 1)),
                current.eq(arrived),
                previous.eq(current),
                choice.eq(next_choice),
                strobe.eq(Mux(first_beat, from_shift, ~0) & Mux(last_beat, to_end, ~0)),
                last.eq(burst_end),
            ]
        with m.If(free):
            m.d.sync += valid.eq(make)
        with m.If(leaves):
            m.d.sync += [
                o_valid.eq(valid),
                beat.data.eq(aligned),
                beat.strobe.eq(strobe),
                beat.last.eq(last),
            ]
        return m
