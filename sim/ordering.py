# SPDX-License-Identifier: Apache-2.0
"""Semaphores for a sequence of random instructions, so that their timing does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..hdl.isa import Instruction, Unit

__all__ = ["Footprint", "Ordering"]

Places = dict[str, NDArray[np.int64]]
_UNITS = tuple(Unit)


@dataclass
class Footprint:
    """What an instruction touches: chunk or byte numbers by resource name."""

    reads: Places
    writes: Places


class Ordering:
    """Orders conflicting instructions of different units.

    Units finish in order, so one semaphore for each ordered pair of units carries all waits: the
    producer signals where a consumer first needs it.

    Parameters
    ----------
    sizes : Mapping[str, int]
        Places by resource name.
    random : numpy.random.Generator
        Chooses semaphore numbers, and now and then an order that is not needed.
    """

    def __init__(self, sizes: Mapping[str, int], random: np.random.Generator) -> None:
        self.random = random
        self.last = {
            (unit, name, kind): np.zeros(size, np.int64)
            for unit in _UNITS for name, size in sizes.items() for kind in ("read", "write")
        }
        self.instructions: list[Instruction] = []
        self.streams: dict[Unit, list[int]] = {unit: [] for unit in _UNITS}
        numbers = random.permutation(16)
        pairs = [(p, c) for p in _UNITS for c in _UNITS if p is not c]
        self.semaphores = {pair: int(numbers[i]) for i, pair in enumerate(pairs)}
        self.seen = dict.fromkeys(pairs, 0)

    def _needed(self, producer: Unit, footprint: Footprint) -> int:
        """How many instructions of ``producer`` must have finished."""
        needs = [0]
        for name, places in footprint.reads.items():
            if len(places):
                needs.append(int(self.last[producer, name, "write"][places].max()))
        for name, places in footprint.writes.items():
            if len(places):
                needs.append(int(self.last[producer, name, "write"][places].max()))
                needs.append(int(self.last[producer, name, "read"][places].max()))
        if self.random.random() < 0.1:
            needs.append(len(self.streams[producer]))
        return max(needs)

    def add(self, instruction: Instruction, footprint: Footprint) -> None:
        """Append ``instruction``; makes it wait for the conflicting ones before it."""
        unit = instruction.unit
        wait = 0
        for producer in _UNITS:
            if producer is unit:
                continue
            need = self._needed(producer, footprint)
            if need > self.seen[producer, unit]:
                self.seen[producer, unit] = need
                mask = 1 << self.semaphores[producer, unit]
                wait |= mask
                source = self.streams[producer][need - 1]
                earlier = self.instructions[source]
                self.instructions[source] = replace(earlier, signal=earlier.signal | mask)
        self.streams[unit].append(len(self.instructions))
        number = len(self.streams[unit])
        for places, kind in ((footprint.reads, "read"), (footprint.writes, "write")):
            for name, where in places.items():
                self.last[unit, name, kind][where] = number
        self.instructions.append(replace(instruction, wait=wait))

    def finish(self) -> list[Instruction]:
        """All instructions."""
        return self.instructions
