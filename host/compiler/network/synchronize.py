# SPDX-License-Identifier: Apache-2.0
"""Semaphores for operations of all four units, then dispatch order.

As `weft.compiler.schedule`, for any pair of units: one counting semaphore a pair carries every
dependence, because units finish in order. A wait that other waits imply already is left out. Where
a semaphore could pass its maximum, the producer is made to wait for its consumer, or signals are
merged.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...hdl.config import SEMAPHORE_MAXIMUM, Config
from ...hdl.isa import Memory, Opcode
from ...sim.accesses import memory_depth
from ..estimate import Estimate, Work, estimate
from .operations import DRAM, DRAM_BLOCK, Operation, Span

__all__ = ["in_order", "synchronize", "works"]

UNITS = 4
_LIMIT = SEMAPHORE_MAXIMUM - 4
PAIRS = [(producer, consumer) for producer in range(UNITS) for consumer in range(UNITS)
         if producer != consumer]
SEMAPHORES = {pair: number for number, pair in enumerate(PAIRS)}
"""Semaphore by (producing unit, consuming unit)."""


class _Stamps:
    """Per unit and place: the number of the last operation that touched it."""

    def __init__(self, config: Config, dram_bytes: int) -> None:
        sizes = {memory.value: memory_depth(config, memory) for memory in Memory}
        sizes[DRAM] = -(-dram_bytes // DRAM_BLOCK) + 1
        self.stamps: list[dict[int, NDArray[np.int32]]] = [
            {space: np.zeros(size, np.int32) for space, size in sizes.items()}
            for _ in range(UNITS)
        ]

    @staticmethod
    def _where(span: Span) -> slice:
        space, low, high = span
        if space == DRAM:
            return slice(low // DRAM_BLOCK, -(-high // DRAM_BLOCK))
        return slice(low, high)

    def latest(self, unit: int, spans: list[Span]) -> int:
        stamps = self.stamps[unit]
        return max((int(stamps[span[0]][self._where(span)].max()) for span in spans), default=0)

    def mark(self, unit: int, spans: list[Span], number: int) -> None:
        stamps = self.stamps[unit]
        for span in spans:
            stamps[span[0]][self._where(span)] = number


def _dependences(config: Config, operations: Sequence[Operation],
                 dram_bytes: int) -> list[list[int]]:
    """Per operation and unit: how many operations of the unit must have finished."""
    written, read = _Stamps(config, dram_bytes), _Stamps(config, dram_bytes)
    counts = [0] * UNITS
    needs = []
    for item in operations:
        unit = item.unit
        counts[unit] += 1
        need = [0] * UNITS
        touched = item.reads + item.writes
        for other in range(UNITS):
            if other != unit and counts[other]:
                need[other] = max(written.latest(other, touched), read.latest(other, item.writes))
        needs.append(need)
        written.mark(unit, item.writes, counts[unit])
        read.mark(unit, item.reads, counts[unit])
    return needs


class _Waits:
    """The waits that suffice for given needs.

    Parameters
    ----------
    operations : sequence of Operation
        In sequential order.
    needs : list of list of int
        From `_dependences`.
    grains : dict
        By pair of units: signals come only at multiples of this number of operations.
    """

    def __init__(self, operations: Sequence[Operation], needs: list[list[int]],
                 grains: dict[tuple[int, int], int]) -> None:
        self.streams: list[list[int]] = [[] for _ in range(UNITS)]
        self.ordinal: list[int] = []
        self.clocks: list[tuple[int, ...]] = []
        self.pairs: dict[tuple[int, int], list[tuple[int, int]]] = {pair: [] for pair in PAIRS}
        known = [[0] * UNITS for _ in range(UNITS)]
        finished: list[list[int]] = []
        for index, item in enumerate(operations):
            unit = item.unit
            clock = known[unit]
            wanted = []
            for other, need in enumerate(needs[index]):
                if need > clock[other]:
                    grain = grains.get((other, unit), 1)
                    need = min(-(-need // grain) * grain, len(self.streams[other]))
                    wanted.append((self.streams[other][need - 1], other, need))
            for producer, other, need in sorted(wanted, reverse=True):
                if need <= clock[other]:
                    continue
                self.pairs[other, unit].append((producer, index))
                for number, count in enumerate(finished[producer]):
                    clock[number] = max(clock[number], count)
            self.clocks.append(tuple(clock))
            self.ordinal.append(len(self.streams[unit]))
            self.streams[unit].append(index)
            done = list(clock)
            done[unit] = len(self.streams[unit])
            clock[unit] = len(self.streams[unit]) - 1
            finished.append(done)

    def relieve(self, needs: list[list[int]], grains: dict[tuple[int, int], int]) -> bool:
        """Change ``needs`` or ``grains`` where a semaphore could overflow; whether any did."""
        changed = False
        for (producer, consumer), pairs in self.pairs.items():
            merge = False
            reached = [self.clocks[source][consumer] for source, _ in pairs]
            for number, (_, wait) in enumerate(pairs):
                # Signals that need not come after this wait has started.
                if bisect_right(reached, self.ordinal[wait]) - number <= _LIMIT:
                    continue
                late = pairs[number + _LIMIT][0]
                if late > wait:
                    needs[late][consumer] = max(needs[late][consumer], self.ordinal[wait] + 1)
                else:
                    merge = True
                changed = True
            if merge:
                grains[producer, consumer] = 2 * grains.get((producer, consumer), 1)
        return changed

    def apply(self, operations: Sequence[Operation]) -> None:
        """Set wait and signal masks."""
        for item in operations:
            item.wait = item.signal = 0
        for pair, pairs in self.pairs.items():
            mask = 1 << SEMAPHORES[pair]
            for producer, consumer in pairs:
                operations[producer].signal |= mask
                operations[consumer].wait |= mask


def synchronize(config: Config, operations: Sequence[Operation], dram_bytes: int) -> None:
    """Set wait and signal masks of ``operations``, which are in sequential order.

    Parameters
    ----------
    dram_bytes : int
        Size of the activations in DRAM.
    """
    needs = _dependences(config, operations, dram_bytes)
    grains: dict[tuple[int, int], int] = {}
    while True:
        waits = _Waits(operations, needs, grains)
        if not waits.relieve(needs, grains):
            break
    waits.apply(operations)


def works(operations: Sequence[Operation]) -> list[Work]:
    """The costs of synchronized operations."""
    return [
        Work(item.unit, item.wait, item.signal, *item.work, *(
            (tuple(item.reads), tuple(item.writes)) if item.opcode is Opcode.VECTOR else ()
        ))
        for item in operations
    ]


def in_order(
    config: Config, operations: Sequence[Operation]
) -> tuple[list[Operation], Estimate]:
    """Synchronized operations in dispatch order, by estimated start, and their estimate."""
    starts = estimate(config, works(operations), ordered=False).starts
    ranks = (0, 1, 2, 3)
    keys = sorted(
        range(len(operations)),
        key=lambda number: (starts[number], ranks[operations[number].unit], number),
    )
    ordered = [operations[number] for number in keys]
    return ordered, estimate(config, works(ordered))
