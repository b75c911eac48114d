# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of one lane of the vector unit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..memory.bank import MemoryBank
from ..once import Once
from ..requantize.onnx import OnnxRequantizer
from ..requantize.parameters import kept_layout
from ..requantize.tflite import TfliteRequantizer

__all__ = ["REQUANTIZERS", "VectorLane"]

REQUANTIZERS: dict[str, Any] = {
    item.convention: item for item in (TfliteRequantizer, OnnxRequantizer)
}
"""The requantizer of each convention."""


class VectorLane(wiring.Component):
    """Window reduction, scaling, zero point, combination with the old value, clamp, table.

    ::

        element -> reduce -> requantize -> + zero point -+-> to 9 bits -> clamp -> table -+-> o
                                                         +-> with old value -------------+

    Nothing waits. The stages' controls are inputs of their own, each of which belongs to the stage
    at work: ``reduce`` and its companions at cycle 0, the parameters at cycle 1, and so on as
    said below.

    Parameters
    ----------
    convention : str
        ``"tflite"`` or ``"onnx"``.

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
        Cycle ``scaled + 2``: limits, unless ``keep``.
    table_address : Out(8), table_data : In(signed(8))
        Cycle ``scaled + 3``, and the memory's latency later.
    look_up : In(1)
        Cycle ``latency``: take the table's answer.
    o : Out(signed(32))
        Cycle ``latency``.
    """

    def __init__(self, convention: str) -> None:
        self.convention = convention
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
        """Cycle in which the scaled result is at hand."""
        return 1 + int(REQUANTIZERS[self.convention].latency)

    @property
    def latency(self) -> int:
        """Cycles from the last ``element`` of a window to ``o``."""
        return self.scaled + 3 + MemoryBank.latency

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_vector_lane_{self.convention}"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.requantizer = requantizer = Once(REQUANTIZERS[self.convention]())
        reduced = Signal(signed(32), reset_less=True)
        larger = Mux(self.element > reduced, self.element, reduced)
        total = (self.element + reduced)[:32].as_signed()
        with m.If(self.reduce):
            m.d.sync += reduced.eq(Mux(self.first, self.element, Mux(self.sum, total, larger)))
        m.d.comb += [
            requantizer.value.eq(reduced),
            requantizer.parameters.eq(self.parameters),
            requantizer.bypass.eq(self.bypass),
        ]

        moved = Signal(signed(33), reset_less=True)
        combined = Signal(signed(32), reset_less=True)
        finished = Signal(signed(32), reset_less=True)
        m.d.sync += moved.eq(requantizer.o + self.zero_point)
        with m.If(self.int32):
            value = moved[:32].as_signed()
            m.d.sync += combined.eq(
                Mux(
                    self.maximum,
                    Mux(value > self.old, value, self.old),
                    value + Mux(self.add, self.old, 0),
                )
            )
        with m.Else():
            # What does not fit nine bits is beyond every limit.
            sign = moved[-1]
            fits = moved[8:] == sign.replicate(25)
            m.d.sync += combined.eq(
                Mux(fits, moved[:9].as_signed(), Cat((~sign).replicate(8), sign).as_signed())
            )
        nine = combined[:9].as_signed()
        with m.If(self.keep):
            m.d.sync += finished.eq(combined)
        with m.Elif(nine > self.clamp_high):
            m.d.sync += finished.eq(self.clamp_high)
        with m.Elif(nine < self.clamp_low):
            m.d.sync += finished.eq(self.clamp_low)
        with m.Else():
            m.d.sync += finished.eq(nine)

        m.d.comb += self.table_address.eq(finished[:8])
        waiting = finished
        for number in range(MemoryBank.latency):
            stage = Signal(signed(32), name=f"waiting_{number}", reset_less=True)
            m.d.sync += stage.eq(waiting)
            waiting = stage
        m.d.comb += self.o.eq(Mux(self.look_up, self.table_data, waiting))
        return m
