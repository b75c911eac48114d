# SPDX-License-Identifier: Apache-2.0
"""Cocotb test of the queues: what is committed comes out whole, in order, into empty gates only."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.control.dispatch import write_layout
from weft.hdl.control.instruction_queues import fill_layout
from weft.hdl.control.instruction_word import words_of_instruction
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock


class Bench:
    """Fills queues that have a place left; plays the gates."""

    def __init__(self, dut):
        self.dut, self.random = dut, bench_random()
        parameters = bench_parameters()
        self.width, self.depth = parameters["data_width"], parameters["depth"]
        self.units = parameters["units"]
        self.words = words_of_instruction(self.width)
        self.write = Codec(write_layout(self.width, self.units))
        self.fill = Codec(fill_layout(self.width, self.units))
        start_clock(dut)
        dut.i__valid.value = dut.commit.value = dut.wanted.value = 0
        self.sent = [[] for _ in range(self.units)]
        self.got = [[] for _ in range(self.units)]
        self.parts = [[] for _ in range(self.units)]
        self.taken = [0] * self.units
        self.wanted = [False] * self.units
        self.eager = 0.5
        cocotb.start_soon(self.gates())

    async def gates(self):
        """Collects the words of each gate, which is empty again after a while."""
        while True:
            await FallingEdge(self.dut.clk)
            for unit in range(self.units):
                self.wanted[unit] |= self.random.random() < self.eager
            wanted = sum(on << unit for unit, on in enumerate(self.wanted))
            self.dut.wanted.value = wanted
            await ReadOnly()
            if int(self.dut.rst.value):
                continue
            raw = self.dut.fill.value
            if "1" not in str(raw)[-self.units :]:
                continue  # The data are undefined before the first word.
            fill = self.fill.unpack(int(raw))
            assert fill["unit"] & (fill["unit"] - 1) == 0
            for unit in range(self.units):
                if fill["unit"] >> unit & 1:
                    assert self.wanted[unit] and int(self.dut.filling.value) >> unit & 1
                    assert fill["position"] == len(self.parts[unit])
                    self.parts[unit].append(fill)
                    if fill["last"]:
                        self.collect(unit)

    def collect(self, unit):
        parts, self.parts[unit] = self.parts[unit], []
        assert len(parts) == self.words
        index_width = 24 // self.words
        whole = sum(part["data"] << self.width * n for n, part in enumerate(parts))
        index = sum(part["slice"] << index_width * n for n, part in enumerate(parts))
        assert parts[-1]["free"] == int(whole >> 16 & 0xFFFF == 0)
        self.got[unit].append((whole, index))
        self.wanted[unit] = False

    async def send(self, unit, whole, index):
        """The words of an instruction, then its commit two cycles after the last."""
        for position in range(self.words):
            while self.random.random() < 0.2:
                await cycles(self.dut)
            word = {
                "data": whole >> position * self.width & ((1 << self.width) - 1),
                "position": position,
                "index": index,
            }
            last = int(position == self.words - 1)
            self.dut.i__payload.value = self.write.pack({"word": word, "unit": unit, "last": last})
            self.dut.i__valid.value = 1
            await cycles(self.dut)
            self.dut.i__valid.value = 0
            self.dut.i__payload.value = self.random.getrandbits(self.write.width)
        self.dut.commit.value = 1 << unit
        await cycles(self.dut)
        self.dut.commit.value = 0
        self.sent[unit].append((whole, index))

    def random_instruction(self):
        whole = self.random.getrandbits(256)
        if self.random.random() < 0.5:
            whole &= ~(0xFFFF << 16)
        return whole, self.random.getrandbits(24)

    def held(self, unit):
        return len(self.sent[unit]) - len(self.got[unit])


@cocotb.test()
async def everything_comes_out_in_order(dut):
    bench = Bench(dut)
    await reset(dut)
    for eager in (1.0, 0.3, 0.02, 0.3):
        bench.eager = eager
        for _ in range(150):
            unit = bench.random.randrange(bench.units)
            if bench.held(unit) < bench.depth:
                await bench.send(unit, *bench.random_instruction())
            else:
                await cycles(dut)
    bench.eager = 1.0
    while not int(dut.empty.value):
        await cycles(dut)
    await cycles(dut, 2)
    assert bench.got == bench.sent and all(len(items) > 50 for items in bench.got)


@cocotb.test()
async def room_is_half_of_every_queue(dut):
    bench = Bench(dut)
    bench.eager = 0.0
    await reset(dut)
    assert int(dut.room.value) and int(dut.empty.value)
    for unit in range(bench.units):
        for number in range(bench.depth):
            await bench.send(unit, *bench.random_instruction())
            assert int(dut.room.value) == int(number < bench.depth // 2), (unit, number)
        bench.eager = 1.0
        while not int(dut.empty.value):
            await cycles(dut)
        bench.eager = 0.0
        bench.wanted = [False] * bench.units
        await cycles(dut, 2)
        assert int(dut.room.value)


@cocotb.test()
async def the_most_urgent_gate_is_filled_first(dut):
    bench = Bench(dut)
    bench.eager = 0.0
    await reset(dut)
    for unit in range(bench.units):
        await bench.send(unit, *bench.random_instruction())
    await cycles(dut)
    order = []
    bench.wanted = [True] * bench.units
    while len(order) < bench.units:
        await cycles(dut)
        order += [u for u in range(bench.units) if bench.got[u] and u not in order]
    assert order == bench_parameters()["urgency"]
