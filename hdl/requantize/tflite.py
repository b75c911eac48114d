# SPDX-License-Identifier: Apache-2.0
"""Scaling by a Q31 multiplier and a power of two, with the double rounding of TensorFlow Lite."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .parameters import kept_layout
from .shift import shift_left, shift_right

__all__ = ["TfliteRequantizer"]

_HALF = 1 << 14
"""2**30, the rounding term of the doubling high multiply, in units of 2**16."""


class TfliteRequantizer(wiring.Component):
    """One lane: ``RDBPOT(SRDHM((value + bias) << left, multiplier), right)``, one value a cycle.

    ::

        + bias -> << 8n -> << n -> 4 products of 17 x 17 bits -> + -> + -> + -> >> 8n -> >> n -> +

    The factors are cut into a signed upper and an unsigned lower half, so that each partial product
    fits a signed 18 x 18 multiplier between two registers. Of their sum only the bits from 31 on
    matter; those below 16 can neither round nor carry. The multiplier has one bit more than int32:
    ``bypass`` multiplies by exactly 2**31, which leaves the value as it is. The right shift keeps
    the last bit it drops and whether an older one was set: that decides the second rounding.

    Sources: gemmlowp, ``fixedpoint/fixedpoint.h`` (SaturatingRoundingDoublingHighMul,
    RoundingDivideByPOT); TensorFlow Lite, ``kernels/internal/common.h``.

    Members
    -------
    value : In(signed(32))
    bypass : In(1)
        Hand the value on unchanged; the parameters are ignored.
    parameters : In(StructLayout(bias, multiplier, left, right))
        Sums and left shifts wrap to int32.
    o : Out(signed(32))
        ``latency`` cycles after ``value``.
    """

    latency: ClassVar[int] = 10
    """Cycles from ``value`` to ``o``."""

    convention: ClassVar[str] = "tflite"

    def __init__(self) -> None:
        super().__init__(
            {
                "value": In(signed(32)),
                "bypass": In(1),
                "parameters": In(kept_layout(self.convention)),
                "o": Out(signed(32)),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_requantizer_tflite"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        given = self.parameters

        def register(shape: Any, value: Any, name: str) -> Signal:
            result = Signal(shape, name=name, reset_less=True)
            m.d.sync += result.eq(value)
            return result

        # 1: bias.
        total = register(signed(32), self.value + Mux(self.bypass, 0, given.bias), "total")
        factor = register(
            signed(33), Mux(self.bypass, Const(1 << 31, signed(33)), given.multiplier.as_signed()),
            "factor_1",
        )
        left = register(5, Mux(self.bypass, 0, given.left), "left_1")
        right = register(5, Mux(self.bypass, 0, given.right), "right_1")

        # 2 and 3: left shift.
        total = register(signed(32), shift_left(total, left[3:], 8), "shifted_2")
        factor = register(signed(33), factor, "factor_2")
        left = register(3, left[:3], "left_2")
        right = register(5, right, "right_2")
        total = register(signed(32), shift_left(total, left, 1), "shifted_3")
        factor = register(signed(33), factor, "factor_3")
        right = register(5, right, "right_3")

        # 4: partial products.
        value_low, value_high = total[:16], total[16:].as_signed()
        factor_low, factor_high = factor[:16], factor[16:].as_signed()
        low = register(32, _product(m, value_low, factor_low, "low"), "low_4")
        middle_a = register(signed(33), _product(m, value_low, factor_high, "a"), "middle_a_4")
        middle_b = register(signed(33), _product(m, value_high, factor_low, "b"), "middle_b_4")
        high = register(signed(32), _product(m, value_high, factor_high, "high"), "high_4")
        right = register(5, right, "right_4")

        # 5 to 7: their sum from bit 31 on, rounded.
        rounding = register(18, low[16:] + Const(_HALF, 15), "rounding_5")
        middle = register(signed(34), middle_a + middle_b, "middle_5")
        high = register(signed(32), high, "high_5")
        right = register(5, right, "right_5")
        middle = register(signed(34), middle + rounding, "middle_6")
        high = register(signed(32), high, "high_6")
        right = register(5, right, "right_6")
        carry = middle[15:].as_signed()
        doubled = register(signed(33), Cat(carry[0], (high + carry[1:].as_signed())[:32]), "high_7")
        right = register(5, right, "right_7")

        # 8 to 10: saturate, shift right, round.
        saturated = Signal(signed(32))
        overflow = doubled[32] ^ doubled[31]
        m.d.comb += saturated.eq(Mux(overflow, Const((1 << 31) - 1, signed(32)), doubled))
        shifted, lost = shift_right(Cat(Const(0, 1), saturated).as_signed(), right[3:], 8)
        shifted = register(signed(33), shifted, "shifted_8")
        lost = register(1, lost, "lost_8")
        right = register(3, right[:3], "right_8")
        more, dropped = shift_right(shifted, right, 1)
        shifted = register(signed(33), more, "shifted_9")
        lost = register(1, lost | dropped, "lost_9")
        up = shifted[0] & (lost | ~shifted[-1])
        result = register(signed(32), shifted[1:].as_signed() + up, "result_10")
        m.d.comb += self.o.eq(result)
        return m


def _product(m: Module, a: Any, b: Any, name: str) -> Signal:
    """The product of two halves, both as signed numbers of 17 bits."""
    left, right = Signal(signed(17), name=f"{name}_left"), Signal(signed(17), name=f"{name}_right")
    result = Signal(signed(34), name=f"{name}_product")
    m.d.comb += [left.eq(a), right.eq(b), result.eq(left * right)]
    return result
