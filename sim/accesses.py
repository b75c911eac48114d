# SPDX-License-Identifier: Apache-2.0
"""Which words and which bytes an instruction touches; shared by simulator and program checker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import Config
from ..hdl.isa import ErrorCode, Instruction, Memory, Opcode, Unit

__all__ = [
    "MatmulAccess",
    "TransferAccess",
    "axi_beats",
    "fault_address",
    "legality",
    "matmul_access",
    "memory_depth",
    "transfer_access",
    "word_bytes",
]

IntArray = NDArray[np.int64]


def memory_depth(config: Config, memory: Memory) -> int:
    """Words of an on-chip memory."""
    return {
        Memory.ACTIVATION: config.activation_depth,
        Memory.WEIGHT: config.weight_depth,
        Memory.ACCUMULATOR: config.accumulator_depth,
        Memory.PARAMETER: 0,
    }[memory]


def word_bytes(config: Config, memory: Memory) -> int:
    """Bytes of one word as LOAD and STORE see it."""
    return {
        Memory.ACTIVATION: config.activation_bytes,
        Memory.WEIGHT: config.weight_bytes,
        Memory.ACCUMULATOR: config.accumulator_bytes,
        Memory.PARAMETER: 1,
    }[memory]


def fault_address(memory: Memory, word: int) -> int:
    """The error register's address of a MEMORY_RANGE error."""
    return (int(memory.value) << 30) | (word & 0x3FFF_FFFF)


def legality(config: Config, instruction: Instruction) -> tuple[ErrorCode, str] | None:
    """What dispatch refuses about a decoded instruction: error code and reason, or None."""
    opcode = instruction.opcode
    if opcode is Opcode.MATMUL and instruction["last_rows"] > config.rows:
        return (
            ErrorCode.ILLEGAL_INSTRUCTION,
            f"last_rows must be at most rows ({config.rows}), not {instruction['last_rows']}",
        )
    if opcode is Opcode.STORE and instruction["memory"] == Memory.WEIGHT.value:
        return ErrorCode.ILLEGAL_INSTRUCTION, "STORE cannot read the weight scratchpad"
    if opcode in (Opcode.LOAD, Opcode.STORE) and instruction["memory"] == Memory.PARAMETER.value:
        return ErrorCode.NOT_CONFIGURED, "the parameter memory is not in this configuration"
    if instruction.unit is Unit.VECTOR and not config.vector_lanes:
        return ErrorCode.NOT_CONFIGURED, "the vector unit is not in this configuration"
    return None


@dataclass(frozen=True)
class MatmulAccess:
    """Word addresses of a MATMUL.

    Parameters
    ----------
    activations : numpy.ndarray
        ``[blocks, outputs]`` activation words.
    weights : numpy.ndarray
        ``[blocks, rows]`` weight words; meaningless where ``used`` is False.
    used : numpy.ndarray
        bool ``[blocks, rows]``: array rows that take a weight; the others get zero.
    accumulators : numpy.ndarray
        ``[outputs]`` accumulator words.
    """

    activations: IntArray
    weights: IntArray
    used: NDArray[np.bool_]
    accumulators: IntArray

    def fault(self, config: Config) -> tuple[Memory, int] | None:
        """The first word out of range in the order the hardware checks, or None.

        Per block: the weight rows from the last used one to row 0, then output by output the
        activation word before the accumulator word.
        """
        weight_high = int(self.weights[self.used].max())
        activation_high = int(self.activations.max())
        accumulator_high = int(self.accumulators.max())
        if (
            weight_high < config.weight_depth
            and activation_high < config.activation_depth
            and accumulator_high < config.accumulator_depth
        ):
            return None
        for block in range(len(self.weights)):
            weights = self.weights[block][self.used[block]][::-1]
            bad = np.flatnonzero(weights >= config.weight_depth)
            if len(bad):
                return Memory.WEIGHT, int(weights[bad[0]])
            activation_bad = np.flatnonzero(self.activations[block] >= config.activation_depth)
            accumulator_bad = np.flatnonzero(self.accumulators >= config.accumulator_depth)
            first = [int(bad[0]) if len(bad) else 1 << 62
                     for bad in (activation_bad, accumulator_bad)]
            if min(first) == 1 << 62:
                continue
            if first[0] <= first[1]:
                return Memory.ACTIVATION, int(self.activations[block, first[0]])
            return Memory.ACCUMULATOR, int(self.accumulators[first[1]])
        return None


def _axis(count: int, stride: int) -> IntArray:
    return np.arange(count, dtype=np.int64) * stride


