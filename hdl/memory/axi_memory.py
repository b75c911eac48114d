# SPDX-License-Identifier: Apache-2.0
"""On-chip memory behind an AXI4 port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ..bus import AXI_BURST_INCR, AXI4ReadSignature, AXI4WriteSignature
from ..dma.fifo import StreamFIFO
from ..once import Once
from ..select import choose

__all__ = ["AXIMemory"]

AXI_OKAY, AXI_SLVERR, AXI_DECERR = 0b00, 0b10, 0b11
PAGE_BYTES = 4096
"""No burst crosses a multiple of this (IHI 0022, A3.4.1)."""

READ_PLACES = 8
"""Beats in flight and in the queue; covers the seven cycles until a place is free again."""

BANK_WORDS = 16384
"""Depth of an ECP5 block RAM of one bit (Lattice FPGA-DS-02012, sysMEM): what is deeper takes
several blocks a bit, whose outputs have a register each before one is chosen."""


class AXIMemory(wiring.Component):
    """An AXI4 subordinate that keeps its data in block RAM.

    Incrementing bursts of any length and beat size, with byte strobes; one beat a cycle, and one
    cycle without a beat between bursts. Reads and writes are independent of each other. A write
    burst is answered in the cycle after its last beat, the first beat of a read comes six cycles
    after its address. What is read goes into a queue, so that the block RAMs, of which some may be
    far from the others, need no common enable. A burst outside the memory gets DECERR, one that
    does not increment SLVERR; neither changes anything.

    A read in the cycle of a write to the same word waits, as a block RAM need not define it. With
    ``single_port`` every read waits for every write, and one port serves both: that is what the
    large memories of iCE40 UltraPlus have. There is no queue then: the first beat comes after four
    cycles, and each of the others four after the one before.

    Parameters
    ----------
    size : int
        Bytes, a power of two of at least 4096.
    address_width, data_width : int
        Of the AXI4 port.
    single_port : bool
        Whether the memory reads or writes in a cycle, not both.

    Members
    -------
    read : In(AXI4ReadSignature)
    write : In(AXI4WriteSignature)

    Raises
    ------
    ValueError
        If ``size`` is out of range.
    """

    def __init__(
        self, *, size: int, address_width: int, data_width: int, single_port: bool = False
    ) -> None:
        if size < PAGE_BYTES or size & (size - 1) or size > 1 << address_width:
            raise ValueError(
                f"size must be a power of two from {PAGE_BYTES} to {1 << address_width} bytes, "
                f"not {size!r}"
            )
        self.size = size
        self.address_width = address_width
        self.data_width = data_width
        self.single_port = single_port
        widths = {"address_width": address_width, "data_width": data_width}
        super().__init__(
            {"read": In(AXI4ReadSignature(**widths)), "write": In(AXI4WriteSignature(**widths))}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self.data_width // 8
        depth = self.size // lanes
        banks = max(1, depth // BANK_WORDS)
        # What is written is behind a register, beside the answer.
        enable, accepted_address = Signal(lanes), Signal(exact_log2(self.size))
        write_enable, write_data = Signal(lanes), Signal(self.data_width)
        write_address, read_address = (Signal(exact_log2(depth)) for _ in range(2))
        self._write(m, enable, accepted_address)
        m.d.sync += [
            write_enable.eq(enable),
            write_data.eq(self.write.wdata),
            write_address.eq(accepted_address[exact_log2(lanes) :]),
        ]
        issue, next_address = Signal(), Signal(exact_log2(self.size))
        m.d.comb += read_address.eq(next_address[exact_log2(lanes) :])
        collides = write_enable.any()
        if not self.single_port:
            collides = collides & (write_address == read_address)
        place = exact_log2(depth // banks)
        words = []
        for number in range(banks):
            # A read that collides is not used.
            attributes = {} if self.single_port else {"no_rw_check": 1}
            ram = memory.Memory(
                shape=self.data_width, depth=depth // banks, init=[], attrs=attributes
            )
            m.submodules[f"ram_{number}" if banks > 1 else "ram"] = ram
            write_port = ram.write_port(granularity=8)
            read_port = ram.read_port(domain="sync")
            written, read = (address[place:] == number for address in (write_address, read_address))
            m.d.comb += [
                write_port.en.eq(Mux(written, write_enable, 0)),
                write_port.data.eq(write_data),
                write_port.addr.eq(write_address[:place]),
                read_port.addr.eq(read_address[:place]),
                read_port.en.eq(issue & read if self.single_port else 1),
            ]
            if self.single_port:
                # One signal for both ports: that is how synthesis sees that one RAM port serves
                # them.
                address = Signal.like(read_port.addr)
                m.d.comb += [
                    address.eq(Mux(collides, write_address[:place], read_address[:place])),
                    write_port.addr.eq(address),
                    read_port.addr.eq(address),
                ]
            words.append(read_port.data)
        self._read(m, words, issue, next_address, collides)
        return m

    def _response(self, address: Any, burst: Any) -> Any:
        reach = exact_log2(self.size)
        outside = address[reach:].any() if reach < self.address_width else Const(0, 1)
        return Mux(outside, AXI_DECERR, Mux(burst == AXI_BURST_INCR, AXI_OKAY, AXI_SLVERR))

    def _next(self, address: Any, size: Any) -> Any:
        """The address of the beat that follows: beats after the first are aligned."""
        largest = exact_log2(self.data_width // 8)
        step = Cat(size == n for n in range(largest + 1))
        beyond = Cat(size > n for n in range(largest))
        return Cat(address[:largest] & ~beyond, address[largest:]) + step

    def _write(self, m: Module, enable: Any, address: Any) -> None:
        bus = self.write
        active, full = Signal(), Signal()
        response = Signal(2)
        identity = Signal.like(bus.awid)
        size = Signal(3)
        m.d.comb += [
            bus.awready.eq(~active),
            bus.wready.eq(active & ~full),
            full.eq(bus.bvalid & ~bus.bready),
        ]
        with m.If(~active):
            m.d.sync += [
                active.eq(bus.awvalid),
                address.eq(bus.awaddr),
                size.eq(bus.awsize),
                identity.eq(bus.awid),
                response.eq(self._response(bus.awaddr, bus.awburst)),
            ]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.wvalid & bus.wready):
            with m.If(response == AXI_OKAY):
                m.d.comb += enable.eq(bus.wstrb)
            m.d.sync += address.eq(self._next(address, size))
            with m.If(bus.wlast):
                m.d.sync += [
                    active.eq(0),
                    bus.bvalid.eq(1),
                    bus.bresp.eq(response),
                    bus.bid.eq(identity),
                ]

    def _read(
        self, m: Module, banks: list[Any], issue: Any, address: Any, collides: Any
    ) -> None:
        """Behind the address: the RAM's own register, one for each bank, one for the bank that is
        chosen, and the queue."""
        bus = self.read
        active = Signal()
        left, size = Signal(8), Signal(3)
        response = Signal(2)
        identity = Signal.like(bus.arid)
        places = 1 if self.single_port else READ_PLACES
        free = Signal(range(places + 1), init=places)
        kind = data.StructLayout({"id": len(bus.rid), "resp": 2, "last": 1})
        found, gathered = Signal(), Signal()
        of_found, of_gathered = Signal(kind), Signal(kind)
        reach = exact_log2(self.size)
        select = slice(reach - exact_log2(len(banks)), reach)
        bank, gathered_bank = (Signal(exact_log2(len(banks))) for _ in range(2))
        words = [
            Signal(self.data_width, name=f"word_{number}", reset_less=True)
            for number in range(len(banks))
        ]
        m.d.comb += [bus.arready.eq(~active), issue.eq(active & (free != 0) & ~collides)]
        with m.If(~active):
            m.d.sync += [
                active.eq(bus.arvalid),
                address.eq(bus.araddr),
                left.eq(bus.arlen),
                size.eq(bus.arsize),
                identity.eq(bus.arid),
                response.eq(self._response(bus.araddr, bus.arburst)),
            ]
        with m.Elif(issue):
            m.d.sync += [
                address.eq(self._next(address, size)),
                left.eq(left - 1),
                active.eq(left != 0),
            ]
        m.d.sync += [
            free.eq(free - issue + (bus.rvalid & bus.rready)),
            Cat(found, gathered).eq(Cat(issue, found)),
            of_found.id.eq(identity),
            of_found.resp.eq(response),
            of_found.last.eq(left == 0),
            of_gathered.eq(of_found),
            Cat(bank, gathered_bank).eq(Cat(address[select], bank)),
            *(word.eq(value) for word, value in zip(words, banks, strict=True)),
        ]
        chosen = Signal(data.StructLayout({"of": kind, "data": self.data_width}))
        with m.If(gathered):
            m.d.sync += [chosen.of.eq(of_gathered), chosen.data.eq(choose(words, gathered_bank))]
        if self.single_port:
            beat, valid = chosen, bus.rvalid
            with m.If(bus.rready):
                m.d.sync += valid.eq(0)
            with m.If(gathered):
                m.d.sync += valid.eq(1)
        else:
            m.submodules.beats = beats = Once(
                StreamFIFO(chosen.shape(), READ_PLACES, credited=True)
            )
            m.d.sync += beats.i.valid.eq(gathered)
            m.d.comb += [
                beats.i.payload.eq(chosen),
                bus.rvalid.eq(beats.o.valid),
                beats.o.ready.eq(bus.rready),
            ]
            beat = beats.o.payload
        m.d.comb += [
            bus.rid.eq(beat.of.id),
            bus.rresp.eq(beat.of.resp),
            bus.rlast.eq(beat.of.last),
            bus.rdata.eq(beat.data),
        ]
