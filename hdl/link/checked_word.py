# SPDX-License-Identifier: Apache-2.0
"""The word that a frame passes through, with the check over it, bit by bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc import Processor
from amaranth.lib.wiring import In, Out

from .protocol import CRC

__all__ = ["CheckedWord"]


class CheckedWord(wiring.Component):
    """A shift register of 32 bits and a CRC-32 that sees every bit which enters it.

    A line is slow enough to move a byte in eight cycles, and a bit at a time costs a third of the
    logic of a byte at a time. In all three uses a byte enters at the top of the word, its lowest
    bit first: a received byte; to send, the lowest byte of the word; or the next byte of the CRC,
    which shifts out of its register when it is fed with itself.

    Members
    -------
    received : In(stream of 8)
        A byte to shift in; always ready, at least ten cycles apart.
    send : In(1)
        Rotate the word by a byte. Never while a byte is shifted.
    send_check : In(1)
        While sending, shift in the check instead. Keep it steady meanwhile.
    load : In(1)
        Set the word to ``load_data``. Never while a byte is shifted.
    load_data : In(32)
    restart : In(1)
        Begin a new check.
    word : Out(32)
    ended : Out(1)
        A byte has been shifted, one cycle, nine cycles after ``received`` or ``send``.
    intact : Out(1)
        The bytes since ``restart`` end with their right check.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "received": In(stream.Signature(8, always_ready=True)),
                "send": In(1),
                "send_check": In(1),
                "load": In(1),
                "load_data": In(32),
                "restart": In(1),
                "word": Out(32),
                "ended": Out(1),
                "intact": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.check = check = Processor(CRC(data_width=1))
        word = Signal(32, reset_less=True)
        byte = Signal(8, reset_less=True)
        receiving, shifting = Signal(), Signal()
        count = Signal(3)
        bit = Signal()
        with m.If(receiving):
            m.d.comb += bit.eq(byte[0])
        with m.Elif(self.send_check):
            m.d.comb += bit.eq(check.crc[0])
        with m.Else():
            m.d.comb += bit.eq(word[0])
        m.d.comb += [
            self.word.eq(word),
            check.start.eq(self.restart),
            check.valid.eq(shifting),
            # The complement cancels the register's top bit, which is all that it feeds back.
            check.data.eq(bit ^ (self.send_check & ~receiving)),
            self.intact.eq(check.match_detected),
        ]
        m.d.sync += [
            byte.eq(Mux(self.received.valid, self.received.payload, byte[1:])),
            count.eq(count + shifting),
            self.ended.eq(shifting & (count == 7)),
        ]
        with m.If(self.received.valid):
            m.d.sync += receiving.eq(1)
        with m.Elif(self.send):
            m.d.sync += receiving.eq(0)
        with m.If(self.received.valid | self.send):
            m.d.sync += shifting.eq(1)
        with m.Elif(count == 7):
            m.d.sync += shifting.eq(0)
        with m.If(self.load):
            m.d.sync += word.eq(self.load_data)
        with m.Elif(shifting):
            m.d.sync += word.eq(Cat(word[1:], bit))
        return m
