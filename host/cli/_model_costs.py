# SPDX-License-Identifier: Apache-2.0
"""Estimated cycles and traffic of compiled models, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.estimate import Estimate, Work, estimate, work_of
from ..compiler.network import AcceleratorStep, CompiledModel
from ..compiler.program import Program
from ..hdl.config import Config
from ..hdl.isa import INSTRUCTION_BYTES, Memory, Opcode

__all__ = [
    "LayerCost", "UNITS", "dram_traffic", "instruction_layers", "layer_costs", "memory_use",
    "program_costs", "time_by_kind", "unit_intervals",
]

UNITS = ("load", "matmul", "vector", "store")


@dataclass
class LayerCost:
    """What a layer costs within the program that computes it.

    Parameters
    ----------
    entry : int
        Its place in the manifest.
    cycles : int
        Estimated. A cycle counts for the layer that is in the array, else for that in the vector
        unit, in STORE or in LOAD, else for the next one; all add up to the program's cycles.
    instructions : int
        For it.
    bytes_read, bytes_written : int
        DRAM bytes in whole beats, without instruction fetch.
    busy : dict of str to int
        Cycles of work that each unit does for it at full speed.
    """

    entry: int
    cycles: int = 0
    instructions: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    busy: dict[str, int] | None = None


def instruction_layers(step: AcceleratorStep) -> list[int]:
    """For each instruction of a step, the place of its layer in the manifest."""
    numbers = step.program.info.get("instruction_layers", [])
    if len(numbers) != len(step.program) or not step.layers:
        return [step.layers[0] if step.layers else 0] * len(step.program)
    last = len(step.layers) - 1
    return [step.layers[min(number, last)] for number in numbers]


def program_costs(config: Config, program: Program) -> tuple[list[Work], Estimate]:
    """Work and estimated course of a program."""
    works = [work_of(config, instruction) for instruction in program.instructions]
    return works, estimate(config, works)


def layer_costs(model: CompiledModel) -> dict[int, LayerCost]:
    """Costs of the accelerator's layers, by their place in the manifest."""
    costs: dict[int, LayerCost] = {}
    for step in model.steps:
        if isinstance(step, AcceleratorStep):
            costs.update((cost.entry, cost) for cost in _step_costs(model.config, step))
    return costs


def _step_costs(config: Config, step: AcceleratorStep) -> list[LayerCost]:
    works, course = program_costs(config, step.program)
    costs = {entry: LayerCost(entry, busy=dict.fromkeys(UNITS, 0)) for entry in step.layers}
    layers = instruction_layers(step)
    for index, entry in enumerate(layers):
        cost, work = costs[entry], works[index]
        opcode = step.program.instructions[index].opcode
        cost.instructions += 1
        if opcode is Opcode.LOAD:
            cost.bytes_read += work.beats * config.axi_bytes
        elif opcode is Opcode.STORE:
            cost.bytes_written += work.beats * config.axi_bytes
        assert cost.busy is not None
        cost.busy[UNITS[work.unit]] += _busy(work, opcode)
    owners, lengths = np.unique(_owners(works, course, layers), return_counts=True)
    for entry, length in zip(owners.tolist(), lengths.tolist(), strict=True):
        costs[entry].cycles = length
    return list(costs.values())


def unit_intervals(
    works: Sequence[Work], course: Estimate
) -> list[tuple[int, int, int, int]]:
    """Instruction, unit, first cycle and end; those of a unit follow one another."""
    ends = [0] * len(UNITS)
    intervals = []
    for index, work in enumerate(works):
        if work.beats or work.words or work.steps:
            start, end = max(course.starts[index], ends[work.unit]), course.finishes[index]
            if end > start:
                intervals.append((index, work.unit, start, end))
                ends[work.unit] = end
    return intervals


def _owners(works: Sequence[Work], course: Estimate, layers: Sequence[int]) -> NDArray[np.int64]:
    """The layer of every cycle: that in the array, else that in another unit, else the next."""
    owners = np.full(course.cycles, -1, np.int64)
    intervals = unit_intervals(works, course)
    for unit in (UNITS.index(name) for name in ("load", "store", "vector", "matmul")):
        for index, other, start, end in intervals:
            if other == unit:
                owners[start:end] = layers[index]
    known = np.flatnonzero(owners >= 0)
    if not len(known):
        return np.full(course.cycles, layers[-1] if layers else -1, np.int64)
    following = np.searchsorted(known, np.arange(course.cycles))
    return owners[known[np.minimum(following, len(known) - 1)]]


def _busy(work: Work, opcode: Opcode) -> int:
    if opcode is Opcode.MATMUL:
        return work.words * work.steps
    return max(work.beats, work.words) if opcode is not Opcode.SYNC else 0


def memory_use(model: CompiledModel) -> list[dict[str, Any]]:
    """Per on-chip memory: its words, and how many different ones the programs write."""
    from ..sim.accesses import matmul_access, memory_depth, transfer_access

    used: dict[Memory, set[int]] = {memory: set() for memory in Memory}
    for program in model.programs:
        for item in program.instructions:
            if item.opcode is Opcode.LOAD:
                access = transfer_access(model.config, item)
                used[access.memory].update(range(access.address, access.address + access.words))
            elif item.opcode is Opcode.MATMUL:
                words = matmul_access(model.config, item).accumulators
                used[Memory.ACCUMULATOR].update(words.tolist())
            elif item.opcode is Opcode.VECTOR:
                _vector_words(model.config, item, used)
    return [
        {"memory": memory.name.lower(), "words": memory_depth(model.config, memory),
         "used": len(words), "share": len(words) / depth if depth else None}
        for memory, words in used.items() for depth in [memory_depth(model.config, memory)]
    ]


def _vector_words(config: Config, item: Any, used: dict[Memory, set[int]]) -> None:
    from ..sim.accesses import chunks_per_word
    from ..sim.vector_access import vector_access

    access = vector_access(config, item)
    chunks = access.destination_points.reshape(-1, 1) + np.arange(access.chunks)
    words = chunks // chunks_per_word(config, access.destination)
    used[access.destination].update(np.unique(words).tolist())


def dram_traffic(model: CompiledModel, costs: dict[int, LayerCost]) -> dict[str, int]:
    """DRAM bytes of a run."""
    return {
        "read": sum(cost.bytes_read for cost in costs.values()),
        "written": sum(cost.bytes_written for cost in costs.values()),
        "instructions": INSTRUCTION_BYTES * sum(len(program) for program in model.programs),
    }


def time_by_kind(
    manifest: Sequence[dict[str, Any]], cycles: dict[int, int]
) -> list[tuple[str, int, float]]:
    """Kind of operator, cycles and share of all cycles, largest first."""
    sums: dict[str, int] = {}
    for entry, count in cycles.items():
        kind = manifest[entry]["kind"]
        sums[kind] = sums.get(kind, 0) + count
    total = sum(sums.values()) or 1
    return sorted(((kind, count, count / total) for kind, count in sums.items()),
                  key=lambda item: (-item[1], item[0]))
