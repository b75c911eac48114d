# SPDX-License-Identifier: Apache-2.0
"""What the register-transfer level did while a compiled model ran, cycle by cycle and by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.network import AcceleratorStep, CompiledModel
from ..hdl.isa import Unit
from ..hdl.registers import COUNTERS
from ..sim.rtl.design import INDEX_SIGNALS, SEMAPHORE_SIGNALS
from ._gemm_report import ARRAY_STATES
from ._model_costs import instruction_layers

__all__ = [
    "ARRAY_CAUSES", "LayerActivity", "Recording", "Slice", "layer_activity", "read_recordings",
]

ARRAY_CAUSES = (
    "multiplying", "waiting for the vector unit", "waiting for LOAD", "waiting for STORE",
    "waiting on semaphores", "no instruction", "waiting for weights", "waiting for activations",
    "waiting for the accumulator",
)
"""What the array did. Of the cycles in which the next MATMUL waited on semaphores, those with the
vector unit, else LOAD, else STORE at work count for these."""

_BITS = {name: number for number, (name, _) in enumerate(COUNTERS)}


@dataclass(frozen=True)
class Slice:
    """The cycles in which an instruction was the oldest unfinished one of its unit.

    Parameters
    ----------
    instruction : int
        Its index in the program.
    unit : Unit
        Its unit.
    start, end : int
        First cycle of the program, and the one after the last.
    """

    instruction: int
    unit: Unit
    start: int
    end: int


@dataclass
class Recording:
    """One program, from start to interrupt.

    Parameters
    ----------
    step : AcceleratorStep
        The program.
    events : array of uint32, shape [cycles]
        Bit n: counter n of `weft.hdl.registers.COUNTERS` counts this cycle.
    slices : list of Slice
        Those of a unit follow one another.
    semaphores : dict of int to (array, array)
        Cycles in which a semaphore's count changed, and the counts.
    """

    step: AcceleratorStep
    events: NDArray[np.uint32]
    slices: list[Slice]
    semaphores: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]

    @property
    def cycles(self) -> int:
        """Cycles from start to interrupt."""
        return len(self.events)

    def level(self, counter: str) -> NDArray[np.bool_]:
        """Whether a counter counts, for each cycle."""
        return (self.events >> np.uint32(_BITS[counter]) & np.uint32(1)).astype(bool)

    def owners(self) -> NDArray[np.int64]:
        """The layer of each cycle, as its place in the manifest.

        A cycle counts for the layer of the oldest MATMUL in hand, else of the oldest VECTOR, STORE
        or LOAD, else for that of the next such cycle.
        """
        layers = instruction_layers(self.step)
        owners = np.full(self.cycles, -1, np.int64)
        for unit in (Unit.LOAD, Unit.STORE, Unit.VECTOR, Unit.MATMUL):
            for item in self.slices:
                if item.unit is unit:
                    owners[item.start : item.end] = layers[item.instruction]
        known = np.flatnonzero(owners >= 0)
        if not len(known):
            return np.full(self.cycles, layers[-1], np.int64)
        following = np.searchsorted(known, np.arange(self.cycles))
        return owners[known[np.minimum(following, len(known) - 1)]]


@dataclass
class LayerActivity:
    """What was counted in the cycles of one layer; over all layers, the hardware's counters.

    Parameters
    ----------
    cycles : int
        As `Recording.owners` divides them.
    counters : dict of str to int
        By name of the counter.
    array : dict of str to int
        Cycles by `ARRAY_CAUSES`; they sum to ``cycles``.
    """

    cycles: int
    counters: dict[str, int]
    array: dict[str, int]


def read_recordings(transport: Any, model: CompiledModel) -> list[Recording]:
    """What a verilated transport recorded of a model's programs, which have all run once.

    Parameters
    ----------
    transport : weft.sim.rtl.transport.VerilatedTransport
        Opened with ``trace``.
    """
    steps = [step for step in model.steps if isinstance(step, AcceleratorStep)]
    cycles, events = transport.activity()
    counting = (events >> np.uint64(_BITS["CYCLES"])) & np.uint64(1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], counting, [0]]).astype(np.int64)))
    if len(edges) != 2 * len(steps):
        raise RuntimeError(f"{len(edges) // 2} programs were recorded, not {len(steps)}")
    units = [unit for unit in Unit if unit is not Unit.VECTOR or model.config.lanes]
    indices = {unit: transport.recorded(name)
               for unit, name in zip(units, INDEX_SIGNALS, strict=False)}
    counts = [transport.recorded(name) for name in SEMAPHORE_SIGNALS]
    recordings = []
    for step, first, after in zip(steps, edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        begin, end = int(cycles[first]), int(cycles[after])
        dense = _dense(cycles, events, begin, end).astype(np.uint32)
        recording = Recording(step, dense, [], {})
        for unit, (changes, values) in indices.items():
            busy = recording.level(f"{unit.name}_BUSY")
            recording.slices += _slices(step, unit, busy, _dense(changes, values, begin, end))
        for number, (changes, values) in enumerate(counts):
            course = _dense(changes, values, begin, end).astype(np.int64)
            places = np.flatnonzero(np.diff(course, prepend=0))
            if len(places):
                recording.semaphores[number] = places, course[places]
        recordings.append(recording)
    return recordings


def _dense(
    changes: NDArray[np.uint64], values: NDArray[np.uint64], begin: int, end: int
) -> NDArray[np.uint64]:
    """The value in every cycle from ``begin`` to before ``end``."""
    places = np.searchsorted(changes, np.arange(begin, end, dtype=np.uint64), "right") - 1
    return values[places]


def _slices(
    step: AcceleratorStep, unit: Unit, busy: NDArray[np.bool_], index: NDArray[np.uint64]
) -> list[Slice]:
    """Slices of one unit from the head of its completion queue.

    The head is stale for the first cycles after the queue was empty: these count for the
    instruction that appears next.
    """
    program = step.program.instructions
    mine = {number for number, item in enumerate(program) if item.unit is unit}
    states = np.where(busy, index.astype(np.int64), -1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(states)) + 1, [len(states)]])
    slices: list[Slice] = []
    finished, pending = -1, None
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        number = int(states[start])
        if number < 0:
            finished, pending = slices[-1].instruction if slices else -1, None
        elif number not in mine or number <= finished:
            pending = start if pending is None else pending
        else:
            slices.append(Slice(number, unit, start if pending is None else pending, end))
            finished, pending = number - 1, None
    return slices


def layer_activity(recordings: Sequence[Recording]) -> dict[int, LayerActivity]:
    """Cycles and counters of each layer, by its place in the manifest."""
    found: dict[int, LayerActivity] = {}
    for recording in recordings:
        owners = recording.owners()
        for place in recording.step.layers:
            cycles = owners == place
            found[place] = LayerActivity(
                int(cycles.sum()),
                {name: int((recording.level(name) & cycles).sum()) for name in _BITS},
                _array_causes(recording, cycles),
            )
    return found


def _array_causes(recording: Recording, cycles: NDArray[np.bool_]) -> dict[str, int]:
    """What the array did in the given cycles."""
    found = dict.fromkeys(ARRAY_CAUSES, 0)
    for counter, words in ARRAY_STATES.items():
        found[words] = int((recording.level(counter) & cycles).sum())
    left = recording.level("ARRAY_SEMAPHORE") & cycles
    for unit, words in (("VECTOR", "waiting for the vector unit"), ("LOAD", "waiting for LOAD"),
                        ("STORE", "waiting for STORE")):
        busy = left & recording.level(f"{unit}_BUSY")
        found[words] = int(busy.sum())
        left &= ~busy
    found["waiting on semaphores"] = int(left.sum())
    return found
