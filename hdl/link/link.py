# SPDX-License-Identifier: Apache-2.0
"""The host link: a UART on one side, AXI4-Lite and AXI4 managers on the other."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..bus import AXI4LiteSignature, AXI4ReadSignature, AXI4WriteSignature
from ..once import Once
from ..registers import ADDRESS_WIDTH
from .baud import Baud
from .bus_master import BusMaster
from .engine import LinkEngine
from .frame_receiver import FrameReceiver
from .frame_transmitter import FrameTransmitter
from .protocol import identity_word
from .uart_receiver import UARTReceiver
from .uart_transmitter import UARTTransmitter

__all__ = ["HostLink"]


class HostLink(wiring.Component):
    """Lets a host behind a serial line read and write registers and memory.

    ::

        rx -> UARTReceiver -> FrameReceiver -------+
                                                   v
                                               LinkEngine -> BusMaster -> registers, read, write
                                                   |
        tx <- UARTTransmitter <- FrameTransmitter <+

    The protocol is described in `weft.hdl.link.protocol` and ``docs/link.md``.

    Parameters
    ----------
    baud : Baud
        Clock and baud rate.
    memory_bytes : int
        Size of the memory, which the host is told.
    address_width, data_width : int
        Of the AXI4 port.
    timeout : int
        Cycles a bus access may take, a power of two.

    Members
    -------
    rx : In(1)
        The line from the host, asynchronous.
    tx : Out(1)
        The line to the host.
    irq : In(1)
        Shown to the host in every response.
    registers : Out(AXI4LiteSignature)
    read : Out(AXI4ReadSignature)
    write : Out(AXI4WriteSignature)
    accepted : Out(1)
        An undamaged request has arrived, one cycle.
    """

    def __init__(
        self,
        *,
        baud: Baud,
        memory_bytes: int,
        address_width: int,
        data_width: int,
        timeout: int = 1 << 16,
    ) -> None:
        self.baud = baud
        self.memory_bytes = memory_bytes
        self.address_width = address_width
        self.data_width = data_width
        self.timeout = timeout
        widths = {"address_width": address_width, "data_width": data_width}
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "irq": In(1),
                "registers": Out(AXI4LiteSignature(address_width=ADDRESS_WIDTH)),
                "read": Out(AXI4ReadSignature(**widths)),
                "write": Out(AXI4WriteSignature(**widths)),
                "accepted": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        baud = self.baud
        m.submodules.receiver = receiver = Once(UARTReceiver(baud))
        m.submodules.transmitter = transmitter = Once(UARTTransmitter(baud))
        m.submodules.unstuff = unstuff = Once(FrameReceiver())
        m.submodules.stuff = stuff = Once(FrameTransmitter())
        identity = identity_word(self.memory_bytes, baud.clock_hz)
        m.submodules.engine = engine = Once(LinkEngine(identity=identity, timeout=self.timeout))
        m.submodules.bus = bus = Once(
            BusMaster(address_width=self.address_width, data_width=self.data_width)
        )
        connect(m, receiver.o, unstuff.i)
        connect(m, unstuff.o, engine.rx)
        connect(m, engine.tx, stuff.i)
        connect(m, stuff.o, transmitter.i)
        connect(m, engine.access, bus.access)
        connect(m, bus.registers, flipped(self.registers))
        connect(m, bus.read, flipped(self.read))
        connect(m, bus.write, flipped(self.write))
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            unstuff.error.eq(receiver.error),
            unstuff.listen.eq(engine.listen),
            engine.flag.eq(unstuff.flag),
            engine.spoiled.eq(unstuff.spoiled),
            engine.irq.eq(self.irq),
            self.accepted.eq(engine.accepted),
        ]
        return m
