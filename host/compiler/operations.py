# SPDX-License-Identifier: Apache-2.0
"""The operations of a tiled matrix product, in sequential order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..hdl.isa import ACCUMULATE_FLAG, Memory, Opcode
from .estimate import row_work
from .schedule import Operation
from .tiling import Problem, Tiling, accumulator_tiles, partition

__all__ = ["SEGMENT_A", "SEGMENT_B", "SEGMENT_C", "Generator", "Ring", "merge_rows"]

SEGMENT_A, SEGMENT_B, SEGMENT_C = 0, 1, 2
"""Segments of the operands and the result."""


class Ring:
    """A scratchpad as a ring of chunks; placing one evicts what lies there.

    Parameters
    ----------
    depth : int
        Words.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.head = 0
        self.resident: dict[tuple[int, int], tuple[int, int]] = {}

    def place(self, key: tuple[int, int], size: int) -> int:
        """Make room for ``size`` words and return the first."""
        if self.head + size > self.depth:
            self.head = 0
        first, end = self.head, self.head + size
        self.resident = {
            other: span for other, span in self.resident.items()
            if span[1] <= first or span[0] >= end
        }
        self.resident[key] = (first, end)
        self.head = end
        return first


@dataclass(frozen=True)
class _Tile:
    """Rows and column blocks of C computed into one accumulator bank."""

    macro: tuple[int, int]
    m: tuple[int, int]
    n: tuple[int, int]


