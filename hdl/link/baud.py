# SPDX-License-Identifier: Apache-2.0
"""How many clock cycles a bit takes, with a fraction where the baud rate needs one."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["Baud"]

LARGEST_FRACTION = 6
GOOD_ERROR = 0.002
"""Share by which a bit may be too long or too short: 2 % of a bit at the end of a byte."""


@dataclass(frozen=True)
class Baud:
    """The length of a bit in clock cycles, rounded to a few binary places.

    Parameters
    ----------
    clock_hz : int
        Frequency of the clock.
    baud : int
        Bits a second.

    Raises
    ------
    ValueError
        If a bit takes fewer than 4 or more than 65535 cycles.
    """

    clock_hz: int
    baud: int

    def __post_init__(self) -> None:
        for name in ("clock_hz", "baud"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        if not 4 <= self.clock_hz / self.baud <= 65535:
            raise ValueError(
                f"baud must be from {-(-self.clock_hz // 65535)} to {self.clock_hz // 4} at a "
                f"clock of {self.clock_hz} Hz (4 to 65535 cycles a bit), not {self.baud}"
            )

    def _rounded(self, fraction: int) -> int:
        return ((self.clock_hz << fraction + 1) // self.baud + 1) // 2

    def _error(self, fraction: int) -> float:
        return abs(self._rounded(fraction) * self.baud / (self.clock_hz << fraction) - 1)

    @property
    def fraction(self) -> int:
        """Binary places of the divisor: as few as bring the error down to 0.2 %."""
        for fraction in range(LARGEST_FRACTION):
            if self._error(fraction) <= GOOD_ERROR:
                return fraction
        return LARGEST_FRACTION

    @property
    def divisor(self) -> int:
        """Clock cycles of a bit times ``2 ** fraction``."""
        return self._rounded(self.fraction)

    @property
    def error(self) -> float:
        """Share by which a bit is too long or too short."""
        return self._error(self.fraction)

    def counter(self, m: Module, name: str, *, restart: Value, first: int) -> Value:
        """A down-counter that marks the end of every bit.

        Parameters
        ----------
        m : Module
            Gets the counter.
        name : str
            Name of its register.
        restart : Value
            While it is high, the counter is held so that the first mark comes after ``first``.
        first : int
            Cycles times ``2 ** fraction``.

        Returns
        -------
        Value
            High for one cycle at the end of every bit.
        """
        step = 1 << self.fraction
        count = Signal(range(max(self.divisor, first)), name=name)
        mark = count[self.fraction :] == 0
        with m.If(restart):
            m.d.sync += count.eq(first - step)
        with m.Else():
            m.d.sync += count.eq(count + Mux(mark, self.divisor - step, -step))
        return mark
