# SPDX-License-Identifier: Apache-2.0
"""Which words and which bytes an instruction touches; shared by simulator and program checker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import Config
from ..hdl.isa import (
    ADD_FLAG,
    MAXIMUM_FLAG,
    TABLE_FLAG,
    ErrorCode,
    Instruction,
    Memory,
    Opcode,
    Unit,
)

__all__ = [
    "MatmulAccess",
    "TABLE_DEPTH",
    "TransferAccess",
    "axi_beats",
    "chunks_per_word",
    "fault_address",
    "legality",
    "matmul_access",
    "memory_depth",
    "transfer_access",
    "whole_words",
    "word_bytes",
]

IntArray = NDArray[np.int64]

TABLE_DEPTH = 256
"""Words of the table memory: one for each int8 value, -128 first."""


def memory_depth(config: Config, memory: Memory) -> int:
    """Words of an on-chip memory; 0 where the configuration leaves it out."""
    return {
        Memory.ACTIVATION: config.activation_depth,
        Memory.WEIGHT: config.weight_depth,
        Memory.ACCUMULATOR: config.accumulator_depth,
        Memory.PARAMETER: config.parameter_depth if config.lanes else 0,
        Memory.TABLE: TABLE_DEPTH if config.lanes else 0,
    }[memory]


def word_bytes(config: Config, memory: Memory) -> int:
    """Bytes of one word as LOAD and STORE see it."""
    return {
        Memory.ACTIVATION: config.activation_bytes,
        Memory.WEIGHT: config.weight_bytes,
        Memory.ACCUMULATOR: config.accumulator_bytes,
        Memory.PARAMETER: max(1, config.parameter_bytes),
        Memory.TABLE: 1,
    }[memory]


def chunks_per_word(config: Config, memory: Memory) -> int:
    """Chunks of ``lanes`` elements in a word: the pieces VECTOR reads and writes.

    All other instructions write whole words. So a chunk is written as a whole or not at all, and
    numbering chunks (``word * chunks_per_word + chunk in the word``) is exact for every element.
    """
    if not config.lanes or memory not in (Memory.ACTIVATION, Memory.ACCUMULATOR):
        return 1
    return (config.rows if memory is Memory.ACTIVATION else config.cols) // config.lanes


def whole_words(config: Config, memory: Memory, words: IntArray) -> IntArray:
    """The chunk numbers of ``words``, flat."""
    number = chunks_per_word(config, memory)
    return (words.reshape(-1, 1) * number + np.arange(number)).reshape(-1)


def fault_address(memory: Memory, word: int) -> int:
    """The error register's address of a MEMORY_RANGE error."""
    return (int(memory.value) << 29) | (word & 0x1FFF_FFFF)


def legality(config: Config, instruction: Instruction) -> tuple[ErrorCode, str] | None:
    """What dispatch refuses about a decoded instruction: error code and reason, or None."""
    opcode = instruction.opcode
    if opcode is Opcode.MATMUL and instruction["last_rows"] > config.rows:
        return (
            ErrorCode.ILLEGAL_INSTRUCTION,
            f"last_rows must be at most rows ({config.rows}), not {instruction['last_rows']}",
        )
    if opcode in (Opcode.LOAD, Opcode.STORE):
        return _memory_legality(config, instruction)
    if instruction.unit is Unit.VECTOR and not config.lanes:
        return ErrorCode.NOT_CONFIGURED, "the vector unit is not in this configuration"
    if opcode is Opcode.VECTOR:
        reason = _vector_legality(config, instruction)
        return None if reason is None else (ErrorCode.ILLEGAL_INSTRUCTION, reason)
    return None


def _memory_legality(config: Config, instruction: Instruction) -> tuple[ErrorCode, str] | None:
    """Whether a LOAD or STORE may name its memory."""
    number, is_store = instruction["memory"], instruction.opcode is Opcode.STORE
    if number > Memory.TABLE.value:
        return ErrorCode.ILLEGAL_INSTRUCTION, f"there is no memory {number}"
    memory = Memory(number)
    if is_store and memory is Memory.WEIGHT:
        return ErrorCode.ILLEGAL_INSTRUCTION, "STORE cannot read the weight scratchpad"
    if memory in (Memory.PARAMETER, Memory.TABLE):
        name = memory.name.lower()
        if not config.lanes:
            return ErrorCode.NOT_CONFIGURED, f"the {name} memory is not in this configuration"
        if is_store:
            return ErrorCode.ILLEGAL_INSTRUCTION, f"STORE cannot read the {name} memory"
    return None


def _vector_legality(config: Config, i: Instruction) -> str | None:
    """Why dispatch refuses a VECTOR, or None."""
    for side in ("source", "destination"):
        elements = config.cols if i[f"{side}_memory"] else config.rows
        name = f"{side}_element"
        if i[name] % config.lanes or i[name] >= elements:
            return (
                f"{name} must be a multiple of lanes ({config.lanes}) below {elements}, "
                f"not {i[name]}"
            )
    keeps = i.flags & (ADD_FLAG | MAXIMUM_FLAG)
    if keeps == ADD_FLAG | MAXIMUM_FLAG:
        return "the flags add and maximum exclude each other"
    if keeps and not i["destination_memory"]:
        return "the flags add and maximum need the accumulator as destination"
    if i.flags & TABLE_FLAG and i["destination_memory"]:
        return "the flag table needs the activation scratchpad as destination"
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
    fills : bool
        Whether it is a LOAD, which writes its last words whole.
    """

    memory: Memory
    address: int
    words: int
    row_words: int
    bytes: int
    offsets: IntArray
    pad_before: int = 0
    pad_after: int = 0
    fills: bool = True

    def range_fault(self, config: Config) -> int | None:
        """The first word at or beyond the memory's depth, or None."""
        depth = memory_depth(config, self.memory)
        return None if self.address + self.words <= depth else max(self.address, depth)

    def chunks(self, config: Config) -> slice | IntArray:
        """The chunk numbers (`chunks_per_word`) that the bytes of the rows take.

        What a row leaves of its last word counts only for a LOAD, which fills it.
        """
        number = chunks_per_word(config, self.memory)
        used = number * self.row_words
        if not self.fills:
            used = -(-self.bytes * number // word_bytes(config, self.memory))
        if used == number * self.row_words:
            return slice(self.address * number, (self.address + self.words) * number)
        rows = (self.address + np.arange(0, self.words, self.row_words)) * number
        return (rows[:, None] + np.arange(used)).reshape(-1)

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
        memory, i["address"], words, row_words, size, offsets, before, after,
        fills=i.opcode is Opcode.LOAD,
    )


def axi_beats(addresses: IntArray, size: int, beat: int) -> int:
    """AXI beats that rows of ``size`` bytes at byte ``addresses`` take, ``beat`` bytes each."""
    if not size:
        return 0
    return int(((addresses + size - 1) // beat - addresses // beat + 1).sum())
