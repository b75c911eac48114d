# SPDX-License-Identifier: Apache-2.0
"""Reads before writes and data races, place by place, with the clocks of one execution.

Method: happens-before race detection as in FastTrack (Flanagan and Freund, PLDI 2009). Each place
remembers its last writer and each unit's last reader; an access is ordered after another unit's
instruction if that had finished when the accessing instruction started.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..hdl.config import Config
from ..hdl.isa import ACCUMULATE_FLAG, Instruction, Memory, Opcode
from ..sim.accesses import chunks_per_word, matmul_access, memory_depth, transfer_access
from ..sim.vector_access import vector_access
from .causality import UNITS, Execution
from .program import Program

__all__ = ["MemoryChecker"]

_FREE = np.int32(-1)
_INITIAL = np.int32(-2)
_OWN = np.int32(0x7FFF_FFFF)

Problem = tuple[str, str, str]
Where = slice | NDArray[np.int64] | tuple[int, int, int, int, int, int]


class _Tracker:
    """Last writer and readers of each place of one memory.

    A place of an on-chip memory is a chunk of a word (`weft.sim.accesses.chunks_per_word`) in a
    program with VECTORs, else a word: nothing else writes parts of words.
    """

    def __init__(
        self, name: str, size: int, unit: str, *, written: bool = False, chunks: int = 1,
        lanes: int = 1,
    ) -> None:
        self.name = name
        self.unit = unit
        self.chunks = chunks
        self.lanes = lanes
        self.writer = np.full(size, _INITIAL if written else _FREE, np.int32)
        self.writer_unit = np.zeros(size, np.int8)
        self.readers = np.full((UNITS, size), _FREE, np.int32)
        self.reads_by = [False] * UNITS

    def describe(self, place: int) -> str:
        """The place in words."""
        word, chunk = divmod(place, self.chunks)
        element = f" element {chunk * self.lanes}" if self.chunks > 1 else ""
        return f"{self.name} {self.unit} {word}{element}"

    @staticmethod
    def view(array: NDArray, where: Where) -> NDArray:
        """The words; a tuple is a strided DRAM box: first, rows, groups, bytes, strides."""
        if isinstance(where, tuple):
            first, count_y, count_x, size, stride_y, stride_x = where
            item = array.itemsize
            return as_strided(array[first:], (count_y, count_x, size),
                              (stride_y * item, stride_x * item, item))
        return array[where]

    def read(self, where: Where, limits: NDArray[np.int32]) -> tuple[NDArray, NDArray]:
        """Masks of words read before written, and of words whose writer may not have finished."""
        writer = self.view(self.writer, where)
        missing = writer == _FREE
        return missing, writer >= limits[self.view(self.writer_unit, where)]

    def set(self, array: NDArray, where: Where, value: int) -> None:
        """Assign to words."""
        if isinstance(where, tuple):
            self.view(array, where)[...] = value
        else:
            array[where] = value


def _places(tracker: _Tracker, words: NDArray[np.int64]) -> NDArray[np.int64]:
    """All places of ``words``, flat."""
    if tracker.chunks == 1:
        return words.reshape(-1)
    return (words.reshape(-1, 1) * tracker.chunks + np.arange(tracker.chunks)).reshape(-1)


class MemoryChecker:
    """Visits instructions in execution order.

    Parameters
    ----------
    config : Config
        The accelerator.
    program : Program
        What runs.
    execution : Execution
        Its order and clocks.
    """

    def __init__(self, config: Config, program: Program, execution: Execution) -> None:
        self.config = config
        self.program = program
        self.execution = execution
        uses_vector = any(i.opcode is Opcode.VECTOR for i in program.instructions)
        self.memories = {}
        for memory in Memory:
            chunks = chunks_per_word(config, memory) if uses_vector else 1
            self.memories[memory] = _Tracker(
                memory.name.lower(), memory_depth(config, memory) * chunks, "word", chunks=chunks,
                lanes=config.lanes,
            )
        accumulator = self.memories[Memory.ACCUMULATOR]
        self.products = np.zeros(len(accumulator.writer), np.int64)
        loaded, stored = set(), set()
        for i in program.instructions:
            if i.opcode is Opcode.LOAD:
                loaded.add(i["segment"])
            elif i.opcode is Opcode.STORE:
                stored.add(i["segment"])
        self.segments = {
            need.number: _Tracker(f"segment {need.number} ({need.name})", need.bytes, "byte",
                                  written=need.role != "output")
            for need in program.segments if need.number in loaded & stored
        }

    def visit(self, index: int) -> Iterator[Problem]:
        """Problems of one instruction's accesses."""
        i = self.program.instructions[index]
        unit = self.execution.unit[index]
        limits = np.array(self.execution.clocks[index], np.int32)
        limits[unit] = _OWN
        if i.opcode is Opcode.MATMUL:
            yield from self._matmul(i, index, unit, limits)
        elif i.opcode is Opcode.VECTOR:
            yield from self._vector(i, index, unit, limits)
        elif i.opcode in (Opcode.LOAD, Opcode.STORE):
            yield from self._transfer(i, index, unit, limits)

    def _transfer(
        self, i: Instruction, index: int, unit: int, limits: NDArray[np.int32]
    ) -> Iterator[Problem]:
        access = transfer_access(self.config, i)
        memory = self.memories[access.memory]
        words = slice(access.address * memory.chunks,
                      (access.address + access.words) * memory.chunks)
        segment = self.segments.get(i["segment"]) if access.bytes else None
        if segment is not None and access.segment_fault(len(segment.writer)) is not None:
            segment = None
        box = (i["offset"], i["count_y"], i["count_x"], i["bytes"], i["stride_y"], i["stride_x"])
        if i.opcode is Opcode.LOAD:
            if segment is not None:
                yield from self._read(segment, box, index, unit, limits)
            yield from self._write(memory, words, index, unit, limits)
            if access.memory is Memory.ACCUMULATOR:
                self.products[words] = 0
        else:
            # Words are read whole: a VECTOR that writes other elements must not meet the read.
            needed = access.chunks(self.config) if memory.chunks > 1 else words
            yield from self._read(memory, words, index, unit, limits, needed)
            if segment is not None:
                yield from self._write(segment, box, index, unit, limits)

    def _matmul(
        self, i: Instruction, index: int, unit: int, limits: NDArray[np.int32]
    ) -> Iterator[Problem]:
        access = matmul_access(self.config, i)
        used = access.weights.reshape(-1) if access.used.all() else access.weights[access.used]
        activation, weight = self.memories[Memory.ACTIVATION], self.memories[Memory.WEIGHT]
        accumulator = self.memories[Memory.ACCUMULATOR]
        activations = _places(activation, access.activations)
        accumulators = _places(accumulator, access.accumulators)
        yield from self._read(activation, activations, index, unit, limits)
        yield from self._read(weight, used, index, unit, limits)
        accumulate = bool(i.flags & ACCUMULATE_FLAG)
        if accumulate:
            yield from self._read(accumulator, accumulators, index, unit, limits)
        else:
            self.products[accumulators] = 0
        yield from self._write(accumulator, accumulators, index, unit, limits)
        np.add.at(self.products, accumulators, int(access.used.sum()))
        deepest = int(self.products[accumulators].max())
        if deepest > self.config.max_reduction_depth:
            what = (f"accumulates {deepest} products in a word; max_reduction_depth is "
                    f"{self.config.max_reduction_depth}")
            yield "reduction-depth", what, "split the reduction or widen the accumulator"

    def _vector(
        self, i: Instruction, index: int, unit: int, limits: NDArray[np.int32]
    ) -> Iterator[Problem]:
        access = vector_access(self.config, i)
        reason = access.undefined(self.config)
        if reason is not None:
            yield "undefined", f"{reason}, so the result depends on the pipeline", "split it in two"
        destination, writes = self.memories[access.destination], access.writes()
        reads = [(self.memories[access.source], access.reads()),
                 (self.memories[Memory.PARAMETER], np.unique(access.parameters)),
                 (self.memories[Memory.TABLE], np.arange(access.table[0], access.table[1] + 1))]
        if access.updates:
            reads.append((destination, writes))
        for tracker, where in reads:
            if len(where):
                yield from self._read(tracker, where, index, unit, limits)
        yield from self._write(destination, writes, index, unit, limits)
        if access.destination is Memory.ACCUMULATOR and not access.updates:
            self.products[writes] = 0

    def _first(self, where: Where, mask: NDArray) -> int:
        place = np.flatnonzero(mask)[0]
        if isinstance(where, tuple):
            first, _, count_x, size, stride_y, stride_x = where
            row, byte = divmod(int(place), size)
            y, x = divmod(row, count_x)
            return first + y * stride_y + x * stride_x + byte
        return int(where.start + place) if isinstance(where, slice) else int(where[place])

    def _read(
        self, tracker: _Tracker, where: Where, index: int, unit: int, limits: NDArray[np.int32],
        needed: Where | None = None,
    ) -> Iterator[Problem]:
        """A read of the places ``where``; of these only ``needed`` must have been written."""
        missing, unordered = tracker.read(where, limits)
        written = where
        if needed is not None:
            missing, written = tracker.read(needed, limits)[0], needed
        if missing.any():
            place = self._first(written, missing)
            what = f"reads {tracker.describe(place)}, which nothing has written"
            yield "read-before-write", what, "load or compute it first"
        if unordered.any():
            yield self._race("reads", "writes", tracker, where, unordered, tracker.writer, None)
        tracker.set(tracker.readers[unit], where, self.execution.ordinal[index])
        tracker.reads_by[unit] = True

    def _write(
        self, tracker: _Tracker, where: Where, index: int, unit: int, limits: NDArray[np.int32]
    ) -> Iterator[Problem]:
        _, unordered = tracker.read(where, limits)
        if unordered.any():
            yield self._race("writes", "writes", tracker, where, unordered, tracker.writer, None)
        for other in range(UNITS):
            if other != unit and tracker.reads_by[other]:
                late = tracker.view(tracker.readers[other], where) >= limits[other]
                if late.any():
                    yield self._race("writes", "reads", tracker, where, late,
                                     tracker.readers[other], other)
        tracker.set(tracker.writer, where, self.execution.ordinal[index])
        tracker.set(tracker.writer_unit, where, unit)

    def _race(self, verb: str, other_verb: str, tracker: _Tracker, where: Where, mask: NDArray,
              array: NDArray, unit: int | None) -> Problem:
        word = self._first(where, mask)
        who = int(tracker.writer_unit[word]) if unit is None else unit
        other = self.execution.streams[who][int(array[word])]
        opcode = self.program.instructions[other].opcode.name
        what = (f"{verb} {tracker.describe(word)}, which instruction {other} "
                f"({opcode}) {other_verb}, and nothing makes it wait for that to finish")
        fix = f"wait for a semaphore that instruction {other} or a later one of its unit signals"
        return "race", what, fix
