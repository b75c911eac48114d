# SPDX-License-Identifier: Apache-2.0
"""From operations in sequential order to a program: semaphores, then dispatch order.

Operations are given in an order in which running them one by one is correct, with the words they
touch. `synchronize` finds what each has to wait for. Units finish in order, so waiting for one
instruction of another unit is waiting for all before it, and one counting semaphore per pair of
units carries every dependence: the producer signals exactly where some consumer first needs it.
`order` sorts by estimated start, which never deadlocks: an instruction waits only for instructions
that start before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..hdl.config import SEMAPHORE_MAXIMUM, Config
from ..hdl.isa import Instruction, Memory, Opcode
from .estimate import Timing, Work, estimate

__all__ = ["Operation", "order", "synchronize"]

LOADED, CONSUMED, COMPUTED, STORED = range(4)
"""Semaphores: LOAD to MATMUL, MATMUL to LOAD, MATMUL to STORE, STORE to MATMUL."""

_HEADROOM = 4
"""Counts that stay free below the maximum."""


@dataclass(slots=True)
class Operation:
    """An instruction before its semaphores are known.

    Parameters
    ----------
    opcode : Opcode
        LOAD, MATMUL or STORE.
    values : dict[str, int]
        Instruction fields.
    reads, writes : list[tuple[Memory, int, int]]
        On-chip words touched: memory, first, end. May be a superset.
    work : tuple[int, int, int]
        Beats, words, steps as in `weft.compiler.estimate.Work`.
    """

    opcode: Opcode
    values: dict[str, int]
    reads: list[tuple[Memory, int, int]]
    writes: list[tuple[Memory, int, int]]
    work: tuple[int, int, int]
    flags: int = 0
    wait: int = 0
    signal: int = 0

    def instruction(self) -> Instruction:
        """The finished instruction."""
        return Instruction(self.opcode, self.values, self.wait, self.signal, self.flags)


_UNITS = {Opcode.LOAD: 0, Opcode.MATMUL: 1, Opcode.STORE: 3}


@dataclass
class _Needs:
    """Per operation of each unit: how many operations of another unit must have finished."""

    loads: list[Operation] = field(default_factory=list)
    matmuls: list[Operation] = field(default_factory=list)
    stores: list[Operation] = field(default_factory=list)
    matmul_loads: list[int] = field(default_factory=list)
    matmul_stores: list[int] = field(default_factory=list)
    load_matmuls: list[int] = field(default_factory=list)
    load_position: list[int] = field(default_factory=list)
    store_matmuls: list[int] = field(default_factory=list)


def _latest(stamps: dict[Memory, np.ndarray], spans: list[tuple[Memory, int, int]]) -> int:
    return max((int(stamps[memory][low:high].max()) for memory, low, high in spans), default=0)


def _mark(
    stamps: dict[Memory, np.ndarray], spans: list[tuple[Memory, int, int]], number: int
) -> None:
    for memory, low, high in spans:
        stamps[memory][low:high] = number


def _dependences(config: Config, operations: Sequence[Operation]) -> _Needs:
    """Walk the sequential order and find the last conflicting operation of each unit."""
    depths = {
        Memory.ACTIVATION: config.activation_depth,
        Memory.WEIGHT: config.weight_depth,
        Memory.ACCUMULATOR: config.accumulator_depth,
    }
    loaded, read, updated, stored = (
        {memory: np.zeros(depth, np.int64) for memory, depth in depths.items()} for _ in range(4)
    )
    needs = _Needs()
    for item in operations:
        if item.opcode is Opcode.LOAD:
            needs.loads.append(item)
            needs.load_matmuls.append(_latest(read, item.writes))
            needs.load_position.append(len(needs.matmuls))
            _mark(loaded, item.writes, len(needs.loads))
        elif item.opcode is Opcode.MATMUL:
            needs.matmuls.append(item)
            needs.matmul_loads.append(_latest(loaded, item.reads))
            needs.matmul_stores.append(_latest(stored, item.writes))
            _mark(read, item.reads, len(needs.matmuls))
            _mark(updated, item.writes, len(needs.matmuls))
        else:
            needs.stores.append(item)
            needs.store_matmuls.append(_latest(updated, item.reads))
            _mark(stored, item.reads, len(needs.stores))
    return needs


def _pairs(needs: Sequence[int]) -> list[tuple[int, int]]:
    """(producer count, consumer index) where the need first exceeds all earlier ones."""
    result, current = [], 0
    for index, need in enumerate(needs):
        if need > current:
            result.append((need, index))
            current = need
    return result


def _apply(
    pairs: list[tuple[int, int]],
    producers: list[Operation],
    consumers: list[Operation],
    semaphore: int,
) -> None:
    for produced, consumer in pairs:
        producers[produced - 1].signal |= 1 << semaphore
        consumers[consumer].wait |= 1 << semaphore


def _run_ahead(pairs: list[tuple[int, int]], first_user: Sequence[int]) -> int:
    """Largest count that MATMUL-to-LOAD can reach.

    Before the LOAD of pair ``j`` starts, MATMULs up to the first user of that LOAD may have run.
    """
    produced = np.array([pair[0] for pair in pairs], np.int64)
    worst = 0
    for number, (_, load) in enumerate(pairs):
        reachable = int(np.searchsorted(produced, first_user[load], side="right"))
        worst = max(worst, reachable - number)
    return worst


def synchronize(config: Config, operations: Sequence[Operation]) -> None:
    """Fill in wait and signal masks of ``operations``, which are in sequential order."""
    needs = _dependences(config, operations)
    limit = SEMAPHORE_MAXIMUM - _HEADROOM
    loaded = _pairs(needs.matmul_loads)
    for number in range(limit, len(loaded)):
        # The count of LOADED stays below its maximum: no further ahead than `limit` uses.
        load, user = loaded[number][0] - 1, loaded[number - limit][1] + 1
        needs.load_matmuls[load] = max(needs.load_matmuls[load], user)
    first_user = np.full(len(needs.loads) + 1, len(needs.matmuls), np.int64)
    for produced, consumer in reversed(loaded):
        first_user[:produced] = np.minimum(first_user[:produced], consumer)
    exact, grain = list(needs.load_matmuls), 1
    consumed = _pairs(exact)
    while _run_ahead(consumed, first_user.tolist()) > limit and grain < len(needs.matmuls):
        grain *= 2
        consumed = _pairs([
            min(-(-need // grain) * grain, position) if need else 0
            for need, position in zip(exact, needs.load_position, strict=True)
        ])
    _apply(loaded, needs.loads, needs.matmuls, LOADED)
    _apply(consumed, needs.matmuls, needs.loads, CONSUMED)
    _apply(_pairs(needs.store_matmuls), needs.matmuls, needs.stores, COMPUTED)
    _apply(_pairs(needs.matmul_stores), needs.stores, needs.matmuls, STORED)


def works(operations: Sequence[Operation]) -> list[Work]:
    """The costs of synchronized operations."""
    return [
        Work(_UNITS[item.opcode], item.wait, item.signal, *item.work) for item in operations
    ]


def order(
    config: Config, operations: Sequence[Operation], timing: Timing | None = None
) -> list[Operation]:
    """Synchronized operations in dispatch order: by estimated start."""
    starts = estimate(config, works(operations), timing, ordered=False).starts
    ranks = {0: 0, 1: 1, 3: 2, 2: 3}
    keys = sorted(
        range(len(operations)),
        key=lambda number: (starts[number], ranks[_UNITS[operations[number].opcode]], number),
    )
    return [operations[number] for number in keys]


