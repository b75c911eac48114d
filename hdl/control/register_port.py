# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite turned into one register access at a time."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI4LiteSignature

__all__ = ["RESPONSE_LAYOUT", "RegisterPort", "access_layout"]

AXI_OKAY, AXI_SLVERR = 0b00, 0b10

RESPONSE_LAYOUT = data.StructLayout({"refused": unsigned(1), "data": unsigned(32)})
"""How an access ended: SLVERR or not, and the value read."""


def access_layout(address_width: int) -> data.StructLayout:
    """An access to the 32-bit word at a word address; ``strobe`` is zero for reads."""
    return data.StructLayout(
        {
            "write": unsigned(1),
            "address": unsigned(address_width - 2),
            "data": unsigned(32),
            "strobe": unsigned(4),
        }
    )


class RegisterPort(wiring.Component):
    """Accepts AW, W and AR in any order, each ahead of its turn, and answers one after the other.

    Every output is registered, if the ``response`` is. Reads and writes that wait at the same time
    take turns.

    Parameters
    ----------
    address_width : int
        Bits of a byte address; the lowest two are ignored.

    Members
    -------
    bus : In(AXI4LiteSignature(address_width))
        The port.
    access : Out(stream of access_layout(address_width))
        The access to make; the next comes only after the response was taken from ``bus``.
    response : In(stream of RESPONSE_LAYOUT)
        Its result; always ready. The data stay until the next access.
    """

    def __init__(self, *, address_width: int) -> None:
        self.address_width = address_width
        super().__init__(
            {
                "bus": In(AXI4LiteSignature(address_width=address_width)),
                "access": Out(stream.Signature(access_layout(address_width))),
                "response": In(stream.Signature(RESPONSE_LAYOUT, always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, access, response = self.bus, self.access, self.response
        address_held, data_held, read_held = Signal(), Signal(), Signal()
        write_address = Signal.like(access.payload.address)
        read_address = Signal.like(access.payload.address)
        write_data = Signal.like(bus.wdata)
        write_strobe = Signal.like(bus.wstrb)
        for valid, ready, held, pairs in (
            (bus.awvalid, bus.awready, address_held, [(write_address, bus.awaddr[2:])]),
            (
                bus.wvalid,
                bus.wready,
                data_held,
                [(write_data, bus.wdata), (write_strobe, bus.wstrb)],
            ),
            (bus.arvalid, bus.arready, read_held, [(read_address, bus.araddr[2:])]),
        ):
            # Ready is a register that is low in reset and while something is held.
            with m.If(valid & ready):
                m.d.sync += [held.eq(1), ready.eq(0)]
                m.d.sync += [register.eq(value) for register, value in pairs]
            with m.Elif(~held):
                m.d.sync += ready.eq(1)

        active, writing = Signal(), Signal()
        write_next = Signal()
        m.d.comb += write_next.eq(address_held & data_held & (~read_held | ~writing))
        with m.If(~active):
            m.d.sync += access.payload.address.eq(Mux(write_next, write_address, read_address))
            with m.If(write_next | read_held):
                m.d.sync += [active.eq(1), writing.eq(write_next), access.valid.eq(1)]
        with m.If(access.valid & access.ready):
            m.d.sync += access.valid.eq(0)
        m.d.comb += [
            access.payload.write.eq(writing),
            access.payload.data.eq(write_data),
            access.payload.strobe.eq(Mux(writing, write_strobe, 0)),
        ]

        m.d.comb += bus.rdata.eq(response.payload.data)
        code = Mux(response.payload.refused, AXI_SLVERR, AXI_OKAY)
        with m.If(response.valid):
            with m.If(writing):
                m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(code)]
            with m.Else():
                m.d.sync += [bus.rvalid.eq(1), bus.rresp.eq(code)]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += [bus.bvalid.eq(0), active.eq(0), address_held.eq(0), data_held.eq(0)]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += [bus.rvalid.eq(0), active.eq(0), read_held.eq(0)]
        return m
