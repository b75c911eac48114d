# SPDX-License-Identifier: Apache-2.0
"""The course of a compiled model as a timeline for ui.perfetto.dev: recorded, or estimated.

Format: Trace Event Format (Chrome tracing), JSON object form. A microsecond stands for a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..compiler.estimate import members
from ..compiler.network import AcceleratorStep, CompiledModel
from ._gemm_report import ARRAY_STATES
from ._model_costs import UNITS, instruction_layers, program_costs, unit_intervals
from ._model_recording import Recording

__all__ = ["estimated_timeline", "recorded_timeline"]

_PROCESS = 1
_WINDOW = 64
"""Cycles over which a point of the bandwidth curves averages."""

Event = dict[str, Any]


def _timeline(title: str, tracks: Sequence[str], events: Iterable[Event]) -> dict[str, Any]:
    head: list[Event] = [{"ph": "M", "name": "process_name", "args": {"name": title}}]
    for number, name in enumerate(tracks):
        head.append({"ph": "M", "tid": number, "name": "thread_name", "args": {"name": name}})
        head.append({"ph": "M", "tid": number, "name": "thread_sort_index",
                     "args": {"sort_index": number}})
    return {"displayTimeUnit": "ns",
            "traceEvents": [{**event, "pid": _PROCESS} for event in [*head, *events]]}


def _size(model: CompiledModel) -> str:
    return f"{model.config.rows} x {model.config.cols}"


def recorded_timeline(model: CompiledModel, recordings: Sequence[Recording]) -> dict[str, Any]:
    """What the simulated register-transfer level did.

    Parameters
    ----------
    model : CompiledModel
        What ran.
    recordings : sequence of Recording
        Of its programs, shown one after the other.

    Returns
    -------
    dict
        To be written as JSON. Tracks: the layers; what the array did in each cycle; for each unit
        its oldest unfinished instruction. Curves: bytes read and written a cycle, every semaphore.
    """
    tracks = ["layer", "array", *UNITS]
    events: list[Event] = []
    begin = 0
    for recording in recordings:
        events += _program_events(model, recording, begin, tracks)
        begin += recording.cycles
    title = f"weft {_size(model)}, recorded in simulated RTL (1 us = 1 cycle)"
    return _timeline(title, tracks, events)


def _program_events(
    model: CompiledModel, recording: Recording, begin: int, tracks: Sequence[str]
) -> list[Event]:
    """The events of one program, which starts at cycle ``begin``."""
    names = [entry["name"] for entry in model.manifest]
    layers = instruction_layers(recording.step)
    events: list[Event] = []
    for place, start, end in _runs(recording.owners()):
        events.append({"ph": "X", "name": names[place], "tid": 0, "ts": begin + start,
                       "dur": end - start})
    states = np.full(recording.cycles, -1)
    for number, counter in enumerate(ARRAY_STATES):
        states[recording.level(counter)] = number
    words = list(ARRAY_STATES.values())
    for state, start, end in _runs(states):
        if state >= 0:
            events.append({"ph": "X", "name": words[state], "tid": 1, "ts": begin + start,
                           "dur": end - start})
    for item in recording.slices:
        opcode = recording.step.program.instructions[item.instruction].opcode.name
        events.append({
            "ph": "X", "name": f"{opcode} {names[layers[item.instruction]]}",
            "tid": tracks.index(item.unit.name.lower()), "ts": begin + item.start,
            "dur": item.end - item.start, "args": {"instruction": item.instruction},
        })
    for title, counter in (("DRAM bytes read a cycle", "READ_BEATS"),
                           ("DRAM bytes written a cycle", "WRITE_BEATS")):
        level = recording.level(counter)
        sums = np.add.reduceat(level, np.arange(0, len(level), _WINDOW), dtype=np.int64)
        for number, beats in enumerate(sums.tolist()):
            length = min(_WINDOW, len(level) - number * _WINDOW)
            value = round(beats * model.config.axi_bytes / length, 2)
            events.append({"ph": "C", "name": title, "ts": begin + number * _WINDOW,
                           "args": {"value": value}})
        events.append({"ph": "C", "name": title, "ts": begin + len(level), "args": {"value": 0}})
    for number, (cycles, counts) in recording.semaphores.items():
        events += [{"ph": "C", "name": f"semaphore {number}", "ts": begin + cycle,
                    "args": {"value": count}}
                   for cycle, count in zip(cycles.tolist(), counts.tolist(), strict=True)]
    return events


def _runs(values: np.ndarray) -> Iterable[tuple[int, int, int]]:
    """Value, first place and end of each run of equal values."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]]).tolist()
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        if end > start:
            yield int(values[start]), start, end


def estimated_timeline(model: CompiledModel) -> dict[str, Any]:
    """Instructions of each unit, semaphores and DRAM traffic as the cost model has them."""
    events: list[Event] = []
    begin = 0
    for step in model.steps:
        if isinstance(step, AcceleratorStep):
            begin += _step_events(model, step, begin, events)
    return _timeline(f"weft {_size(model)}, ESTIMATE (1 us = 1 cycle)", UNITS, events)


def _step_events(
    model: CompiledModel, step: AcceleratorStep, begin: int, events: list[Event]
) -> int:
    """Add a program's events from cycle ``begin`` on; returns its cycles."""
    works, course = program_costs(model.config, step.program)
    entries = instruction_layers(step)
    changes: dict[str, list[tuple[int, float]]] = {}
    for index, unit, start, end in unit_intervals(works, course):
        item = step.program.instructions[index]
        events.append({
            "ph": "X", "name": f"{item.opcode.name} {model.manifest[entries[index]]['name']}",
            "tid": unit, "ts": begin + start, "dur": end - start,
            "args": {"instruction": index},
        })
        size = works[index].beats * model.config.axi_bytes
        if size:
            name = "read" if UNITS[unit] == "load" else "written"
            rate = round(size / (end - start), 2)
            changes.setdefault(f"DRAM bytes {name} a cycle", []).extend(
                [(start, rate), (end, -rate)])
    for index, work in enumerate(works):
        for number in members(work.wait):
            changes.setdefault(f"semaphore {number}", []).append((course.starts[index], -1))
        for number in members(work.signal):
            changes.setdefault(f"semaphore {number}", []).append((course.finishes[index], 1))
    for name, steps in sorted(changes.items()):
        value: float = 0
        for cycle, change in sorted(steps, key=lambda item: (item[0], -item[1])):
            value = round(value + change, 2)
            events.append({"ph": "C", "name": name, "ts": begin + cycle, "args": {"value": value}})
    return course.cycles
