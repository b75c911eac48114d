# SPDX-License-Identifier: Apache-2.0
"""The life of a run: start, done, first error, drain, soft reset."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..bus import ERROR_LAYOUT
from ..config import SEMAPHORE_COUNT
from ..isa import INDEX_WIDTH, ErrorCode, ErrorSource
from ..once import Once
from .watchdog import Watchdog

__all__ = ["FAULT_LAYOUT", "REPORTERS", "STATUS_LAYOUT", "Supervisor", "address_bits"]

CODE_BITS = bits_for(max(code.value for code in ErrorCode))
"""Bits of an error's code that are not always zero."""

REPORTERS = tuple(source for source in ErrorSource if source is not ErrorSource.WATCHDOG)
"""Sources whose errors come in from outside, in the order in which they win."""

FAULT_LAYOUT = data.StructLayout(
    {
        "code": ErrorCode,
        "source": unsigned(4),
        "index": unsigned(INDEX_WIDTH),
        "address": unsigned(64),
    }
)
"""The first error of a run, as the error registers show it."""

STATUS_LAYOUT = data.StructLayout(
    {
        "running": unsigned(1),
        "done": unsigned(1),
        "error": unsigned(1),
        "draining": unsigned(1),
        "resetting": unsigned(1),
    }
)
"""The fields of the STATUS register, in their order."""


def address_bits(source: ErrorSource, address_width: int) -> int:
    """Bits of a source's error address that are not always zero (see `ERROR_DOCUMENTATION`);
    ``address_width`` is that of AXI."""
    return {
        ErrorSource.FETCH: 64,
        ErrorSource.LOAD: max(32, address_width),
        ErrorSource.STORE: max(32, address_width),
        ErrorSource.MATMUL: 32,
        ErrorSource.VECTOR: 32,
        ErrorSource.SEMAPHORES: (SEMAPHORE_COUNT - 1).bit_length(),
    }.get(source, 0)


