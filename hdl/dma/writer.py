# SPDX-License-Identifier: Apache-2.0
"""AXI4 write bursts: requests and dense chunks of bytes in, strobed beats out."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import exact_log2

from ..bus import AXI4WriteSignature
from ..once import Once
from .compact_aligners import CompactWriteAligner, compact_write_burst_layout
from .compact_splitter import CompactSplitter
from .fifo import StreamFIFO, short_queue
from .issue import issue_bursts
from .reader import burst_error_layout
from .splitter import BurstSplitter, request_layout, write_burst_layout
from .write_aligner import WriteAligner, write_beat_layout

__all__ = ["Writer"]


class Writer(wiring.Component):
    """Writes any range of bytes with aligned full-width bursts and strobes at the ends.

    ::

        request -> splitter --+--> AW register -> axi.aw
                              +--> FIFO ---+
                         data -------------+-> aligner -> axi.w
                              +--> FIFO ------------------------------- axi.b -> done

    One burst and one beat a cycle, also for back-to-back requests. Addresses run ahead of data
    by up to ``outstanding`` bursts; the data of a request must come without waiting for anything
    this component does. A compact one makes a burst in two cycles, and has a queue behind its
    `CompactWriteAligner`, which has no registers.

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
    multiply : bool
        See `WriteAligner`.
    compact : bool
        See above.

    Members
    -------
    request : In(stream of request_layout)
    data : In(stream of data_width)
        ``ceil(bytes / beat bytes)`` chunks for each request, its first byte in lane 0.
    axi : Out(AXI4WriteSignature)
        Write ID 0.
    done : Out(1)
        The last response to a request arrived; one pulse each, in order.
    error : Out(burst_error_layout)
        An error response, in the same cycle as the ``done`` it may complete.
    halt : In(1)
        Take no request and issue no burst; bursts that were issued are completed.
    idle : Out(1)
        No request in hand and no burst outstanding.
    """

    def __init__(
        self,
        *,
        address_width: int,
        data_width: int,
        max_burst_beats: int,
        outstanding: int,
        multiply: bool = False,
        compact: bool = False,
    ) -> None:
        self.address_width = address_width
        self.data_width = data_width
        self.max_burst_beats = max_burst_beats
        self.outstanding = outstanding
        self.multiply = multiply
        self.compact = compact
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(address_width))),
                "data": In(stream.Signature(data_width)),
                "axi": Out(AXI4WriteSignature(address_width=address_width, data_width=data_width)),
                "done": Out(1),
                "error": Out(burst_error_layout(address_width)),
                "halt": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        data_bytes = self.data_width // 8
        make_splitter = CompactSplitter if self.compact else BurstSplitter
        splitter: Any
        m.submodules.splitter = splitter = Once(
            make_splitter(
                address_width=self.address_width,
                data_width=self.data_width,
                max_burst_beats=self.max_burst_beats,
            )
        )
        lane = exact_log2(data_bytes)
        shape = {"data_bytes": data_bytes, "max_burst_beats": self.max_burst_beats}
        entry = (compact_write_burst_layout if self.compact else write_burst_layout)(**shape)
        pending_shape = data.StructLayout(
            {"address": unsigned(self.address_width - lane), "last": unsigned(1)}
        )
        m.submodules.bursts = bursts = Once(short_queue(entry, self.outstanding))
        m.submodules.pending = pending = Once(short_queue(pending_shape, self.outstanding))
        aligner: Any
        beats: Any
        if self.compact:
            m.submodules.aligner = aligner = Once(CompactWriteAligner(**shape))
            m.submodules.beats = queue = Once(StreamFIFO(write_beat_layout(data_bytes), 2))
            connect(m, aligner.o, queue.i)
            beats = queue.o
        else:
            m.submodules.aligner = aligner = Once(WriteAligner(**shape, multiply=self.multiply))
            beats = aligner.o
        connect(m, wiring.flipped(self.request), splitter.i)
        connect(m, wiring.flipped(self.data), aligner.data)
        connect(m, bursts.o, aligner.burst)

        in_flight = Signal(range(self.outstanding + 1))
        answer = Signal()
        burst = splitter.o.payload
        issue = issue_bursts(
            m, splitter, self.axi, "aw",
            room=(in_flight != self.outstanding) & bursts.i.ready & pending.i.ready,
            halt=self.halt, compact=self.compact,
        )
        m.d.sync += in_flight.eq(in_flight + issue - answer)
        for name in entry.members:
            m.d.comb += bursts.i.payload[name].eq(burst[name])
        m.d.comb += [
            bursts.i.valid.eq(issue),
            pending.i.valid.eq(issue),
            pending.i.payload.address.eq(burst.address[lane:]),
            pending.i.payload.last.eq(burst.last),
            answer.eq(self.axi.bvalid & self.axi.bready),
            pending.o.ready.eq(answer),
            self.idle.eq((in_flight == 0) & (1 if self.compact else splitter.idle)),
            self.axi.wvalid.eq(beats.valid),
            beats.ready.eq(self.axi.wready),
            self.axi.wdata.eq(beats.payload.data),
            self.axi.wstrb.eq(beats.payload.strobe),
            self.axi.wlast.eq(beats.payload.last),
            self.axi.bready.eq(pending.o.valid),
        ]
        domain = m.d.comb if self.compact else m.d.sync
        domain += [
            self.done.eq(answer & pending.o.payload.last),
            self.error.valid.eq(answer & self.axi.bresp[1]),
            self.error.address.eq(pending.o.payload.address << lane),
        ]
        return m
