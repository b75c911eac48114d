# SPDX-License-Identifier: Apache-2.0
"""The GEMM compiler: C int32 = A int8 @ B int8, all plain row-major in DRAM."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from ..hdl.config import Config
from .estimate import Timing, estimate, roofline_cycles
from .operations import SEGMENT_A, SEGMENT_B, SEGMENT_C, Generator
from .program import Program, ProgramError, SegmentNeed
from .schedule import Operation, order, synchronize, works
from .tiling import Problem, Tiling, cost, tilings

__all__ = ["SEGMENT_A", "SEGMENT_B", "SEGMENT_C", "CompileError", "check_sizes", "compile_gemm"]

_DIMENSION_LIMIT = (1 << 31) - 1
_SHORTLIST = 6
_OPERATION_BUDGET = 40_000
"""Operations generated at most while looking for the best tiling."""


class CompileError(ProgramError):
    """A product the accelerator cannot compute."""


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
    operations = Generator(problem, tiling).run()
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
