# SPDX-License-Identifier: Apache-2.0
"""Cocotb test of the search for the oldest instruction."""

import cocotb

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock


@cocotb.test()
async def finds_the_least_valid_index(dut):
    random, candidates = bench_random(), bench_parameters()["candidates"]
    start_clock(dut)
    dut.i.value = 0
    await reset(dut)
    for _ in range(400):
        indices = [random.getrandbits(random.choice([2, 24])) for _ in range(candidates)]
        valid = [random.random() < 0.5 for _ in range(candidates)]
        dut.i.value = sum(
            (bit | index << 1) << 25 * number
            for number, (bit, index) in enumerate(zip(valid, indices, strict=True))
        )
        chosen = [index for index, bit in zip(indices, valid, strict=True) if bit]
        await cycles(dut, bench_parameters()["latency"] + random.randrange(candidates))
        assert int(dut.o.value) == (min(chosen) if chosen else indices[-1])
