# SPDX-License-Identifier: Apache-2.0
"""Semaphores and order: any tiling, however fine, gives a program that `check` passes."""

import pytest

import weft
from weft.compiler.checker import check
from weft.compiler.estimate import estimate_cycles
from weft.compiler.operations import SEGMENT_A, SEGMENT_B, SEGMENT_C, Generator, Ring, merge_rows
from weft.compiler.program import Program, SegmentNeed
from weft.compiler.schedule import order, synchronize
from weft.compiler.tiling import Problem, Tiling, partition, tilings


def program(problem, tiling):
    operations = Generator(problem, tiling).run()
    synchronize(problem.config, operations)
    m, n, k = problem.m, problem.n, problem.k
    return Program(
        [item.instruction() for item in order(problem.config, operations)],
        [SegmentNeed(SEGMENT_A, "A", m * k), SegmentNeed(SEGMENT_B, "B", k * n),
         SegmentNeed(SEGMENT_C, "C", 4 * m * n, "output")],
        problem.config,
    )


@pytest.mark.parametrize("ramp", [False, True])
@pytest.mark.parametrize("n_inner", [False, True])
def test_far_more_chunks_than_a_semaphore_counts(n_inner, ramp):
    """A hundred chunks fit the memories at once: run-ahead has to be held below 63."""
    config = weft.Config(rows=1, cols=1, activation_depth=256, weight_depth=256,
                         accumulator_depth=16, axi_width=32, queue_depth=64)
    for parts in ((3, 3, 100), (8, 2, 50), (2, 2, 200)):
        made = program(Problem(config, 8, 3, 200), Tiling(*parts, n_inner, ramp, 2))
        assert check(config, made) == []
        assert estimate_cycles(config, made) > 0


def test_every_tiling_of_a_product_is_sound():
    config = weft.Config(rows=3, cols=2, activation_depth=64, weight_depth=64,
                         accumulator_depth=16, axi_width=64, queue_depth=2)
    problem = Problem(config, 11, 9, 20)
    found = list(tilings(problem))
    assert len(found) > 20
    for tiling in found:
        assert check(config, program(problem, tiling)) == []


def test_estimate_of_a_deadlock_is_zero():
    assert estimate_cycles(weft.Config(), weft.compiler.assembler.assemble("SYNC wait={1}")) == 0


def test_partition_is_even_and_complete():
    for total in range(1, 30):
        for parts in range(1, total + 1):
            ranges = partition(total, parts)
            sizes = [end - first for first, end in ranges]
            assert sum(sizes) == total
            assert max(sizes) - min(sizes) <= 1


def test_ring_evicts_what_it_overwrites():
    ring = Ring(10)
    assert [ring.place((0, n), 4) for n in range(3)] == [0, 4, 0]
    assert set(ring.resident) == {(0, 1), (0, 2)}
    assert ring.place((0, 3), 3) == 4
    assert set(ring.resident) == {(0, 2), (0, 3)}


def test_merged_rows():
    assert merge_rows(16, 32, 32, 16, 65535) == (1, 512)
    assert merge_rows(16, 30, 30, 16, 65535) == (16, 30)
    assert merge_rows(16, 32, 64, 16, 65535) == (16, 32)
    assert merge_rows(6, 16, 16, 16, 40) == (3, 32)
