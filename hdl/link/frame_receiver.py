# SPDX-License-Identifier: Apache-2.0
"""Bytes from the line turned into the bytes of frames."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .protocol import ESCAPE, ESCAPE_INVERT, FLAG

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Takes the stuffing out and finds the ends of frames.

    Every flag ends a frame and begins the next, so whatever was lost or inserted before it, the
    frame after a flag is received. All outputs belong to the cycle of ``i.valid``.

    Members
    -------
    i : In(stream of 8)
        Bytes as received; always ready.
    error : In(1)
        A byte was received wrongly and is missing in ``i``.
    listen : In(1)
        Bytes are wanted. A byte that comes while it is low spoils its frame.
    o : Out(stream of 8)
        Bytes of frames without stuffing; always ready.
    flag : Out(1)
        The frame has ended, one cycle.
    spoiled : Out(1)
        Something of the frame is known to be missing; valid with ``flag``.
    """

    def __init__(self) -> None:
        byte = stream.Signature(8, always_ready=True)
        super().__init__(
            {
                "i": In(byte),
                "error": In(1),
                "listen": In(1),
                "o": Out(byte),
                "flag": Out(1),
                "spoiled": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # What came before the first flag is part of a frame whose beginning was missed.
        spoiled = Signal(init=1)
        escaped = Signal()
        is_flag, is_escape = Signal(), Signal()
        m.d.comb += [
            is_flag.eq(self.i.payload == FLAG),
            is_escape.eq(self.i.payload == ESCAPE),
            self.flag.eq(self.i.valid & is_flag),
            self.spoiled.eq(spoiled | escaped),
            self.o.valid.eq(self.i.valid & ~is_flag & ~is_escape),
            self.o.payload.eq(self.i.payload ^ Mux(escaped, ESCAPE_INVERT, 0)),
        ]
        with m.If(self.i.valid):
            m.d.sync += [
                escaped.eq(is_escape),
                spoiled.eq(~is_flag & (spoiled | ~self.listen)),
            ]
        with m.Elif(self.error):
            m.d.sync += spoiled.eq(1)
        return m
