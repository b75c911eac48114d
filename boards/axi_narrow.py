# SPDX-License-Identifier: Apache-2.0
"""A wide AXI4 port in front of a narrow memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..hdl.bus import AXI_BURST_INCR, AXI4ReadSignature, AXI4WriteSignature

__all__ = ["AXINarrow"]

AXI_DECERR = 0b11


class AXINarrow(wiring.Component):
    """Splits the beats of a port into those of a narrower memory.

    One burst in each direction at a time. Every burst accesses whole words of the wide port, so a
    narrow transfer reads more than it asked for; bytes that are written are chosen by their strobes
    alone. Bursts must increment. One outside the memory gets DECERR and does not reach it. Nothing
    is accepted before ``ready``.

    A beat takes as many cycles as the memory has beats in it; a read one more, and three before
    the first.

    Parameters
    ----------
    size : int
        Bytes of the memory, a power of two.
    address_width, data_width : int
        Of the wide port.
    memory_width : int
        Bits of a beat of the memory, half of ``data_width`` or a smaller power of two.
    max_burst_beats : int
        Longest burst of the wide port.

    Members
    -------
    ready : In(1)
        The memory can be used; stays 1.
    read, write : In(AXI4ReadSignature, AXI4WriteSignature)
        The wide port.
    memory_read, memory_write : Out(AXI4ReadSignature, AXI4WriteSignature)
        The memory. All its bursts have ID 0.

    Raises
    ------
    ValueError
        If a burst would have more than 256 beats of the memory.
    """

    def __init__(
        self, *, size: int, address_width: int, data_width: int, memory_width: int,
        max_burst_beats: int,
    ) -> None:
        self.parts = data_width // memory_width
        if self.parts < 2 or data_width % memory_width:
            raise ValueError(
                f"memory_width must be a half of data_width ({data_width}) or less, "
                f"not {memory_width}"
            )
        if self.parts * max_burst_beats > 256:
            raise ValueError(
                f"max_burst_beats must be at most {256 // self.parts} with {data_width}-bit beats "
                f"in front of a {memory_width}-bit memory, not {max_burst_beats}"
            )
        self.size = size
        self.data_width = data_width
        self.memory_width = memory_width
        wide = {"address_width": address_width, "data_width": data_width}
        narrow = {"address_width": exact_log2(size), "data_width": memory_width}
        super().__init__(
            {
                "ready": In(1),
                "read": In(AXI4ReadSignature(**wide)),
                "write": In(AXI4WriteSignature(**wide)),
                "memory_read": Out(AXI4ReadSignature(**narrow)),
                "memory_write": Out(AXI4WriteSignature(**narrow)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Describe the hardware."""
        m = Module()
        self._read(m)
        self._write(m)
        return m

    def _constants(self, m: Module, port: Any, prefix: str) -> None:
        m.d.comb += [
            getattr(port, f"{prefix}burst").eq(AXI_BURST_INCR),
            getattr(port, f"{prefix}size").eq(exact_log2(self.memory_width // 8)),
        ]

    def _aligned(self, address: Any) -> Any:
        """The address within the memory of the wide word."""
        low = exact_log2(self.data_width // 8)
        return Cat(Const(0, low), address[low : exact_log2(self.size)])

    def _outside(self, address: Any) -> Any:
        return address[exact_log2(self.size) :].any()

    def _beats(self, length: Any) -> Any:
        """``arlen`` of the memory's burst."""
        return Cat(Const(-1, exact_log2(self.parts)), length)[:8]

    def _read(self, m: Module) -> None:
        bus, port = self.read, self.memory_read
        self._constants(m, port, "ar")
        active, outside = Signal(name="reads"), Signal(name="read_outside")
        left = Signal(8, name="read_left")
        part = Signal(range(self.parts), name="read_part")
        m.d.comb += [
            bus.arready.eq(self.ready & ~active & ~bus.rvalid),
            port.rready.eq(~bus.rvalid | bus.rready),
        ]
        with m.If(port.arready):
            m.d.sync += port.arvalid.eq(0)
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [
                active.eq(1),
                outside.eq(self._outside(bus.araddr)),
                port.arvalid.eq(~self._outside(bus.araddr)),
                port.araddr.eq(self._aligned(bus.araddr)),
                port.arlen.eq(self._beats(bus.arlen)),
                left.eq(bus.arlen),
                bus.rid.eq(bus.arid),
                part.eq(0),
            ]
        arrives = (port.rvalid & port.rready) | (active & outside & port.rready)
        with m.If(arrives):
            complete = (part == self.parts - 1) | outside
            m.d.sync += [
                bus.rdata.eq(Cat(bus.rdata[self.memory_width :], port.rdata)),
                part.eq(part + 1),
                bus.rvalid.eq(complete),
                bus.rresp.eq(Mux(outside, AXI_DECERR, port.rresp)),
                bus.rlast.eq(left == 0),
            ]
            with m.If(complete):
                m.d.sync += [left.eq(left - 1), active.eq(left != 0)]

    def _write(self, m: Module) -> None:
        bus, port = self.write, self.memory_write
        self._constants(m, port, "aw")
        active, outside = Signal(name="writes"), Signal(name="write_outside")
        sent = Signal(name="write_sent")
        part = Signal(range(self.parts), name="write_part")
        last_part = part == self.parts - 1
        lanes = self.memory_width // 8
        taken = Signal(name="write_taken")
        m.d.comb += [
            bus.awready.eq(self.ready & ~active),
            port.wvalid.eq(bus.wvalid & active & ~sent & ~outside),
            port.wdata.eq(bus.wdata.word_select(part, self.memory_width)),
            port.wstrb.eq(bus.wstrb.word_select(part, lanes)),
            port.wlast.eq(bus.wlast & last_part),
            taken.eq((port.wvalid & port.wready) | (bus.wvalid & active & ~sent & outside)),
            bus.wready.eq(taken & (last_part | outside)),
            bus.bvalid.eq(Mux(outside, active & sent, port.bvalid)),
            bus.bresp.eq(Mux(outside, AXI_DECERR, port.bresp)),
            port.bready.eq(bus.bready & ~outside),
        ]
        with m.If(port.awready):
            m.d.sync += port.awvalid.eq(0)
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [
                active.eq(1),
                sent.eq(0),
                outside.eq(self._outside(bus.awaddr)),
                port.awvalid.eq(~self._outside(bus.awaddr)),
                port.awaddr.eq(self._aligned(bus.awaddr)),
                port.awlen.eq(self._beats(bus.awlen)),
                bus.bid.eq(bus.awid),
                part.eq(0),
            ]
        with m.If(taken):
            m.d.sync += [part.eq(part + 1), sent.eq(bus.wready & bus.wlast)]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += active.eq(0)
