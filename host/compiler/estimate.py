# SPDX-License-Identifier: Apache-2.0
"""Cycle estimates of programs at instruction granularity, without RTL.

Each instruction is one step of its unit; a unit's time advances by what the instruction moves.
Waits take the time of the matching signal. Of conflicts on chip the model has two: a VECTOR that
reads what an older one has yet to write, and one that reads activations beside MATMUL. It has no
stalls of DRAM.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..hdl.config import SEMAPHORE_COUNT, Config
from ..hdl.isa import (
    ADD_FLAG,
    INSTRUCTION_BYTES,
    MAXIMUM_FLAG,
    Instruction,
    Memory,
    Opcode,
    Unit,
)
from ..sim.accesses import chunks_per_word, transfer_access
from .program import Program

__all__ = ["Estimate", "SerialTiming", "Timing", "Work", "estimate", "estimate_cycles", "work_of"]

PAGE = 4096
_REMEMBERED = 8
"""VECTORs and MATMULs back to which a VECTOR is compared."""

Span = tuple[int, int, int]
"""Number of a memory, first word, word after the last."""


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
    vector_onnx : int
        What the latter takes more with the requantization ``onnx``.
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
    vector_onnx: int = 6
    store: int = 12
    interlock: int = 6
    finish: int = 6


@dataclass(frozen=True)
class SerialTiming:
    """Times of serial execution, in cycles, as simulated RTL takes them.

    Parameters
    ----------
    instruction : int
        Fetch, check and semaphores of an instruction.
    row : int
        Of a LOAD or STORE, besides its beats.
    beat : int
        With a memory latency of three cycles.
    tile, tile_row : int
        Of a tile of weights, and of each of its rows, besides the vectors.
    """

    instruction: int = 1000
    row: int = 140
    beat: int = 11
    tile: int = 100
    tile_row: int = 50


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
        AXI bursts of a LOAD or STORE, with serial execution rows; passes (weight tiles) of a
        MATMUL.
    reads, writes : tuple of Span
        Words of a VECTOR; empty for the other units.
    """

    unit: int
    wait: int
    signal: int
    beats: int
    words: int
    steps: int
    reads: tuple[Span, ...] = ()
    writes: tuple[Span, ...] = ()


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
    """AXI beats and bursts of ``rows`` rows of ``size`` bytes, ``stride`` bytes apart.

    With serial execution, where a burst is a beat, rows in the place of bursts.
    """
    if not size:
        return 0, 0
    beat = config.axi_bytes
    burst = min(PAGE, beat * config.max_burst_beats)
    if stride % beat == 0:
        beats = rows * ((offset % beat + size + beat - 1) // beat)
    else:
        beats = rows * (size + beat - 1) // beat + rows * (beat - 1) // beat
    bursts = rows * (1 if config.is_serial else max(1, -(-size // burst)))
    return beats, bursts


def vector_span(config: Config, i: Instruction, side: str) -> Span:
    """All words between the first and the last one that a VECTOR reads or writes."""
    memory = Memory.ACCUMULATOR if i[f"{side}_memory"] else Memory.ACTIVATION
    chunk = i[f"{side}_element"] // config.lanes + i["chunks"] - 1
    last = i[f"{side}_address"] + chunk // chunks_per_word(config, memory)
    last += (i["count_y"] - 1) * i[f"{side}_stride_y"] + (i["count_x"] - 1) * i[f"{side}_stride_x"]
    if side == "source":
        last += (i["window_y"] - 1) * i["window_stride_y"]
        last += (i["window_x"] - 1) * i["window_stride_x"]
    return memory.value, i[f"{side}_address"], last + 1


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
        target = vector_span(config, i, "destination")
        reads: tuple[Span, ...] = (vector_span(config, i, "source"),)
        if i.flags & (ADD_FLAG | MAXIMUM_FLAG):
            reads = (*reads, target)
            if i["source_memory"]:
                words += chunks  # The old values come through the same port.
        return Work(unit, wait, signal, 0, words, 0, reads, (target,))
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
        self.vector_finish = timing.vector_finish
        if config.requantize == "onnx":
            self.vector_finish += timing.vector_onnx
        self.written: deque[tuple[int, tuple[Span, ...]]] = deque(maxlen=_REMEMBERED)
        self.passes: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
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
            finish = begin + duration + timing.load // 2
            self.free[0] = max(start + work.steps, self.data_free[0] - duration - timing.latency)
            if self.config.compact_transfers:
                self.free[0] = finish
            return finish
        if work.unit == 1 and work.steps:
            rows = self.config.rows
            ready = max(start + timing.matmul_start, self.pass_start + 1) + rows
            first = max(ready, self.pass_end)
            step = max(work.words, rows, timing.interlock)
            self.pass_start = first + (work.steps - 1) * step
            self.pass_end = self.pass_start + work.words
            self.free[1] = max(start + 1, self.pass_start - step + rows)
            self.array_cycles += work.steps * work.words
            self.passes.append((first, self.pass_end))
            return (self.pass_end + timing.matmul_finish + rows + self.config.cols)
        if work.unit == 2 and work.words:
            self.data_free[2] = self.vector_end(work, start)
            self.free[2] = max(start + 1, self.data_free[2] - timing.vector_finish)
            finish = self.data_free[2] + self.vector_finish
            self.written.append((finish, work.writes))
            return finish
        if work.unit == 3:
            begin = max(start + timing.store, self.data_free[3])
            self.data_free[3] = begin + max(work.beats, work.words)
            finish = self.data_free[3] + timing.latency
            self.free[3] = max(start + 1, self.data_free[3] - timing.store)
            if self.config.compact_transfers:
                self.free[3] = finish
            return finish
        self.free[work.unit] = start + 1
        return start + 1


    def vector_end(self, work: Work, start: int) -> int:
        """When a VECTOR granted at ``start`` has read everything, for all that is known.

        It begins once older ones have written what it reads. MATMUL goes first: beside it a VECTOR
        reads activations in every other cycle.
        """
        time = max(start + self.timing.vector_start, self.data_free[2])
        for finish, spans in self.written:
            if finish > time and _overlap(work.reads, spans):
                time = finish
        words = work.words
        if not any(space == Memory.ACTIVATION.value for space, _, _ in work.reads):
            return time + words
        for first, end in self.passes:
            free = first - time
            if words <= free:
                break
            if free > 0:
                words, time = words - free, first
            slow = min(max(0, end - time), 2 * words)
            words, time = words - slow // 2, time + slow
        return time + words


def _overlap(one: tuple[Span, ...], other: tuple[Span, ...]) -> bool:
    return any(
        a[0] == b[0] and a[1] < b[2] and b[1] < a[2] for a in one for b in other
    )


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
    if config.is_serial:
        return _serial_estimate(config, works)
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
    heads: list[int | None] = [None] * 4
    while True:
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
        chosen, earliest = -1, 0
        for unit in range(4):
            if position[unit] == len(streams[unit]):
                continue
            work = works[streams[unit][position[unit]]]
            head = heads[unit]
            if head is None:
                waits = members(work.wait)
                if any(taken[n] >= len(signals[n]) for n in waits):
                    continue
                head = max(arrivals[unit][position[unit]], model.free[unit])
                for n in waits:
                    head = max(head, signals[n][taken[n]])
                    taken[n] += 1
                heads[unit] = head
            # A VECTOR's turn comes when it ends: by then all is known that can hold it up.
            due = model.vector_end(work, head) if unit == 2 else head
            if chosen < 0 or due < earliest:
                chosen, earliest = unit, due
        if chosen < 0:
            break
        index = streams[chosen][position[chosen]]
        starts[index] = start = heads[chosen] or 0
        finishes[index] = model.run(works[index], index, start)
        for n in members(works[index].signal):
            signals[n].append(finishes[index])
        position[chosen] += 1
        heads[chosen] = None
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


def _serial_estimate(config: Config, works: Sequence[Work]) -> Estimate:
    """One after the other, as they are given."""
    timing = SerialTiming()
    starts: list[int] = []
    finishes: list[int] = []
    counts = [0] * SEMAPHORE_COUNT
    clock = array_cycles = 0
    ends = True
    for work in works:
        starts.append(clock)
        clock += timing.instruction
        if work.unit == Unit.MATMUL.value and work.steps:
            clock += work.steps * (timing.tile + timing.tile_row * config.rows + work.words)
            array_cycles += work.steps * work.words
        else:
            clock += timing.row * work.steps + timing.beat * work.beats
        finishes.append(clock)
        for number in members(work.wait):
            counts[number] -= 1
            ends &= counts[number] >= 0
        for number in members(work.signal):
            counts[number] += 1
    fetch_beats = INSTRUCTION_BYTES // config.axi_bytes
    return Estimate(
        clock if ends else 0, starts, finishes,
        sum(w.beats for w in works if w.unit == Unit.LOAD.value) + fetch_beats * len(works),
        sum(w.beats for w in works if w.unit == Unit.STORE.value), array_cycles,
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
