# SPDX-License-Identifier: Apache-2.0
"""ECP5: a multiplier block with all its registers."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed

from .multiplier import Multiplier

__all__ = ["ECP5Multiplier"]

OPERAND_WIDTH = 18
PRODUCT_WIDTH = 36


class ECP5Multiplier(Multiplier):
    """A MULT18X18D with input, pipeline and output registers, and a register on each side of it.

    ::

        activation_i --> [activation] --> [A] --.
                                                 x --> [pipeline] --> [output] --> [product] -->
        weight_i ------> [weight] ------> [B] --'                                   product_o
                            | load_i

    Synthesizers put none of these registers into the block by themselves: Yosys' ``synth_ecp5``
    leaves all of them outside, which halves the frequency. The blocks stand in few rows of the die,
    far from most of the logic, so that the wires to and from them are the longest there are:
    registers outside, before and behind the block, leave each such wire a whole cycle. nextpnr
    times neither the pipeline register nor the path behind the input registers: with every register
    in use, what it leaves out is not what limits the clock.

    Operands stand in the upper bits of the block's, above constant zeros, which need no wires: sign
    extension would be 20 more wires to each block for 8 x 8 bits, where wires are scarce.

    Cost: one MULT18X18D; flip-flops for the activation, the weight and the product, 32 for 8 x 8
    bits. Signals are those of Lattice FPGA-TN-02205, ECP5 sysDSP usage guide.

    Parameters and members are those of `Multiplier`; widths are at most 18.
    """

    latency: ClassVar[int] = 5
    widest: ClassVar[int | None] = OPERAND_WIDTH

    def elaborate(self, platform: Any) -> Module:
        """Build the block and the registers beside it."""
        m = Module()
        activation = Signal(signed(self.activation_width), reset_less=True)
        weight = Signal(signed(self.weight_width), reset_less=True)
        product = Signal(signed(self.activation_width + self.weight_width), reset_less=True)
        operands = {
            name: Cat(Const(0, OPERAND_WIDTH - len(value)), value)
            for name, value in (("A", activation), ("B", weight))
        }
        output = Signal(PRODUCT_WIDTH)
        m.d.comb += [self.activation_o.eq(activation), self.product_o.eq(product)]
        m.d.sync += [
            activation.eq(self.activation_i),
            product.eq(output[PRODUCT_WIDTH - len(product) :]),
        ]
        with m.If(self.load_i):
            m.d.sync += weight.eq(self.weight_i)

        ports: dict[str, Any] = {"i_SIGNEDA": Const(1), "i_SIGNEDB": Const(1)}
        for name, operand in operands.items():
            ports[f"i_SOURCE{name}"] = Const(0)
            ports |= {f"i_{name}{bit}": operand[bit] for bit in range(OPERAND_WIDTH)}
        ports |= {f"o_P{bit}": output[bit] for bit in range(PRODUCT_WIDTH)}
        for index in range(4):
            ports[f"i_CLK{index}"] = Const(0) if index else ClockSignal()
            ports[f"i_CE{index}"] = Const(0 if index else 1)
            ports[f"i_RST{index}"] = Const(0)
        for register in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
            ports[f"p_REG_{register}_CLK"] = "CLK0"
            ports[f"p_REG_{register}_CE"] = "CE0"
        m.submodules.block = Instance(
            "MULT18X18D", p_GSR="DISABLED", p_RESETMODE="SYNC", **ports
        )
        return m
