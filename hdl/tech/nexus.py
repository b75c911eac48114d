# SPDX-License-Identifier: Apache-2.0
"""Nexus (CrossLink-NX, Certus-NX): a multiplier block with all its registers."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, signed

from .multiplier import Multiplier

__all__ = ["NexusMultiplier"]

OPERAND_WIDTH = 9


class NexusMultiplier(Multiplier):
    """A MULT9X9 with input and output registers.

    ::

        activation_i --> [activation] --> [A] --.
                                                 x --> [output] --> product_o
        weight_i ------> [weight] ------> [B] --'
                            | load_i

    The weight register is an ordinary one before the block's: the enables of the B registers of two
    multipliers in one block share a wire, and nextpnr puts processing elements of different rows
    into one block, whose nets then take that wire from each other without end.

    Cost: one MULT9X9 (half of a MULT18X18), flip-flops for the activation and the weight. Signals
    are those of Lattice FPGA-TN-02096, sysDSP usage guide for Nexus platform.

    Parameters and members are those of `Multiplier`; widths are at most 9.
    """

    latency: ClassVar[int] = 3
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
        m.submodules.block = Instance(
            "MULT9X9",
            p_REGINPUTA="REGISTER",
            p_REGINPUTB="REGISTER",
            p_REGOUTPUT="REGISTER",
            p_GSR="DISABLED",
            p_RESETMODE="SYNC",
            i_CLK=ClockSignal(),
            i_CEA=Const(1),
            i_CEB=Const(1),
            i_CEOUT=Const(1),
            **{f"i_RST{name}": Const(0) for name in ("A", "B", "OUT")},
            i_SIGNEDA=Const(1),
            i_SIGNEDB=Const(1),
            i_A=operand_a,
            i_B=operand_b,
            o_Z=output,
        )
        return m
