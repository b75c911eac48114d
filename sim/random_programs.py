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

from ..hdl.config import Config
from ..hdl.isa import ACCUMULATE_FLAG, Instruction, Memory, Opcode, Unit
from .accesses import matmul_access, memory_depth, transfer_access, word_bytes
from .ordering import Footprint, Ordering

__all__ = ["RandomProgram", "random_config", "random_operands", "random_program", "random_shape"]

INPUT, SCRATCH, OUTPUT = 0, 1, 2
"""Segments: only read, read and written, only written."""

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
        written.
    """

    config: Config
    seed: int
    instructions: list[Instruction]
    segments: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


def _choose(random: np.random.Generator, *values: int) -> int:
    return int(random.choice(values))


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
        activation_depth=_choose(random, 16, 32, 128),
        weight_depth=_choose(random, 16, 32, 128),
        accumulator_depth=_choose(random, 16, 32, 64),
        max_reduction_depth=16384,
        accumulator_width=_choose(random, 30, 32),
        axi_width=_choose(random, 32, 64, 128, 256),
        max_burst_beats=_choose(random, 1, 4, 16, 64),
        read_outstanding=_choose(random, 1, 4, 16),
        write_outstanding=_choose(random, 1, 4, 16),
        queue_depth=_choose(random, 2, 4, 8),
    )
    if not vector:
        return config
    lanes = _choose(random, 1, 2, 3, 4)
    rows, cols = (lanes * int(n) for n in random.integers(1, max(1, largest // lanes) + 1, 2))
    return config.replace(
        rows=rows,
        cols=cols,
        vector_lanes=lanes,
        parameter_depth=_choose(random, 16, 32),
        requantize=("tflite", "onnx")[_choose(random, 0, 1)],
    )


def random_shape(config: Config, seed: int, *, largest: int = 48) -> tuple[int, int, int]:
    """Sizes (m, n, k) near the edges of the array and the tiles as often as not."""
    random = np.random.default_rng(seed)

    def size(unit: int) -> int:
        edge = unit * int(random.integers(1, 4)) + int(random.integers(-1, 2))
        return int(np.clip(_choose(random, 1, 2, edge, int(random.integers(1, largest + 1))), 1,
                           largest))

    return size(config.rows), size(config.cols), min(size(config.rows), config.max_reduction_depth)


def random_operands(
    m: int, n: int, k: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Operands int8 ``[m, k]`` and ``[k, n]``: random, or at the ends of the range."""
    random = np.random.default_rng(seed)

    def operand(shape: tuple[int, int]) -> NDArray[np.int8]:
        style = _choose(random, 0, 0, 0, 1, 2, 3, 4)
        if style == 1:
            return np.full(shape, -128, np.int8)
        if style == 2:
            return np.full(shape, 127, np.int8)
        if style == 3:
            signs = np.indices(shape).sum(0) % 2
            return np.where(signs == 0, -128, 127).astype(np.int8)
        if style == 4:
            return random.choice(np.array([-128, 0, 0, 1, 127], np.int8), shape)
        return random.integers(-128, 128, shape, dtype=np.int8)

    return operand((m, k)), operand((k, n))


class _Maker:
    """Makes the instructions of one program."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self.random = np.random.default_rng(seed)
        sizes = [
            word_bytes(config, memory) * memory_depth(config, memory)
            for memory in (Memory.ACTIVATION, Memory.WEIGHT, Memory.ACCUMULATOR)
        ]
        size = max(512, *sizes)
        self.segments = {
            number: self.random.integers(0, 256, size + 37 * number, dtype=np.uint8)
            for number in (INPUT, SCRATCH, OUTPUT)
        }
        self.sizes = {f"segment{n}": len(data) for n, data in self.segments.items()} | {
            memory.name: memory_depth(config, memory) for memory in Memory
        }
        self.ordering = Ordering(self.sizes, self.random)

    def number(self, low: int, high: int) -> int:
        """A number from low to high, often small."""
        high = max(low, high)
        if self.random.random() < 0.5:
            high = min(high, low + 3)
        return int(self.random.integers(low, high + 1))

    def fill(self) -> None:
        """Write every word of every memory."""
        for memory in (Memory.ACTIVATION, Memory.WEIGHT, Memory.ACCUMULATOR):
            depth, width = memory_depth(self.config, memory), word_bytes(self.config, memory)
            inner = min(depth, 4096)
            self.add(Instruction(Opcode.LOAD, {
                "memory": memory.value, "bytes": width, "count_x": inner, "stride_x": width,
                "count_y": depth // inner, "stride_y": width * inner,
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
            reads["ACTIVATION"] = access.activations.reshape(-1)
            reads["WEIGHT"] = access.weights[access.used]
            writes["ACCUMULATOR"] = access.accumulators
        elif i.opcode in (Opcode.LOAD, Opcode.STORE):
            transfer = transfer_access(self.config, i)
            words = np.arange(transfer.address, transfer.address + transfer.words)
            rows = (transfer.offsets.reshape(-1)[:, None] + np.arange(transfer.bytes)).reshape(-1)
            chip, dram = transfer.memory.name, f"segment{i['segment']}"
            is_load = i.opcode is Opcode.LOAD
            (writes if is_load else reads)[chip] = words
            (reads if is_load else writes)[dram] = rows
        return Footprint(reads, writes)

    def attempt(self, make: Callable[[], Instruction | None]) -> None:
        """Try until an instruction fits."""
        for _ in range(_TRIES):
            instruction = make()
            if instruction is not None:
                self.add(instruction)
                return

    def _transfer(self, opcode: Opcode) -> Instruction | None:
        is_load = opcode is Opcode.LOAD
        memory = Memory(_choose(self.random, 0, 1, 2) if is_load else _choose(self.random, 0, 2))
        depth, width = memory_depth(self.config, memory), word_bytes(self.config, memory)
        segment = _choose(self.random, *((INPUT, SCRATCH) if is_load else (SCRATCH, OUTPUT)))
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
        instruction = Instruction(opcode, values)
        access = transfer_access(self.config, instruction)
        if access.range_fault(self.config) is None and access.segment_fault(limit) is None:
            return instruction
        return None

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

    def sync(self) -> Instruction:
        """A SYNC in a random queue."""
        unit = _choose(self.random, Unit.LOAD.value, Unit.MATMUL.value, Unit.STORE.value)
        return Instruction(Opcode.SYNC, {"unit": unit})


def random_program(config: Config, seed: int, *, length: int = 24) -> RandomProgram:
    """A random program of about ``length`` instructions (at most 48) that ends without error.

    Three LOADs fill all on-chip memories, then come random instructions, and last a STORE of the
    whole accumulator, so that nothing goes unseen.
    """
    if not 0 <= length <= 48:
        raise ValueError(f"length must be from 0 to 48, not {length}")
    maker = _Maker(config, seed)
    maker.fill()
    kinds = (maker.load, maker.matmul, maker.store, maker.sync)
    for _ in range(length):
        maker.attempt(kinds[int(maker.random.choice(4, p=(0.3, 0.4, 0.25, 0.05)))])
    width = config.accumulator_bytes
    inner = min(config.accumulator_depth, 4096)
    maker.add(Instruction(Opcode.STORE, {
        "memory": Memory.ACCUMULATOR.value, "segment": OUTPUT, "bytes": width, "count_x": inner,
        "stride_x": width, "count_y": config.accumulator_depth // inner,
        "stride_y": width * inner,
    }))
    return RandomProgram(config, seed, maker.ordering.finish(), maker.segments)