def matmul_access(config: Config, i: Instruction) -> MatmulAccess:
    """The word addresses of MATMUL ``i``."""
    channels = i["channel_blocks"]
    blocks = (
        _axis(i["kernel_y"], i["activation_stride_kernel_y"])[:, None, None]
        + _axis(i["kernel_x"], i["activation_stride_kernel_x"])[:, None]
        + _axis(channels, i["activation_stride_channel"])
    ).reshape(-1)
    outputs = (
        _axis(i["output_y"], i["activation_stride_y"])[:, None]
        + _axis(i["output_x"], i["activation_stride_x"])
    ).reshape(-1)
    accumulators = i["accumulator_address"] + (
        _axis(i["output_y"], i["accumulator_stride_y"])[:, None]
        + _axis(i["output_x"], i["accumulator_stride_x"])
    ).reshape(-1)
    weights = (
        i["weight_address"]
        + _axis(len(blocks), i["weight_stride_block"])[:, None]
        + _axis(config.rows, i["weight_stride_row"])
    )
    used = np.ones(weights.shape, dtype=np.bool_)
    if i["last_rows"] < config.rows:
        used[channels - 1 :: channels, i["last_rows"] :] = False
    activations = i["activation_address"] + blocks[:, None] + outputs
    return MatmulAccess(activations, weights, used, accumulators)


@dataclass(frozen=True)
class TransferAccess:
    """Words and DRAM rows of a LOAD or STORE.

    Parameters
    ----------
    memory : Memory
        On-chip side.
    address, words : int
        First word and number of consecutive words.
    row_words : int
        Words of one row.
    bytes : int
        Bytes of one row; 0 touches no DRAM.
    offsets : numpy.ndarray
        ``[count_y, count_x]`` byte offsets of the rows in the segment.
    pad_before, pad_after : int
        Fill words around each group.
    """

    memory: Memory
    address: int
    words: int
    row_words: int
    bytes: int
    offsets: IntArray
    pad_before: int = 0
    pad_after: int = 0

    def range_fault(self, config: Config) -> int | None:
        """The first word at or beyond the memory's depth, or None."""
        depth = memory_depth(config, self.memory)
        return None if self.address + self.words <= depth else max(self.address, depth)

    def segment_fault(self, limit: int) -> int | None:
        """The offset of the first row that leaves the segment, or None."""
        row = self._segment_row(limit)
        return None if row is None else int(self.offsets.reshape(-1)[row])

    def _segment_row(self, limit: int) -> int | None:
        """The number of the first row that leaves the segment, or None."""
        if not self.bytes:
            return None
        low, high = int(self.offsets.min()), int(self.offsets.max())
        if low >= 0 and high + self.bytes <= limit:
            return None
        flat = self.offsets.reshape(-1)
        return int(np.flatnonzero((flat < 0) | (flat + self.bytes > limit))[0])

    def is_range_first(self, config: Config, limit: int) -> bool:
        """Whether the memory ends before the segment does, in the order the hardware checks.

        Row by row; within a row the padding before it, then the segment, then its words and the
        padding after it.
        """
        depth = memory_depth(config, self.memory)
        if self.address + self.words <= depth:
            return False
        row = self._segment_row(limit)
        if row is None:
            return True
        y, x = divmod(row, self.offsets.shape[1])
        group = self.pad_before + self.offsets.shape[1] * self.row_words + self.pad_after
        body = self.address + y * group + self.pad_before + x * self.row_words
        return body > depth


def transfer_access(config: Config, i: Instruction) -> TransferAccess:
    """The words and DRAM rows of LOAD or STORE ``i``."""
    memory = Memory(i["memory"])
    size, width = i["bytes"], word_bytes(config, memory)
    row_words = max(1, -(-size // width))
    before, after = (i["pad_before"], i["pad_after"]) if i.opcode is Opcode.LOAD else (0, 0)
    words = i["count_y"] * (before + i["count_x"] * row_words + after)
    offsets = (
        i["offset"]
        + _axis(i["count_y"], i["stride_y"])[:, None]
        + _axis(i["count_x"], i["stride_x"])
    )
    return TransferAccess(
        memory, i["address"], words, row_words, size, offsets, before, after
    )


def axi_beats(addresses: IntArray, size: int, beat: int) -> int:
    """AXI beats that rows of ``size`` bytes at byte ``addresses`` take, ``beat`` bytes each."""
    if not size:
        return 0
    return int(((addresses + size - 1) // beat - addresses // beat + 1).sum())
