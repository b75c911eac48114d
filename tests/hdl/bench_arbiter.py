# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of ReadArbiter."""

from collections import deque

import cocotb
import numpy as np
from axi_agents import AxiMemory, Bench

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock


class Manager:
    """Issues read bursts and checks that its data come back, in order."""

    def __init__(self, bench, prefix, memory, data_bytes, random, bursts, rate):
        self.wires, self.prefix, self.memory, self.bytes = bench.wires, prefix, memory, data_bytes
        self.random, self.rate = random, rate
        self.waiting = deque(bursts)
        self.expected = deque()
        self.offered = False
        self.accepted = []
        self.received = 0
        bench.add(self)

    def drive(self, cycle):
        put, prefix = self.wires.set, self.prefix
        if not self.offered:
            self.offered = bool(self.waiting) and self.random.random() < self.rate
        put(f"{prefix}arvalid", int(self.offered))
        address, beats = self.waiting[0] if self.offered else (self.random.getrandbits(32), 1)
        put(f"{prefix}araddr", address)
        put(f"{prefix}arlen", beats - 1)
        put(f"{prefix}arsize", self.bytes.bit_length() - 1)
        put(f"{prefix}arburst", 1)
        put(f"{prefix}arid", self.random.getrandbits(1))
        self.ready = self.random.random() < max(0.5, self.rate)
        put(f"{prefix}rready", int(self.ready))

    def observe(self, cycle):
        get, prefix = self.wires.get, self.prefix
        if get(f"{prefix}arready") and self.offered:
            address, beats = self.waiting.popleft()
            self.accepted.append(cycle)
            self.offered = False
            for beat in range(beats):
                start = address + beat * self.bytes
                raw = bytes(self.memory[start : start + self.bytes])
                self.expected.append((int.from_bytes(raw, "little"), int(beat == beats - 1)))
        if get(f"{prefix}rvalid"):
            seen = (get(f"{prefix}rdata"), get(f"{prefix}rlast"))
            assert self.expected and seen == self.expected[0]
            if self.ready:
                self.expected.popleft()
                self.received += 1

    @property
    def done(self):
        return not self.waiting and not self.expected and not self.offered


@cocotb.test()
async def both_get_their_own_data(dut):
    random = bench_random()
    size = bench_parameters()["data_bytes"]
    for rate in (1.0, 0.3):
        memory = np.frombuffer(random.randbytes(16384), np.uint8)
        bench = Bench(dut)
        stalls = {"ar": 0.4, "r": 0.2, "latency": 10}
        AxiMemory(bench, "axi__", memory, data_bytes=size, random=random, latency=5, stalls=stalls)
        managers = []
        for prefix in ("fetch__", "load__"):
            bursts = [
                (random.randrange(4) * 4096 + size * random.randrange(64), random.randrange(1, 9))
                for _ in range(40)
            ]
            managers.append(Manager(bench, prefix, memory, size, random, bursts, rate))
        start_clock(dut)
        for agent in bench.agents:
            agent.drive(0)
        dut.fetch__arvalid.value = dut.load__arvalid.value = 0
        await reset(dut)
        await bench.run_until(lambda m=managers: all(item.done for item in m), 5000)
        await bench.run(5)
        assert int(dut.idle.value) == 1
        if rate == 1.0:
            fetch, load = managers
            assert fetch.accepted[-1] < load.accepted[0], "fetch goes first"
