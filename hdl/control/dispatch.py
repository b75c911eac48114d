# SPDX-License-Identifier: Apache-2.0
"""In-order dispatch: checks each instruction and hands it to its unit's queue."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import COMMAND_LAYOUT, ERROR_LAYOUT
from ..isa import ErrorCode
from .legality import InstructionRules

__all__ = ["Dispatch"]


class Dispatch(wiring.Component):
    """Sends every legal instruction to its unit, in program order.

    The instruction waits on ``i`` while the result of its legality check is registered; it moves
    on in the next cycle, or when its queue has room. One instruction every two cycles.

    Parameters
    ----------
    rules : InstructionRules
        What is legal.

    Members
    -------
    i : In(stream of COMMAND_LAYOUT)
        The program.
    load, matmul, vector, store : Out(stream of COMMAND_LAYOUT)
        To the queues; ``vector`` only where the rules know the unit.
    error : Out(ERROR_LAYOUT)
        ILLEGAL_INSTRUCTION or NOT_CONFIGURED, one cycle after the check. The instruction stays
        on ``i``: nothing behind it is dispatched until a reset.
    halt : In(1)
        Dispatch nothing.
    dispatched : Out(1)
        An instruction goes to its queue in this cycle.
    """

    def __init__(self, *, rules: InstructionRules) -> None:
        self.rules = rules
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND_LAYOUT)),
                **{
                    unit.name.lower(): Out(stream.Signature(COMMAND_LAYOUT))
                    for unit in rules.units()
                },
                "error": Out(ERROR_LAYOUT),
                "halt": In(1),
                "dispatched": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        instruction = self.i.payload.instruction
        broken = self.rules.broken(instruction)
        illegal = broken[ErrorCode.ILLEGAL_INSTRUCTION]
        missing = broken[ErrorCode.NOT_CONFIGURED]
        failed = Signal()
        code = Signal(ErrorCode)
        m.d.comb += [
            self.error.valid.eq(failed),
            self.error.code.eq(code),
            self.error.index.eq(self.i.payload.index),
        ]

        chosen = {unit: Signal(name=f"to_{unit.name.lower()}") for unit in self.rules.units()}
        checking, refused = Signal(), Signal()
        m.d.comb += checking.eq(self.i.valid & ~refused & ~Cat(chosen.values()).any())
        m.d.sync += failed.eq(0)
        with m.If(checking & (illegal | missing)):
            m.d.sync += [refused.eq(1), failed.eq(1)]
            with m.If(illegal):
                m.d.sync += code.eq(ErrorCode.ILLEGAL_INSTRUCTION)
            with m.Else():
                m.d.sync += code.eq(ErrorCode.NOT_CONFIGURED)

        for unit, to_unit in chosen.items():
            queue = getattr(self, unit.name.lower())
            m.d.comb += [
                queue.payload.eq(self.i.payload),
                queue.valid.eq(to_unit & ~self.halt),
            ]
            with m.If(checking & ~illegal & ~missing):
                m.d.sync += to_unit.eq(self.rules.goes_to(instruction, unit))
            with m.If(queue.valid & queue.ready):
                m.d.sync += to_unit.eq(0)
                m.d.comb += self.dispatched.eq(1)
        m.d.comb += self.i.ready.eq(self.dispatched)
        return m
