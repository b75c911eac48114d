# SPDX-License-Identifier: Apache-2.0
"""Splits a byte range into AXI bursts."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = [
    "BurstSplitter",
    "LAST_BYTE_WIDTH",
    "beats_width",
    "burst_layout",
    "read_burst_layout",
    "request_layout",
    "write_burst_layout",
]

LAST_BYTE_WIDTH = 16
"""Bits of a request's length in bytes, less one."""

PAGE_BYTES = 4096
"""An AXI burst must not cross a multiple of this (IHI 0022, A3.4.1)."""


def request_layout(address_width: int, tag_width: int = 0) -> data.StructLayout:
    """A range of bytes: ``address``, ``last_byte`` (bytes less one) and, where asked for, a
    ``tag``."""
    members: dict[str, Any] = {
        "address": unsigned(address_width),
        "last_byte": unsigned(LAST_BYTE_WIDTH),
    }
    if tag_width:
        members["tag"] = unsigned(tag_width)
    return data.StructLayout(members)


def beats_width(data_bytes: int, max_burst_beats: int) -> int:
    """Bits of a burst's number of beats, less one."""
    return max(1, exact_log2(min(max_burst_beats, PAGE_BYTES // data_bytes)))


def burst_layout(
    address_width: int, data_bytes: int, max_burst_beats: int, tag_width: int = 0
) -> data.StructLayout:
    """A burst as `BurstSplitter` gives it.

    Members: ``address`` (of the first beat, a multiple of the beat), ``beats`` (less one),
    ``first`` and ``last`` burst of the request, and of the request: ``shift`` (lane of its first
    byte), ``end_lane`` (lane of its last byte), ``tail`` (bytes of its last dense chunk, less
    one), ``extra`` (it takes one beat more than dense chunks), ``tag``.
    """
    lane = exact_log2(data_bytes)
    members: dict[str, Any] = {
        "address": unsigned(address_width),
        "beats": unsigned(beats_width(data_bytes, max_burst_beats)),
        "first": unsigned(1),
        "last": unsigned(1),
        "shift": unsigned(lane),
        "end_lane": unsigned(lane),
        "tail": unsigned(lane),
        "extra": unsigned(1),
    }
    if tag_width:
        members["tag"] = unsigned(tag_width)
    return data.StructLayout(members)


def _part(layout: data.StructLayout, names: tuple[str, ...]) -> data.StructLayout:
    return data.StructLayout(
        {name: shape for name, shape in layout.members.items() if name in names}
    )


def read_burst_layout(
    data_bytes: int, max_burst_beats: int, tag_width: int = 0
) -> data.StructLayout:
    """What the data side of a reader needs of a burst; as in `burst_layout`."""
    whole = burst_layout(0, data_bytes, max_burst_beats, tag_width)
    return _part(whole, ("beats", "last", "shift", "tail", "extra", "tag"))


def write_burst_layout(data_bytes: int, max_burst_beats: int) -> data.StructLayout:
    """What the data side of a writer needs of a burst; as in `burst_layout`."""
    whole = burst_layout(0, data_bytes, max_burst_beats)
    return _part(whole, ("beats", "first", "last", "shift", "end_lane", "extra"))


class BurstSplitter(wiring.Component):
    """Splits each request into bursts of full-width beats, one burst a cycle.

    A burst ends at the end of its request and at every multiple of the block, the smaller of
    ``max_burst_beats`` beats and 4096 bytes; so no burst crosses a 4 KB boundary, none is longer
    than ``max_burst_beats``, and only the first of a request starts inside a block. The index of
    the last beat, counted from the start of the first block, tells by its upper bits how many
    blocks follow: no comparison with the length is needed.

    Latency 1 cycle from a request to its first burst; a request of one burst takes one cycle.

    Parameters
    ----------
    address_width : int
        Bits of an address.
    data_width : int
        Bits of a beat.
    max_burst_beats : int
        Longest burst, a power of two up to 256.
    tag_width : int
        Bits that go with a request unchanged.

    Members
    -------
    i : In(stream of request_layout)
    o : Out(stream of burst_layout)
        A function of registers only.
    flush : In(1)
        Forget the request in hand and take no other.
    idle : Out(1)
        No request in hand.
    """

    def __init__(
        self, *, address_width: int, data_width: int, max_burst_beats: int, tag_width: int = 0
    ) -> None:
        self.address_width = address_width
        self.data_bytes = data_width // 8
        self.tag_width = tag_width
        self.max_burst_beats = max_burst_beats
        self.block_bytes = min(max_burst_beats * self.data_bytes, PAGE_BYTES)
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(address_width, tag_width))),
                "o": Out(
                    stream.Signature(
                        burst_layout(address_width, self.data_bytes, max_burst_beats, tag_width)
                    )
                ),
                "flush": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lane = exact_log2(self.data_bytes)
        block = exact_log2(self.block_bytes)
        request = self.i.payload
        burst = self.o.payload

        valid = Signal()
        first = Signal()
        block_address = Signal(self.address_width - block)
        beat = Signal(block - lane)
        end_beat = Signal(block - lane)
        blocks_left = Signal(LAST_BYTE_WIDTH + 1 - block)
        shift = Signal(lane)
        end_lane = Signal(lane)
        tail = Signal(lane)
        extra = Signal()
        final = Signal()
        stop_beat = Signal(block - lane)
        m.d.comb += [
            final.eq(blocks_left == 0),
            stop_beat.eq(Mux(final, end_beat, Const(-1, block - lane)) if block > lane else 0),
            self.o.valid.eq(valid),
            burst.address.eq(Cat(Const(0, lane), beat, block_address)),
            burst.beats.eq(stop_beat - beat),
            burst.first.eq(first),
            burst.last.eq(final),
            burst.shift.eq(shift),
            burst.end_lane.eq(end_lane),
            burst.tail.eq(tail),
            burst.extra.eq(extra),
            self.i.ready.eq((~valid | (self.o.ready & final)) & ~self.flush),
            self.idle.eq(~valid),
        ]

        last_byte = request.last_byte
        end = Signal(LAST_BYTE_WIDTH + 1)
        m.d.comb += end.eq(request.address[:block] + last_byte)
        with m.If(self.o.ready):
            m.d.sync += [
                first.eq(0),
                block_address.eq(block_address + 1),
                beat.eq(0),
                blocks_left.eq(blocks_left - 1),
            ]
            with m.If(final):
                m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                valid.eq(1),
                first.eq(1),
                block_address.eq(request.address[block:]),
                beat.eq(request.address[lane:block]),
                end_beat.eq(end[lane:block]),
                blocks_left.eq(end[block:]),
                shift.eq(request.address[:lane]),
                end_lane.eq(end[:lane]),
                tail.eq(last_byte[:lane]),
                # The carry into the bits above the lanes.
                extra.eq((end ^ request.address[:block] ^ last_byte)[lane]),
            ]
        with m.If(self.flush):
            m.d.sync += valid.eq(0)

        if self.tag_width:
            tag = Signal(self.tag_width)
            m.d.comb += burst.tag.eq(tag)
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += tag.eq(request.tag)
        return m
