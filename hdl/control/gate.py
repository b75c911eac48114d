# SPDX-License-Identifier: Apache-2.0
"""The gate in front of a unit: an instruction passes once its semaphores are granted."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT
from ..isa import FORMATS, Opcode
from .semaphores import REQUEST_LAYOUT, SIGNAL_LAYOUT

__all__ = ["SemaphoreGate"]


class SemaphoreGate(wiring.Component):
    """Holds the next instruction of a unit until it may run; executes SYNC itself.

    An instruction with an empty wait mask is on ``o`` one cycle after it was on ``i``, any other
    one cycle after its grant. A SYNC always asks for a grant, so that of all gates at most one
    signals in a cycle; it signals in the cycle after its grant.

    Members
    -------
    i : In(stream of COMMAND_LAYOUT)
        From the unit's queue.
    o : Out(stream of COMMAND_LAYOUT)
        To the unit; never a SYNC.
    request : Out(REQUEST_LAYOUT)
        To `Semaphores`.
    grant : In(1)
        From `Semaphores`.
    signal : Out(SIGNAL_LAYOUT)
        What a SYNC signals; the mask is zero otherwise.
    waiting : Out(1)
        The instruction in the gate has no grant yet.
    occupied : Out(1)
        There is an instruction in the gate.
    halt : In(1)
        Let nothing pass, signal nothing.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND_LAYOUT)),
                "o": Out(stream.Signature(COMMAND_LAYOUT)),
                "request": Out(REQUEST_LAYOUT),
                "grant": In(1),
                "signal": Out(SIGNAL_LAYOUT),
                "waiting": Out(1),
                "occupied": Out(1),
                "halt": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = FORMATS[Opcode.SYNC].layout
        arriving = data.View(layout, self.i.payload.instruction)
        held = data.View(layout, self.o.payload.instruction)
        occupied, granted, is_sync, leaves = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            leaves.eq(granted & ~self.halt & (is_sync | self.o.ready)),
            self.i.ready.eq(~occupied | leaves),
            self.o.valid.eq(granted & ~is_sync & ~self.halt),
            self.occupied.eq(occupied),
            self.waiting.eq(occupied & ~granted),
            self.request.valid.eq(self.waiting),
            self.request.mask.eq(held.wait),
            self.signal.mask.eq(Mux(granted & is_sync & ~self.halt, held.signal, 0)),
            self.signal.index.eq(self.o.payload.index),
        ]
        with m.If(self.i.ready):
            arrives_free = (arriving.wait == 0) & (arriving.opcode != Opcode.SYNC.value)
            m.d.sync += [
                occupied.eq(self.i.valid),
                granted.eq(self.i.valid & arrives_free),
            ]
            with m.If(self.i.valid):
                m.d.sync += [
                    self.o.payload.eq(self.i.payload),
                    is_sync.eq(arriving.opcode == Opcode.SYNC.value),
                ]
        with m.Elif(self.grant):
            m.d.sync += granted.eq(1)
        return m
