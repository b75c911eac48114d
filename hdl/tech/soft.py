# SPDX-License-Identifier: Apache-2.0
"""A multiplier of look-up tables, for processing elements that get no multiplier block."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from .multiplier import Multiplier

__all__ = ["SoftMultiplier"]

WEIGHT_WIDTH = 8
"""Bits that three levels of adders take."""


class SoftMultiplier(Multiplier):
    """The sum of a weight's shifted activations, in a tree of adders with a register behind each.

    ::

        activation & weight[0] --+--> [10] --+
        activation & weight[1] --'           +--> [12] --+
        activation & weight[2] --+--> [10] --'           |
        activation & weight[3] --'                       +--> [16] --> product_o
        ...                                              |
        activation & weight[6] --+--> [10] ...       ----'
        activation & weight[7] --' (subtracted: the sign)

    Written with additions only: no synthesizer makes a multiplier block of it. Cost for 8 x 8 bits:
    7 additions of 10 to 12 bits, 96 flip-flops.

    Parameters and members are those of `Multiplier`; ``weight_width`` must be 8.
    """

    latency: ClassVar[int] = 4
    kind: ClassVar[str] = "_soft"

    @classmethod
    def check_widths(cls, activation_width: int, weight_width: int) -> None:
        """Raise ``ValueError`` if the multiplier does not take operands of these widths."""
        super().check_widths(activation_width, weight_width)
        if weight_width != WEIGHT_WIDTH:
            raise ValueError(
                f"weight_width must be {WEIGHT_WIDTH} for {cls.__name__}, not {weight_width!r}"
            )

    def elaborate(self, platform: Any) -> Module:
        """Build the operand registers and the tree."""
        m = Module()
        activation, weight = self._operands(m)

        # The activation times each group of adjacent bits of the weight, 2 bits, then 4, then 8.
        terms = []
        for low in range(0, WEIGHT_WIDTH, 2):
            pair = self._pair(
                m, f"pair_{low}", activation, weight[low], weight[low + 1],
                subtract=low + 2 == WEIGHT_WIDTH,
            )
            terms.append(self._register(m, f"product_{low}", pair.as_signed()))
        span = 2
        while len(terms) > 1:
            joined = []
            for index in range(0, len(terms), 2):
                low, high = terms[index], terms[index + 1]
                name = f"product_{span}x{index // 2}"
                upper = self._add(m, f"{name}_upper", low[span:].as_signed(), high)
                total = Cat(low[:span], upper[: len(high)]).as_signed()
                joined.append(self._register(m, name, total))
            terms, span = joined, 2 * span
        m.d.comb += self.product_o.eq(terms[0])
        return m

    @staticmethod
    def _register(m: Module, name: str, value: Value) -> Signal:
        register = Signal(value.shape(), name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _pair(
        self, m: Module, name: str, activation: Value, one: Value, two: Value, *, subtract: bool
    ) -> Value:
        """The activation times ``one + 2 * two``, or ``one - 2 * two``; two bits wider."""
        first, second = Mux(one, activation, 0), Mux(two, activation, 0) << 1
        return (first - second if subtract else first + second)[: len(activation) + 2]

    def _add(self, m: Module, name: str, low: Value, high: Value) -> Value:
        """The sum of two signed values, at least as wide as ``high``."""
        return low + high
