# SPDX-License-Identifier: Apache-2.0
"""Cycle estimates of VECTOR."""

from weft.compiler.assembler import assemble
from weft.compiler.estimate import Timing, estimate, estimate_cycles, work_of
from weft.hdl.config import Config

CONFIG = Config.preset("tiny")


def works(text):
    return [work_of(CONFIG, instruction) for instruction in assemble(text).instructions]


def test_a_cycle_for_each_word_read():
    plain, window, update, shared = works("""
        VECTOR chunks=3 count_y=4 count_x=5
        VECTOR chunks=3 count_y=4 count_x=5 window_y=2 window_x=7 sum
        VECTOR chunks=3 destination_memory=accumulator add
        VECTOR chunks=3 source_memory=accumulator destination_memory=accumulator maximum
    """)
    assert [work.words for work in (plain, window, update, shared)] == [60, 840, 3, 6]
    assert {work.unit for work in (plain, window, update, shared)} == {2}


def test_vectors_follow_each_other_without_a_bubble():
    line = "VECTOR chunks=100 count_x=10 destination_address=500\n"
    one, two, ten = (estimate_cycles(CONFIG, assemble(line * count)) for count in (1, 2, 10))
    assert (two - one, ten - one) == (1000, 9000)


def test_vectors_wait_and_signal():
    """Two units, one after the other, take the sum of both and the latencies."""
    text = "VECTOR chunks=500 signal={0}\nMATMUL output_x=300 last_rows=4 wait={0} signal={1}\n"
    result = estimate(CONFIG, works(text + "VECTOR chunks=200 wait={1}"))
    timing = Timing()
    assert result.starts[1] == result.finishes[0]
    assert result.starts[2] == result.finishes[1]
    latency = timing.vector_start + timing.vector_finish
    assert result.finishes[0] - result.starts[0] == 500 + latency
    assert result.finishes[2] - result.starts[2] == 200 + latency


def test_a_vector_waits_for_what_an_older_one_writes():
    line = "VECTOR chunks=10 count_x=20 destination_address=300"
    alone = estimate_cycles(CONFIG, assemble(f"{line}\nVECTOR chunks=10 count_x=20"))
    reads = estimate_cycles(CONFIG, assemble(f"{line}\nVECTOR chunks=10 source_address=309"))
    assert alone - 190 < reads  # Shorter by 190 words, but later by the way to the write.
    beside = estimate_cycles(CONFIG, assemble(f"{line}\nVECTOR chunks=10 source_address=330"))
    assert beside == alone - 190
    assert reads - beside == Timing().vector_finish


def test_a_vector_reads_activations_at_half_speed_beside_matmul():
    product = "MATMUL output_x=1000 output_y=4 last_rows=4\n"
    def cycles(source):
        result = estimate(CONFIG, works(f"{product}VECTOR chunks=1000 source_memory={source}"))
        return result.finishes[1] - result.starts[1]
    quick, slow = cycles("accumulator"), cycles("activation")
    assert quick == 1000 + Timing().vector_start + Timing().vector_finish
    assert 1900 < slow - quick + 1000 <= 2000


def test_vectors_run_beside_other_units():
    vectors = "VECTOR source_memory=accumulator chunks=100 count_x=10\n"
    products = "MATMUL output_x=1000 last_rows=4\n"
    together = estimate_cycles(CONFIG, assemble(vectors + products))
    assert together < 1100 + estimate_cycles(CONFIG, assemble("SYNC unit=load"))
