# SPDX-License-Identifier: Apache-2.0
"""Bytes of frames and flags turned into bytes for the line."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .protocol import ESCAPE, ESCAPE_INVERT, FLAG

__all__ = ["FRAME_BYTE_LAYOUT", "FrameTransmitter"]

FRAME_BYTE_LAYOUT = data.StructLayout({"byte": unsigned(8), "flag": unsigned(1)})
"""A byte of a frame, or a flag (then ``byte`` has no meaning)."""


class FrameTransmitter(wiring.Component):
    """Puts the stuffing in.

    Members
    -------
    i : In(stream of FRAME_BYTE_LAYOUT)
    o : Out(stream of 8)
        Bytes to send, one or two for each of ``i``; combinational.
    """

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(FRAME_BYTE_LAYOUT)), "o": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        byte, flag = self.i.payload.byte, self.i.payload.flag
        special, escaped = Signal(), Signal()
        m.d.comb += [
            special.eq(~flag & ((byte == FLAG) | (byte == ESCAPE))),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & (~special | escaped)),
        ]
        with m.If(flag):
            m.d.comb += self.o.payload.eq(FLAG)
        with m.Elif(special & ~escaped):
            m.d.comb += self.o.payload.eq(ESCAPE)
        with m.Else():
            m.d.comb += self.o.payload.eq(byte ^ Mux(escaped, ESCAPE_INVERT, 0))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
        return m
