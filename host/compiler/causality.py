# SPDX-License-Identifier: Apache-2.0
"""What must happen before what in a program: one execution and its vector clocks.

Units take their instructions in order and every semaphore has one consumer, so all executions take
the same instructions in the same order per unit (the program is a marked graph): one execution
tells whether a program ends. Clocks count finished instructions per unit. Instructions of a unit
start in order and finish in order, and a wait starts after the signals it takes have finished.
Ordering through a full queue is not counted on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from ..hdl.config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM, Config
from ..hdl.isa import Unit
from .estimate import members
from .program import Program

__all__ = ["Execution", "Overflow", "execute"]

UNITS = len(Unit)


@dataclass(frozen=True)
class Overflow:
    """A semaphore that some execution may signal beyond its maximum."""

    semaphore: int
    index: int
    count: int


@dataclass
class Execution:
    """One execution of a program.

    Parameters
    ----------
    order : list[int]
        Instructions in the order they ran.
    unit, ordinal : list[int]
        Per instruction: its unit, and its number among that unit's instructions.
    clocks : dict[int, tuple[int, ...]]
        Per instruction that ran: instructions of each unit that have finished when it starts.
    blocked : dict[int, list[int]]
        Per unit that never went on: its oldest instruction, then the semaphores it lacks.
    dispatched : int
        Instructions that reached a queue.
    passed : list[Overflow] or None
        With serial execution, the semaphores that passed their maximum: there is no other one.
    producers, consumers : list[dict[int, list[int]]]
        Per semaphore: unit to the ordinals of the instructions that signal or wait.
    """

    unit: list[int]
    ordinal: list[int]
    streams: list[list[int]]
    producers: list[dict[int, list[int]]]
    consumers: list[dict[int, list[int]]]
    order: list[int] = field(default_factory=list)
    clocks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    blocked: dict[int, list[int]] = field(default_factory=dict)
    dispatched: int = 0
    passed: list[Overflow] | None = None

    def overflows(self) -> list[Overflow]:
        """Semaphores that can pass their maximum in some execution.

        Before the ``k``-th wait of a semaphore starts, all signals can have happened that do not
        themselves need that wait to have started.
        """
        if self.passed is not None:
            return self.passed
        found = []
        for semaphore in range(SEMAPHORE_COUNT):
            consumers = self.consumers[semaphore]
            if len(consumers) > 1 or not self.producers[semaphore]:
                continue
            consumer, waits = next(iter(consumers.items()), (0, []))
            worst = max(
                (self._reachable(semaphore, consumer, wait) - number, wait is None, wait or 0)
                for number, wait in enumerate([*waits, None])
            )
            if worst[0] > SEMAPHORE_MAXIMUM:
                unit, ordinals = max(
                    self.producers[semaphore].items(), key=lambda item: len(item[1])
                )
                place = min(SEMAPHORE_MAXIMUM, len(ordinals) - 1)
                found.append(Overflow(semaphore, self.streams[unit][ordinals[place]], worst[0]))
        return found

    def _reachable(self, semaphore: int, consumer: int, wait: int | None) -> int:
        """Signals that need not come after the consumer's instruction ``wait`` started."""
        total = 0
        for unit, ordinals in self.producers[semaphore].items():
            if wait is None:
                total += len(ordinals)
            elif unit == consumer:
                total += bisect_left(ordinals, wait)
            else:
                after = partial(self._after, unit, consumer, wait)
                total += bisect_left(ordinals, True, key=after)
        return total

    def _after(self, unit: int, consumer: int, wait: int, ordinal: int) -> bool:
        clock = self.clocks.get(self.streams[unit][ordinal])
        return clock is not None and clock[consumer] > wait


