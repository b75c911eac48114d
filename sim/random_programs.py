# SPDX-License-Identifier: Apache-2.0
"""Random legal programs and random products, for comparing implementations.

A random program uses every field of every instruction this configuration has, and is free of data
races: whatever the timing, it leaves the same bytes in DRAM. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import PARAMETER_LANE_BYTES, Config
from ..hdl.isa import ACCUMULATE_FLAG, Instruction, Memory, Opcode, Unit
from .accesses import (
    chunks_per_word,
    matmul_access,
    memory_depth,
    transfer_access,
    whole_words,
    word_bytes,
)
from .ordering import Footprint, Ordering
from .random_products import choose, random_operands, random_shape
from .random_vectors import random_parameters, random_vector
from .vector_access import vector_access

__all__ = ["RandomProgram", "random_config", "random_operands", "random_program", "random_shape"]

INPUT, SCRATCH, OUTPUT, PARAMETERS = range(4)
"""Segments: only read, read and written, only written, parameters of the vector unit (read)."""

_TRIES = 200
_PRODUCTS = 1 << 20


@dataclass
class RandomProgram:
    """A program and the memory it runs on.

    Parameters
    ----------
    config : Config
        The accelerator.
    seed : int
        What it was made from.
    instructions : list[Instruction]
        In dispatch order.
    segments : dict[int, numpy.ndarray]
        Initial bytes by segment number, uint8. Segment 0 is only read, 1 read and written, 2 only
        written, 3, where there is a vector unit, only read.
    """

    config: Config
    seed: int
    instructions: list[Instruction]
    segments: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


def random_config(seed: int, *, largest: int = 8, vector: bool = False) -> Config:
    """A small configuration with odd array sizes and short memories.

    Parameters
    ----------
    vector : bool
        Whether it has a vector unit; its lanes then divide rows and columns.
    """
    random = np.random.default_rng(seed)
    rows, cols = (int(n) for n in random.integers(1, largest + 1, 2))
    config = Config(
        rows=rows,
        cols=cols,
        vector_lanes=0,
        activation_depth=choose(random, 16, 32, 128),
        weight_depth=choose(random, 16, 32, 128),
        accumulator_depth=choose(random, 16, 32, 64),
        max_reduction_depth=16384,
        accumulator_width=choose(random, 30, 32),
        axi_width=choose(random, 32, 64, 128, 256),
        max_burst_beats=choose(random, 1, 4, 16, 64),
        read_outstanding=choose(random, 1, 4, 16),
        write_outstanding=choose(random, 1, 4, 16),
        queue_depth=choose(random, 2, 4, 8),
    )
    if not vector:
        return config
    lanes = choose(random, 1, 2, 3, 4)
    rows, cols = (lanes * int(n) for n in random.integers(1, max(1, largest // lanes) + 1, 2))
    return config.replace(
        rows=rows,
        cols=cols,
        vector_lanes=lanes,
        parameter_depth=choose(random, 16, 32),
        requantize=("tflite", "onnx")[choose(random, 0, 1)],
    )


class _Maker:
    """Makes the instructions of one program."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self.random = np.random.default_rng(seed)
        sizes = [
            word_bytes(config, memory) * memory_depth(config, memory)
            for memory in Memory
        ]
        size = max(512, *sizes)
        self.segments = {
            number: self.random.integers(0, 256, size + 37 * number, dtype=np.uint8)
            for number in (INPUT, SCRATCH, OUTPUT)
        }
        self.tail = len(self.segments[OUTPUT])  # Where the activation scratchpad goes at the end.
        if config.lanes:
            more = sizes[Memory.ACTIVATION.value]
            self.segments[OUTPUT] = np.resize(self.segments[OUTPUT], self.tail + more)
        if config.lanes:
            self.segments[PARAMETERS] = random_parameters(config, self.random)
        self.sizes = {f"segment{n}": len(data) for n, data in self.segments.items()} | {
            memory.name: memory_depth(config, memory) * chunks_per_word(config, memory)
            for memory in Memory
        }
        self.memories = [memory for memory in Memory if memory_depth(config, memory)]
        self.ordering = Ordering(self.sizes, self.random)

    def number(self, low: int, high: int) -> int:
        """A number from low to high, often small."""
        high = max(low, high)
        if self.random.random() < 0.5:
            high = min(high, low + 3)
        return int(self.random.integers(low, high + 1))

    def fill(self) -> None:
        """Write every word of every memory."""
        for memory in self.memories:
            depth, width = memory_depth(self.config, memory), word_bytes(self.config, memory)
            inner = min(depth, 4096)
            segment = PARAMETERS if memory is Memory.PARAMETER else INPUT
            self.add(Instruction(Opcode.LOAD, {
                "memory": memory.value, "segment": segment, "bytes": width,
                "count_x": inner, "stride_x": width, "count_y": depth // inner,
                "stride_y": width * inner,
            }))

    def add(self, instruction: Instruction) -> None:
        """Append with what it touches."""
        self.ordering.add(instruction, self.footprint(instruction))

    def footprint(self, i: Instruction) -> Footprint:
        """Words and bytes that ``i`` reads and writes."""
        reads: dict[str, NDArray[np.int64]] = {}
        writes: dict[str, NDArray[np.int64]] = {}
        if i.opcode is Opcode.MATMUL:
            access = matmul_access(self.config, i)
            reads["ACTIVATION"] = self._words(Memory.ACTIVATION, access.activations)
            reads["WEIGHT"] = access.weights[access.used]
            writes["ACCUMULATOR"] = self._words(Memory.ACCUMULATOR, access.accumulators)
        elif i.opcode is Opcode.VECTOR:
            vector = vector_access(self.config, i)
            reads[vector.source.name] = vector.reads()
            reads["PARAMETER"] = vector.parameters
            reads["TABLE"] = np.arange(vector.table[0], vector.table[1] + 1)
            writes[vector.destination.name] = vector.writes()
        elif i.opcode in (Opcode.LOAD, Opcode.STORE):
            transfer = transfer_access(self.config, i)
            words = np.arange(transfer.address, transfer.address + transfer.words)
            rows = (transfer.offsets.reshape(-1)[:, None] + np.arange(transfer.bytes)).reshape(-1)
            chip, dram = transfer.memory.name, f"segment{i['segment']}"
            is_load = i.opcode is Opcode.LOAD
            (writes if is_load else reads)[chip] = self._words(transfer.memory, words)
            (reads if is_load else writes)[dram] = rows
        return Footprint(reads, writes)

    def _words(self, memory: Memory, words: NDArray[np.int64]) -> NDArray[np.int64]:
        return whole_words(self.config, memory, words)

    def attempt(self, make: Callable[[], Instruction | None]) -> None:
        """Try until an instruction fits."""
        for _ in range(_TRIES):
            instruction = make()
            if instruction is not None:
                self.add(instruction)
                return

    def _transfer(self, opcode: Opcode) -> Instruction | None:
        is_load = opcode is Opcode.LOAD
        memory = Memory(choose(self.random, *(m.value for m in self.memories) if is_load
                                else (0, 2)))
        depth, width = memory_depth(self.config, memory), word_bytes(self.config, memory)
        segment = choose(self.random, *((INPUT, SCRATCH) if is_load else (SCRATCH, OUTPUT)))
        limit = len(self.segments[segment])
        values = {
            "memory": memory.value,
            "address": self.number(0, depth - 1),
            "segment": segment,
            "offset": int(self.random.integers(0, limit)),
            "bytes": self.number(0 if is_load else 1, 4 * width),
            "count_x": self.number(1, 12),
            "count_y": self.number(1, 4),
            "stride_x": int(self.random.integers(-3 * width, 3 * width + 1)),
            "stride_y": int(self.random.integers(-limit // 3, limit // 3 + 1)),
        }
        if is_load:
            values |= {"pad_before": self.number(0, 3), "pad_after": self.number(0, 3),
                       "fill": int(self.random.integers(0, 256))}
        if memory is Memory.PARAMETER:
            values = self._whole_lanes(values)
            limit = len(self.segments[PARAMETERS])
        instruction = Instruction(opcode, values)
        access = transfer_access(self.config, instruction)
        if access.range_fault(self.config) is None and access.segment_fault(limit) is None:
            return instruction
        return None

    def _whole_lanes(self, values: dict[str, int]) -> dict[str, int]:
        """The same LOAD with parameters of whole lanes, so that every float32 scale is finite."""
        lane = PARAMETER_LANE_BYTES
        names = ("offset", "bytes", "stride_x", "stride_y")
        values = values | {name: values[name] // lane * lane for name in names}
        return values | {"segment": PARAMETERS, "fill": min(values["fill"], 254)}

    def load(self) -> Instruction | None:
        """A random LOAD, or None if it does not fit."""
        return self._transfer(Opcode.LOAD)

    def store(self) -> Instruction | None:
        """A random STORE, or None if it does not fit."""
        return self._transfer(Opcode.STORE)

    def matmul(self) -> Instruction | None:
        """A random MATMUL, or None if it does not fit."""
        c, n = self.config, self.number
        values = {
            "activation_address": n(0, c.activation_depth - 1),
            "weight_address": n(0, c.weight_depth - 1),
            "accumulator_address": n(0, c.accumulator_depth - 1),
            "kernel_y": n(1, 3), "kernel_x": n(1, 3), "channel_blocks": n(1, 4),
            "output_y": n(1, 5), "output_x": n(1, 20),
            "activation_stride_kernel_y": n(0, 20), "activation_stride_kernel_x": n(0, 4),
            "activation_stride_channel": n(0, 8), "activation_stride_y": n(0, 24),
            "activation_stride_x": n(0, 4),
            "weight_stride_row": n(0, 4), "weight_stride_block": n(0, 2 * c.rows),
            "accumulator_stride_y": n(0, 24), "accumulator_stride_x": n(0, 3),
            "last_rows": n(1, c.rows) if self.random.random() < 0.5 else c.rows,
        }
        flags = ACCUMULATE_FLAG if self.random.random() < 0.5 else 0
        instruction = Instruction(Opcode.MATMUL, values, flags=flags)
        access = matmul_access(self.config, instruction)
        fits = access.activations.size * c.rows * c.cols <= _PRODUCTS
        return instruction if fits and access.fault(self.config) is None else None

    def vector(self) -> Instruction | None:
        """A random VECTOR, or None if it does not fit or is not defined."""
        return random_vector(self.config, self.random, self.number)

    def dump(self, memory: Memory, offset: int) -> None:
        """Store every word of a memory."""
        depth, width = memory_depth(self.config, memory), word_bytes(self.config, memory)
        inner = min(depth, 4096)
        self.add(Instruction(Opcode.STORE, {
            "memory": memory.value, "segment": OUTPUT, "offset": offset, "bytes": width,
            "count_x": inner, "stride_x": width, "count_y": depth // inner,
            "stride_y": width * inner,
        }))

    def sync(self) -> Instruction:
        """A SYNC in a random queue."""
        units = [unit.value for unit in Unit if unit is not Unit.VECTOR or self.config.lanes]
        unit = choose(self.random, *units)
        return Instruction(Opcode.SYNC, {"unit": unit})


def random_program(
    config: Config, seed: int, *, length: int = 24, vectors: float = 0.4
) -> RandomProgram:
    """A random program of about ``length`` instructions (at most 48) that ends without error.

    LOADs fill all on-chip memories, then come random instructions, and last a STORE of the
    whole accumulator and, where VECTOR may have changed it, of the activation scratchpad, so that
    nothing goes unseen.

    Parameters
    ----------
    vectors : float
        Share of VECTOR among the random instructions, if there is a vector unit.
    """
    if not 0 <= length <= 48:
        raise ValueError(f"length must be from 0 to 48, not {length}")
    if not 0 <= vectors <= 1:
        raise ValueError(f"vectors must be from 0 to 1, not {vectors}")
    maker = _Maker(config, seed)
    maker.fill()
    kinds = [maker.load, maker.matmul, maker.store, maker.sync]
    weights = [0.3, 0.4, 0.25, 0.05]
    if config.lanes:
        kinds.append(maker.vector)
        weights = [(1 - vectors) * share for share in (0.33, 0.34, 0.25, 0.08)] + [vectors]
    for _ in range(length):
        maker.attempt(kinds[int(maker.random.choice(len(kinds), p=weights))])
    maker.dump(Memory.ACCUMULATOR, 0)
    if config.lanes:
        maker.dump(Memory.ACTIVATION, maker.tail)
    return RandomProgram(config, seed, maker.ordering.finish(), maker.segments)
