# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the performance counters: exact at every read."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock


class Bench:
    def __init__(self, dut, density=0.5):
        self.dut, self.random, self.count = dut, bench_random(), bench_parameters()["count"]
        start_clock(dut)
        self.model = [0] * self.count
        self.density = density
        for name in ("clear", "enable", "events", "request", "number"):
            getattr(dut, name).value = 0
        self.enable = 0
        cocotb.start_soon(self.drive())

    async def drive(self):
        """Random events in every cycle, counted by the model when enabled."""
        while True:
            await FallingEdge(self.dut.clk)
            dense = self.density == 1
            bits = [dense or self.random.random() < self.density for _ in range(self.count)]
            self.dut.events.value = sum(bit << number for number, bit in enumerate(bits))
            self.dut.enable.value = self.enable
            await ReadOnly()
            if int(self.dut.clear.value) or int(self.dut.rst.value):
                self.model = [0] * self.count
            elif self.enable:
                self.model = [old + bit for old, bit in zip(self.model, bits, strict=True)]

    async def read(self, number):
        self.dut.number.value, self.dut.request.value = number, 1
        for _ in range(self.count + 6):
            await cycles(self.dut)
            if int(self.dut.valid.value):
                value = int(self.dut.value.value)
                break
        else:
            raise AssertionError(f"counter {number} was not read")
        await cycles(self.dut)
        self.dut.request.value = 0
        return value

    async def clear(self):
        self.dut.clear.value = 1
        await cycles(self.dut)
        self.dut.clear.value = 0


@cocotb.test()
async def exact_at_rest(dut):
    bench = Bench(dut)
    await reset(dut)
    for _ in range(6):
        bench.enable = 1
        await cycles(dut, bench.random.randrange(1, 150))
        bench.enable = 0
        await cycles(dut, 2)
        order = bench.random.sample(range(bench.count), bench.count)
        for number in order:
            await cycles(dut, bench.random.randrange(3))
            assert await bench.read(number) == bench.model[number], number
        if bench.random.random() < 0.5:
            await bench.clear()
            await cycles(dut)
            for number in order:
                assert await bench.read(number) == 0


@cocotb.test()
async def every_cycle_counts(dut):
    bench = Bench(dut, density=1)
    await reset(dut)
    for length in range(1, 50):
        await bench.clear()
        bench.enable = 1
        await cycles(dut, length)
        bench.enable = 0
        await cycles(dut, 2)
        number = length % bench.count
        assert await bench.read(number) == bench.model[number] == length


@cocotb.test()
async def reads_while_counting_never_go_back(dut):
    bench = Bench(dut)
    await reset(dut)
    bench.enable = 1
    last = [0] * bench.count
    for _ in range(60):
        number = bench.random.randrange(bench.count)
        before = bench.model[number]
        value = await bench.read(number)
        assert max(last[number], before - 2) <= value <= bench.model[number]
        last[number] = value
