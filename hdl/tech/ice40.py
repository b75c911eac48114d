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

        activation_i --> [activation 0] --+--> [activation 1] --> activation_o[1]
                                          |           |
                                     [A low]     [A high]
                                          x           x  --> [pipeline] --> product_o
                                     [B low]     [B high]
                                          |           |
        weight_i ----------------> [weight 0]    [weight 1]

    The block has one enable for both of its weights, but the weights change a cycle apart, so the
    weight registers are ordinary ones before the block's own.

    Cost: one SB_MAC16, 32 flip-flops, which are the activations and weights of both lanes. Signals
    are those of Lattice FPGA-TN-02007, DSP function usage guide for iCE40 devices.

    Parameters and members are those of `Multiplier`; widths are at most 8.
    """

    latency: ClassVar[int] = 3
    lanes: ClassVar[int] = 2
    kind: ClassVar[str] = "_pair"
    widest: ClassVar[int | None] = OPERAND_WIDTH

    def elaborate(self, platform: Any) -> Module:
        """Build the block and the registers before it."""
        m = Module()
        activation = Signal(
            data.ArrayLayout(signed(self.activation_width), self.lanes), reset_less=True
        )
        weight = Signal(data.ArrayLayout(signed(self.weight_width), self.lanes), reset_less=True)
        operands = {
            name: Signal(data.ArrayLayout(signed(OPERAND_WIDTH), self.lanes),
                         name=f"operand_{name.lower()}")
            for name in "AB"
        }
        output = Signal(data.ArrayLayout(LANE_WIDTH, self.lanes))
        m.d.sync += [activation[0].eq(self.activation_i), activation[1].eq(activation[0])]
        m.d.comb += self.activation_o.eq(activation)
        for lane in range(self.lanes):
            with m.If(self.load_i[lane]):
                m.d.sync += weight[lane].eq(self.weight_i[lane])
            m.d.comb += [
                operands["A"][lane].eq(activation[lane]),
                operands["B"][lane].eq(weight[lane]),
                self.product_o[lane].eq(output[lane]),
            ]
        zeros = (
            "CHOLD", "DHOLD", "AHOLD", "BHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT",
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
            **{f"i_{name}": Const(0) for name in zeros},
            o_O=output.as_value(),
        )
        return m
