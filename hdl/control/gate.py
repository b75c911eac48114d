# SPDX-License-Identifier: Apache-2.0
"""The gate in front of a unit: an instruction passes once its semaphores are granted."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT
from ..isa import FORMATS, HEADER, INDEX_WIDTH, INSTRUCTION_WIDTH, Opcode, Unit
from .instruction_word import words_of_instruction
from .legality import InstructionRules
from .semaphores import REQUEST_LAYOUT

__all__ = ["SemaphoreGate"]

OPCODE_WIDTH = HEADER[0].width


class SemaphoreGate(wiring.Component):
    """Puts the next instruction of a unit together and holds it until it may run.

    Bits that are zero in every legal instruction of the unit's format are not stored, and the
    opcode takes one bit: the unit's own, or SYNC.

    An instruction with an empty wait mask is on ``o`` one cycle after its last word, any other
    one cycle after its grant.

    Parameters
    ----------
    unit : Unit
        Whose gate.
    data_width : int
        Bits of a word.

    Members
    -------
    write : In(1)
        A word of the next instruction comes; only while not ``occupied``.
    position : In(range(max(2, words)))
        Which; the first has the least significant bits.
    data : In(data_width)
        The word.
    slice : In(24 / words)
        Bits of the instruction's index, in the same order.
    last : In(1)
        The instruction is complete with this word.
    free : In(1)
        With the last: the instruction waits for no semaphore.
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
        Let nothing pass from the next cycle on.
    """

    def __init__(self, *, unit: Unit, data_width: int) -> None:
        self.unit = unit
        self.data_width = data_width
        self.words = words_of_instruction(data_width)
        super().__init__(
            {
                "write": In(1),
                "position": In(range(max(2, self.words))),
                "data": In(data_width),
                "slice": In(INDEX_WIDTH // self.words),
                "last": In(1),
                "free": In(1),
                "o": Out(stream.Signature(COMMAND_LAYOUT)),
                "request": Out(REQUEST_LAYOUT),
                "grant": In(1),
                "waiting": Out(1),
                "occupied": Out(1),
                "halt": In(1),
            }
        )

    @property
    def kept_mask(self) -> int:
        """Instruction bits that are stored, the opcode left out."""
        zero = InstructionRules.zero_mask(FORMATS[Opcode[self.unit.name]])
        opcode = (1 << OPCODE_WIDTH) - 1
        return ((1 << INSTRUCTION_WIDTH) - 1) & ~zero & ~opcode

    def elaborate(self, platform: object) -> Module:
        m = Module()
        granted, is_sync = Signal(), Signal()
        held = data.View(FORMATS[Opcode.SYNC].layout, self.o.payload.instruction)
        m.d.comb += [
            self.o.valid.eq(granted),
            self.waiting.eq(self.occupied & ~granted),
            self.request.valid.eq(self.waiting),
            self.request.mask.eq(held.wait),
        ]
        with m.If(self.write & self.last):
            m.d.sync += [self.occupied.eq(1), granted.eq(self.free)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [self.occupied.eq(0), granted.eq(0)]
        with m.Elif(self.grant):
            m.d.sync += granted.eq(1)
        with m.If(self.halt):
            m.d.sync += granted.eq(0)

        own = Const(Opcode[self.unit.name].value, OPCODE_WIDTH)
        sync = Const(Opcode.SYNC.value, OPCODE_WIDTH)
        m.d.comb += self.o.payload.instruction[:OPCODE_WIDTH].eq(Mux(is_sync, sync, own))
        for position in range(self.words):
            low = position * self.data_width
            mask = self.kept_mask >> low & ((1 << self.data_width) - 1)
            part = Signal(len(self.slice), name=f"index_{position}")
            m.d.comb += self.o.payload.index[position * len(part) :][: len(part)].eq(part)
            word = Signal(mask.bit_count(), name=f"word_{position}")
            kept = [bit for bit in range(self.data_width) if mask >> bit & 1]
            with m.If(self.write & (self.position == position)):
                m.d.sync += part.eq(self.slice)
                m.d.sync += [word[n].eq(self.data[bit]) for n, bit in enumerate(kept)]
                if position == 0:
                    # It is the one or the other, so a bit in which they differ tells.
                    differing = (own.value ^ sync.value).bit_length() - 1
                    m.d.sync += is_sync.eq(
                        self.data[differing] == (sync.value >> differing & 1)
                    )
            for number, bit in enumerate(kept):
                m.d.comb += self.o.payload.instruction[low + bit].eq(word[number])
        return m
