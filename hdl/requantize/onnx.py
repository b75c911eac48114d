# SPDX-License-Identifier: Apache-2.0
"""Scaling by a float32 factor with round half to even, as ONNX's quantized operators define it."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..once import Once
from ..units.delay_line import DelayLine
from .parameters import kept_layout
from .shift import shift_left, shift_right

__all__ = ["OnnxRequantizer"]

_EXPONENT = 10
"""Bits of a signed exponent on its way."""

_INTEGER = 8 - 23
"""The exponent of a mantissa's lowest bit where its product is the integer part of 2**31."""


class OnnxRequantizer(wiring.Component):
    """One lane: ``saturate(rint(float32(value + bias) * scale))``, one value a cycle.

    ::

        + bias -> |x| -> << 8n -> << n -> round to 24 bits -> 4 products of 12 x 12 bits -> sums
               -> normalize -> round to 24 bits -> >> 8n -> >> n -> round to integer -> sign

    Every step rounds to nearest, ties to even, as IEEE 754 wants it of a conversion, a product and
    a rounding to integer. Subnormal numbers count as zero, which changes no result: with any int32
    they give a product far below one half. Infinities and NaN are not scales.

    Parameters
    ----------
    multiply : bool
        Of no effect here: the shifts are of multiplexers.

    Members
    -------
    value : In(signed(32))
    bypass : In(1)
        Hand the value on unchanged; the parameters are ignored.
    parameters : In(StructLayout(bias, multiplier))
        ``multiplier`` holds the bits of the scale. The sum with the bias wraps to int32.
    offset : In(signed(8))
        Added to the result; ``latency - 1`` cycles after ``value``.
    o : Out(signed(33))
        ``latency`` cycles after ``value``; products beyond int32 saturate.
    """

    latency: ClassVar[int] = 17
    """Cycles from ``value`` to ``o``."""

    convention: ClassVar[str] = "onnx"

    def __init__(self, *, multiply: bool = False) -> None:
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
        return "weft_requantizer_onnx"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()

        def register(shape: Any, value: Any, name: str) -> Signal:
            result = Signal(shape, name=name, reset_less=True)
            m.d.sync += result.eq(value)
            return result

        # What goes around the arithmetic: a bypassed value.
        m.submodules.around = around = Once(DelayLine(33, delay=self.latency - 2))
        m.d.comb += [around.i_valid.eq(1), around.i_payload.eq(Cat(self.value, self.bypass))]

        # 1 and 2: bias, magnitude. The scale waits until the product.
        scale = self.parameters.multiplier
        total = register(signed(32), self.value + self.parameters.bias, "total")
        negative = register(1, total[-1], "negative_2")
        magnitude = register(32, Mux(total[-1], -total, total)[:32], "magnitude_2")
        for number in range(1, 6):
            scale = register(32, scale, f"scale_{number}")

        # 3 and 4: shift the highest set bit to bit 31; the exponent counts down from there.
        empty = [~magnitude[24:].any(), ~magnitude[16:].any(), ~magnitude[8:].any()]
        places = Signal(2)
        m.d.comb += places.eq(Mux(empty[2], 3, Mux(empty[1], 2, empty[0])))
        mantissa = register(32, shift_left(magnitude, places, 8), "mantissa_3")
        coarse = register(2, places, "places_3")
        fine = Signal(3)
        with m.If(~mantissa[24]):
            m.d.comb += fine.eq(7)
        for bit in range(24, 32):
            with m.If(mantissa[bit]):
                m.d.comb += fine.eq(31 - bit)
        zero = register(1, ~mantissa[24:].any(), "zero_4")
        mantissa = register(32, shift_left(mantissa, fine, 1), "mantissa_4")
        places = register(5, Cat(fine, coarse), "places_4")

        # 5: to 24 bits. All ones round up to the next power of two.
        up = mantissa[7] & (mantissa[:7].any() | mantissa[8])
        rounded = register(25, mantissa[8:] + up, "rounded_5")
        exponent = register(signed(_EXPONENT), 31 - places, "exponent_5")
        zero = register(1, zero, "zero_5")

        # 6 to 9: product of the mantissas, 48 bits with the highest set bit in bit 46 or 47.
        first = Signal(24)
        second = Signal(24)
        m.d.comb += [
            first.eq(Mux(rounded[24], 1 << 23, rounded[:24])),
            second.eq(Cat(scale[:23], 1)),
        ]
        low = register(24, first[:12] * second[:12], "low_6")
        middle_a = register(24, first[:12] * second[12:], "middle_a_6")
        middle_b = register(24, first[12:] * second[:12], "middle_b_6")
        high = register(24, first[12:] * second[12:], "high_6")
        zero = register(1, zero | (scale[23:31] == 0), "zero_6")
        # Of the lowest bit of the product's 24-bit mantissa, were bit 46 its highest.
        exponent = register(signed(_EXPONENT), exponent + rounded[24], "exponent_6")
        power = register(signed(_EXPONENT), scale[23:31] - (127 + 23), "power_6")
        flips = register(1, scale[31], "flips_6")

        middle = register(25, middle_a + middle_b, "middle_7")
        low = register(24, low, "low_7")
        high = register(24, high, "high_7")
        zero = register(1, zero, "zero_7")
        exponent = register(signed(_EXPONENT), exponent + power, "exponent_7")
        middle = register(26, middle + low[12:], "middle_8")
        low = register(12, low[:12], "low_8")
        high = register(24, high, "high_8")
        upper = register(24, (high + middle[12:])[:24], "upper_9")
        lower = register(24, Cat(low, middle[:12]), "lower_9")

        # 10 and 11: normalize, round to 24 bits.
        product = Cat(lower, upper)
        tall = product[47]
        mantissa = register(24, Mux(tall, product[24:], product[23:47]), "mantissa_10")
        half = register(1, Mux(tall, product[23], product[22]), "half_10")
        rest = register(1, product[:22].any() | (tall & product[22]), "rest_10")
        for number in (8, 9):
            exponent = register(signed(_EXPONENT), exponent, f"exponent_{number}")
            zero = register(1, zero, f"zero_{number}")
        exponent = register(signed(_EXPONENT), exponent + tall, "exponent_10")
        zero = register(1, zero, "zero_10")
        mantissa = register(25, mantissa + (half & (rest | mantissa[0])), "mantissa_11")
        # Right shift that brings the lowest bit of mantissa << 8 to the weight of one.
        distance = register(signed(_EXPONENT), 8 - exponent, "distance_11")
        zero = register(1, zero, "zero_11")

        # 12 to 14: to an integer.
        integer = Cat(Const(0, 9), Mux(mantissa[24], 1 << 23, mantissa[:24]))
        amount = register(signed(_EXPONENT), distance - mantissa[24], "amount_12")
        integer = register(33, integer, "integer_12")
        zero = register(1, zero, "zero_12")
        gone = zero | (amount > 33)
        shifted, lost = shift_right(integer, amount[3:6], 8)
        shifted = register(33, Mux(gone, 0, shifted), "shifted_13")
        lost = register(1, lost, "lost_13")
        beyond = register(1, ~zero & (amount <= 0), "beyond_13")
        amount = register(3, amount[:3], "amount_13")
        shifted, dropped = shift_right(shifted, amount, 1)
        shifted = register(33, shifted, "shifted_14")
        lost = register(1, lost | dropped, "lost_14")
        beyond = register(1, beyond, "beyond_14")

        # 15 to 17: round, saturate, sign; or the bypassed value; plus the offset.
        whole = register(32, (shifted[1:] + (shifted[0] & (lost | shifted[1])))[:32], "whole_15")
        beyond = register(1, beyond, "beyond_15")
        for number in range(3, 7):
            negative = register(1, negative, f"negative_{number}")
        negative = register(1, negative ^ flips, "negative_7")
        for number in range(8, 16):
            negative = register(1, negative, f"negative_{number}")
        bypassed, bypass = around.o_payload[:32], around.o_payload[32]
        limit = Mux(negative, Const(1 << 31, 32), Const((1 << 31) - 1, 32))
        result = register(
            signed(32),
            Mux(bypass, bypassed, Mux(beyond, limit, (whole ^ negative.replicate(32)) + negative)),
            "result_16",
        )
        m.d.comb += self.o.eq(register(signed(33), result + self.offset, "result_17"))
        return m
