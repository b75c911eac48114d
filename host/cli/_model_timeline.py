# SPDX-License-Identifier: Apache-2.0
"""The estimated course of a compiled model as a timeline for ui.perfetto.dev.

Format: Trace Event Format (Chrome tracing), JSON object form. A microsecond stands for a cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compiler.estimate import members
from ..compiler.network import AcceleratorStep, CompiledModel
from ._model_costs import UNITS, instruction_layers, program_costs, unit_intervals

__all__ = ["timeline"]

_PROCESS = 1


def timeline(model: CompiledModel, layers: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Instructions of each unit, semaphores and DRAM traffic as the cost model has them.

    Parameters
    ----------
    layers : sequence of dict
        Layers with measured cycles, for a track of their own, one after the other.

    Returns
    -------
    dict
        To be written as JSON.
    """
    title = f"weft {model.config.rows} x {model.config.cols}, ESTIMATE (1 us = 1 cycle)"
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": _PROCESS, "args": {"name": title}}
    ]
    names = [*UNITS, *(["layers, measured alone in RTL"] if layers else [])]
    for number, name in enumerate(names):
        events.append({"ph": "M", "pid": _PROCESS, "tid": number, "name": "thread_name",
                       "args": {"name": name}})
    begin = 0
    for step in model.steps:
        if isinstance(step, AcceleratorStep):
            begin += _step_events(model, step, begin, events)
    place = 0
    for layer in layers:
        if layer["cycles"]:
            events.append({"ph": "X", "name": layer["name"], "pid": _PROCESS, "tid": len(UNITS),
                           "ts": place, "dur": layer["cycles"]})
            place += layer["cycles"]
    return {"displayTimeUnit": "ns", "traceEvents": events}


def _step_events(
    model: CompiledModel, step: AcceleratorStep, begin: int, events: list[dict[str, Any]]
) -> int:
    """Add a program's events from cycle ``begin`` on; returns its cycles."""
    works, course = program_costs(model.config, step.program)
    entries = instruction_layers(step)
    changes: dict[str, list[tuple[int, float]]] = {}
    for index, unit, start, end in unit_intervals(works, course):
        item = step.program.instructions[index]
        events.append({
            "ph": "X", "name": f"{item.opcode.name} {model.manifest[entries[index]]['name']}",
            "pid": _PROCESS, "tid": unit, "ts": begin + start, "dur": end - start,
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
            events.append({"ph": "C", "name": name, "pid": _PROCESS, "ts": begin + cycle,
                           "args": {"value": value}})
    return course.cycles
