# SPDX-License-Identifier: Apache-2.0
"""The oldest of several instructions, for the error report of the watchdog."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..isa import INDEX_WIDTH

__all__ = ["CANDIDATE_LAYOUT", "OldestInstruction"]

CANDIDATE_LAYOUT = data.StructLayout({"valid": unsigned(1), "index": unsigned(INDEX_WIDTH)})
"""An instruction that may be unfinished."""


class OldestInstruction(wiring.Component):
    """Finds the least index among valid candidates, a comparison per stage.

    Parameters
    ----------
    candidates : int
        How many.

    Members
    -------
    i : In(ArrayLayout(CANDIDATE_LAYOUT, candidates))
        The candidates.
    o : Out(24)
        The least index of a valid candidate, ``latency`` cycles later; that of the last candidate
        if none is valid.
    """

    def __init__(self, *, candidates: int) -> None:
        if candidates < 2:
            raise ValueError(f"candidates must be at least 2, not {candidates!r}")
        self.candidates = candidates
        super().__init__(
            {
                "i": In(data.ArrayLayout(CANDIDATE_LAYOUT, candidates)),
                "o": Out(INDEX_WIDTH),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from ``i`` to ``o``."""
        return (self.candidates - 1).bit_length()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        level = [self.i[number] for number in range(self.candidates)]
        for stage in range(self.latency):
            following = []
            for number in range(0, len(level), 2):
                winner = Signal(CANDIDATE_LAYOUT, name=f"winner_{stage}_{number // 2}")
                if number + 1 < len(level):
                    first, second = level[number], level[number + 1]
                    take_first = first.valid & (~second.valid | (first.index < second.index))
                    m.d.sync += [
                        winner.valid.eq(first.valid | second.valid),
                        winner.index.eq(Mux(take_first, first.index, second.index)),
                    ]
                else:
                    m.d.sync += winner.eq(level[number])
                following.append(winner)
            level = following
        m.d.comb += self.o.eq(level[0].index)
        return m
