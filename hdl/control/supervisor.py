# SPDX-License-Identifier: Apache-2.0
"""The life of a run: start, done, first error, drain, soft reset."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus import ERROR_LAYOUT
from ..isa import INDEX_WIDTH, ErrorCode, ErrorSource
from ..once import Once
from .watchdog import Watchdog

__all__ = ["FAULT_LAYOUT", "REPORTERS", "STATUS_LAYOUT", "Supervisor"]

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


class Supervisor(wiring.Component):
    """Decides when a run ends and how.

    ::

        REST --start--> RUN --all idle--> REST                      (done, interrupt)
                         |--error--> DRAIN --idle, watchdog--> STOPPED  (error, interrupt)
        any state --soft_reset--> RESETTING --idle--> RESET --> REST

    An error in cycle t raises ``halt`` in t + 1; of several in one cycle the source with the
    lowest number wins, and later ones are ignored; ``fault`` shows it in t + 2. ``halt``
    stays until the soft reset.
    What idles counts as idle after two cycles, so that nothing on its way is overlooked.

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

    def __init__(self) -> None:
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
            watchdog.progress.eq(self.progress | (any_error & ~self.halt)),
            own.valid.eq(watchdog.expired & ~self.halt),
            own.code.eq(ErrorCode.NO_PROGRESS),
            own.index.eq(self.oldest),
        ]

        capture = Signal()
        winner = self._winner(m, errors)
        m.d.sync += [self.done_event.eq(0), self.error_event.eq(0), self.unit_reset.eq(0)]
        m.d.sync += capture.eq(0)
        with m.If(capture):
            m.d.sync += self.fault.eq(winner)
        with m.If(self.unit_reset):
            m.d.sync += [resetting.eq(0), self.halt.eq(0)]
        with m.Elif(resetting):
            m.d.sync += self.unit_reset.eq(quiesced)
        with m.Elif(self.soft_reset):
            m.d.sync += [signal.eq(0) for signal in (running, done, failed, draining, stuck)]
            m.d.sync += [self.fault.eq(0), resetting.eq(1), self.halt.eq(1)]
        with m.Elif(self.launch):
            m.d.sync += [running.eq(1), done.eq(0)]
        with m.Elif(draining):
            with m.If(quiesced | watchdog.expired):
                m.d.sync += [draining.eq(0), stuck.eq(~quiesced), self.error_event.eq(1)]
                m.d.sync += [running.eq(0), failed.eq(1)]
        with m.Elif(running):
            with m.If(any_error):
                m.d.sync += [self.halt.eq(1), draining.eq(1), capture.eq(1)]
            with m.Elif(complete & self.quiet):
                m.d.sync += [running.eq(0), done.eq(1), self.done_event.eq(1)]
        with m.Elif(quiesced):
            m.d.sync += stuck.eq(0)
        return m

    @staticmethod
    def _settle(m: Module, condition: Signal) -> Signal:
        """A signal that is high if ``condition`` was so in both cycles before."""
        first, second = Signal(), Signal()
        m.d.sync += [first.eq(condition), second.eq(first & condition)]
        return first & second

    @staticmethod
    def _winner(m: Module, errors: data.View) -> Value:
        """The most urgent error of the cycle before, as FAULT_LAYOUT.

        Each source has a register that is cleared unless the source wins, by its reset and hence
        without a LUT; the registers are ORed.
        """
        result: Value = Const(0, FAULT_LAYOUT.size)
        before: Value = Const(0, 1)
        for source in ErrorSource:
            error = errors[source.value]
            kept = Signal(FAULT_LAYOUT, name=f"{source.name.lower()}_kept", reset_less=True)
            with m.If(error.valid & ~before):
                m.d.sync += [
                    kept.code.eq(error.code),
                    kept.source.eq(source.value),
                    kept.index.eq(error.index),
                    kept.address.eq(error.address),
                ]
            with m.Else():
                m.d.sync += kept.eq(0)
            before = before | error.valid
            result = result | kept.as_value()
        return result
