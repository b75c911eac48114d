# SPDX-License-Identifier: Apache-2.0
"""Cycle estimates of programs at instruction granularity, without RTL.

Each instruction is one step of its unit; a unit's time advances by what the instruction moves.
Waits take the time of the matching signal, so the order in which instructions are evaluated does
not matter. The model has no bank conflicts and no stalls of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..hdl.config import SEMAPHORE_COUNT, Config
from ..hdl.isa import ADD_FLAG, INSTRUCTION_BYTES, MAXIMUM_FLAG, Instruction, Opcode
from ..sim.accesses import transfer_access
from .program import Program

__all__ = ["Estimate", "Timing", "Work", "estimate", "estimate_cycles", "work_of"]

PAGE = 4096


@dataclass(frozen=True)
class Timing:
    """Pipeline constants of the hardware, in cycles.

    Parameters
    ----------
    latency : int
        From a DRAM read address to its first data, and from the last write data to the response.
    fetch : int
        From start to the first fetch address, plus from fetched data to a unit's queue.
    load : int
        From grant to the first read address, plus from the last data to the finished word.
    matmul_start : int
        From grant to the first weight vector in the array.
    matmul_finish : int
        From the last activation vector to the finished accumulator word, besides the array's
        rows and columns.
    vector_start, vector_finish : int
        From grant to the first word read, and from the last one to the finished result.
    store : int
        From grant to the first write data.
    interlock : int
        Least cycles between two updates of one accumulator word.
    finish : int
        From the last response to the interrupt.
    """

    latency: int = 30
    fetch: int = 12
    load: int = 12
    matmul_start: int = 8
    matmul_finish: int = 12
    vector_start: int = 4
    vector_finish: int = 24
    store: int = 12
    interlock: int = 6
    finish: int = 6


@dataclass(frozen=True, slots=True)
class Work:
    """What one instruction costs its unit.

    Parameters
    ----------
    unit : int
        `Unit` value.
    wait, signal : int
        Semaphore masks.
    beats : int
        AXI beats of a LOAD or STORE.
    words : int
        On-chip words of a LOAD or STORE; outputs (activation words of a pass) of a MATMUL; words
        that a VECTOR reads, one a cycle.
    steps : int
        AXI bursts of a LOAD or STORE; passes (weight tiles) of a MATMUL.
    """

    unit: int
    wait: int
    signal: int
    beats: int
    words: int
    steps: int


@dataclass
class Estimate:
    """The estimated course of a program.

    Parameters
    ----------
    cycles : int
        Start to interrupt; 0 if the program never ends.
    starts, finishes : list[int]
        Per instruction: cycle of its grant, cycle of its signal.
    read_beats, write_beats, array_cycles : int
        Work of the two AXI directions and of the array.
    """

    cycles: int
    starts: list[int]
    finishes: list[int]
    read_beats: int
    write_beats: int
    array_cycles: int


def row_work(config: Config, rows: int, size: int, stride: int, offset: int) -> tuple[int, int]:
    """AXI beats and bursts of ``rows`` rows of ``size`` bytes, ``stride`` bytes apart."""
    if not size:
        return 0, 0
    beat = config.axi_bytes
    burst = min(PAGE, beat * config.max_burst_beats)
    if stride % beat == 0:
        beats = rows * ((offset % beat + size + beat - 1) // beat)
    else:
        beats = rows * (size + beat - 1) // beat + rows * (beat - 1) // beat
    bursts = rows * max(1, -(-size // burst))
    return beats, bursts


def work_of(config: Config, instruction: Instruction) -> Work:
    """The cost of an instruction."""
    unit, wait, signal = instruction.unit.value, instruction.wait, instruction.signal
    i = instruction
    if i.opcode is Opcode.MATMUL:
        return Work(unit, wait, signal, 0, i["output_y"] * i["output_x"],
                    i["kernel_y"] * i["kernel_x"] * i["channel_blocks"])
    if i.opcode is Opcode.VECTOR:
        chunks = i["count_y"] * i["count_x"] * i["chunks"]
        words = chunks * i["window_y"] * i["window_x"]
        if i.flags & (ADD_FLAG | MAXIMUM_FLAG) and i["source_memory"]:
            words += chunks  # The old values come through the same port.
        return Work(unit, wait, signal, 0, words, 0)
    if i.opcode in (Opcode.LOAD, Opcode.STORE):
        access = transfer_access(config, i)
        rows = i["count_x"] * i["count_y"]
        beats, bursts = row_work(config, rows, i["bytes"], i["stride_x"] | i["stride_y"],
                                 i["offset"])
        return Work(unit, wait, signal, beats, access.words, bursts)
    return Work(unit, wait, signal, 0, 0, 0)


class _Model:
    """State of the units while works are evaluated."""

    def __init__(self, config: Config, timing: Timing, ordered: bool) -> None:
        self.config = config
        self.timing = timing
        self.ordered = ordered
        self.free = [0, 0, 0, 0]
        self.data_free = [0, 0, 0, 0]
        self.pass_start = 0
        self.pass_end = 0
        self.array_cycles = 0
        self.load_index = 0
        self.fetch_beats = max(1, INSTRUCTION_BYTES // config.axi_bytes)
        self.burst_cycles = (timing.latency + 8) / config.read_outstanding

    def run(self, work: Work, index: int, start: int) -> int:
        """The finish cycle of ``work`` granted at ``start``."""
        timing = self.timing
        if work.unit == 0:
            fetched = (index - self.load_index) * self.fetch_beats if self.ordered else 0
            self.load_index = index
            begin = max(start + timing.load // 2 + timing.latency, self.data_free[0])
            duration = max(work.beats + fetched, work.words, int(work.steps * self.burst_cycles))
            self.data_free[0] = begin + duration
            self.free[0] = max(start + work.steps, self.data_free[0] - duration - timing.latency)
            return begin + duration + timing.load // 2
        if work.unit == 1 and work.steps:
            rows = self.config.rows
            ready = max(start + timing.matmul_start, self.pass_start + 1) + rows
            first = max(ready, self.pass_end)
            step = max(work.words, rows, timing.interlock)
            self.pass_start = first + (work.steps - 1) * step
            self.pass_end = self.pass_start + work.words
            self.free[1] = max(start + 1, self.pass_start - step + rows)
            self.array_cycles += work.steps * work.words
            return (self.pass_end + timing.matmul_finish + rows + self.config.cols)
        if work.unit == 2 and work.words:
            begin = max(start + timing.vector_start, self.data_free[2])
            self.data_free[2] = begin + work.words
            self.free[2] = max(start + 1, self.data_free[2] - timing.vector_finish)
            return self.data_free[2] + timing.vector_finish
        if work.unit == 3:
            begin = max(start + timing.store, self.data_free[3])
            self.data_free[3] = begin + max(work.beats, work.words)
            self.free[3] = max(start + 1, self.data_free[3] - timing.store)
            return self.data_free[3] + timing.latency
        self.free[work.unit] = start + 1
        return start + 1


_MEMBERS = [tuple(n for n in range(SEMAPHORE_COUNT) if mask >> n & 1) for mask in range(1 << 8)]


def members(mask: int) -> tuple[int, ...]:
    """Semaphore numbers in a mask."""
    if mask < 256:
        return _MEMBERS[mask]
    return _MEMBERS[mask & 255] + tuple(8 + n for n in _MEMBERS[mask >> 8])


def estimate(
    config: Config,
    works: Sequence[Work],
    timing: Timing | None = None,
    *,
    ordered: bool = True,
) -> Estimate:
    """Evaluate ``works`` in dispatch order.

    Parameters
    ----------
    ordered : bool
        False gives every unit all its instructions at once: no fetch, no dispatch, no queues.
        The starts then say in which order to dispatch.
    """
    timing = timing or Timing()
    model = _Model(config, timing, ordered)
    count = len(works)
    starts, finishes = [-1] * count, [0] * count
    signals: list[list[int]] = [[] for _ in range(SEMAPHORE_COUNT)]
    taken = [0] * SEMAPHORE_COUNT
    streams: list[list[int]] = [[], [], [], []]
    arrivals: list[list[int]] = [[], [], [], []]
    position = [0, 0, 0, 0]
    dispatched, clock = 0, timing.fetch + timing.latency
    depth = config.queue_depth
    if not ordered:
        for index, work in enumerate(works):
            streams[work.unit].append(index)
            arrivals[work.unit].append(0)
        dispatched = count
    while True:
        progress = False
        while dispatched < count:
            unit = works[dispatched].unit
            place = len(streams[unit]) - depth
            if place >= position[unit]:
                break
            if place >= 0:
                clock = max(clock, starts[streams[unit][place]])
            clock += 1
            streams[unit].append(dispatched)
            arrivals[unit].append(
                max(clock, timing.fetch + timing.latency + model.fetch_beats * (dispatched + 1))
            )
            dispatched += 1
            progress = True
        for unit in range(4):
            while position[unit] < len(streams[unit]):
                index = streams[unit][position[unit]]
                work = works[index]
                waits = members(work.wait)
                if any(taken[n] >= len(signals[n]) for n in waits):
                    break
                start = max(arrivals[unit][position[unit]], model.free[unit])
                for n in waits:
                    start = max(start, signals[n][taken[n]])
                    taken[n] += 1
                starts[index] = start
                finishes[index] = model.run(work, index, start)
                for n in members(work.signal):
                    signals[n].append(finishes[index])
                position[unit] += 1
                progress = True
        if not progress:
            break
    done = all(start >= 0 for start in starts)
    cycles = (max(finishes, default=timing.fetch) + timing.finish) if done else 0
    return Estimate(
        cycles,
        starts,
        finishes,
        sum(w.beats for w in works if w.unit == 0) + model.fetch_beats * count,
        sum(w.beats for w in works if w.unit == 3),
        model.array_cycles,
    )


def estimate_cycles(config: Config, program: Program, timing: Timing | None = None) -> int:
    """Estimated cycles from start to interrupt of ``program``; 0 if it never ends."""
    works = [work_of(config, instruction) for instruction in program.instructions]
    return estimate(config, works, timing).cycles


def roofline_cycles(config: Config, m: int, n: int, k: int) -> int:
    """The least cycles a GEMM can take: compute, or compulsory traffic of one AXI direction."""
    compute = -(-m * n * k // (config.rows * config.cols))
    traffic = -(-int(np.maximum(m * k + k * n, 4 * m * n)) // config.axi_bytes)
    return max(compute, traffic)
