# SPDX-License-Identifier: Apache-2.0
"""Xilinx 7 series: a multiplication that Vivado and Yosys pack into a DSP48E1."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Signal, signed

from .multiplier import Multiplier

__all__ = ["Xilinx7Multiplier"]


class Xilinx7Multiplier(Multiplier):
    """A multiplication between the registers that a DSP48E1 has.

    ::

        activation_i --> [A] --.
                                x --> [M] --> product_o
        weight_i ------> [B] --'
                         | load_i (CEB)

    The adder of the processing element and its register become the block's own (C input, P
    register). The attribute ``use_dsp`` keeps Vivado from choosing look-up tables for operands this
    narrow.

    Cost: one DSP48E1 with the adder; flip-flops for ``activation_o``. Names are those of Xilinx
    UG479, 7 series DSP48E1 slice.

    Parameters and members are those of `Multiplier`; widths are at most 18.
    """

    latency: ClassVar[int] = 2
    widest: ClassVar[int | None] = 18

    def elaborate(self, platform: Any) -> Module:
        """Build three registers around the multiplication."""
        m = Module()
        activation, weight = self._operands(m)
        product = Signal(
            signed(self.activation_width + self.weight_width), reset_less=True,
            attrs={"use_dsp": "yes"},
        )
        m.d.sync += product.eq(activation * weight)
        m.d.comb += self.product_o.eq(product)
        return m
