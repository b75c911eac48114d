# SPDX-License-Identifier: Apache-2.0
"""Gowin: a multiplier block with all its registers."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, signed

from .multiplier import Multiplier

__all__ = ["GowinMultiplier"]

OPERAND_WIDTH = 9


class GowinMultiplier(Multiplier):
    """A MULT9X9 with input, pipeline and output registers.

    ::

        activation_i --> [activation] --> [A] --.
                                                 x --> [pipeline] --> [output] --> product_o
        weight_i ------> [weight] ------> [B] --'
                            | load_i

    The block has a single enable, so the weight register is an ordinary one before the block's.
    nextpnr has no timing of the block: every register of it is in use, so that what the timing
    leaves out is not what limits the clock.

    Cost: one MULT9X9 (half of a MULT18X18), flip-flops for the activation and the weight. Signals
    are those of Gowin UG287, digital signal processing user guide.

    Parameters and members are those of `Multiplier`; widths are at most 9.
    """

    latency: ClassVar[int] = 4
    widest: ClassVar[int | None] = OPERAND_WIDTH

    def elaborate(self, platform: Any) -> Module:
        """Build the block and the registers before it."""
        m = Module()
        activation, weight = self._operands(m)
        operand_a, operand_b = Signal(signed(OPERAND_WIDTH)), Signal(signed(OPERAND_WIDTH))
        output = Signal(2 * OPERAND_WIDTH)
        m.d.comb += [
            operand_a.eq(activation),
            operand_b.eq(weight),
            self.product_o.eq(output),
        ]
        registers = {"AREG": 1, "BREG": 1, "PIPE_REG": 1, "OUT_REG": 1}
        registers |= {"ASIGN_REG": 0, "BSIGN_REG": 0, "SOA_REG": 0}
        m.submodules.block = Instance(
            "MULT9X9",
            **{f"p_{name}": Const(value, 1) for name, value in registers.items()},
            p_MULT_RESET_MODE="SYNC",
            i_CLK=ClockSignal(),
            i_CE=Const(1),
            i_RESET=Const(0),
            i_A=operand_a,
            i_B=operand_b,
            i_SIA=Const(0, OPERAND_WIDTH),
            i_SIB=Const(0, OPERAND_WIDTH),
            i_ASIGN=Const(1),
            i_BSIGN=Const(1),
            i_ASEL=Const(0),
            i_BSEL=Const(0),
            o_DOUT=output,
        )
        return m
