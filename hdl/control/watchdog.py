# SPDX-License-Identifier: Apache-2.0
"""The watchdog: notices that nothing has moved for a while."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Watchdog"]


class Watchdog(wiring.Component):
    """Counts cycles without progress.

    Members
    -------
    limit : In(32)
        Cycles; 0 never expires. Constant while ``active``.
    active : In(1)
        Count; otherwise the count starts over.
    progress : In(1)
        Something moved: the count starts over.
    expired : Out(1)
        For one cycle, after ``limit`` + 1 consecutive cycles without progress; again after as
        many more.
    """

    def __init__(self) -> None:
        super().__init__({"limit": In(32), "active": In(1), "progress": In(1), "expired": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counting, more, last = Signal(), Signal(), Signal()
        remaining = Signal.like(self.limit)
        m.d.sync += counting.eq(self.active & ~self.progress)
        m.d.comb += [
            more.eq(remaining[1:].any()),
            last.eq(counting & ~more & remaining[0]),
        ]
        with m.If(counting & more):
            m.d.sync += remaining.eq(remaining - 1)
        with m.Else():
            m.d.sync += remaining.eq(self.limit)
        m.d.sync += self.expired.eq(last & self.active & ~self.progress)
        return m
