# SPDX-License-Identifier: Apache-2.0
"""Turns dense chunks of bytes into the beats of write bursts."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .lanes import at_least, rotate_down, select_bytes
from .splitter import burst_layout

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
    one beat more than chunks. Makes one beat a cycle; latency 1 cycle.

    Parameters
    ----------
    address_width, data_bytes : int
        As in `burst_layout`.

    Members
    -------
    burst : In(stream of burst_layout)
        Taken with the last beat of the burst.
    data : In(stream of 8 * data_bytes)
        ``ceil(bytes / data_bytes)`` chunks for each request, its first byte in lane 0.
    o : Out(stream of write_beat_layout)
    idle : Out(1)
        No beat waits in ``o``.
    """

    def __init__(self, *, address_width: int, data_bytes: int) -> None:
        self.data_bytes = data_bytes
        super().__init__(
            {
                "burst": In(stream.Signature(burst_layout(address_width, data_bytes))),
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
        rotated = Signal(8 * lanes)
        previous = Signal(8 * lanes)
        from_rotated = Signal(lanes)
        strobe = Signal(lanes)
        last = Signal()

        beats_made = Signal(8)
        burst_end = Signal()
        spill = Signal()
        free = Signal()
        make = Signal()
        first_beat = Signal()
        last_beat = Signal()
        m.d.comb += [
            free.eq(~valid | self.o.ready),
            burst_end.eq(beats_made == burst.beats),
            first_beat.eq(burst.first & (beats_made == 0)),
            last_beat.eq(burst.last & burst_end),
            spill.eq(last_beat & burst.extra),
            make.eq(self.burst.valid & (spill | self.data.valid) & free),
            self.data.ready.eq(self.burst.valid & ~spill & free),
            self.burst.ready.eq(make & burst_end),
            self.o.valid.eq(valid),
            self.o.payload.data.eq(select_bytes(from_rotated, rotated, previous)),
            self.o.payload.strobe.eq(strobe),
            self.o.payload.last.eq(last),
            self.idle.eq(~valid),
        ]
        # Rotating up by the shift is rotating down by its negative, modulo the lanes.
        amount = Signal(exact_log2(lanes))
        m.d.comb += amount.eq(-burst.shift)
        shifted = rotate_down(m, self.data.payload, lanes, amount)
        from_shift = at_least(burst.shift, lanes)
        to_end = ~at_least(burst.end_lane + 1, lanes)
        with m.If(make):
            m.d.sync += [
                beats_made.eq(Mux(burst_end, 0, beats_made + 1)),
                rotated.eq(shifted),
                previous.eq(rotated),
                from_rotated.eq(from_shift),
                strobe.eq(Mux(first_beat, from_shift, ~0) & Mux(last_beat, to_end, ~0)),
                last.eq(burst_end),
            ]
        with m.If(free):
            m.d.sync += valid.eq(make)
        return m
