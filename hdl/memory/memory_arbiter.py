# SPDX-License-Identifier: Apache-2.0
"""The accelerator and the host link share one memory port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI4ReadSignature, AXI4WriteSignature

__all__ = ["MemoryArbiter"]


class MemoryArbiter(wiring.Component):
    """Lets the accelerator through without delay, and the link in between.

    Reads and writes are arbitrated apart. A transaction of the link waits until the accelerator's
    next address has been taken; then no further address of the accelerator passes, those that are
    outstanding end, and the link has the port for its one transaction. So the memory never has
    transactions of both, in whatever order it answers. Combinational: no latency.

    The accelerator's write data pass only after their address, whoever offers them earlier.

    Parameters
    ----------
    address_width, data_width : int
        Of all ports.
    outstanding : int
        Bursts that the accelerator may have outstanding in each direction, a power of two.

    Members
    -------
    accelerator_read, link_read : In(AXI4ReadSignature)
    accelerator_write, link_write : In(AXI4WriteSignature)
        Write data of the link must not wait for its address, and it has one transaction at a time.
    read : Out(AXI4ReadSignature)
    write : Out(AXI4WriteSignature)
    """

    def __init__(self, *, address_width: int, data_width: int, outstanding: int = 16) -> None:
        if outstanding < 1 or outstanding & (outstanding - 1):
            raise ValueError(f"outstanding must be a power of two, not {outstanding!r}")
        self.address_width = address_width
        self.data_width = data_width
        self.outstanding = outstanding
        read = AXI4ReadSignature(address_width=address_width, data_width=data_width)
        write = AXI4WriteSignature(address_width=address_width, data_width=data_width)
        super().__init__(
            {
                "accelerator_read": In(read),
                "accelerator_write": In(write),
                "link_read": In(read),
                "link_write": In(write),
                "read": Out(read),
                "write": Out(write),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for name, main, link, port in (
            ("read", self.accelerator_read, self.link_read, self.read),
            ("write", self.accelerator_write, self.link_write, self.write),
        ):
            address, answer = ("ar", "r") if name == "read" else ("aw", "b")
            turn = self._turn(m, name, main, link, port)
            for field, member in port.signature.members.items():
                target = getattr(port, field)
                if field.endswith(("valid", "ready")):
                    continue
                if member.flow is Out:
                    m.d.comb += target.eq(
                        Mux(turn, getattr(link, field), getattr(main, field))
                    )
                else:
                    m.d.comb += [getattr(side, field).eq(target) for side in (main, link)]
            for side, mine in ((main, ~turn), (link, turn)):
                m.d.comb += getattr(side, f"{answer}valid").eq(
                    getattr(port, f"{answer}valid") & mine
                )
            m.d.comb += getattr(port, f"{answer}ready").eq(
                Mux(turn, getattr(link, f"{answer}ready"), getattr(main, f"{answer}ready"))
            )
        return m

    def _turn(self, m: Module, name: str, main: Any, link: Any, port: Any) -> Signal:
        """Connects ``valid`` and ``ready`` of what the managers send; whether it is the link's."""
        a = "ar" if name == "read" else "aw"
        turn = Signal(name=f"{name}_turn")
        closed = Signal(name=f"{name}_closed")
        outstanding = Signal(range(self.outstanding + 1), name=f"{name}_outstanding")
        address_taken, ended = Signal(name=f"{a}_taken"), Signal(name=f"{name}_ended")
        link_ended = Signal(name=f"link_{name}_ended")
        main_valid, link_valid = getattr(main, f"{a}valid"), getattr(link, f"{a}valid")
        ready = getattr(port, f"{a}ready")
        blocked, offered = Signal(name=f"{a}_blocked"), Signal(name=f"{a}_offered")
        m.d.comb += [
            blocked.eq(closed | outstanding[-1]),
            offered.eq(main_valid & ~blocked),
            address_taken.eq(offered & ready),
            getattr(port, f"{a}valid").eq(Mux(turn, link_valid, offered)),
            getattr(main, f"{a}ready").eq(ready & ~blocked),
            getattr(link, f"{a}ready").eq(ready & turn),
        ]
        if name == "read":
            m.d.comb += [
                ended.eq(main.rvalid & main.rready & main.rlast),
                link_ended.eq(link.rvalid & link.rready & link.rlast),
            ]
        else:
            # Bursts whose address has been taken and whose data have not.
            owed = Signal(range(self.outstanding + 1))
            last_taken = Signal()
            m.d.comb += [
                port.wvalid.eq(Mux(turn, link.wvalid, main.wvalid & (owed != 0))),
                main.wready.eq(port.wready & ~turn & (owed != 0)),
                link.wready.eq(port.wready & turn),
                last_taken.eq(main.wvalid & main.wready & main.wlast),
                ended.eq(main.bvalid & main.bready),
                link_ended.eq(link.bvalid & link.bready),
            ]
            m.d.sync += owed.eq(owed + address_taken - last_taken)
        m.d.sync += outstanding.eq(outstanding + address_taken - ended)
        # An address that has been offered stays until it is taken.
        with m.If(link_ended):
            m.d.sync += [turn.eq(0), closed.eq(0)]
        with m.Elif(~closed):
            m.d.sync += closed.eq(link_valid & (~offered | ready))
        with m.Elif(outstanding == 0):
            m.d.sync += turn.eq(1)
        return turn
