# SPDX-License-Identifier: Apache-2.0
"""Triangles of registers that slant a vector in time, or straighten a slanted one."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .delay import Delay
from .once import Once

__all__ = ["BLOCK_SIZE", "Skew", "blocks"]

BLOCK_SIZE = 16
"""Most elements that are skewed in one piece; see :func:`blocks`."""


def blocks(count: int) -> list[slice]:
    """Cut ``count`` elements into the fewest blocks of at most ``BLOCK_SIZE``, of like sizes.

    Long vectors are handled in such blocks, so that equal ones are described once: a triangle of
    256 elements described bit by bit takes seconds to generate.
    """
    number = -(-count // BLOCK_SIZE)
    size, larger = divmod(count, number)
    starts = [block * size + min(block, larger) for block in range(number + 1)]
    return [slice(*pair) for pair in zip(starts[:-1], starts[1:], strict=True)]


class Skew(wiring.Component):
    """Delays element k of a vector by k cycles, or by ``count - 1 - k``.

    Each stage is one register as wide as the elements that still have to wait::

        i[0] ---------------------------> o[0]      i[0] --> [       ]   [       ] --> o[0]
        i[1] --> [       ] -------------> o[1]               [stage_1]   [       ]
        i[2] --> [stage_1] --> [stage_2]> o[2]      i[1] --------------> [stage_2] --> o[1]
                                                    i[2] ----------------------------> o[2]
                 reverse=False                               reverse=True

    A vector of several blocks (see :func:`blocks`) is skewed block by block; each block waits for
    those before it (or after it) in delay lines. Cost: ``width * count * (count - 1) / 2``
    flip-flops in either case. They have no reset.

    Parameters
    ----------
    count : int
        Elements of the vector, at least 1.
    width : int
        Bits of an element.
    reverse : bool
        Delay element k by ``count - 1 - k`` cycles: undoes a slant.

    Members
    -------
    i, o : In, Out(ArrayLayout(signed(width), count))

    Raises
    ------
    ValueError
        If ``count`` or ``width`` is below 1.
    """

    def __init__(self, *, count: int, width: int, reverse: bool = False) -> None:
        for name, value in (("count", count), ("width", width)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.count = count
        self.width = width
        self.reverse = reverse
        vector = data.ArrayLayout(signed(width), count)
        super().__init__({"i": In(vector), "o": Out(vector)})

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_{'deskew' if self.reverse else 'skew'}_{self.count}x{self.width}"

    def latency(self, element: int) -> int:
        """Cycles by which ``element`` is delayed."""
        return self.count - 1 - element if self.reverse else element

    def elaborate(self, platform: Any) -> Module:
        """Build one triangle, or several with delay lines between."""
        m = Module()
        if self.count > BLOCK_SIZE:
            self._elaborate_blocks(m)
        elif self.reverse:
            self._elaborate_reverse(m)
        else:
            self._elaborate_forward(m)
        return m

    def _elaborate_blocks(self, m: Module) -> None:
        cuts = blocks(self.count)
        for number, cut in enumerate(cuts):
            width = (cut.stop - cut.start) * self.width
            waiting: Value = self.i[cut].as_value()
            for step, other in enumerate(cuts[number + 1 :] if self.reverse else cuts[:number]):
                delay = Once(Delay(width=width, cycles=other.stop - other.start))
                m.submodules[f"delay_{number}_{step}"] = delay
                m.d.comb += delay.i.eq(waiting)
                waiting = delay.o
            m.submodules[f"skew_{number}"] = skew = Once(
                Skew(count=cut.stop - cut.start, width=self.width, reverse=self.reverse)
            )
            m.d.comb += [skew.i.eq(waiting), self.o[cut].eq(skew.o)]

    def _elaborate_forward(self, m: Module) -> None:
        waiting: Value = self.i.as_value()
        for element in range(1, self.count):
            stage = Signal(len(waiting) - self.width, name=f"stage_{element}", reset_less=True)
            m.d.comb += self.o[element - 1].eq(waiting[: self.width])
            m.d.sync += stage.eq(waiting[self.width :])
            waiting = stage
        m.d.comb += self.o[-1].eq(waiting)

    def _elaborate_reverse(self, m: Module) -> None:
        arrived: Value = self.i[0]
        for element in range(1, self.count):
            stage = Signal(element * self.width, name=f"stage_{element}", reset_less=True)
            m.d.sync += stage.eq(arrived)
            arrived = Cat(stage, self.i[element])
        m.d.comb += self.o.eq(arrived)
