# SPDX-License-Identifier: Apache-2.0
"""AXI4 read bursts: requests for bytes in, dense chunks of bytes out."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import exact_log2

from ..bus import AXI4ReadSignature
from ..once import Once
from .compact_aligners import CompactReadAligner, compact_read_burst_layout
from .compact_splitter import CompactSplitter
from .fifo import StreamFIFO, short_queue
from .issue import issue_bursts
from .read_aligner import ReadAligner, chunk_layout
from .splitter import BurstSplitter, read_burst_layout, request_layout

__all__ = ["Reader", "burst_error_layout"]


def burst_error_layout(address_width: int) -> data.StructLayout:
    """An error response: ``valid`` for one cycle, with the ``address`` of the burst."""
    return data.StructLayout({"valid": unsigned(1), "address": unsigned(address_width)})


class Reader(wiring.Component):
    """Reads any range of bytes with aligned full-width bursts.

    ::

        request -> splitter --+--> AR register -> axi.ar
                              +--> FIFO ---+
                         axi.r ------------+-> aligner -> buffer -> data

    One burst and one beat a cycle, also for back-to-back requests of a single beat; an unaligned
    request takes one beat more where its bytes reach into one more. Only beats that hold a byte
    of the request are fetched. Three cycles from a request to ``arvalid``, three from a beat to
    its chunk.

    A compact one has neither the address register nor, unless it is ``registered``, the buffer, and
    `CompactReadAligner`: one cycle from a request to ``arvalid``, none from a beat to its chunk or
    to the buffer, and a cycle more for some unaligned requests.

    Parameters
    ----------
    address_width : int
        Bits of an address.
    data_width : int
        Bits of a beat.
    max_burst_beats : int
        Longest burst, a power of two.
    outstanding : int
        Bursts in flight.
    tag_width : int
        Bits that go with a request to its chunks; none in a compact one.
    multiply : bool
        See `ReadAligner`.
    compact, registered : bool
        See above.

    Members
    -------
    request : In(stream of request_layout)
    data : Out(stream of chunk_layout)
        ``count`` is below the beat only in the last chunk of a request.
    axi : Out(AXI4ReadSignature)
        Read ID 0.
    error : Out(burst_error_layout)
        A beat came with an error response; its bytes still come out, marked. A compact one says so
        in the cycle of the beat.
    halt : In(1)
        Take no request and issue no burst; what is outstanding still comes out of ``data``,
        and the rest of a request cut short never does.
    idle : Out(1)
        No request in hand and no burst outstanding; chunks may still wait in ``data``.
    """

    def __init__(
        self,
        *,
        address_width: int,
        data_width: int,
        max_burst_beats: int,
        outstanding: int,
        tag_width: int = 0,
        multiply: bool = False,
        compact: bool = False,
        registered: bool = True,
    ) -> None:
        self.address_width = address_width
        self.data_width = data_width
        self.max_burst_beats = max_burst_beats
        self.outstanding = outstanding
        self.multiply = multiply
        self.compact = compact
        self.registered = registered
        self.tag_width = tag_width
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(address_width, tag_width))),
                "data": Out(stream.Signature(chunk_layout(data_width // 8, tag_width))),
                "axi": Out(AXI4ReadSignature(address_width=address_width, data_width=data_width)),
                "error": Out(burst_error_layout(address_width)),
                "halt": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        data_bytes = self.data_width // 8
        lane = exact_log2(data_bytes)
        shape = {"data_bytes": data_bytes, "max_burst_beats": self.max_burst_beats}
        entry = (
            compact_read_burst_layout(data_bytes)
            if self.compact
            else read_burst_layout(**shape, tag_width=self.tag_width)
        )
        address = unsigned(self.address_width - lane)
        widths = {
            "address_width": self.address_width,
            "data_width": self.data_width,
            "max_burst_beats": self.max_burst_beats,
        }
        splitter: Any
        if self.compact:
            m.submodules.splitter = splitter = Once(CompactSplitter(**widths))
        else:
            m.submodules.splitter = splitter = Once(
                BurstSplitter(**widths, tag_width=self.tag_width)
            )
        m.submodules.bursts = bursts = Once(
            short_queue(data.StructLayout({"burst": entry, "address": address}), self.outstanding)
        )
        aligner: Any
        if self.compact:
            m.submodules.aligner = aligner = Once(CompactReadAligner(data_bytes=data_bytes))
            m.d.comb += aligner.beat_last.eq(self.axi.rlast)
        else:
            m.submodules.aligner = aligner = Once(
                ReadAligner(**shape, tag_width=self.tag_width, multiply=self.multiply)
            )
        if self.compact and not self.registered:
            connect(m, aligner.o, wiring.flipped(self.data))
        else:
            m.submodules.chunks = chunks = Once(
                StreamFIFO(chunk_layout(data_bytes, self.tag_width), 4)
            )
            connect(m, aligner.o, chunks.i)
            connect(m, chunks.o, wiring.flipped(self.data))
        connect(m, wiring.flipped(self.request), splitter.i)

        in_flight = Signal(range(self.outstanding + 1))
        issue = issue_bursts(
            m, splitter, self.axi, "ar",
            room=(in_flight != self.outstanding) & bursts.i.ready,
            halt=self.halt, compact=self.compact,
        )
        m.d.sync += in_flight.eq(in_flight + issue - aligner.burst_done)
        m.d.comb += [
            bursts.i.valid.eq(issue),
            bursts.i.payload.address.eq(splitter.o.payload.address[lane:]),
            aligner.burst.valid.eq(bursts.o.valid),
            aligner.burst.payload.eq(bursts.o.payload.burst),
            bursts.o.ready.eq(aligner.burst.ready),
            aligner.beat.valid.eq(self.axi.rvalid),
            aligner.beat.payload.data.eq(self.axi.rdata),
            aligner.beat.payload.error.eq(self.axi.rresp[1]),
            self.axi.rready.eq(aligner.beat.ready),
            self.idle.eq((in_flight == 0) & (1 if self.compact else splitter.idle)),
        ]
        for name in entry.members:
            m.d.comb += bursts.i.payload.burst[name].eq(splitter.o.payload[name])
        bad = self.axi.rvalid & self.axi.rresp[1]
        address_read = bursts.o.payload.address << lane
        if self.compact:
            m.d.comb += self.error.address.eq(address_read)
            m.d.comb += self.error.valid.eq(bad & aligner.looks)
        else:
            m.d.sync += self.error.address.eq(address_read)
            m.d.sync += self.error.valid.eq(bad & self.axi.rready)
        return m
