# SPDX-License-Identifier: Apache-2.0
"""Instruction fetch at every AXI width."""

import pytest

from weft.hdl.control.fetch import Fetch
from weft.hdl.control.instruction_word import words_of_instruction
from weft.sim.bench.runner import run_bench

CASES = [
    (32, 32, 64, 8), (64, 32, 16, 4), (128, 40, 64, 8), (256, 64, 256, 16), (32, 32, 1, 2),
    (64, 32, 2, 8), (32, 16, 16, 4),
]


@pytest.mark.parametrize(("data_width", "address_width", "max_burst_beats", "queue_depth"), CASES)
def test_fetch(simulator, data_width, address_width, max_burst_beats, queue_depth):
    if simulator == "verilator" and max_burst_beats in (1, 16):
        pytest.skip("on Icarus only, to save build time")
    fetch = Fetch(
        address_width=address_width,
        data_width=data_width,
        max_burst_beats=max_burst_beats,
        queue_depth=queue_depth,
    )
    result = run_bench(
        fetch,
        name="fetch",
        test_module="bench_control_fetch",
        simulator=simulator,
        parameters={
            "data_width": data_width,
            "address_width": address_width,
            "max_burst_beats": max_burst_beats,
            "queue_depth": queue_depth,
        },
    )
    assert result.tests == 8


def test_bursts_are_as_long_as_half_of_what_is_in_flight():
    fetch = Fetch(address_width=32, data_width=32, max_burst_beats=256, queue_depth=4)
    assert fetch.instruction_beats == 8
    assert fetch.chunk_beats == 4 * 8 and fetch.burst_instructions == 4
    short = Fetch(address_width=32, data_width=32, max_burst_beats=4, queue_depth=4)
    assert short.chunk_beats == 4 and short.burst_instructions == 1


def test_words_refuse_nonsense():
    with pytest.raises(ValueError, match="power of two from 32 to 256, not 48"):
        words_of_instruction(48)
