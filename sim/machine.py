# SPDX-License-Identifier: Apache-2.0
"""The state of the machine and what each instruction does to it, one method an opcode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..hdl.config import Config
from ..hdl.isa import ACCUMULATE_FLAG, ErrorCode, ErrorSource, Instruction, Memory, Opcode
from . import reference, vector
from .accesses import (
    MatmulAccess,
    TransferAccess,
    axi_beats,
    chunks_per_word,
    fault_address,
    matmul_access,
    memory_depth,
    transfer_access,
    whole_words,
    word_bytes,
)
from .fault import Fault

__all__ = ["Fault", "Machine", "ReadBeforeWrite", "Segment"]

_PAGE = 4096
"""Bytes an AXI burst must not cross (IHI 0022, A3.4.1)."""


@dataclass(frozen=True)
class Segment:
    """A DRAM window: first byte address and number of bytes."""

    base: int
    limit: int


@dataclass(frozen=True)
class ReadBeforeWrite:
    """An instruction read an on-chip word, from ``element`` on, that nothing had written."""

    index: int
    memory: Memory
    address: int
    element: int = 0


def first_bad_burst(config: Config, address: int, size: int, end: int) -> int | None:
    """Address of the first burst of a row that reaches beyond ``end``, or None.

    Bursts start at a beat and end at multiples of the longest burst, at most 4 KB.
    """
    if address + size <= end:
        return None
    block = min(config.axi_bytes * config.max_burst_beats, _PAGE)
    first = end // block * block
    return max(first, address - address % config.axi_bytes)


class Machine:
    """Memories of one accelerator and the effect of each instruction on them.

    Parameters
    ----------
    config : Config
        The accelerator.
    memory : numpy.ndarray
        DRAM, uint8, changed in place.
    segments : Sequence[Segment] or Mapping[int, Segment]
        The segment table; segments left out have limit 0.
    poison : int
        Seed of what on-chip memories hold before they are written.
    track : bool
        Record elements read before they were written, in ``read_before_write``.
    """

    def __init__(
        self,
        config: Config,
        memory: NDArray[np.uint8],
        segments: Sequence[Segment] | Mapping[int, Segment],
        *,
        poison: int = 0,
        track: bool = False,
    ) -> None:
        self.config = config
        self.dram = memory
        items = segments.items() if isinstance(segments, Mapping) else enumerate(segments)
        self.segments = dict(items)
        random = np.random.default_rng(poison)
        self.words = {
            item: random.integers(
                0, 256, (memory_depth(config, item), word_bytes(config, item)), dtype=np.uint8
            )
            for item in Memory
        }
        self.written = {
            item: np.zeros(len(array) * chunks_per_word(config, item), np.bool_)
            for item, array in self.words.items()
        }
        self.track = track
        self.read_before_write: list[ReadBeforeWrite] = []
        self.read_beats = 0
        self.write_beats = 0

    # Views.

    @property
    def activation(self) -> NDArray[np.int8]:
        """The activation scratchpad, int8 ``[depth, rows]``."""
        return self.words[Memory.ACTIVATION].view(np.int8)

    @property
    def weight(self) -> NDArray[np.int8]:
        """The weight scratchpad, int8 ``[depth, cols]``."""
        return self.words[Memory.WEIGHT].view(np.int8)

    @property
    def accumulator(self) -> NDArray[np.int32]:
        """The accumulator, int32 ``[depth, cols]``."""
        return self.words[Memory.ACCUMULATOR].view("<i4")

    # Instructions.

    def execute(self, instruction: Instruction, index: int) -> None:
        """Run one legal instruction to its end; raises `Fault` and then changes nothing."""
        match instruction.opcode:
            case Opcode.LOAD:
                self._load(instruction, index)
            case Opcode.MATMUL:
                self._matmul(instruction, index)
            case Opcode.VECTOR:
                vector.execute(self, instruction, index)
            case Opcode.STORE:
                self._store(instruction, index)
            case _:
                pass

    def note_read(self, index: int, memory: Memory, chunks: NDArray[np.int64] | slice) -> None:
        """Record the first of ``chunks`` (`chunks_per_word`) that nothing has written."""
        if not self.track:
            return
        missing = ~self.written[memory][chunks]
        if missing.any():
            if isinstance(chunks, slice):
                chunks = np.arange(chunks.start, chunks.stop)
            word, chunk = divmod(int(chunks[missing].min()), chunks_per_word(self.config, memory))
            self.read_before_write.append(
                ReadBeforeWrite(index, memory, word, chunk * self.config.lanes)
            )

    def _rows(
        self, i: Instruction, access: TransferAccess, index: int, is_load: bool
    ) -> NDArray[np.uint8]:
        """The DRAM rows as a view ``[count_y, count_x, bytes]`` after all checks."""
        source = ErrorSource.LOAD if is_load else ErrorSource.STORE
        segment = self.segments.get(i["segment"], Segment(0, 0))
        limit = min(segment.limit, 1 << self.config.axi_address_width)
        offset = access.segment_fault(limit)
        word = access.range_fault(self.config)
        if offset is not None and not access.is_range_first(self.config, limit):
            shown = (1 << min(32, self.config.axi_address_width)) - 1
            raise Fault(ErrorCode.SEGMENT_LIMIT, source, index, offset & shown)
        if word is not None:
            raise Fault(ErrorCode.MEMORY_RANGE, source, index, fault_address(access.memory, word))
        if not access.bytes:
            return np.zeros((*access.offsets.shape, 0), np.uint8)
        highest = segment.base + int(access.offsets.max()) + access.bytes
        if highest > len(self.dram):
            code = ErrorCode.READ_RESPONSE if is_load else ErrorCode.WRITE_RESPONSE
            for row in access.offsets.reshape(-1):
                burst = first_bad_burst(
                    self.config, segment.base + int(row), access.bytes, len(self.dram)
                )
                if burst is not None:
                    raise Fault(code, source, index, burst)
        beats = axi_beats(segment.base + access.offsets, access.bytes, self.config.axi_bytes)
        if is_load:
            self.read_beats += beats
        else:
            self.write_beats += beats
        return as_strided(
            self.dram[segment.base + i["offset"] :],
            (*access.offsets.shape, access.bytes),
            (i["stride_y"], i["stride_x"], 1),
        )

    def _load(self, i: Instruction, index: int) -> None:
        access = transfer_access(self.config, i)
        rows = self._rows(i, access, index, True)
        width = word_bytes(self.config, access.memory)
        words = np.full(
            (i["count_y"], access.words // i["count_y"], width), i["fill"], dtype=np.uint8
        )
        start = i["pad_before"]
        body = words[:, start : start + i["count_x"] * access.row_words]
        body = body.reshape(i["count_y"], i["count_x"], access.row_words * width)
        body[:, :, : access.bytes] = rows
        words[:, start : start + i["count_x"] * access.row_words] = body.reshape(
            i["count_y"], -1, width
        )
        where = slice(access.address, access.address + access.words)
        flat = words.reshape(-1, width)
        if access.memory is Memory.ACCUMULATOR and self.config.accumulator_width < 32:
            values = flat.view("<i4").astype(np.int64)
            narrow = reference.wrap(values, self.config.accumulator_width).astype("<i4")
            flat = narrow.view(np.uint8)
        self.words[access.memory][where] = flat
        self.written[access.memory][access.chunks(self.config)] = True

    def _store(self, i: Instruction, index: int) -> None:
        access = transfer_access(self.config, i)
        rows = self._rows(i, access, index, False)
        where = slice(access.address, access.address + access.words)
        self.note_read(index, access.memory, access.chunks(self.config))
        words = self.words[access.memory][where].reshape(i["count_y"], i["count_x"], -1)
        flat = words[:, :, : access.bytes]
        if _overlaps(i, access):
            for y in range(i["count_y"]):
                for x in range(i["count_x"]):
                    rows[y, x] = flat[y, x]
        else:
            rows[...] = flat

    def _matmul(self, i: Instruction, index: int) -> None:
        access = matmul_access(self.config, i)
        fault = access.fault(self.config)
        if fault is not None:
            memory, word = fault
            raise Fault(
                ErrorCode.MEMORY_RANGE, ErrorSource.MATMUL, index, fault_address(memory, word)
            )
        accumulate = bool(i.flags & ACCUMULATE_FLAG)
        accumulators = self._chunks(Memory.ACCUMULATOR, access.accumulators)
        if self.track:
            activations = np.unique(access.activations)
            self.note_read(index, Memory.ACTIVATION, self._chunks(Memory.ACTIVATION, activations))
            self.note_read(index, Memory.WEIGHT, np.unique(access.weights[access.used]))
            if accumulate:
                self.note_read(index, Memory.ACCUMULATOR, accumulators)
        unique = len(np.unique(access.accumulators)) == len(access.accumulators)
        group = max(1, (1 << 22) // access.activations.shape[1] // self.config.rows)
        blocks = len(access.weights) if unique else 0
        for first in range(0, blocks, group):
            self._update(access, slice(first, first + group), accumulate or first > 0)
        if not unique:
            self._matmul_sequential(access, accumulate)
        self.written[Memory.ACCUMULATOR][accumulators] = True

    def _chunks(self, memory: Memory, words: NDArray[np.int64]) -> NDArray[np.int64]:
        return whole_words(self.config, memory, words)

    def _operands(
        self, access: MatmulAccess, blocks: slice
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        weights = self.weight[np.where(access.used[blocks], access.weights[blocks], 0)]
        weights[~access.used[blocks]] = 0
        activations = self.activation[access.activations[blocks]].transpose(1, 0, 2)
        outputs = activations.shape[0]
        return activations.reshape(outputs, -1), weights.reshape(-1, self.config.cols)

    def _update(self, access: MatmulAccess, blocks: slice, accumulate: bool) -> None:
        """Add a run of blocks to accumulator words that are all different."""
        initial = self.accumulator[access.accumulators].astype(np.int64) if accumulate else None
        self.accumulator[access.accumulators] = reference.tile_product(
            *self._operands(access, blocks), initial, self.config.accumulator_width
        )

    def _matmul_sequential(self, access: MatmulAccess, accumulate: bool) -> None:
        """Several outputs in one accumulator word: block after block, output after output."""
        width = self.config.accumulator_width
        for block in range(len(access.weights)):
            activations, weights = self._operands(access, slice(block, block + 1))
            products = reference.multiply_exact(activations, weights)
            for word, product in zip(access.accumulators, products, strict=True):
                base = self.accumulator[word].astype(np.int64) if accumulate or block else 0
                self.accumulator[word] = reference.wrap(base + product, width)


def _overlaps(i: Instruction, access: TransferAccess) -> bool:
    """Whether rows of a STORE may share DRAM bytes, so that the order of rows matters."""
    flat = np.sort(access.offsets, axis=None)
    return bool(len(flat) > 1 and np.diff(flat).min() < i["bytes"])
