# SPDX-License-Identifier: Apache-2.0
"""Cocotb test of the search for the oldest instruction."""

import cocotb
from cocotb.triggers import FallingEdge

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock


@cocotb.test()
async def finds_the_least_valid_index(dut):
    random, candidates = bench_random(), bench_parameters()["candidates"]
    start_clock(dut)
    dut.i.value = 0
    await reset(dut)
    expected = []
    for _ in range(400):
        indices = [random.getrandbits(random.choice([2, 24])) for _ in range(candidates)]
        valid = [random.random() < 0.5 for _ in range(candidates)]
        dut.i.value = sum(
            (bit | index << 1) << 25 * number
            for number, (bit, index) in enumerate(zip(valid, indices, strict=True))
        )
        chosen = [index for index, bit in zip(indices, valid, strict=True) if bit]
        expected.append(min(chosen) if chosen else indices[-1])
        await FallingEdge(dut.clk)
        if len(expected) >= bench_parameters()["latency"]:
            assert int(dut.o.value) == expected.pop(0)
