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

        + bias -> << 16n -> << n -> 4 products of 17 x 17 bits -> + -> + -> + -> saturate
               -> >> 16n -> >> n -> + rounding + offset

    The factors are cut into a signed upper and an unsigned lower half, so that each partial product
    fits a signed 18 x 18 multiplier between two registers. Of their sum only the bits from 31 on
    matter; those below 16 can neither round nor carry. The multiplier has one bit more than int32:
    ``bypass`` multiplies by exactly 2**31, which leaves the value as it is. The right shift keeps
    the last bit it drops and whether an older one was set: that decides the second rounding.

    Sources: gemmlowp, ``fixedpoint/fixedpoint.h`` (SaturatingRoundingDoublingHighMul,
    RoundingDivideByPOT); TensorFlow Lite, ``kernels/internal/common.h``.

    Parameters
    ----------
    multiply : bool
        Shift by multipliers, four more of 18 bits, instead of by multiplexers.

    Members
    -------
    value : In(signed(32))
    bypass : In(1)
        Hand the value on unchanged; the parameters must be zero.
    parameters : In(StructLayout(bias, multiplier, left, right))
        Sums and left shifts wrap to int32.
    offset : In(signed(8))
        Added to the result; ``latency - 1`` cycles after ``value``.
    o : Out(signed(33))
        ``latency`` cycles after ``value``.
    """

    latency: ClassVar[int] = 13
    """Cycles from ``value`` to ``o``."""

    convention: ClassVar[str] = "tflite"

    def __init__(self, *, multiply: bool = False) -> None:
        self.multiply = multiply
        super().__init__(
            {
                "value": In(signed(32)),
                "bypass": In(1),
                "parameters": In(kept_layout(self.convention)),
                "offset": In(signed(8)),
                "o": Out(signed(33)),
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

        def delay(shape: Any, value: Any, name: str, stages: range) -> Any:
            for stage in stages:
                value = register(shape, value, f"{name}_{stage}")
            return value

        # 1: bias. A multiplier of zero and the bypass make 2**31.
        total = register(signed(32), self.value + given.bias, "total")
        upper = Cat(given.multiplier[31] | self.bypass, given.multiplier[31])
        factor = delay(
            signed(33), Cat(given.multiplier[:31], upper).as_signed(), "factor", range(1, 5)
        )
        right = delay(5, given.right, "right", range(1, 10))

        # 2 to 4: left shift.
        shifted = self._shift_left(m, register, total, register(5, given.left, "left_1"))

        # 5: partial products.
        value_low, value_high = shifted[:16], shifted[16:].as_signed()
        factor_low, factor_high = factor[:16], factor[16:].as_signed()
        low = register(32, _product(m, value_low, factor_low, "low"), "low_5")
        middle_a = register(signed(33), _product(m, value_low, factor_high, "a"), "middle_a_5")
        middle_b = register(signed(33), _product(m, value_high, factor_low, "b"), "middle_b_5")
        high = register(signed(32), _product(m, value_high, factor_high, "high"), "high_5")

        # 6 to 8: their sum from bit 31 on, rounded.
        rounding = register(18, low[16:] + Const(_HALF, 15), "rounding_6")
        middle = register(signed(34), middle_a + middle_b, "middle_6")
        high = delay(signed(32), high, "high", range(6, 8))
        middle = register(signed(34), middle + rounding, "middle_7")
        carry = middle[15:].as_signed()
        doubled = register(signed(33), Cat(carry[0], (high + carry[1:].as_signed())[:32]), "high_8")

        # 9: saturate. Only the square of -2**31 does not fit.
        saturated = Signal(signed(32), reset_less=True)
        m.d.sync += saturated.eq(doubled)
        with m.If(doubled[32] ^ doubled[31]):
            m.d.sync += saturated.eq((1 << 31) - 1)

        # 10 to 13: shift right, round, add the offset.
        shifted, lost = self._shift_right(m, register, saturated, right)
        up = shifted[0] & (lost | ~shifted[-1])
        result = register(
            signed(34),
            Cat(Const(1, 1), shifted[1:]).as_signed() + Cat(up, self.offset).as_signed(),
            "result_13",
        )
        m.d.comb += self.o.eq(result[1:].as_signed())
        return m

    def _shift_left(self, m: Module, register: Any, value: Any, amount: Any) -> Any:
        """Stages 2 to 4: by 16, then by the rest."""
        lower = Signal(16, name="shifted_2_low", reset_less=True)
        m.d.sync += lower.eq(value[:16])
        with m.If(amount[4]):
            m.d.sync += lower.eq(0)
        upper = register(16, Mux(amount[4], value[:16], value[16:]), "shifted_2_high")
        if self.multiply:
            power = register(16, 1 << amount[:4], "left_power_2")
            low = register(32, _product(m, lower, power, "left_low"), "left_low_3")
            high = register(16, _product(m, upper, power, "left_high"), "left_high_3")
            return register(32, Cat(low[:16], low[16:] | high), "shifted_4")
        amount = register(4, amount[:4], "left_2")
        value = register(32, shift_left(Cat(lower, upper), amount[2:], 4), "shifted_3")
        amount = register(2, amount[:2], "left_3")
        return register(32, shift_left(value, amount, 1), "shifted_4")

    def _shift_right(self, m: Module, register: Any, value: Any, amount: Any) -> tuple[Any, Any]:
        """Stages 10 to 12: the value with one more bit, the last that was dropped, below it; and
        whether any bit dropped before that was set."""
        extended = Cat(Const(0, 1), value).as_signed()
        coarse = register(
            signed(33), Mux(amount[4], extended >> 16, extended), "shifted_10"
        )
        lost = register(1, amount[4] & extended[:16].any(), "lost_10")
        if self.multiply:
            # The lower half's bits from 16 on are none of those of the upper half's product.
            power = register(16, Cat(amount[:4] == 15 - bit for bit in range(16)), "power_10")
            upper = _product(m, coarse[16:].as_signed(), power, "right_high")
            lower = register(32, _product(m, coarse[:16], power, "right_low"), "right_low_11")
            upper = register(signed(33), upper, "right_high_11")
            lost = register(1, lost, "lost_11")
            shifted = Cat(lower[15], lower[16:31] | upper[:15], upper[15:32])
            return (
                register(signed(33), shifted, "shifted_12"),
                register(1, lost | lower[:15].any(), "lost_12"),
            )
        amount = register(4, amount[:4], "right_10")
        more, dropped = shift_right(coarse, amount[2:], 4)
        lost = register(1, lost | dropped, "lost_11")
        shifted = register(signed(33), more, "shifted_11")
        more, dropped = shift_right(shifted, register(2, amount[:2], "right_11"), 1)
        return (
            register(signed(33), more, "shifted_12"),
            register(1, lost | dropped, "lost_12"),
        )


def _product(m: Module, a: Any, b: Any, name: str) -> Signal:
    """The product of two halves, both as signed numbers of 17 bits."""
    left, right = Signal(signed(17), name=f"{name}_left"), Signal(signed(17), name=f"{name}_right")
    result = Signal(signed(34), name=f"{name}_product")
    m.d.comb += [left.eq(a), right.eq(b), result.eq(left * right)]
    return result
