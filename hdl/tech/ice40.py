# SPDX-License-Identifier: Apache-2.0
"""iCE40 UltraPlus: two multipliers in one block."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.lib import data

from .multiplier import Multiplier

__all__ = ["ICE40Multiplier"]

OPERAND_WIDTH = 8
LANE_WIDTH = 16


class ICE40Multiplier(Multiplier):
    """An SB_MAC16 as two 8x8 multipliers, with input and pipeline registers.

    ::

        activation_i -+-> [activation] ----------------------> activation_o
                      +-> [A high, A low] --.
                                             x --> [pipeline] --> product_o
        weight_i -------> [B high, B low] --'
                              | load_i

    Operands go straight into the block's registers: the B register, whose hold input is the
    complement of ``load_i``, is the weight. The block has one hold for both of its weights, so both
    lanes get the activation in the same cycle.

    Cost: one SB_MAC16; flip-flops for the activation on its way to the next block, 8 for 8 x 8
    bits. Signals are those of Lattice FPGA-TN-02007, DSP function usage guide for iCE40 devices.

    Parameters and members are those of `Multiplier`; widths are at most 8.
    """

    latency: ClassVar[int] = 2
    lanes: ClassVar[int] = 2
    kind: ClassVar[str] = "_pair"
    widest: ClassVar[int | None] = OPERAND_WIDTH

    def elaborate(self, platform: Any) -> Module:
        """Build the block and the register beside it."""
        m = Module()
        operands = {
            name: Signal(data.ArrayLayout(signed(OPERAND_WIDTH), self.lanes),
                         name=f"operand_{name.lower()}")
            for name in "AB"
        }
        output = Signal(data.ArrayLayout(LANE_WIDTH, self.lanes))
        activation = Signal(signed(self.activation_width), reset_less=True)
        m.d.sync += activation.eq(self.activation_i)
        m.d.comb += self.activation_o.eq(activation)
        for lane in range(self.lanes):
            m.d.comb += [
                operands["A"][lane].eq(self.activation_i),
                operands["B"][lane].eq(self.weight_i[lane]),
                self.product_o[lane].eq(output[lane]),
            ]
        zeros = (
            "CHOLD", "DHOLD", "AHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT",
            "OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI",
            "ACCUMCI", "SIGNEXTIN",
        )
        registers = ("A_REG", "B_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG")
        modes = ("MODE_8x8", "A_SIGNED", "B_SIGNED")
        m.submodules.block = Instance(
            "SB_MAC16",
            **{f"p_{name}": Const(1, 1) for name in registers + modes},
            p_TOPOUTPUT_SELECT=Const(0b10, 2),
            p_BOTOUTPUT_SELECT=Const(0b10, 2),
            i_CLK=ClockSignal(),
            i_CE=Const(1),
            i_A=Cat(operands["A"]),
            i_B=Cat(operands["B"]),
            i_C=Const(0, LANE_WIDTH),
            i_D=Const(0, LANE_WIDTH),
            i_BHOLD=~self.load_i,
            **{f"i_{name}": Const(0) for name in zeros},
            o_O=output.as_value(),
        )
        return m
