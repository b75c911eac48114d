# SPDX-License-Identifier: Apache-2.0
"""Two read managers share one AXI4 read port."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI4ReadSignature
from ..once import Once
from .fifo import StreamFIFO

__all__ = ["ReadArbiter"]


class ReadArbiter(wiring.Component):
    """Merges instruction fetch and LOAD onto one read port.

    Addresses of ``fetch`` go first; an address once offered to the port stays. Read data go to
    the manager that their ID names: 1 is ``fetch``, 0 is ``load``. A manager must take the data
    it asked for without waiting for the other, or both stop. Addresses pass in the same cycle, data
    through a register stage: full throughput, latency 1 cycle. In a compact one data pass in the
    same cycle too.

    Parameters
    ----------
    address_width : int
        Bits of an address.
    data_width : int
        Bits of a beat.
    compact : bool
        See above.

    Members
    -------
    fetch, load : In(AXI4ReadSignature)
        Their addresses come from registers; their ``arid`` is ignored.
    axi : Out(AXI4ReadSignature)
    idle : Out(1)
        No beat waits to be delivered.
    """

    def __init__(
        self, *, address_width: int, data_width: int, compact: bool = False
    ) -> None:
        self.address_width = address_width
        self.data_width = data_width
        self.compact = compact
        signature = AXI4ReadSignature(address_width=address_width, data_width=data_width)
        super().__init__(
            {
                "fetch": In(signature),
                "load": In(signature),
                "axi": Out(signature),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shared = ("addr", "len", "size", "burst")
        beat_names = {"id": 1, "data": self.data_width, "resp": 2, "last": 1}
        # An address that waits keeps its place, also if a more urgent one comes.
        waits, was_fetch, choose_fetch = Signal(), Signal(), Signal()
        m.d.comb += [
            choose_fetch.eq(Mux(waits, was_fetch, self.fetch.arvalid)),
            self.axi.arvalid.eq(Mux(choose_fetch, self.fetch.arvalid, self.load.arvalid)),
            self.axi.arid.eq(choose_fetch),
            self.fetch.arready.eq(self.axi.arready & choose_fetch),
            self.load.arready.eq(self.axi.arready & ~choose_fetch),
        ]
        m.d.sync += [
            waits.eq(self.axi.arvalid & ~self.axi.arready),
            was_fetch.eq(choose_fetch),
        ]
        for name in shared:
            m.d.comb += getattr(self.axi, f"ar{name}").eq(
                Mux(
                    choose_fetch,
                    getattr(self.fetch, f"ar{name}"),
                    getattr(self.load, f"ar{name}"),
                )
            )
        layout = data.StructLayout({name: unsigned(width) for name, width in beat_names.items()})
        beat = Signal(layout)
        valid, ready, to_fetch = Signal(), Signal(), Signal()
        arrives = Cat(getattr(self.axi, f"r{name}") for name in beat_names)
        if self.compact:
            m.d.comb += [
                beat.eq(arrives),
                valid.eq(self.axi.rvalid),
                self.axi.rready.eq(ready),
                self.idle.eq(1),
            ]
        else:
            m.submodules.beats = beats = Once(StreamFIFO(layout, 4))
            m.d.comb += [
                beats.i.payload.eq(arrives),
                beats.i.valid.eq(self.axi.rvalid),
                self.axi.rready.eq(beats.i.ready),
                beat.eq(beats.o.payload),
                valid.eq(beats.o.valid),
                beats.o.ready.eq(ready),
                self.idle.eq(beats.empty),
            ]
        m.d.comb += [
            to_fetch.eq(beat.id == 1),
            self.fetch.rvalid.eq(valid & to_fetch),
            self.load.rvalid.eq(valid & ~to_fetch),
            ready.eq(Mux(to_fetch, self.fetch.rready, self.load.rready)),
        ]
        for name in beat_names:
            for manager in (self.fetch, self.load):
                m.d.comb += getattr(manager, f"r{name}").eq(beat[name])
        return m