class Supervisor(wiring.Component):
    """Decides when a run ends and how.

    ::

        REST --start--> RUN --all idle--> REST                      (done, interrupt)
                         |--error--> DRAIN --idle, watchdog--> STOPPED  (error, interrupt)
        any state --soft_reset--> RESETTING --idle--> RESET --> REST

    An error in cycle t raises ``halt`` in t + 1, and ``fault`` shows it; of several in one cycle
    the source with the lowest number wins, and later ones are ignored. ``halt`` stays until the
    soft reset.
    What idles counts as idle after two cycles, so that nothing on its way is overlooked.

    Parameters
    ----------
    address_width : int
        Bits of an AXI address. Of an error's address, only `address_bits` are looked at.

    Members
    -------
    start : In(1)
        Run the program; only while ``startable``.
    soft_reset : In(1)
        Drain, then reset the units, from any state.
    startable : Out(1)
        At rest and without error.
    watchdog_limit : In(32)
        Cycles without progress that end a run, or the wait for its drain.
    progress : In(1)
        Something moved.
    oldest : In(24)
        Index that a NO_PROGRESS error names.
    finished : In(1)
        Nothing of the program is left before the units.
    idle : In(1)
        Every unit and every AXI channel is idle.
    quiet : In(1)
        No semaphore signal is on its way.
    errors : In(ArrayLayout(ERROR_LAYOUT, 7))
        One for each of `REPORTERS`.
    launch : Out(1)
        First cycle of a run, ``start`` itself: fetch starts, semaphores and counters clear.
    count : Out(1)
        Performance counters count.
    halt : Out(1)
        To all units.
    unit_reset : Out(1)
        Reset everything but the host's registers, for one cycle.
    status : Out(STATUS_LAYOUT)
        For the STATUS register.
    fault : Out(FAULT_LAYOUT)
        For the error registers.
    done_event, error_event : Out(1)
        For the interrupt, one cycle each.
    """

    def __init__(self, *, address_width: int) -> None:
        self.address_width = address_width
        super().__init__(
            {
                "start": In(1),
                "soft_reset": In(1),
                "startable": Out(1),
                "watchdog_limit": In(32),
                "progress": In(1),
                "oldest": In(INDEX_WIDTH),
                "finished": In(1),
                "idle": In(1),
                "quiet": In(1),
                "errors": In(data.ArrayLayout(ERROR_LAYOUT, len(REPORTERS))),
                "launch": Out(1),
                "count": Out(1),
                "halt": Out(1),
                "unit_reset": Out(1),
                "status": Out(STATUS_LAYOUT),
                "fault": Out(FAULT_LAYOUT),
                "done_event": Out(1),
                "error_event": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.watchdog = watchdog = Once(Watchdog())
        errors = Signal(data.ArrayLayout(ERROR_LAYOUT, len(ErrorSource)))
        for number in range(len(REPORTERS)):
            m.d.comb += errors[number].eq(self.errors[number])
        own = errors[ErrorSource.WATCHDOG.value]
        any_error = Cat(errors[source.value].valid for source in ErrorSource).any()

        running, done, failed, resetting = Signal(), Signal(), Signal(), Signal()
        draining, stuck = Signal(), Signal()
        stops, stopped, caught = Signal(), Signal(), Signal()
        m.d.comb += stops.eq(running & any_error)
        m.d.sync += stopped.eq(stops & ~self.halt)
        quiesced = self._settle(m, self.halt & self.idle)
        complete = self._settle(m, running & ~self.halt & self.finished & self.idle)
        m.d.comb += [
            self.status.running.eq(running),
            self.status.done.eq(done),
            self.status.error.eq(failed),
            self.status.draining.eq((draining | stuck | resetting) & ~quiesced),
            self.status.resetting.eq(resetting),
            self.startable.eq(~(running | failed | resetting | self.unit_reset)),
            self.launch.eq(self.start & self.startable & ~self.soft_reset),
            self.count.eq(running & ~self.halt),
            watchdog.limit.eq(self.watchdog_limit),
            watchdog.active.eq(running),
            watchdog.progress.eq(self.progress | stopped),
            own.valid.eq(watchdog.expired & ~self.halt),
            own.code.eq(ErrorCode.NO_PROGRESS),
            own.index.eq(self.oldest),
        ]

        m.d.sync += [self.done_event.eq(0), self.error_event.eq(0), self.unit_reset.eq(0)]
        with m.If(self.unit_reset):
            m.d.sync += resetting.eq(0)
        with m.Elif(resetting):
            m.d.sync += self.unit_reset.eq(quiesced)
        with m.Elif(self.soft_reset):
            m.d.sync += [signal.eq(0) for signal in (running, done, failed, draining, stuck)]
            m.d.sync += resetting.eq(1)
        with m.Elif(self.launch):
            m.d.sync += [running.eq(1), done.eq(0)]
        with m.Elif(draining):
            # The error starts the watchdog's count over, a cycle later.
            with m.If(quiesced | (watchdog.expired & ~stopped)):
                m.d.sync += [draining.eq(0), stuck.eq(~quiesced), self.error_event.eq(1)]
                m.d.sync += [running.eq(0), failed.eq(1)]
        with m.Elif(running):
            with m.If(any_error):
                m.d.sync += draining.eq(1)
            with m.Elif(complete & self.quiet):
                m.d.sync += [running.eq(0), done.eq(1), self.done_event.eq(1)]
        with m.Elif(quiesced):
            m.d.sync += stuck.eq(0)

        # Apart from the above, as paths from errors are long: the fault follows them, zero if there
        # is none, until one is caught.
        m.d.sync += self.halt.eq(~self.unit_reset & (self.halt | self.soft_reset | stops))
        with m.If(self.soft_reset & ~resetting & ~self.unit_reset):
            m.d.sync += [self.fault.eq(0), caught.eq(0)]
        with m.Elif(~caught):
            m.d.sync += [self.fault.eq(self._winner(errors)), caught.eq(stops)]
        return m

    @staticmethod
    def _settle(m: Module, condition: Signal) -> Signal:
        """A signal that is high if ``condition`` was so in both cycles before."""
        first, second = Signal(), Signal()
        m.d.sync += [first.eq(condition), second.eq(first)]
        return first & second

    def _winner(self, errors: data.View) -> Value:
        """The most urgent error of the cycle, as FAULT_LAYOUT."""
        result: Value = Const(0, FAULT_LAYOUT.size)
        before: Value = Const(0, 1)
        for source in ErrorSource:
            error = errors[source.value]
            wins = error.valid & ~before
            before = before | error.valid
            number = Const(source.value, FAULT_LAYOUT["source"].width)
            address = error.address[: address_bits(source, self.address_width)]
            code = Value.cast(error.code) & ((1 << CODE_BITS) - 1)
            fault = Cat(code, number, error.index, address)
            result = result | Mux(wins, fault, 0)
        return result
