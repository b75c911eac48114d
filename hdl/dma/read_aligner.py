# SPDX-License-Identifier: Apache-2.0
"""Turns the beats of read bursts into dense chunks of bytes."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .lanes import at_least, move_down, one_hot, rotate_down, select_bytes
from .splitter import beats_width, read_burst_layout

__all__ = ["ReadAligner", "beat_layout", "chunk_layout"]


def beat_layout(data_bytes: int) -> data.StructLayout:
    """A beat of read data: ``data`` and ``error``."""
    return data.StructLayout({"data": unsigned(8 * data_bytes), "error": unsigned(1)})


def chunk_layout(data_bytes: int, tag_width: int = 0) -> data.StructLayout:
    """Dense bytes of a request: ``data``, ``count`` of valid bytes from lane 0, ``last`` of the
    request, ``error`` where a beat it was made from had an error response, ``tag``."""
    members: dict[str, Any] = {
        "data": unsigned(8 * data_bytes),
        "count": unsigned(exact_log2(data_bytes) + 1),
        "last": unsigned(1),
        "error": unsigned(1),
    }
    if tag_width:
        members["tag"] = unsigned(tag_width)
    return data.StructLayout(members)


class ReadAligner(wiring.Component):
    """Shifts the bytes of each request to lane 0.

    ::

        beat -> rotate -> current --+--> select lanes -> o
                             |      |
                             +--> previous

    Both beats that make up a chunk need the same rotation, so it is done once, on arrival; then
    lane ``i`` comes from the previous beat where ``i + shift`` is inside the beat, else from the
    current one. Takes one beat a cycle whatever the alignment; latency 2 cycles. With multipliers
    beats are not rotated: products pick the chunk out of the two.

    Parameters
    ----------
    data_bytes, max_burst_beats, tag_width : int
        As in `read_burst_layout`.
    multiply : bool
        Shift by multipliers, eight of 18 bits; for up to `WIDEST_PRODUCT` bytes.

    Members
    -------
    burst : In(stream of read_burst_layout)
        Taken with the last beat of the burst.
    beat : In(stream of beat_layout)
    o : Out(stream of chunk_layout)
    burst_done : Out(1)
        The last beat of a burst is taken.
    """

    def __init__(
        self, *, data_bytes: int, max_burst_beats: int, tag_width: int = 0, multiply: bool = False
    ) -> None:
        self.data_bytes = data_bytes
        self.max_burst_beats = max_burst_beats
        self.multiply = multiply
        self.tag_width = tag_width
        super().__init__(
            {
                "burst": In(
                    stream.Signature(read_burst_layout(data_bytes, max_burst_beats, tag_width))
                ),
                "beat": In(stream.Signature(beat_layout(data_bytes))),
                "o": Out(stream.Signature(chunk_layout(data_bytes, tag_width))),
                "burst_done": Out(1),
            }
        )

    def _state(self) -> data.StructLayout:
        lane = exact_log2(self.data_bytes)
        return data.StructLayout(
            {
                "data": unsigned(8 * self.data_bytes),
                "error": unsigned(1),
                "shift": unsigned(lane),
                "tail": unsigned(lane),
                "last": unsigned(1),
                "extra": unsigned(1),
                "tag": unsigned(self.tag_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        burst = self.burst.payload
        current_valid = Signal()
        current = Signal(self._state())
        previous_valid = Signal()
        previous = Signal(self._state())
        choice = Signal(self.data_bytes)  # Lanes of the current beat, or the factor.
        needs_current = Signal()

        take = Signal()
        move = Signal()
        beats_taken = Signal(beats_width(self.data_bytes, self.max_burst_beats))
        burst_end = Signal()
        m.d.comb += [
            take.eq(self.burst.valid & self.beat.valid & (~current_valid | move)),
            self.beat.ready.eq(self.burst.valid & (~current_valid | move)),
            burst_end.eq(beats_taken == burst.beats),
            self.burst_done.eq(take & burst_end),
            self.burst.ready.eq(self.burst_done),
        ]
        arrived = self.beat.payload.data
        if not self.multiply:
            arrived = rotate_down(m, arrived, self.data_bytes, burst.shift)
        with m.If(take):
            m.d.sync += [
                beats_taken.eq(Mux(burst_end, 0, beats_taken + 1)),
                current.data.eq(arrived),
                current.error.eq(self.beat.payload.error),
                current.shift.eq(burst.shift),
                current.tail.eq(burst.tail),
                current.last.eq(burst.last & burst_end),
                current.extra.eq(burst.extra),
            ]
            if self.tag_width:
                m.d.sync += current.tag.eq(burst.tag)
        with m.If(~current_valid | move):
            m.d.sync += current_valid.eq(take)

        drop = Signal()
        chunk_last = Signal()
        retire = Signal()
        chunk = self.o.payload
        lanes = self.data_bytes
        if self.multiply:
            both = Cat(previous.data, current.data)
            next_choice = one_hot(lanes - 1 - current.shift, lanes)
            aligned = move_down(m, both, lanes, choice)
        else:
            next_choice = at_least(lanes - current.shift, lanes)
            aligned = select_bytes(choice, current.data, previous.data)
        m.d.comb += [
            drop.eq(previous.last & previous.extra),
            self.o.valid.eq(previous_valid & ~drop & (~needs_current | current_valid)),
            retire.eq(previous_valid & (drop | (self.o.valid & self.o.ready))),
            move.eq(current_valid & (~previous_valid | retire)),
            chunk_last.eq(previous.last | (needs_current & current.last & current.extra)),
            chunk.data.eq(aligned),
            chunk.count.eq(Mux(chunk_last, previous.tail + 1, self.data_bytes)),
            chunk.last.eq(chunk_last),
            chunk.error.eq(previous.error | (needs_current & current.error)),
        ]
        if self.tag_width:
            m.d.comb += chunk.tag.eq(previous.tag)
        with m.If(move):
            m.d.sync += [
                previous.eq(current),
                choice.eq(next_choice),
                needs_current.eq(~current.last & (current.shift != 0)),
            ]
        with m.If(~previous_valid | retire):
            m.d.sync += previous_valid.eq(move)
        return m
