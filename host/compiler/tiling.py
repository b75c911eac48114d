# SPDX-License-Identifier: Apache-2.0
"""Tilings of a matrix product and what they cost at first sight.

Terms: a *block* of the reduction is ``rows`` deep, a block of columns ``cols`` wide. A *macro tile*
is ``mt`` rows by ``nt`` column blocks of C, computed over *chunks* of ``kc`` reduction blocks. The
scratchpads are rings of chunks: an A chunk is ``mt`` by ``kc`` words, a B chunk ``kc * rows`` by
``nt`` words, and a chunk still there when it is needed again is not loaded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..hdl.config import Config
from .estimate import SerialTiming

__all__ = ["Problem", "Tiling", "accumulator_tiles", "cost", "partition", "tilings"]

_ROW_BYTES = 65535
_LOAD_ROWS = 4096
_PASS = 1024
_CHANNELS = 1024
_STRIDE_BLOCK = (1 << 14) - 1
_STRIDE_ACCUMULATOR = 1023
_STRIDE_ACTIVATION = (1 << 12) - 1


@dataclass(frozen=True)
class Problem:
    """The product C[m, n] = A[m, k] B[k, n] on one accelerator."""

    config: Config
    m: int
    n: int
    k: int

    @property
    def k_blocks(self) -> int:
        """Blocks of the reduction."""
        return -(-self.k // self.config.rows)

    @property
    def n_blocks(self) -> int:
        """Blocks of columns."""
        return -(-self.n // self.config.cols)


@dataclass(frozen=True)
class Tiling:
    """One way to cut a problem.

    Parameters
    ----------
    m_parts, n_parts, k_parts : int
        Pieces of each dimension, as equal as possible.
    n_inner : bool
        Whether the column tiles are the inner loop, so that the A panel stays.
    ramp : bool
        Start with short reduction chunks, so that the array starts early.
    tail : int
        How the last macro tile is cut to store its end early: 0 not, 1 by rows, 2 also by columns.
    """

    m_parts: int
    n_parts: int
    k_parts: int
    n_inner: bool
    ramp: bool = False
    tail: int = 0


def partition(total: int, parts: int) -> list[tuple[int, int]]:
    """``total`` cut into ``parts`` ranges (first, end) whose sizes differ by at most one."""
    bounds = [total * number // parts for number in range(parts + 1)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))


def _sizes(limit: int, total: int, start: int = 1) -> list[int]:
    """Sizes worth trying: powers of two times ``start``, and the limit itself."""
    limit = min(limit, total)
    result = {limit}
    size = start
    while size < limit:
        result.add(size)
        size *= 2
    return sorted(result)


def accumulator_tiles(config: Config) -> int:
    """Macro tiles that the accumulator holds: one is stored while the array computes the other,
    unless nothing happens at the same time."""
    return 1 if config.is_serial else 2


def tilings(problem: Problem) -> Iterator[Tiling]:
    """Every tiling worth a look that fits the memories and the instruction fields."""
    config = problem.config
    room = config.accumulator_depth // accumulator_tiles(config)
    rows = config.rows
    parts: set[tuple[int, int, int]] = set()
    nt_limit = min(room, _ROW_BYTES // (4 * config.cols), _STRIDE_BLOCK // rows,
                   _STRIDE_ACCUMULATOR)
    kc_limit = min(_CHANNELS, _LOAD_ROWS // rows, _ROW_BYTES // rows, _STRIDE_ACTIVATION)
    for mt in _sizes(min(_PASS, room, config.activation_depth), problem.m, rows):
        m_parts = -(-problem.m // mt)
        largest_m = -(-problem.m // m_parts)
        for nt in _sizes(min(nt_limit, room // largest_m), problem.n_blocks):
            n_parts = -(-problem.n_blocks // nt)
            largest_n = -(-problem.n_blocks // n_parts)
            fit = min(kc_limit, config.activation_depth // largest_m,
                      config.weight_depth // (rows * largest_n))
            if fit < 1:
                continue
            for kc in _sizes(fit, problem.k_blocks):
                parts.add((m_parts, n_parts, -(-problem.k_blocks // kc)))
    for m_parts, n_parts, k_parts in sorted(parts):
        yield Tiling(m_parts, n_parts, k_parts, True)
        if m_parts > 1 and n_parts > 1:
            yield Tiling(m_parts, n_parts, k_parts, False)


def _row_cycles(config: Config, size: int, stride: int) -> float:
    """Cycles of the read channel for one row: beats, and no faster than bursts can be open."""
    beat = config.axi_bytes
    beats = -(-size // beat) if stride % beat == 0 else size / beat + 1
    return max(beats, 40 / config.read_outstanding)


def cost(problem: Problem, tiling: Tiling) -> float:
    """Cycles at first sight: the busiest of array, read channel and write channel, plus ends."""
    config, m, n, k = problem.config, problem.m, problem.n, problem.k
    rows, k_blocks, n_blocks = config.rows, problem.k_blocks, problem.n_blocks
    mt = -(-m // tiling.m_parts)
    nt = -(-n_blocks // tiling.n_parts)
    kc = -(-k_blocks // tiling.k_parts)
    small, big_tiles = m // tiling.m_parts, m % tiling.m_parts
    passes = big_tiles * max(mt, rows) + (tiling.m_parts - big_tiles) * max(small, rows)
    compute = passes * n_blocks * k_blocks
    a_reads = b_reads = 1
    if tiling.n_inner:
        if mt * k_blocks > config.activation_depth:
            a_reads = tiling.n_parts
        if k_blocks * rows * n_blocks > config.weight_depth:
            b_reads = tiling.m_parts
    else:
        if k_blocks * rows * nt > config.weight_depth:
            b_reads = tiling.m_parts
        if m * k_blocks > config.activation_depth:
            a_reads = tiling.n_parts
    a_load = m * tiling.k_parts * _row_cycles(config, min(kc * rows, k), k)
    b_load = k * tiling.n_parts * _row_cycles(config, min(nt * config.cols, n), n)
    chunks = tiling.m_parts * tiling.n_parts * tiling.k_parts
    if config.is_serial:
        return _serial_cost(problem, tiling, chunks * (nt + 1), a_reads, b_reads)
    instructions = chunks * (nt + 1) + a_reads * tiling.m_parts * tiling.k_parts
    fetch = instructions * max(1, 32 // config.axi_bytes)
    load = a_reads * a_load + b_reads * b_load + fetch
    tail_rows = min(mt, max(rows, 1))
    store = m * tiling.n_parts * -(-min(4 * nt * config.cols, 4 * n) // config.axi_bytes)
    fill = b_load / max(1, tiling.n_parts * tiling.k_parts) + a_load / tiling.m_parts / max(
        1, tiling.k_parts
    )
    double_a = 2 * mt * kc <= config.activation_depth or chunks == 1
    double_b = 2 * kc * rows * nt <= config.weight_depth or chunks == 1
    busiest = max(compute, load, store)
    if not (double_a and double_b):
        busiest += min(compute, load) * 0.5
    tail = store * tail_rows / max(m * tiling.n_parts, 1)
    return busiest + 0.25 * fill + tail + 0.002 * load + 20 * instructions / max(1, mt)


def _serial_cost(
    problem: Problem, tiling: Tiling, instructions: int, a_reads: int, b_reads: int
) -> float:
    """The same where one instruction follows the other."""
    timing, config = SerialTiming(), problem.config
    m, n, k = problem.m, problem.n, problem.k
    tiles = tiling.m_parts * problem.n_blocks * problem.k_blocks
    rows = a_reads * m * tiling.k_parts + (b_reads * k + m) * tiling.n_parts
    beats = -(-(a_reads * m * k + b_reads * k * n + 4 * m * n) // config.axi_bytes)
    return (
        timing.instruction * instructions
        + timing.row * rows
        + timing.beat * beats
        + tiles * (timing.tile + timing.tile_row * config.rows)
        + m * problem.n_blocks * problem.k_blocks
    )
