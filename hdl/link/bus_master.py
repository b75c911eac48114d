# SPDX-License-Identifier: Apache-2.0
"""Accesses of one word on an AXI4-Lite and an AXI4 port."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import AXI_BURST_INCR, AXI4LiteSignature, AXI4ReadSignature, AXI4WriteSignature
from ..memory.axi_memory import AXI_DECERR
from ..registers import ADDRESS_WIDTH
from ..select import choose
from .access import AccessSignature

__all__ = ["BusMaster"]

WORD_SIZE = 2
"""AxSIZE of four bytes (IHI 0022, table A3-2)."""


class BusMaster(wiring.Component):
    """Turns each access into one transaction, a burst of a single beat of four bytes on AXI4.

    A line is so much slower than a bus that longer bursts would gain nothing. On a wider port the
    word travels in the lanes that its address names (a narrow transfer, IHI 0022 A3.4.3).

    Parameters
    ----------
    address_width : int
        Bits of an AXI4 address, at least 32.
    data_width : int
        Bits of an AXI4 beat.

    Members
    -------
    access : In(AccessSignature)
    registers : Out(AXI4LiteSignature)
    read : Out(AXI4ReadSignature)
    write : Out(AXI4WriteSignature)
    """

    def __init__(self, *, address_width: int, data_width: int) -> None:
        self.address_width = address_width
        self.data_width = data_width
        widths = {"address_width": address_width, "data_width": data_width}
        super().__init__(
            {
                "access": In(AccessSignature()),
                "registers": Out(AXI4LiteSignature(address_width=ADDRESS_WIDTH)),
                "read": Out(AXI4ReadSignature(**widths)),
                "write": Out(AXI4WriteSignature(**widths)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access, lite, read, write = self.access, self.registers, self.read, self.write
        wanted = access.payload
        started = Signal()
        address_waits, data_waits = Signal(), Signal()
        on_lite = wanted.registers
        reads, writes = address_waits & ~wanted.write, address_waits & wanted.write
        m.d.comb += [
            lite.arvalid.eq(reads & on_lite),
            lite.awvalid.eq(writes & on_lite),
            lite.wvalid.eq(data_waits & on_lite),
            read.arvalid.eq(reads & ~on_lite),
            write.awvalid.eq(writes & ~on_lite),
            write.wvalid.eq(data_waits & ~on_lite),
            lite.rready.eq(1),
            lite.bready.eq(1),
            read.rready.eq(1),
            write.bready.eq(1),
        ]
        address_taken = Signal()
        data_taken = Signal()
        m.d.comb += [
            address_taken.eq(
                Mux(
                    wanted.write,
                    Mux(on_lite, lite.awready, write.awready),
                    Mux(on_lite, lite.arready, read.arready),
                )
            ),
            data_taken.eq(Mux(on_lite, lite.wready, write.wready)),
        ]
        with m.If(address_taken):
            m.d.sync += address_waits.eq(0)
        with m.If(data_taken):
            m.d.sync += data_waits.eq(0)
        with m.If(access.done):
            m.d.sync += started.eq(0)
        with m.Elif(access.valid & ~started):
            m.d.sync += [started.eq(1), address_waits.eq(1), data_waits.eq(wanted.write)]
        self._payload(m, started)
        return m

    def _payload(self, m: Module, started: Signal) -> None:
        access, lite, read, write = self.access, self.registers, self.read, self.write
        wanted = access.payload
        address = Cat(Const(0, 2), wanted.address)
        for port in (read, write):
            prefix = "ar" if port is read else "aw"
            for name, value in (
                ("addr", address), ("len", 0), ("size", WORD_SIZE), ("burst", AXI_BURST_INCR),
                ("id", 0),
            ):
                m.d.comb += getattr(port, f"{prefix}{name}").eq(value)
        # Beyond the address space an access would reach what lies at the start.
        beyond = Signal()
        words = self.data_width // 32
        lane = wanted.address[: exact_log2(words)]
        word_read = choose([read.rdata[32 * n :][:32] for n in range(words)], lane)
        m.d.comb += [
            lite.araddr.eq(address),
            lite.awaddr.eq(address),
            lite.wdata.eq(wanted.data),
            lite.wstrb.eq(wanted.strobe),
            write.wdata.eq(wanted.data.replicate(words)),
            beyond.eq(~wanted.registers & address[self.address_width :].any()),
            write.wstrb.eq(
                Cat(Mux((lane == n) & ~beyond, wanted.strobe, 0) for n in range(words))
            ),
            write.wlast.eq(1),
        ]
        read_done = Mux(wanted.registers, lite.rvalid, read.rvalid)
        read_response = Mux(wanted.registers, lite.rresp, read.rresp)
        write_done = Mux(wanted.registers, lite.bvalid, write.bvalid)
        write_response = Mux(wanted.registers, lite.bresp, write.bresp)
        m.d.sync += [
            access.data.eq(Mux(wanted.registers, lite.rdata, word_read)),
            access.done.eq(started & Mux(wanted.write, write_done, read_done)),
            access.response.eq(
                Mux(beyond, AXI_DECERR, Mux(wanted.write, write_response, read_response))
            ),
        ]
