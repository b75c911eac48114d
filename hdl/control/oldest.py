# SPDX-License-Identifier: Apache-2.0
"""The oldest of several instructions, for the error report of the watchdog."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..isa import INDEX_WIDTH
from ..select import choose

__all__ = ["CANDIDATE_LAYOUT", "OldestInstruction"]

CANDIDATE_LAYOUT = data.StructLayout({"valid": unsigned(1), "index": unsigned(INDEX_WIDTH)})
"""An instruction that may be unfinished."""


class OldestInstruction(wiring.Component):
    """Finds the least index among valid candidates, one after the other in rounds without end.

    One comparison serves all candidates: the search matters only after the watchdog's cycles
    without progress, in which they do not change.

    Parameters
    ----------
    candidates : int
        How many.

    Members
    -------
    i : In(ArrayLayout(CANDIDATE_LAYOUT, candidates))
        The candidates.
    o : Out(24)
        The least index of a valid candidate; that of the last candidate if none is valid. Of
        candidates that do not change, from ``latency`` cycles later on.
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
        """Cycles from ``i`` to ``o``: at most a round that has begun, a whole one, and two more."""
        return 2 * self.candidates + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn = Signal(range(self.candidates))
        first, last, ends = Signal(), Signal(), Signal()
        candidate = Signal(CANDIDATE_LAYOUT)  # Whose turn was in the cycle before.
        best = Signal(CANDIDATE_LAYOUT)
        older = ~best.valid | (candidate.index < best.index)
        m.d.comb += ends.eq(turn == self.candidates - 1)
        m.d.sync += [
            turn.eq(Mux(ends, 0, turn + 1)),
            first.eq(turn == 0),
            last.eq(ends),
            candidate.eq(
                choose([self.i[number].as_value() for number in range(self.candidates)], turn)
            ),
        ]
        with m.If(first | (candidate.valid & older) | (last & ~best.valid)):
            m.d.sync += best.eq(candidate)
        with m.If(first):
            m.d.sync += self.o.eq(best.index)
        return m
