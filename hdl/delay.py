# SPDX-License-Identifier: Apache-2.0
"""A delay of a fixed number of cycles."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Delay"]


class Delay(wiring.Component):
    """A shift register without reset.

    Parameters
    ----------
    width : int
        Bits of a word, at least 1.
    cycles : int
        Cycles from ``i`` to ``o``, at least 1.

    Members
    -------
    i, o : In, Out(width)

    Raises
    ------
    ValueError
        If ``width`` or ``cycles`` is below 1.
    """

    def __init__(self, *, width: int, cycles: int) -> None:
        for name, value in (("width", width), ("cycles", cycles)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.width = width
        self.cycles = cycles
        super().__init__({"i": In(width), "o": Out(width)})

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_delay_{self.cycles}x{self.width}"

    @property
    def latency(self) -> int:
        """Cycles from ``i`` to ``o``."""
        return self.cycles

    def elaborate(self, platform: Any) -> Module:
        """Build the shift register."""
        m = Module()
        line = Signal(self.width * self.cycles, reset_less=True)
        m.d.sync += line.eq(Cat(self.i, line))
        m.d.comb += self.o.eq(line[-self.width :])
        return m
