# SPDX-License-Identifier: Apache-2.0
"""The recorded activity of the units as a timeline for ui.perfetto.dev.

Format: Trace Event Format (Chrome tracing), JSON object form. A microsecond stands for a cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...hdl.config import Config
from ...hdl.registers import COUNTERS

__all__ = ["perfetto", "unit_states"]

_NAMES = [name for name, _ in COUNTERS]
_PROCESS = 1
_BANDWIDTH_WINDOW = 64
"""Cycles over which a point of the bandwidth curves averages."""

_ARRAY = {
    "ARRAY_ACTIVE": "multiply",
    "ARRAY_IDLE": "idle",
    "ARRAY_SEMAPHORE": "wait on semaphores",
    "ARRAY_WEIGHTS": "wait for weights",
    "ARRAY_ACTIVATIONS": "wait for activations",
    "ARRAY_INTERLOCK": "wait for accumulator",
}


def _bit(name: str) -> int:
    return 1 << _NAMES.index(name)


def _unit_state(unit: str) -> Callable[[int], str]:
    busy, semaphore, memory = (
        _bit(f"{unit}_{kind}") for kind in ("BUSY", "WAIT_SEMAPHORE", "WAIT_MEMORY")
    )

    def state(events: int) -> str:
        if events & memory:
            return "wait for memory"
        if events & busy:
            return "busy"
        return "wait on semaphores" if events & semaphore else ""

    return state


def _array_state(events: int) -> str:
    return next((words for name, words in _ARRAY.items() if events & _bit(name)), "")


def unit_states(
    cycles: np.ndarray, events: np.ndarray, end: int
) -> Iterator[tuple[str, str, int, int]]:
    """What each unit did when: unit, state, first cycle, number of cycles.

    Parameters
    ----------
    cycles, events : numpy.ndarray
        Cycles in which the counters' event bits changed, and the bits from then on.
    end : int
        Cycle after the last.

    Yields
    ------
    tuple of (str, str, int, int)
    """
    states = {unit.lower(): _unit_state(unit) for unit in ("LOAD", "MATMUL", "VECTOR", "STORE")}
    states["array"] = _array_state
    for unit, state_of in states.items():
        start, last = 0, ""
        for cycle, bits in zip(cycles.tolist(), events.tolist(), strict=True):
            state = state_of(bits)
            if state != last:
                if last:
                    yield unit, last, start, cycle - start
                start, last = cycle, state
        if last:
            yield unit, last, start, end - start


def _beats(cycles: np.ndarray, events: np.ndarray, end: int, name: str) -> np.ndarray:
    """Beats of a channel in each window."""
    level = (events & np.uint64(_bit(name))) != 0
    lengths = np.diff(np.append(cycles, np.uint64(end))).astype(np.int64)
    per_cycle = np.repeat(level, lengths)
    padded = np.zeros(-(-max(per_cycle.size, 1) // _BANDWIDTH_WINDOW) * _BANDWIDTH_WINDOW, bool)
    padded[: per_cycle.size] = per_cycle
    return padded.reshape(-1, _BANDWIDTH_WINDOW).sum(axis=1)


def perfetto(cycles: np.ndarray, events: np.ndarray, config: Config) -> dict[str, Any]:
    """The timeline of what was recorded.

    Parameters
    ----------
    cycles, events : numpy.ndarray
        From `VerilatedTransport.activity`.
    config : Config
        The accelerator.

    Returns
    -------
    dict
        To be written as JSON: a track for each unit and for the array, and the read and write
        bandwidth in bytes a cycle. Cycle 0 is the reset of the accelerator.
    """
    end = int(cycles[-1]) if cycles.size else 0
    threads = ["load", "matmul", "vector", "store", "array"]
    title = f"weft {config.rows} x {config.cols} (1 us = 1 cycle)"
    result: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": _PROCESS, "args": {"name": title}}
    ]
    for number, name in enumerate(threads):
        common = {"ph": "M", "pid": _PROCESS, "tid": number}
        result.append({**common, "name": "thread_name", "args": {"name": name}})
        result.append({**common, "name": "thread_sort_index", "args": {"sort_index": number}})
    for unit, state, start, length in unit_states(cycles, events, end):
        result.append({
            "ph": "X", "name": state, "pid": _PROCESS, "tid": threads.index(unit),
            "ts": start, "dur": length,
        })
    for title, counter in (("read bytes a cycle", "READ_BEATS"),
                           ("written bytes a cycle", "WRITE_BEATS")):
        first = int(cycles[0]) if cycles.size else 0
        for number, beats in enumerate(_beats(cycles, events, end, counter).tolist()):
            value = round(beats * config.axi_bytes / _BANDWIDTH_WINDOW, 2)
            result.append({
                "ph": "C", "name": title, "pid": _PROCESS,
                "ts": first + number * _BANDWIDTH_WINDOW, "args": {"bytes": value},
            })
    return {"displayTimeUnit": "ns", "traceEvents": result}
