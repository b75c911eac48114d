# SPDX-License-Identifier: Apache-2.0
"""The GEMM compiler: C int32 = A int8 @ B int8, all plain row-major in DRAM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from ..hdl.config import Config
from ..hdl.isa import ACCUMULATE_FLAG, Memory, Opcode
from .estimate import Timing, estimate, roofline_cycles, row_work
from .program import Program, ProgramError, SegmentNeed
from .schedule import Operation, order, synchronize, works
from .tiling import Problem, Tiling, cost, partition, tilings

__all__ = ["SEGMENT_A", "SEGMENT_B", "SEGMENT_C", "CompileError", "check_sizes", "compile_gemm"]

SEGMENT_A, SEGMENT_B, SEGMENT_C = 0, 1, 2
"""Segments of the operands and the result."""

_DIMENSION_LIMIT = (1 << 31) - 1
_SHORTLIST = 6
_OPERATION_BUDGET = 40_000
"""Operations generated at most while looking for the best tiling."""


class CompileError(ProgramError):
    """A product the accelerator cannot compute."""


class _Ring:
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


def _merge(count: int, size: int, stride: int, word: int, limit: int) -> tuple[int, int]:
    """(rows, bytes) after joining contiguous rows that fill whole words."""
    if stride != size or size % word or not size:
        return count, size
    for factor in range(min(count, limit // size), 0, -1):
        if count % factor == 0:
            return count // factor, size * factor
    return count, size


class _Generator:
    """Generates the operations of one tiling in sequential order."""

    def __init__(self, problem: Problem, tiling: Tiling) -> None:
        self.problem = problem
        self.config = problem.config
        self.tiling = tiling
        self.operations: list[Operation] = []
        self.activation = _Ring(self.config.activation_depth)
        self.weight = _Ring(self.config.weight_depth)
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
        half = self.config.accumulator_depth // 2
        for number, tile in enumerate(self._tiles()):
            base = number % 2 * half
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
        rows, length = _merge(count, size, stride, word, 65535)
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
        rows, length = _merge(count, size, 4 * n, 4 * cols, 65536)
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


def check_sizes(config: Config, m: int, n: int, k: int) -> None:
    """Raise `CompileError` for a product no program of ``config`` can compute."""
    for name, value in (("m", m), ("n", n), ("k", k)):
        if not 1 <= value <= _DIMENSION_LIMIT:
            raise CompileError(f"{name} must be from 1 to {_DIMENSION_LIMIT}, not {value}")
    if k > config.max_reduction_depth:
        raise CompileError(
            f"k must be at most max_reduction_depth ({config.max_reduction_depth}), not {k}: a "
            "longer sum could pass the accumulator's range; raise max_reduction_depth in the "
            "configuration"
        )
    for name, size in (("A", m * k), ("B", k * n), ("C", 4 * m * n)):
        if size >= 1 << 32:
            raise CompileError(
                f"{name} takes {size} bytes; a segment holds less than {1 << 32}"
            )


@dataclass(frozen=True)
class _Candidate:
    """A tiling with its operations and their estimated cycles."""

    tiling: Tiling
    operations: tuple[Operation, ...]
    cycles: int


def _candidate(problem: Problem, tiling: Tiling) -> _Candidate:
    operations = _Generator(problem, tiling).run()
    synchronize(problem.config, operations)
    ordered = order(problem.config, operations)
    return _Candidate(
        tiling, tuple(ordered), estimate(problem.config, works(ordered), Timing()).cycles
    )


@lru_cache(maxsize=64)
def _best(config: Config, m: int, n: int, k: int) -> _Candidate:
    """The fastest of the tilings that look best, by estimate; then its best ends."""
    problem = Problem(config, m, n, k)
    ranked = sorted(tilings(problem), key=lambda tiling: cost(problem, tiling))
    if not ranked:
        raise CompileError(f"no tiling of {m}x{n}x{k} fits the memories of this configuration")
    best: _Candidate | None = None
    budget = _OPERATION_BUDGET
    for base in ranked[:_SHORTLIST]:
        found = _candidate(problem, replace(base, ramp=True, tail=2))
        budget -= len(found.operations)
        if best is None or found.cycles < best.cycles:
            best = found
        if budget < 0:
            break
    assert best is not None
    for ramp, tail in ((True, 1), (False, 2), (True, 0), (False, 0)):
        if budget < len(best.operations):
            break
        found = _candidate(problem, replace(best.tiling, ramp=ramp, tail=tail))
        budget -= len(found.operations)
        if found.cycles < best.cycles:
            best = found
    return best


def compile_gemm(config: Config, m: int, n: int, k: int) -> Program:
    """A program for C[m, n] int32 = A[m, k] int8 @ B[k, n] int8.

    Parameters
    ----------
    config : Config
        The accelerator.
    m, n, k : int
        Sizes, each at least 1.

    Returns
    -------
    Program
        Segments 0: A, 1: B, 2: C, each row-major without gaps. ``info`` holds the sizes, the
        tiling and the estimated cycles.

    Raises
    ------
    CompileError
        If a size is out of range or ``k`` exceeds ``max_reduction_depth``.

    >>> program = compile_gemm(Config.preset("tiny"), 3, 5, 7)
    >>> [need.bytes for need in program.segments]
    [21, 35, 60]
    """
    check_sizes(config, m, n, k)
    best = _best(config, m, n, k)
    return Program(
        [operation.instruction() for operation in best.operations],
        [
            SegmentNeed(SEGMENT_A, "A", m * k),
            SegmentNeed(SEGMENT_B, "B", k * n),
            SegmentNeed(SEGMENT_C, "C", 4 * m * n, "output"),
        ],
        config,
        f"gemm {m}x{n}x{k}",
        {
            "m": m, "n": n, "k": k,
            "tiling": asdict(best.tiling),
            "estimated_cycles": best.cycles,
            "roofline_cycles": roofline_cycles(config, m, n, k),
        },
    )
