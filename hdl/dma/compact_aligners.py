# SPDX-License-Identifier: Apache-2.0
"""Aligners for narrow ports: one register of bytes, and a multiplexer for each byte."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .compact_splitter import compact_burst_layout
from .lanes import at_least
from .read_aligner import beat_layout, chunk_layout
from .splitter import beats_width
from .write_aligner import write_beat_layout

__all__ = [
    "CompactReadAligner",
    "CompactWriteAligner",
    "compact_read_burst_layout",
    "compact_write_burst_layout",
]


def compact_read_burst_layout(data_bytes: int) -> data.StructLayout:
    """What the data side of a compact reader needs of a burst; as in `compact_burst_layout`."""
    whole = compact_burst_layout(0, data_bytes, 1)
    names = ("last", "shift", "tail", "aligned", "owes")
    return data.StructLayout({name: whole.members[name] for name in names})


def compact_write_burst_layout(data_bytes: int, max_burst_beats: int) -> data.StructLayout:
    """What the data side of a compact writer needs of a burst; as in `compact_burst_layout`."""
    whole = compact_burst_layout(0, data_bytes, max_burst_beats)
    names = ("beats", "first", "last", "shift", "end_lane", "extra", "single", "spills")
    return data.StructLayout({name: whole.members[name] for name in names})


def _window(m: Module, below: Value, above: Value, start: Value, lanes: int) -> Value:
    """``lanes`` bytes of ``below`` and then ``above`` from byte ``start`` on; 0 is ``lanes``.

    A logarithmic shifter: each level leaves fewer bytes, so that its upper levels are narrow.
    """
    places = Signal.like(start)
    m.d.comb += places.eq(start - 1)
    value: Value = Cat(below, above)[8:]
    for level in reversed(range(len(start))):
        step = 8 << level
        kept = len(value) - step
        shifted = Signal(kept, name=f"shifted_{1 << level}")
        m.d.comb += shifted.eq(Mux(places[level], value[step:], value[:kept]))
        value = shifted
    return value


class CompactReadAligner(wiring.Component):
    """Shifts the bytes of each request to lane 0, as `ReadAligner` does, with less.

    A chunk is made of the beat that arrives and the bytes of the one before. It is a function of
    the beat, without a register: latency 0 cycles. A request whose first byte is not in lane 0 and
    that takes as many chunks as beats needs a cycle more, for its last chunk.

    Parameters
    ----------
    data_bytes : int
        Bytes of a beat.

    Members
    -------
    those of `ReadAligner`, without tags; ``error`` is only that of the beat that is there, and
    ``burst`` a stream of compact_read_burst_layout
    beat_last : In(1)
        The beat is the last of its burst.
    looks : Out(1)
        A beat that is there belongs to ``burst``, taken or not.
    """

    def __init__(self, *, data_bytes: int) -> None:
        self.data_bytes = data_bytes
        super().__init__(
            {
                "burst": In(stream.Signature(compact_read_burst_layout(data_bytes))),
                "beat": In(stream.Signature(beat_layout(data_bytes))),
                "beat_last": In(1),
                "o": Out(stream.Signature(chunk_layout(data_bytes))),
                "burst_done": Out(1),
                "looks": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        burst, beat, chunk = self.burst.payload, self.beat.payload, self.o.payload
        lanes = self.data_bytes
        held = Signal(8 * lanes)
        started = Signal()  # `held` is a beat of this request.
        flush = Signal()  # The last chunk is all in `held`.
        whole = Signal()
        take = Signal()
        request_end = Signal()
        owes = Signal()
        chunk_last = Signal()
        m.d.comb += [
            whole.eq(burst.aligned | started),  # With this beat there is a chunk.
            request_end.eq(self.beat_last & burst.last),
            owes.eq(self.beat_last & burst.owes),
            self.looks.eq(self.burst.valid & ~flush),
            self.beat.ready.eq(self.looks & (~whole | self.o.ready)),
            take.eq(self.beat.valid & self.beat.ready),
            self.o.valid.eq(flush | (self.burst.valid & self.beat.valid & whole)),
            chunk.data.eq(_window(m, held, beat.data, burst.shift, lanes)),
            chunk_last.eq(flush | (request_end & ~owes)),
            chunk.last.eq(chunk_last),
            chunk.count.eq(Mux(chunk_last, burst.tail + 1, lanes)),
            chunk.error.eq(~flush & beat.error),
            self.burst_done.eq((take & self.beat_last & ~owes) | (flush & self.o.ready)),
            self.burst.ready.eq(self.burst_done),
        ]
        with m.If(take):
            m.d.sync += [
                held.eq(beat.data),
                started.eq(~request_end | owes),
                flush.eq(owes),
            ]
        with m.Elif(self.o.ready & flush):
            m.d.sync += [flush.eq(0), started.eq(0)]
        return m


class CompactWriteAligner(wiring.Component):
    """Shifts the bytes of each request to the lanes of its address, as `WriteAligner` does, with
    less.

    A beat is made of the chunk that is there and the bytes of the one before, without a register:
    latency 0 cycles, one beat a cycle.

    Parameters
    ----------
    data_bytes, max_burst_beats : int
        As in `write_burst_layout`.

    Members
    -------
    those of `WriteAligner`; ``burst`` is a stream of compact_write_burst_layout
    """

    def __init__(self, *, data_bytes: int, max_burst_beats: int) -> None:
        self.data_bytes = data_bytes
        self.max_burst_beats = max_burst_beats
        burst = compact_write_burst_layout(data_bytes, max_burst_beats)
        super().__init__(
            {
                "burst": In(stream.Signature(burst)),
                "data": In(stream.Signature(8 * data_bytes)),
                "o": Out(stream.Signature(write_beat_layout(data_bytes))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        burst, beat = self.burst.payload, self.o.payload
        lanes = self.data_bytes
        previous = Signal(8 * lanes)
        beats_made = Signal(beats_width(lanes, self.max_burst_beats))
        fresh = Signal(init=1)  # Of the burst no beat is made.
        at_end = Signal()  # Else the next one is its last,
        at_spill = Signal()  # and has no chunk.
        follows = Signal()
        burst_end = Signal()
        first_beat = Signal()
        last_beat = Signal()
        spill = Signal()
        make = Signal()
        start = Signal.like(burst.shift)
        from_shift = at_least(burst.shift, lanes)
        # Lanes without a strobe must stand still too: the next request's chunk may come.
        shown = Signal(lanes)
        window = Signal(8 * lanes)
        to_end = ~at_least(burst.end_lane + 1, lanes)
        m.d.comb += [
            burst_end.eq(Mux(fresh, burst.single, at_end)),
            first_beat.eq(burst.first & fresh),
            last_beat.eq(burst.last & burst_end),
            spill.eq(Mux(fresh, burst.spills, at_spill)),
            follows.eq(beats_made + 1 == burst.beats),
            start.eq(-burst.shift),
            self.o.valid.eq(self.burst.valid & (spill | self.data.valid)),
            make.eq(self.o.valid & self.o.ready),
            self.data.ready.eq(self.burst.valid & ~spill & self.o.ready),
            self.burst.ready.eq(make & burst_end),
            window.eq(_window(m, previous, self.data.payload, start, lanes)),
            shown.eq(~Mux(spill, from_shift, 0)),
            beat.data.eq(window & Cat(bit.replicate(8) for bit in shown)),
            beat.strobe.eq(Mux(first_beat, from_shift, ~0) & Mux(last_beat, to_end, ~0)),
            beat.last.eq(burst_end),
        ]
        with m.If(make):
            m.d.sync += [
                beats_made.eq(beats_made + 1),
                at_end.eq(follows),
                at_spill.eq(follows & burst.last & burst.extra),
                fresh.eq(burst_end),
                previous.eq(self.data.payload),
            ]
        with m.If(self.burst.ready):
            m.d.sync += beats_made.eq(0)
        return m
