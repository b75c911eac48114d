# SPDX-License-Identifier: Apache-2.0
"""The multiplier that every synthesizer can map: one multiplication between registers."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Signal, signed

from .multiplier import Multiplier

__all__ = ["GenericMultiplier"]


class GenericMultiplier(Multiplier):
    """A multiplication between registers, left to the synthesizer.

    Cost: what the synthesizer makes of it. Operand and product registers fit most multiplier
    blocks. Parameters and members are those of `Multiplier`.
    """

    latency: ClassVar[int] = 2

    def elaborate(self, platform: Any) -> Module:
        """Build three registers around the multiplication."""
        m = Module()
        activation, weight = self._operands(m)
        product = Signal(signed(self.activation_width + self.weight_width), reset_less=True)
        m.d.sync += product.eq(activation * weight)
        m.d.comb += self.product_o.eq(product)
        return m
