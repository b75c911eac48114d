# SPDX-License-Identifier: Apache-2.0
"""The sending half of a UART: 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .baud import Baud

__all__ = ["UARTTransmitter"]


class UARTTransmitter(wiring.Component):
    """Shifts bytes out. The next byte starts one clock cycle after the stop bit at the earliest.

    Parameters
    ----------
    baud : Baud
        Length of a bit.

    Members
    -------
    i : In(stream of 8)
        Bytes to send.
    tx : Out(1)
        The line, from a register, idle high.
    """

    def __init__(self, baud: Baud) -> None:
        self.baud = baud
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Data bits, a one for the stop bit, and zeros behind it: when only that one is left at
        # the bottom, the stop bit is on the line.
        bits = Signal(9)
        active = Signal()
        end = self.baud.counter(m, "phase", restart=~active, first=self.baud.divisor)
        m.d.comb += self.i.ready.eq(~active)
        with m.If(~active):
            m.d.sync += [bits.eq(Cat(self.i.payload, Const(1, 1))), active.eq(self.i.valid)]
            with m.If(self.i.valid):
                m.d.sync += self.tx.eq(0)
        with m.Elif(end):
            m.d.sync += bits.eq(bits[1:])
            with m.If(bits == 0):
                m.d.sync += active.eq(0)
            with m.Else():
                m.d.sync += self.tx.eq(bits[0])
        return m
