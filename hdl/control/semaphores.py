# SPDX-License-Identifier: Apache-2.0
"""The counting semaphores that order the units."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus import ERROR_LAYOUT
from ..config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM
from ..isa import INDEX_WIDTH, ErrorCode

__all__ = ["REQUEST_LAYOUT", "SIGNAL_LAYOUT", "Semaphores"]

REQUEST_LAYOUT = data.StructLayout({"valid": unsigned(1), "mask": unsigned(SEMAPHORE_COUNT)})
"""A gate's wish to take one count from every semaphore in ``mask``."""

SIGNAL_LAYOUT = data.StructLayout(
    {"mask": unsigned(SEMAPHORE_COUNT), "index": unsigned(INDEX_WIDTH)}
)
"""Semaphores to add one count to, and the instruction that does so."""


class Semaphores(wiring.Component):
    """Counts signals, grants waits.

    Any number of sources may signal in a cycle. A semaphore signalled in cycle t can be granted in
    t + 2. One request is granted at a time: the first in the list whose semaphores all hold a
    count. The counts lag a cycle behind grants, so none is granted in the cycle after a grant; and
    the flag "at least one" is registered with the count, so that a grant is a few levels of logic.

    An overflow is a signal to a semaphore that holds 63 counts, unless a grant in the same cycle
    takes one from it. The error names the lowest such semaphore and an instruction that signalled
    in that very cycle; of several, the last in the list of sources that signalled a semaphore which
    all of them together could overflow (so it may, at worst, be the one that nearly overflowed
    another semaphore).

    Parameters
    ----------
    requests : int
        Gates, the most urgent first.
    sources : int
        Signal sources, at most 63.

    Members
    -------
    request : In(ArrayLayout(REQUEST_LAYOUT, requests))
        Held until granted, and the mask for a cycle more.
    grant : Out(requests)
        At most one bit is set; combinational from ``request``.
    signal : In(ArrayLayout(SIGNAL_LAYOUT, sources))
        One-cycle masks.
    clear : In(1)
        Set all counts to zero.
    halt : In(1)
        Count no signal, and from the next cycle on grant nothing.
    quiet : Out(1)
        No signal of the cycle before is still to be counted.
    error : Out(ERROR_LAYOUT)
        SEMAPHORE_OVERFLOW, three cycles after the signal; the address is the semaphore's number.

    Raises
    ------
    ValueError
        If there is no source, or more than a semaphore's maximum.
    """

    def __init__(self, *, requests: int, sources: int) -> None:
        if not 1 <= sources <= SEMAPHORE_MAXIMUM:
            raise ValueError(f"sources must be from 1 to {SEMAPHORE_MAXIMUM}, not {sources!r}")
        self.requests = requests
        self.sources = sources
        super().__init__(
            {
                "request": In(data.ArrayLayout(REQUEST_LAYOUT, requests)),
                "grant": Out(requests),
                "signal": In(data.ArrayLayout(SIGNAL_LAYOUT, sources)),
                "clear": In(1),
                "halt": In(1),
                "quiet": Out(1),
                "error": Out(ERROR_LAYOUT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        signalled = [Signal(SEMAPHORE_COUNT, name=f"signalled_{n}") for n in range(self.sources)]
        taken = Signal(SEMAPHORE_COUNT)
        available = Signal(SEMAPHORE_COUNT)
        overflow = Signal(SEMAPHORE_COUNT)
        near_maximum = Signal(SEMAPHORE_COUNT)
        granted = Signal(self.requests)
        blocked, clearing = Signal(), Signal()
        m.d.sync += [
            granted.eq(self.grant),
            clearing.eq(self.clear),
            blocked.eq(self.grant.any() | self.clear | self.halt),
        ]
        for number, request in enumerate(self.request):
            with m.If(granted[number]):
                m.d.comb += taken.eq(request.mask)
        for number in range(SEMAPHORE_COUNT):
            count = Signal(range(SEMAPHORE_MAXIMUM + 1), name=f"count_{number}")
            following = Signal(
                range(SEMAPHORE_MAXIMUM + self.sources + 1), name=f"following_{number}"
            )
            added = [source[number] for source in signalled]
            m.d.comb += [
                following.eq(count + _difference(added, taken[number])),
                # The maximum is one below a power of two: no comparison needs a carry chain.
                near_maximum[number].eq(count[(self.sources - 1).bit_length() :].all()),
            ]
            m.d.sync += [
                count.eq(following),
                # As `following` would say, which is never negative.
                available[number].eq(
                    Cat(added, count[1:]).any() | (count[0] & ~taken[number])
                ),
                overflow[number].eq(following[len(count) :].any()),
            ]
            with m.If(clearing):
                m.d.sync += [count.eq(0), available[number].eq(0)]

        eligible = Signal(self.requests)
        m.d.comb += self.grant.eq(eligible & ~(eligible - 1)[: self.requests])
        for number, request in enumerate(self.request):
            m.d.comb += eligible[number].eq(
                request.valid & (~request.mask | available).all() & ~blocked
            )

        for mask, source in zip(signalled, self.signal, strict=True):
            m.d.sync += mask.eq(Mux(self.halt, 0, source.mask))
        m.d.comb += self.quiet.eq(~Cat(signalled).any())
        self._report(m, signalled, near_maximum, overflow)
        return m

    def _report(
        self, m: Module, signalled: list[Signal], near_maximum: Signal, overflow: Signal
    ) -> None:
        """The error of an overflow, from the cycle's sources and the overflowing semaphores."""
        chosen = Signal(INDEX_WIDTH)
        for number, mask in enumerate(signalled):
            index = Signal(INDEX_WIDTH, name=f"index_{number}")
            index_late = Signal(INDEX_WIDTH, name=f"index_{number}_late")
            near = Signal(name=f"near_{number}")
            m.d.sync += [
                index.eq(self.signal[number].index),
                index_late.eq(index),
                near.eq((mask & near_maximum).any()),
            ]
            with m.If(near):
                m.d.comb += chosen.eq(index_late)
        lowest = Signal(range(SEMAPHORE_COUNT))
        for number in reversed(range(SEMAPHORE_COUNT)):
            with m.If(overflow[number]):
                m.d.comb += lowest.eq(number)
        m.d.comb += self.error.code.eq(ErrorCode.SEMAPHORE_OVERFLOW)
        m.d.sync += [
            self.error.valid.eq(overflow.any()),
            self.error.index.eq(chosen),
            self.error.address.eq(lowest),
        ]


def _difference(ones: Sequence[Value], taken: Value) -> Value:
    """How many of ``ones`` are set, less one if ``taken``: signed, and without carry chains."""
    total: list[Value] = []
    for one in ones:
        carry = one
        for place, bit in enumerate(total):
            total[place], carry = bit ^ carry, bit & carry
        if 1 << len(total) <= len(ones):
            total.append(carry)
    borrow = taken
    for place, bit in enumerate(total):
        total[place], borrow = bit ^ borrow, ~bit & borrow
    return Cat(total, borrow).as_signed()
