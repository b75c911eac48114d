# SPDX-License-Identifier: Apache-2.0
"""The queue of one execution unit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT
from ..isa import FORMATS, HEADER, INSTRUCTION_WIDTH, Opcode, Unit
from .legality import InstructionRules

__all__ = ["InstructionQueue"]

OPCODE_WIDTH = HEADER[0].width


class InstructionQueue(wiring.Component):
    """Holds checked instructions of one unit in look-up table RAM.

    Bits that are zero in every legal instruction of the unit's format are not stored, and the
    opcode takes one bit: the unit's own, or SYNC.

    An instruction written in cycle t is on ``o`` in t + 1.

    Parameters
    ----------
    unit : Unit
        Whose queue.
    depth : int
        Instructions held.

    Members
    -------
    i : In(stream of COMMAND_LAYOUT)
        Legal instructions of the unit.
    o : Out(stream of COMMAND_LAYOUT)
        The same, in order.
    """

    def __init__(self, *, unit: Unit, depth: int) -> None:
        self.unit = unit
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND_LAYOUT)),
                "o": Out(stream.Signature(COMMAND_LAYOUT)),
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
        kept = [bit for bit in range(INSTRUCTION_WIDTH) if self.kept_mask >> bit & 1]
        entering, leaving = self.i.payload, self.o.payload
        opcode = entering.instruction[:OPCODE_WIDTH]
        packed = Cat(
            opcode == Opcode.SYNC.value,
            entering.index,
            *(entering.instruction[bit] for bit in kept),
        )
        m.submodules.fifo = storage = fifo.SyncFIFO(width=len(packed), depth=self.depth)
        m.d.comb += [
            storage.w_data.eq(packed),
            storage.w_en.eq(self.i.valid),
            self.i.ready.eq(storage.w_rdy),
        ]

        is_sync = Signal()
        stored = Signal(len(kept))
        position = {bit: number for number, bit in enumerate(kept)}
        own = Const(Opcode[self.unit.name].value, OPCODE_WIDTH)
        rebuilt: list[Value] = [Mux(is_sync, Const(Opcode.SYNC.value, OPCODE_WIDTH), own)]
        rebuilt += [
            stored[position[bit]] if bit in position else Const(0, 1)
            for bit in range(OPCODE_WIDTH, INSTRUCTION_WIDTH)
        ]
        m.d.comb += [
            Cat(is_sync, leaving.index, stored).eq(storage.r_data),
            leaving.instruction.eq(Cat(rebuilt)),
            self.o.valid.eq(storage.r_rdy),
            storage.r_en.eq(self.o.ready),
        ]
        return m
