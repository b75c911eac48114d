# SPDX-License-Identifier: Apache-2.0
"""ECP5: a multiplier block with all its registers."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, signed

from .multiplier import Multiplier

__all__ = ["ECP5Multiplier"]

OPERAND_WIDTH = 18
PRODUCT_WIDTH = 36


class ECP5Multiplier(Multiplier):
    """A MULT18X18D with input, pipeline and output registers, and a register behind it.

    ::

        activation_i --> [A] --.
                                x --> [pipeline] --> [output] --> [product] --> product_o
        weight_i ------> [B] --'
                         | load_i (CE1)

    The weight register is the block's B register. Synthesizers put none of these registers into
    the block by themselves: Yosys' ``synth_ecp5`` leaves all of them outside, which halves the
    frequency. The last register is an ordinary one, since the way from the blocks' rows on the
    die to the adder is long. nextpnr times neither the pipeline register nor the path behind the
    input registers: with every register in use, what it leaves out is not what limits the clock.

    Cost: one MULT18X18D; flip-flops for ``activation_o`` and the product. Signals are those of
    Lattice FPGA-TN-02205, ECP5 sysDSP usage guide.

    Parameters and members are those of `Multiplier`; widths are at most 18.
    """

    latency: ClassVar[int] = 4
    widest: ClassVar[int | None] = OPERAND_WIDTH

    def elaborate(self, platform: Any) -> Module:
        """Build the block and the registers beside it."""
        m = Module()
        activation = Signal(signed(self.activation_width), reset_less=True)
        product = Signal(signed(self.activation_width + self.weight_width), reset_less=True)
        operands = {
            name: Signal(signed(OPERAND_WIDTH), name=f"operand_{name.lower()}") for name in "AB"
        }
        output = Signal(PRODUCT_WIDTH)
        m.d.comb += [
            operands["A"].eq(self.activation_i),
            operands["B"].eq(self.weight_i),
            self.activation_o.eq(activation),
            self.product_o.eq(product),
        ]
        m.d.sync += [activation.eq(self.activation_i), product.eq(output)]

        ports: dict[str, Any] = {"i_SIGNEDA": Const(1), "i_SIGNEDB": Const(1)}
        for name, operand in operands.items():
            ports[f"i_SOURCE{name}"] = Const(0)
            ports |= {f"i_{name}{bit}": operand[bit] for bit in range(OPERAND_WIDTH)}
        ports |= {f"o_P{bit}": output[bit] for bit in range(PRODUCT_WIDTH)}
        enables = [Const(1), self.load_i, Const(0), Const(0)]
        for index, enable in enumerate(enables):
            ports[f"i_CLK{index}"] = Const(0) if index else ClockSignal()
            ports[f"i_CE{index}"] = enable
            ports[f"i_RST{index}"] = Const(0)
        for register in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
            ports[f"p_REG_{register}_CLK"] = "CLK0"
            ports[f"p_REG_{register}_CE"] = "CE1" if register == "INPUTB" else "CE0"
        m.submodules.block = Instance(
            "MULT18X18D", p_GSR="DISABLED", p_RESETMODE="SYNC", **ports
        )
        return m
