# SPDX-License-Identifier: Apache-2.0
"""The gate in front of a unit: an instruction passes once its semaphores are granted."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT
from ..isa import FORMATS, Opcode
from .semaphores import REQUEST_LAYOUT

__all__ = ["SemaphoreGate"]


class SemaphoreGate(wiring.Component):
    """Holds the next instruction of a unit until it may run.

    An instruction with an empty wait mask is on ``o`` one cycle after it was on ``i``, any other
    one cycle after its grant.

    Members
    -------
    i : In(stream of COMMAND_LAYOUT)
        From the unit's queue.
    o : Out(stream of COMMAND_LAYOUT)
        To the unit.
    request : Out(REQUEST_LAYOUT)
        To `Semaphores`.
    grant : In(1)
        From `Semaphores`.
    waiting : Out(1)
        The instruction in the gate has no grant yet.
    occupied : Out(1)
        There is an instruction in the gate.
    halt : In(1)
        Let nothing pass.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND_LAYOUT)),
                "o": Out(stream.Signature(COMMAND_LAYOUT)),
                "request": Out(REQUEST_LAYOUT),
                "grant": In(1),
                "waiting": Out(1),
                "occupied": Out(1),
                "halt": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = FORMATS[Opcode.SYNC].layout  # Its header is that of every format.
        arriving = data.View(layout, self.i.payload.instruction)
        held = data.View(layout, self.o.payload.instruction)
        occupied, granted, leaves = Signal(), Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(granted & ~self.halt),
            leaves.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(~occupied | leaves),
            self.occupied.eq(occupied),
            self.waiting.eq(occupied & ~granted),
            self.request.valid.eq(self.waiting),
            self.request.mask.eq(held.wait),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                occupied.eq(self.i.valid),
                granted.eq(self.i.valid & (arriving.wait == 0)),
            ]
            with m.If(self.i.valid):
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Elif(self.grant):
            m.d.sync += granted.eq(1)
        return m