def merge_rows(count: int, size: int, stride: int, word: int, limit: int) -> tuple[int, int]:
    """(rows, bytes) after joining contiguous rows that fill whole words, up to ``limit`` bytes."""
    if stride != size or size % word or not size:
        return count, size
    for factor in range(min(count, limit // size), 0, -1):
        if count % factor == 0:
            return count // factor, size * factor
    return count, size


class Generator:
    """Generates the operations of one tiling in sequential order.

    The accumulator's two banks take turns from tile to tile, so that one is stored while the
    array fills the other. Chunks are loaded just before their first use; `weft.compiler.schedule`
    lets the LOADs run ahead as far as the memories allow. With serial execution a tile has all of
    the accumulator.

    Parameters
    ----------
    problem : Problem
        What to compute.
    tiling : Tiling
        How to cut it.
    """

    def __init__(self, problem: Problem, tiling: Tiling) -> None:
        self.problem = problem
        self.config = problem.config
        self.tiling = tiling
        self.operations: list[Operation] = []
        self.activation = Ring(self.config.activation_depth)
        self.weight = Ring(self.config.weight_depth)
        self.m_ranges = partition(problem.m, tiling.m_parts)
        self.n_ranges = partition(problem.n_blocks, tiling.n_parts)
        self.k_ranges = self._reduction_ranges()

    def _reduction_ranges(self) -> list[tuple[int, int]]:
        """Chunks of the reduction; with a ramp the first are 1, 1, 2, 4, ... blocks."""
        blocks = self.problem.k_blocks
        largest = -(-blocks // self.tiling.k_parts)
        if not self.tiling.ramp:
            return partition(blocks, self.tiling.k_parts)
        ranges, first, size = [], 0, 1
        while size < largest and blocks - first > size:
            ranges.append((first, first + size))
            first += size
            size = first
        rest = blocks - first
        return ranges + [
            (first + low, first + high) for low, high in partition(rest, -(-rest // largest))
        ]

    # The order of tiles.

    def _macros(self) -> Iterator[tuple[int, int]]:
        outer, inner = len(self.m_ranges), len(self.n_ranges)
        if not self.tiling.n_inner:
            outer, inner = inner, outer
        for major in range(outer):
            minors = range(inner) if major % 2 == 0 else reversed(range(inner))
            for minor in minors:
                yield (major, minor) if self.tiling.n_inner else (minor, major)

    def _tiles(self) -> Iterator[_Tile]:
        macros = list(self._macros())
        for number, macro in enumerate(macros):
            m, n = self.m_ranges[macro[0]], self.n_ranges[macro[1]]
            if number < len(macros) - 1 or self.tiling.tail == 0:
                yield _Tile(macro, m, n)
                continue
            pieces = _halves(*m, self.config.rows)
            for piece in pieces[:-1]:
                yield _Tile(macro, piece, n)
            if self.tiling.tail == 1:
                yield _Tile(macro, pieces[-1], n)
            else:
                for column in range(*n):
                    yield _Tile(macro, pieces[-1], (column, column + 1))

    def run(self) -> list[Operation]:
        """All operations."""
        banks = accumulator_tiles(self.config)
        size = self.config.accumulator_depth // banks
        for number, tile in enumerate(self._tiles()):
            base = number % banks * size
            for chunk in range(len(self.k_ranges)):
                self._chunk(tile, chunk, base, number == 0 and chunk == 0)
            self._store(tile, base)
        return self.operations

    # Operations.

    def _chunk(self, tile: _Tile, chunk: int, base: int, lead: bool) -> None:
        """Multiply one chunk of the reduction into a tile."""
        weight = self._weights(chunk, tile.macro[1])
        pieces = [tile.m]
        if lead and self.tiling.ramp:
            pieces = _doubling(*tile.m, self.config.rows)
        activation = self._activations(chunk, tile.macro[0], pieces)
        for column in range(*tile.n):
            for piece in pieces if column == tile.n[0] else [tile.m]:
                self._matmul(tile, chunk, base, column, piece, activation, weight)

    def _weights(self, chunk: int, part: int) -> int:
        """The first word of a B chunk, loaded if it is not there."""
        key = (chunk, part)
        if key in self.weight.resident:
            return self.weight.resident[key][0]
        rows, cols = self.config.rows, self.config.cols
        (k_low, k_high), (n_low, n_high) = self.k_ranges[chunk], self.n_ranges[part]
        width = n_high - n_low
        address = self.weight.place(key, (k_high - k_low) * rows * width)
        count = min(self.problem.k, k_high * rows) - k_low * rows
        size = min(self.problem.n, n_high * cols) - n_low * cols
        self._load(
            Memory.WEIGHT, address, SEGMENT_B, k_low * rows * self.problem.n + n_low * cols,
            count, size, self.problem.n, width,
        )
        return address

    def _activations(self, chunk: int, part: int, pieces: list[tuple[int, int]]) -> int:
        """The first word of an A chunk, loaded in ``pieces`` of rows if it is not there."""
        key = (chunk, part)
        if key in self.activation.resident:
            return self.activation.resident[key][0]
        rows, k = self.config.rows, self.problem.k
        (k_low, k_high), (m_low, m_high) = self.k_ranges[chunk], self.m_ranges[part]
        width = k_high - k_low
        address = self.activation.place(key, width * (m_high - m_low))
        size = min(k, k_high * rows) - k_low * rows
        whole = pieces if pieces[0][0] == m_low and pieces[-1][1] == m_high else [(m_low, m_high)]
        for low, high in whole:
            self._load(
                Memory.ACTIVATION, address + (low - m_low) * width, SEGMENT_A,
                low * k + k_low * rows, high - low, size, k, width,
            )
        return address

    def _load(self, memory: Memory, address: int, segment: int, offset: int, count: int,
              size: int, stride: int, width: int) -> None:
        word = self.config.rows if memory is Memory.ACTIVATION else self.config.cols
        words = count * width
        rows, length = merge_rows(count, size, stride, word, 65535)
        beats, bursts = row_work(self.config, rows, length, stride, offset)
        self.operations.append(Operation(
            Opcode.LOAD,
            {"memory": memory.value, "address": address, "segment": segment, "offset": offset,
             "bytes": length, "count_x": rows, "stride_x": length if rows != count else stride},
            [], [(memory, address, address + words)], (beats, words, bursts),
        ))

    def _matmul(self, tile: _Tile, chunk: int, base: int, column: int, piece: tuple[int, int],
                activation: int, weight: int) -> None:
        rows = self.config.rows
        k_low, k_high = self.k_ranges[chunk]
        blocks = k_high - k_low
        n_first, n_end = self.n_ranges[tile.macro[1]]
        m_first = self.m_ranges[tile.macro[0]][0]
        width, tile_width = n_end - n_first, tile.n[1] - tile.n[0]
        outputs = piece[1] - piece[0]
        activation += (piece[0] - m_first) * blocks
        accumulator = base + (piece[0] - tile.m[0]) * tile_width
        last = self.problem.k - (k_high - 1) * rows
        values = {
            "activation_address": activation,
            "weight_address": weight + column - n_first,
            "accumulator_address": accumulator + column - tile.n[0],
            "channel_blocks": blocks,
            "output_x": outputs,
            "activation_stride_channel": 1,
            "activation_stride_x": blocks,
            "weight_stride_row": width,
            "weight_stride_block": rows * width,
            "accumulator_stride_x": tile_width,
            "last_rows": min(rows, last),
        }
        count = min(self.problem.k - k_low * rows, blocks * rows)
        self.operations.append(Operation(
            Opcode.MATMUL, values,
            [(Memory.ACTIVATION, activation, activation + outputs * blocks),
             (Memory.WEIGHT, weight, weight + count * width)],
            [(Memory.ACCUMULATOR, accumulator, accumulator + outputs * tile_width)],
            (0, outputs, blocks), ACCUMULATE_FLAG if chunk else 0,
        ))

    def _store(self, tile: _Tile, base: int) -> None:
        cols, n = self.config.cols, self.problem.n
        count, width = tile.m[1] - tile.m[0], tile.n[1] - tile.n[0]
        size = 4 * (min(n, tile.n[1] * cols) - tile.n[0] * cols)
        offset = 4 * (tile.m[0] * n + tile.n[0] * cols)
        rows, length = merge_rows(count, size, 4 * n, 4 * cols, 65536)
        beats, bursts = row_work(self.config, rows, length, 4 * n, offset)
        self.operations.append(Operation(
            Opcode.STORE,
            {"memory": Memory.ACCUMULATOR.value, "address": base, "segment": SEGMENT_C,
             "offset": offset, "bytes": length, "count_x": rows,
             "stride_x": length if rows != count else 4 * n},
            [(Memory.ACCUMULATOR, base, base + count * width)], [],
            (beats, count * width, bursts),
        ))


def _halves(low: int, high: int, least: int) -> list[tuple[int, int]]:
    """A range cut into halves, quarters, ... of at least ``least``, the smallest last."""
    result = []
    while high - low >= 2 * least:
        middle = low + (high - low + 1) // 2
        result.append((low, middle))
        low = middle
    return [*result, (low, high)]


def _doubling(low: int, high: int, least: int) -> list[tuple[int, int]]:
    """A range cut into pieces of ``least``, twice that, ..., the smallest first."""
    result, size = [], least
    while high - low > 2 * size:
        result.append((low, low + size))
        low += size
        size *= 2
    return [*result, (low, high)]