def _prepare(program: Program) -> Execution:
    unit, ordinal = [], []
    streams: list[list[int]] = [[] for _ in range(UNITS)]
    producers: list[dict[int, list[int]]] = [{} for _ in range(SEMAPHORE_COUNT)]
    consumers: list[dict[int, list[int]]] = [{} for _ in range(SEMAPHORE_COUNT)]
    for index, instruction in enumerate(program.instructions):
        number = int(instruction.unit.value)
        unit.append(number)
        ordinal.append(len(streams[number]))
        for semaphore in members(instruction.signal):
            producers[semaphore].setdefault(number, []).append(len(streams[number]))
        for semaphore in members(instruction.wait):
            consumers[semaphore].setdefault(number, []).append(len(streams[number]))
        streams[number].append(index)
    return Execution(unit, ordinal, streams, producers, consumers)


class _Runner:
    """Runs a program and computes clocks."""

    def __init__(self, config: Config, program: Program) -> None:
        self.instructions = program.instructions
        self.depth = config.queue_depth
        self.is_serial = config.is_serial
        self.run = _prepare(program)
        if self.is_serial:
            self.run.passed = []
        self.counts = [0] * SEMAPHORE_COUNT
        self.taken = [0] * SEMAPHORE_COUNT
        self.queues: list[deque[int]] = [deque() for _ in range(UNITS)]
        self.clock = [[0] * UNITS for _ in range(UNITS)]
        self.finish: dict[int, list[int]] = {}
        self.finish_clock = [[0] * UNITS for _ in range(UNITS)]

    def to_end(self) -> Execution:
        """Run until nothing moves, in program order as far as semaphores allow."""
        moved = True
        while moved:
            moved = self.dispatch()
            heads = sorted((queue[0], unit) for unit, queue in enumerate(self.queues) if queue)
            moved = any(self.step(unit) for _, unit in heads) or moved
        for unit, queue in enumerate(self.queues):
            if queue:
                lacking = [n for n in members(self.instructions[queue[0]].wait)
                           if not self.counts[n]]
                self.run.blocked[unit] = [queue[0], *lacking]
        return self.run

    def dispatch(self) -> bool:
        """Fill the queues."""
        moved = False
        while self.run.dispatched < len(self.instructions):
            if self.is_serial and any(self.queues):
                break
            unit = self.run.unit[self.run.dispatched]
            if len(self.queues[unit]) >= self.depth:
                break
            self.queues[unit].append(self.run.dispatched)
            self.run.dispatched += 1
            moved = True
        return moved

    def step(self, unit: int) -> bool:
        """Run the oldest instruction of a unit."""
        queue = self.queues[unit]
        if not queue:
            return False
        index = queue[0]
        instruction = self.instructions[index]
        waits = members(instruction.wait)
        if any(not self.counts[n] for n in waits):
            return False
        queue.popleft()
        clock = self.clock[unit]
        for semaphore in waits:
            self.counts[semaphore] -= 1
            self.taken[semaphore] += 1
            self.join(clock, semaphore)
        if self.is_serial:
            # All before it have finished, whatever it waits for.
            clock[:] = map(max, clock, *self.finish_clock)
        for semaphore in members(instruction.signal):
            self.counts[semaphore] += 1
            count = self.counts[semaphore]
            if self.run.passed is not None and count == SEMAPHORE_MAXIMUM + 1:
                self.run.passed.append(Overflow(semaphore, index, count))
        self.run.clocks[index] = tuple(clock)
        done = self.finish_clock[unit]
        for other in range(UNITS):
            done[other] = max(done[other], clock[other])
        done[unit] = self.run.ordinal[index] + 1
        if instruction.signal:
            self.finish[index] = list(done)
        self.run.order.append(index)
        return True

    def join(self, clock: list[int], semaphore: int) -> None:
        """Advance ``clock`` to what the wait just taken guarantees."""
        producers = self.run.producers[semaphore]
        total = sum(len(ordinals) for ordinals in producers.values())
        for unit, ordinals in producers.items():
            sure = self.taken[semaphore] - (total - len(ordinals))
            if sure < 1:
                continue
            finished = self.finish[self.run.streams[unit][ordinals[sure - 1]]]
            for other in range(UNITS):
                clock[other] = max(clock[other], finished[other])


def execute(config: Config, program: Program) -> Execution:
    """Run ``program`` once, without data."""
    return _Runner(config, program).to_end()
