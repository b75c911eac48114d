# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of one lane of the vector unit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..memory.bank import MemoryBank
from ..once import Once
from ..requantize.onnx import OnnxRequantizer
from ..requantize.parameters import kept_layout
from ..requantize.tflite import TfliteRequantizer
from ..tech.technology import TECHNOLOGIES

__all__ = ["REQUANTIZERS", "VectorLane"]

REQUANTIZERS: dict[str, Any] = {
    item.convention: item for item in (TfliteRequantizer, OnnxRequantizer)
}
"""The requantizer of each convention."""


class VectorLane(wiring.Component):
    """Window reduction, scaling, zero point, combination with the old value, clamp, table.

    ::

        element -> reduce -> requantize, + zero point -> to 9 bits, with old value -> clamp
                -> table -> o

    Nothing waits. The stages' controls are inputs of their own, each of which belongs to the stage
    at work: ``reduce`` and its companions at cycle 0, the parameters at cycle 1, and so on as
    said below.

    Parameters
    ----------
    convention : str
        ``"tflite"`` or ``"onnx"``.
    multiply : bool
        Shift by multipliers where the requantizer can.
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`, whose adder is used.

    Members
    -------
    reduce, first, sum, element : In
        Cycle 0: an element of a window comes; the first one; add it, or take the larger.
    parameters, bypass : In(kept_layout(convention)), In(1)
        Cycle 1: scale the window by these, or not.
    zero_point : In(signed(8))
        Cycle ``scaled``: added to the result.
    int32, old, add, maximum : In
        Cycle ``scaled + 1``: the result stays an int32 and is added to the old value, or the larger
        of the two is taken; else it becomes an int8.
    clamp_low, clamp_high, keep : In
        Cycle ``limited``: limits, unless ``keep``.
    table_address : Out(8), table_data : In(signed(8))
        Cycle ``limited + 1``, and the memory's latency later.
    look_up : In(1)
        Cycle ``latency``: take the table's answer.
    o : Out(signed(32))
        Cycle ``latency``; of an int8 only the low eight bits have a meaning.
    """

    def __init__(
        self, convention: str, *, multiply: bool = False, family: str = "generic"
    ) -> None:
        self.convention = convention
        self.technology = TECHNOLOGIES[family]
        self.multiply = multiply
        super().__init__(
            {
                "reduce": In(1),
                "first": In(1),
                "sum": In(1),
                "element": In(signed(32)),
                "parameters": In(kept_layout(convention)),
                "bypass": In(1),
                "zero_point": In(signed(8)),
                "int32": In(1),
                "old": In(signed(32)),
                "add": In(1),
                "maximum": In(1),
                "clamp_low": In(signed(8)),
                "clamp_high": In(signed(8)),
                "keep": In(1),
                "table_address": Out(8),
                "table_data": In(signed(8)),
                "look_up": In(1),
                "o": Out(signed(32)),
            }
        )

    @property
    def scaled(self) -> int:
        """Cycle in which the result is scaled and the zero point added."""
        return int(REQUANTIZERS[self.convention].latency)

    @property
    def limited(self) -> int:
        """Cycle in which the result is combined and is clamped."""
        return self.scaled + 3

    @property
    def latency(self) -> int:
        """Cycles from the last ``element`` of a window to ``o``."""
        return self.limited + 1 + MemoryBank.latency

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_vector_lane_{self.convention}"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        requantizer = REQUANTIZERS[self.convention](multiply=self.multiply)
        m.submodules.requantizer = requantizer = Once(requantizer)
        reduced = Signal(signed(32), reset_less=True)
        adds = self.sum & ~self.first
        # The sign bits change places, for a comparison without signs. One bit more decides alone,
        # unless it is equal: whether there is an element, and whether it is taken in any case.
        always = self.reduce & (self.first | self.sum)
        takes = Cat(reduced[:31], self.element[31], ~self.reduce) < Cat(
            self.element[:31], reduced[31], always
        )
        total = self.technology.add_chosen(
            m, "total", self.element, adds, (Const(0, 32), reduced), 32
        )
        with m.If(takes):
            m.d.sync += reduced.eq(total)
        m.d.comb += [
            requantizer.value.eq(reduced),
            requantizer.parameters.eq(self.parameters),
            requantizer.bypass.eq(self.bypass),
            requantizer.offset.eq(self.zero_point),
        ]

        # The larger of two values and their sum are both a sum, once the smaller is cleared. An
        # int8 has no old value. What does not fit nine bits is beyond every limit.
        moved = requantizer.o
        sign = moved[-1]
        fits = self.int32 | (moved[8:] == sign.replicate(25))
        limited = Mux(fits, moved[:9], Cat((~sign).replicate(8), sign))
        larger = Signal()
        m.d.comb += larger.eq(self.old < moved[:32].as_signed())
        value, old = Signal(32, reset_less=True), Signal(32, reset_less=True)
        m.d.sync += [value.eq(Cat(limited, moved[9:32])), old.eq(self.old)]
        with m.If(self.int32 & self.maximum & ~larger):
            m.d.sync += value.eq(0)
        with m.If(~self.int32 | Mux(self.maximum, larger, ~self.add)):
            m.d.sync += old.eq(0)
        combined = Signal(32, reset_less=True)
        m.d.sync += combined.eq(value + old)

        # The upper bits of an int8 are written nowhere.
        finished = Signal(32, reset_less=True)
        nine = combined[:9].as_signed()
        m.d.sync += finished.eq(combined)
        with m.If(~self.keep):
            with m.If(self.clamp_high < nine):
                m.d.sync += finished[:8].eq(self.clamp_high)
            with m.Elif(nine < self.clamp_low):
                m.d.sync += finished[:8].eq(self.clamp_low)

        m.d.comb += self.table_address.eq(finished[:8])
        waiting: Any = finished
        for number in range(MemoryBank.latency):
            stage = Signal(32, name=f"waiting_{number}", reset_less=True)
            m.d.sync += stage.eq(waiting)
            waiting = stage
        m.d.comb += self.o.eq(
            Cat(Mux(self.look_up, self.table_data.as_unsigned(), waiting[:8]), waiting[8:])
        )
        return m
