# SPDX-License-Identifier: Apache-2.0
"""Instruction-level simulator: bit-exact results and errors, no clock.

Dispatch, the unit queues and the semaphores are modelled; which unit advances first is a choice,
and ``schedule_seed`` takes it at random, so that a program whose units race shows it. With serial
execution there is no choice: an instruction is fetched when the one before it has signalled.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM, Config
from ..hdl.isa import (
    INSTRUCTION_BYTES,
    ErrorCode,
    ErrorSource,
    Instruction,
    InstructionError,
    Unit,
    decode,
)
from .accesses import legality
from .machine import Fault, Machine, ReadBeforeWrite, Segment

__all__ = ["RunResult", "Segment", "Simulator"]

_PRIORITY = (Unit.STORE, Unit.VECTOR, Unit.MATMUL, Unit.LOAD)
"""Order in which the semaphores serve the units."""

_SOURCES = {unit: ErrorSource[unit.name] for unit in Unit}


@dataclass
class RunResult:
    """What a simulated run did.

    Parameters
    ----------
    error : Fault or None
        What stopped the program.
    instructions : int
        Instructions dispatched.
    executed : int
        Instructions finished.
    read_beats, write_beats : int
        AXI data beats, instruction fetch included.
    read_before_write : list[ReadBeforeWrite]
        On-chip words read before anything wrote them, where tracking was on.
    """

    error: Fault | None = None
    instructions: int = 0
    executed: int = 0
    read_beats: int = 0
    write_beats: int = 0
    read_before_write: list[ReadBeforeWrite] = field(default_factory=list)


@lru_cache(maxsize=1 << 14)
def _decode(code: bytes) -> Instruction | None:
    try:
        return decode(int.from_bytes(code, "little"))
    except InstructionError:
        return None


class Simulator:
    """Runs programs on a DRAM image.

    Parameters
    ----------
    config : Config
        The accelerator.
    schedule_seed : int or None
        None serves store, vector, matmul, load in this order; a number picks at random among
        the units that can advance, and also changes what unwritten memory holds.
    track : bool
        Report words read before they were written.
    """

    def __init__(
        self, config: Config, *, schedule_seed: int | None = None, track: bool = False
    ) -> None:
        self.config = config
        self.schedule_seed = schedule_seed
        self.track = track
        self.machine: Machine | None = None

    def run(
        self,
        memory: NDArray[np.uint8],
        program_address: int,
        length: int,
        segments: Sequence[Segment] | Mapping[int, Segment],
    ) -> RunResult:
        """Run the program of ``length`` instructions at ``program_address``; changes ``memory``.

        An error ends the run and stands in the result; memory then holds what the instructions
        before it did.
        """
        self.machine = Machine(
            self.config, memory, segments, poison=self.schedule_seed or 0, track=self.track
        )
        run = _Run(self.config, self.machine, program_address, length, self.schedule_seed)
        try:
            run.to_end()
        except Fault as fault:
            run.result.error = fault
        result = run.result
        fetched = result.instructions * max(1, INSTRUCTION_BYTES // self.config.axi_bytes)
        result.read_beats = self.machine.read_beats + fetched
        result.write_beats = self.machine.write_beats
        result.read_before_write = self.machine.read_before_write
        return result


class _Run:
    """One run: program counter, queues, semaphores."""

    def __init__(
        self, config: Config, machine: Machine, address: int, length: int, seed: int | None
    ) -> None:
        self.config = config
        self.machine = machine
        self.address = address
        self.length = length
        self.random = None if seed is None else random.Random(seed)
        self.queues: dict[Unit, deque[tuple[int, Instruction]]] = {u: deque() for u in Unit}
        self.semaphores = [0] * SEMAPHORE_COUNT
        self.next = 0
        self.blocked: Instruction | None = None
        self.last_unit = Unit.LOAD
        self.result = RunResult()

    def to_end(self) -> None:
        """Advance until nothing is left; raises `Fault`."""
        end = self.address + INSTRUCTION_BYTES * self.length
        if self.address % INSTRUCTION_BYTES or end > 1 << self.config.axi_address_width:
            raise Fault(ErrorCode.PROGRAM_ADDRESS, ErrorSource.FETCH, 0, self.address)
        while True:
            if self.config.is_serial:
                progress = self.dispatch() and self.step(self.last_unit)
            elif self.random is None:
                while self.dispatch():
                    pass
                progress = any(self.step(unit) for unit in _PRIORITY)
            else:
                choices = [*_PRIORITY, None, None]
                self.random.shuffle(choices)
                progress = any(
                    self.dispatch() if choice is None else self.step(choice) for choice in choices
                )
            if not progress:
                break
        waiting = [queue[0][0] for queue in self.queues.values() if queue]
        if waiting:
            raise Fault(ErrorCode.NO_PROGRESS, ErrorSource.WATCHDOG, min(waiting))

    def fetch(self) -> Instruction:
        """The next instruction, decoded and legal."""
        index = self.next
        address = self.address + INSTRUCTION_BYTES * index
        if address + INSTRUCTION_BYTES > len(self.machine.dram):
            raise Fault(ErrorCode.FETCH_RESPONSE, ErrorSource.FETCH, index, address)
        code = self.machine.dram[address : address + INSTRUCTION_BYTES].tobytes()
        instruction = _decode(code)
        if instruction is None:
            raise Fault(ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, index)
        refusal = legality(self.config, instruction)
        if refusal is not None:
            raise Fault(refusal[0], ErrorSource.DISPATCH, index)
        return instruction

    def dispatch(self) -> bool:
        """Move the next instruction to its queue; False where that is impossible now."""
        if self.next >= self.length:
            return False
        if self.blocked is None:
            self.blocked = self.fetch()
        queue = self.queues[self.blocked.unit]
        if len(queue) >= self.config.queue_depth:
            return False
        queue.append((self.next, self.blocked))
        self.last_unit = self.blocked.unit
        self.blocked = None
        self.next += 1
        self.result.instructions += 1
        return True

    def step(self, unit: Unit) -> bool:
        """Run the unit's oldest instruction if its semaphores allow."""
        queue = self.queues[unit]
        if not queue:
            return False
        index, instruction = queue[0]
        waits = _members(instruction.wait)
        if any(self.semaphores[number] == 0 for number in waits):
            return False
        queue.popleft()
        for number in waits:
            self.semaphores[number] -= 1
        self.machine.execute(instruction, index)
        for number in _members(instruction.signal):
            if self.semaphores[number] == SEMAPHORE_MAXIMUM:
                raise Fault(
                    ErrorCode.SEMAPHORE_OVERFLOW, ErrorSource.SEMAPHORES, index, number
                )
            self.semaphores[number] += 1
        self.result.executed += 1
        return True


@lru_cache(maxsize=1 << 12)
def _members(mask: int) -> tuple[int, ...]:
    return tuple(number for number in range(SEMAPHORE_COUNT) if mask >> number & 1)

