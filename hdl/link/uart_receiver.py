# SPDX-License-Identifier: Apache-2.0
"""The receiving half of a UART: 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .baud import Baud

__all__ = ["UARTReceiver"]

BITS = 10
"""Start, eight data, stop."""


class UARTReceiver(wiring.Component):
    """Samples the line in the middle of each bit.

    The line passes two synchronizing flip-flops and a majority of three successive samples, so a
    disturbance of one clock cycle has no effect. A start bit must still be low in its middle.
    A byte without stop bit is dropped and reported; the next starts only after the line was high.

    Parameters
    ----------
    baud : Baud
        Length of a bit. The sender's may differ by 3 %, less one clock cycle in ten bits.

    Members
    -------
    rx : In(1)
        The line, asynchronous, idle high.
    o : Out(stream of 8)
        Received bytes; always ready. Valid for one cycle in the middle of the stop bit.
    error : Out(1)
        A byte without stop bit ended, one cycle.
    """

    def __init__(self, baud: Baud) -> None:
        self.baud = baud
        super().__init__(
            {"rx": In(1), "o": Out(stream.Signature(8, always_ready=True)), "error": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        baud = self.baud
        samples = Signal(3, init=0b111)
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, samples[0], init=1)
        m.d.sync += [
            samples[1:].eq(samples[:2]),
            line.eq(samples[0] & samples[1] | samples[2] & (samples[0] | samples[1])),
        ]
        active, broken = Signal(), Signal()
        left = Signal(range(BITS))
        bits = Signal(8)
        middle = baud.counter(m, "phase", restart=~active, first=baud.divisor // 2)
        m.d.comb += self.o.payload.eq(bits)
        m.d.sync += [self.o.valid.eq(0), self.error.eq(0)]
        with m.If(~active):
            m.d.sync += [left.eq(BITS - 1), broken.eq(broken & ~line), active.eq(~line & ~broken)]
        with m.Elif(middle):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [self.o.valid.eq(line), self.error.eq(~line)]
                m.d.sync += [active.eq(0), broken.eq(~line)]
            with m.Else():
                m.d.sync += bits.eq(Cat(bits[1:], line))
            with m.If((left == BITS - 1) & line):
                m.d.sync += active.eq(0)
        return m
