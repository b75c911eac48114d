# SPDX-License-Identifier: Apache-2.0
"""Instruction fetch at every AXI width."""

import pytest

from weft.hdl.control.fetch import Fetch
from weft.hdl.control.instruction_buffer import InstructionBuffer
from weft.sim.bench.runner import run_bench

CASES = [(32, 32, 64), (64, 32, 16), (128, 40, 64), (256, 64, 256), (32, 32, 1), (64, 32, 2)]


@pytest.mark.parametrize(("data_width", "address_width", "max_burst_beats"), CASES)
def test_fetch(simulator, data_width, address_width, max_burst_beats):
    if simulator == "verilator" and max_burst_beats in (1, 16):
        pytest.skip("on Icarus only, to save build time")
    fetch = Fetch(
        address_width=address_width, data_width=data_width, max_burst_beats=max_burst_beats
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
        },
    )
    assert result.tests == 8


def test_chunks_divide_the_buffer():
    fetch = Fetch(address_width=32, data_width=32, max_burst_beats=256)
    assert fetch.instruction_beats == 8
    assert fetch.chunk_beats == fetch.depth // 2 * fetch.instruction_beats


def test_buffer_refuses_nonsense():
    with pytest.raises(ValueError, match="data_width must divide 256, not 48"):
        InstructionBuffer(data_width=48, depth=16)
    with pytest.raises(ValueError, match="depth must be a power of two above 1, not 12"):
        InstructionBuffer(data_width=64, depth=12)
