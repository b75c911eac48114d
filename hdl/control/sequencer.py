# SPDX-License-Identifier: Apache-2.0
"""From program memory to the units: fetch, dispatch, queues, gates and semaphores."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..bus import ERROR_LAYOUT, AXI4ReadSignature, UnitSignature
from ..isa import INDEX_WIDTH, ErrorSource, Unit
from ..once import Once
from .dispatch import Dispatch
from .fetch import BURSTS_IN_FLIGHT, Fetch
from .gate import SemaphoreGate
from .instruction_queues import InstructionQueues
from .legality import InstructionRules
from .oldest import OldestInstruction
from .semaphores import Semaphores
from .supervisor import REPORTERS

__all__ = ["Sequencer"]

URGENCY = (Unit.STORE, Unit.VECTOR, Unit.MATMUL, Unit.LOAD)
"""Units in the order in which their waits are granted: what frees memory comes first."""


class Sequencer(wiring.Component):
    """Runs a program: every instruction to its unit, as soon as its semaphores allow.

    ::

        Fetch -> Dispatch -> InstructionQueues -> SemaphoreGate -> unit      (a gate per unit)
                                                    ^ Semaphores <- signals of the units

    Up to the gates, which put them together, instructions pass in words as wide as a beat.

    Parameters
    ----------
    rules : InstructionRules
        Legal instructions; decides which units there are.
    address_width, data_width, max_burst_beats : int
        Of the AXI port.
    queue_depth : int
        Instructions that wait for a unit without keeping others from theirs.

    Members
    -------
    axi : Out(AXI4ReadSignature)
        Instruction fetch.
    start : In(1)
        Begin the program; semaphores are cleared in the cycle after.
    program_address : In(64)
        See `Fetch`.
    program_length : In(24)
        See `Fetch`.
    halt : In(1)
        Stop everything; a reset must follow.
    load, matmul, vector, store : In(UnitSignature)
        To the units; ``vector`` only where the rules know it.
    waiting : Out(4)
        Per `Unit` number: its next instruction waits for a grant.
    errors : Out(ArrayLayout(ERROR_LAYOUT, 7))
        Of all units, fetch, dispatch and semaphores, one for each of `REPORTERS`.
    finished : Out(1)
        In the cycle before, every instruction of the program was with its unit.
    idle : Out(1)
        In the cycle before, fetch and units were idle.
    quiet : Out(1)
        No semaphore signal is on its way.
    progress : Out(1)
        Something moved two cycles before.
    oldest : Out(24)
        Of the instructions in gates and units, the least index: of each unit that in its gate,
        else the last one it took if it is not idle. A few cycles after the last of them moved.
    dispatched : Out(1)
        An instruction is complete in its queue.
    """

    def __init__(
        self,
        *,
        rules: InstructionRules,
        address_width: int,
        data_width: int,
        max_burst_beats: int,
        queue_depth: int,
    ) -> None:
        self.rules = rules
        self.address_width = address_width
        self.data_width = data_width
        self.max_burst_beats = max_burst_beats
        self.queue_depth = queue_depth
        super().__init__(
            {
                "axi": Out(AXI4ReadSignature(address_width=address_width, data_width=data_width)),
                "start": In(1),
                "program_address": In(64),
                "program_length": In(INDEX_WIDTH),
                "halt": In(1),
                **{unit.name.lower(): In(UnitSignature()) for unit in rules.units()},
                "waiting": Out(len(Unit)),
                "errors": Out(data.ArrayLayout(ERROR_LAYOUT, len(REPORTERS))),
                "finished": Out(1),
                "idle": Out(1),
                "quiet": Out(1),
                "progress": Out(1),
                "oldest": Out(INDEX_WIDTH),
                "dispatched": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        units = [unit for unit in URGENCY if unit in self.rules.units()]
        m.submodules.fetch = fetch = Once(
            Fetch(
                address_width=self.address_width,
                data_width=self.data_width,
                max_burst_beats=self.max_burst_beats,
                queue_depth=self.queue_depth,
            )
        )
        m.submodules.dispatch = dispatch = Once(
            Dispatch(rules=self.rules, data_width=self.data_width)
        )
        # Twice what may be in flight, and what a queue is to hold: half of it always has room.
        depth = 2 * max(self.queue_depth, BURSTS_IN_FLIGHT * fetch.burst_instructions)
        numbers = {unit: number for number, unit in enumerate(self.rules.units())}
        m.submodules.queues = queues = Once(
            InstructionQueues(
                data_width=self.data_width,
                depth=depth,
                urgency=tuple(numbers[unit] for unit in units),
            )
        )
        m.submodules.semaphores = semaphores = Once(
            Semaphores(requests=len(units), sources=len(units))
        )
        m.submodules.oldest = oldest = Once(OldestInstruction(candidates=len(units) + 1))
        connect(m, fetch.axi, flipped(self.axi))
        connect(m, fetch.o, dispatch.i)
        connect(m, dispatch.o, queues.i)
        dispatched = dispatch.commit.any()
        begin = Signal()
        m.d.sync += begin.eq(self.start)
        m.d.comb += [
            fetch.start.eq(begin),
            fetch.program_address.eq(self.program_address),
            fetch.length.eq(self.program_length),
            fetch.room.eq(queues.room),
            queues.commit.eq(dispatch.commit),
            semaphores.clear.eq(begin),
            *(part.halt.eq(self.halt) for part in (fetch, dispatch, semaphores)),
            self.errors[ErrorSource.FETCH.value].eq(fetch.error),
            self.errors[ErrorSource.DISPATCH.value].eq(dispatch.error),
            self.errors[ErrorSource.SEMAPHORES.value].eq(semaphores.error),
            self.quiet.eq(semaphores.quiet),
            self.dispatched.eq(dispatched),
            self.oldest.eq(oldest.o),
        ]

        occupied, idle, moved = [], [fetch.idle], []
        for number, unit in enumerate(units):
            name = unit.name.lower()
            port: Any = getattr(self, name)
            gate = SemaphoreGate(unit=unit, data_width=self.data_width)
            m.submodules[f"{name}_gate"] = Once(gate)
            at_work = Signal(name=f"{name}_at_work")
            connect(m, gate.o, flipped(port.command))
            for field in ("position", "data", "slice", "last", "free"):
                m.d.comb += getattr(gate, field).eq(queues.fill[field])
            m.d.comb += [
                gate.write.eq(queues.fill.unit[numbers[unit]]),
                queues.wanted[numbers[unit]].eq(~gate.occupied),
                gate.halt.eq(self.halt),
                port.halt.eq(self.halt),
                semaphores.request[number].eq(gate.request),
                gate.grant.eq(semaphores.grant[number]),
                # Sources in reverse: of several that overflow, the most urgent unit is named.
                semaphores.signal[-1 - number].mask.eq(port.signal),
                semaphores.signal[-1 - number].index.eq(port.signal_index),
                self.errors[unit.value].eq(port.error),
                self.waiting[unit.value].eq(gate.waiting),
                oldest.i[number].valid.eq(at_work),
                oldest.i[number].index.eq(gate.o.payload.index),
            ]
            m.d.sync += at_work.eq(gate.occupied | ~port.idle)
            occupied.append(gate.occupied)
            idle.append(port.idle)
            moved.append(port.progress)

        m.d.comb += oldest.i[len(units)].index.eq(fetch.o.payload.index)
        m.d.sync += [
            self.finished.eq(
                fetch.done & queues.empty & ~Cat(occupied, self.start, begin).any()
            ),
            self.idle.eq(Cat(idle).all()),
        ]
        moving = Signal(len(moved) + 4)
        m.d.sync += [
            moving.eq(
                Cat(moved, fetch.progress, dispatched, queues.filling.any(), semaphores.grant.any())
            ),
            self.progress.eq(moving.any()),
        ]
        return m
