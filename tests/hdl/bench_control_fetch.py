# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of instruction fetch against a read-only memory that checks the AXI rules."""

from collections import deque

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.bus import ERROR_LAYOUT
from weft.hdl.control.fetch import BURSTS_IN_FLIGHT
from weft.hdl.control.instruction_word import word_layout, words_of_instruction
from weft.hdl.isa import ErrorCode
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock

PAGE = 4096


class ReadMemory:
    """Answers bursts in order; every 32-byte line's content follows from its address."""

    def __init__(self, dut, random, stalls, latency):
        self.dut, self.random, self.stalls, self.latency = dut, random, stalls, latency
        self.bytes = bench_parameters()["data_width"] // 8
        self.bursts = []
        self.bad = set()
        self.answer = True
        self.outstanding = 0
        cocotb.start_soon(self.run())

    @staticmethod
    def line(address):
        return (address * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 0x1234567) % (1 << 256)

    def beat(self, address):
        line = self.line(address // 32 * 32)
        return line >> (8 * (address % 32)) & ((1 << 8 * self.bytes) - 1)

    def check(self, address, beats):
        limit = bench_parameters()["max_burst_beats"]
        assert beats <= limit, f"burst of {beats} beats, not at most {limit}"
        assert address % self.bytes == 0
        last = address + beats * self.bytes - 1
        assert address // PAGE == last // PAGE, f"burst at {address:#x} crosses 4 KB"
        assert int(self.dut.axi__arid.value) == 1
        assert 1 << int(self.dut.axi__arsize.value) == self.bytes
        assert int(self.dut.axi__arburst.value) == 1

    async def run(self):
        dut, queue, held, cycle = self.dut, deque(), None, 0
        current = None
        while True:
            await FallingEdge(dut.clk)
            cycle += 1
            dut.axi__arready.value = int(self.random.random() >= self.stalls)
            if current is None and queue and self.answer and cycle >= queue[0][0]:
                current = queue[0] if self.random.random() >= self.stalls else None
            dut.axi__rvalid.value = int(current is not None)
            if current is None:
                dut.axi__rdata.value = self.random.getrandbits(8 * self.bytes)
                dut.axi__rlast.value = self.random.getrandbits(1)
                dut.axi__rresp.value = self.random.getrandbits(2)
            else:
                _, address, last = current
                dut.axi__rdata.value = self.beat(address)
                dut.axi__rresp.value = 2 if address in self.bad else 0
                dut.axi__rlast.value = int(last)
            await ReadOnly()
            if int(dut.rst.value):
                queue.clear()
                current = held = None
                continue
            if current is not None:
                assert int(dut.axi__rready.value), "fetch blocks the read channel"
                queue.popleft()
                current = None
            offered = int(dut.axi__arvalid.value)
            request = (int(dut.axi__araddr.value), int(dut.axi__arlen.value)) if offered else None
            assert held is None or held == request, "an offered address changed"
            held = request
            if offered and int(dut.axi__arready.value):
                address, beats = request[0], request[1] + 1
                self.check(address, beats)
                self.bursts.append((address, beats))
                for number in range(beats):
                    queue.append(
                        (
                            cycle + self.latency + number,
                            address + number * self.bytes,
                            number == beats - 1,
                        )
                    )
                held = None
            self.outstanding = len(queue)
            started = sum(last for _, _, last in queue)
            assert started <= BURSTS_IN_FLIGHT, "too many bursts in flight"


class Bench:
    """The component, its memory and its consumer."""

    def __init__(self, dut, memory_stalls=0.0, stalls=0.0, latency=10):
        self.dut, self.random = dut, bench_random()
        start_clock(dut)
        for name in ("start", "halt", "program_address", "length"):
            getattr(dut, name).value = 0
        dut.room.value = 1
        self.stalls = stalls
        self.memory = ReadMemory(dut, self.random, memory_stalls, latency)
        self.errors = []
        self.words = []
        self.error = Codec(ERROR_LAYOUT)
        self.word = Codec(word_layout(bench_parameters()["data_width"]))
        cocotb.start_soon(self.watch())

    async def watch(self):
        while True:
            await FallingEdge(self.dut.clk)
            self.dut.room.value = int(self.random.random() >= self.stalls)
            await ReadOnly()
            if not int(self.dut.rst.value):
                if int(self.dut.o__valid.value):
                    self.words.append(self.word.unpack(int(self.dut.o__payload.value)))
                raw = self.dut.error.value
                if str(raw)[-1] == "1":
                    self.errors.append(self.error.unpack(int(raw)))

    async def start(self, address, length):
        self.dut.program_address.value = address
        self.dut.length.value = length
        await cycles(self.dut, 2)
        self.dut.start.value = 1
        await cycles(self.dut)
        self.dut.start.value = 0

    async def run(self, address, length, timeout=20000):
        """Run a program; returns cycles from start to the end."""
        await self.start(address, length)
        for cycle in range(timeout):
            if int(self.dut.done.value):
                return cycle
            await cycles(self.dut)
        raise AssertionError(f"program at {address:#x} of {length} did not end")

    def check(self, address, length):
        words = words_of_instruction(bench_parameters()["data_width"])
        places = [(word["index"], word["position"]) for word in self.words]
        assert places == [(n, position) for n in range(length) for position in range(words)]
        for word in self.words:
            place = address + 32 * word["index"] + self.memory.bytes * word["position"]
            assert word["data"] == self.memory.beat(place), f"word at {place:#x}"
        self.words.clear()
        assert int(self.dut.idle.value) == 1 and not self.errors
        position = address
        for burst, beats in self.memory.bursts:
            assert burst == position
            position += beats * self.memory.bytes
        assert position == address + 32 * length
        self.memory.bursts.clear()


def space():
    return 1 << bench_parameters()["address_width"]


@cocotb.test()
async def programs_of_all_alignments(dut):
    bench = Bench(dut, latency=7)
    await reset(dut)
    lengths = (0, 1, 2, 7, 8, 9, 16, 17, bench.random.randrange(20, 60))
    places = [32 * bench.random.randrange(space() // 32 - 64) for _ in lengths]
    programs = [*zip(places, lengths, strict=True), (PAGE * 5 - 96, 9), (space() - 32 * 5, 5)]
    for address, length in programs:
        await bench.run(address, length)
        bench.check(address, length)


@cocotb.test()
async def random_stalls(dut):
    bench = Bench(dut, memory_stalls=0.5, stalls=0.5, latency=bench_random().randrange(1, 40))
    await reset(dut)
    for _ in range(6):
        length = bench.random.randrange(1, 60)
        address = 32 * bench.random.randrange(space() // 32 - 64)
        await bench.run(address, length)
        bench.check(address, length)


@cocotb.test()
async def first_address_three_cycles_after_start(dut):
    bench = Bench(dut)
    await reset(dut)
    await bench.start(0x1000, 4)
    offered = []
    for _ in range(3):
        offered.append(int(dut.axi__arvalid.value))
        await cycles(dut)
    assert offered == [0, 0, 1]


@cocotb.test()
async def nothing_is_asked_without_room(dut):
    bench = Bench(dut, stalls=1.0, latency=2)
    await reset(dut)
    await bench.start(0x8000, 100)
    await cycles(dut, 50)
    assert not bench.memory.bursts and int(dut.idle.value) and not int(dut.done.value)
    bench.stalls = 0.0
    while not bench.memory.bursts:
        await cycles(dut)
    bench.stalls = 1.0
    await cycles(dut, 300)
    assert len(bench.memory.bursts) <= 2 and not int(dut.done.value)


@cocotb.test()
async def full_rate(dut):
    """With a latency that two bursts hide, beats come without a gap but the first."""
    if bench_parameters()["max_burst_beats"] < 16 or bench_parameters()["queue_depth"] < 8:
        return
    bench = Bench(dut, latency=2)
    await reset(dut)
    beats = 64 * (32 // bench.memory.bytes)
    taken = await bench.run(0x20000, 64)
    assert taken <= beats * 1.35 + 40, f"{taken} cycles for {beats} beats"


@cocotb.test()
async def bad_program_addresses(dut):
    bench = Bench(dut)
    cases = [(0x1000 + bit, 3) for bit in (1, 2, 4, 8, 16)]
    cases += [(space() - 32, 2), (space() - 32 * 1000, 1001), (0x1004, 0)]
    if space() < 1 << 64:
        cases += [(space(), 1), (1 << 63, 1)]
    if space() < 32 << 24:
        cases += [(0, space() // 32 + 1), (64, (1 << 24) - 1), (32, space() // 32)]
    for address, length in cases:
        await reset(dut)
        bench.errors.clear()
        await bench.start(address, length)
        await cycles(dut, 10)
        assert bench.errors == [
            {"valid": 1, "code": ErrorCode.PROGRAM_ADDRESS, "index": 0, "address": address}
        ]
        assert not bench.memory.bursts and not int(dut.done.value) and int(dut.idle.value)


@cocotb.test()
async def bad_response(dut):
    bench = Bench(dut, memory_stalls=0.3, stalls=0.3)
    memory, random = bench.memory, bench.random
    for _ in range(8):
        await reset(dut)
        bench.errors.clear()
        bench.words.clear()
        memory.bursts.clear()
        address = 32 * random.randrange(min(1 << 20, space() // 32 - 64))
        length = random.randrange(1, 30)
        bad = address + random.randrange(32 * length) // memory.bytes * memory.bytes
        memory.bad = {bad, bad + memory.bytes}
        await bench.start(address, length)
        while not bench.errors:
            await cycles(dut)
        dut.halt.value = 1
        await cycles(dut, 200)
        dut.halt.value = 0
        index = (bad - address) // 32
        burst = max(start for start, _ in memory.bursts if start <= bad)
        assert bench.errors == [
            {"valid": 1, "code": ErrorCode.FETCH_RESPONSE, "index": index, "address": burst}
        ]
        assert int(dut.idle.value) and memory.outstanding == 0 and not int(dut.done.value)
        position = (bad - address) % 32 // memory.bytes
        assert all((word["index"], word["position"]) < (index, position) for word in bench.words)
        memory.bad = set()


@cocotb.test()
async def halt_finishes_what_is_outstanding(dut):
    bench = Bench(dut, memory_stalls=0.4, latency=20)
    for _ in range(12):
        await reset(dut)
        bench.words.clear()
        await bench.start(0x3000, 200)
        await cycles(dut, bench.random.randrange(1, 60))
        dut.halt.value = 1
        await cycles(dut, 40)
        bursts = len(bench.memory.bursts)
        for _ in range(1000):
            if int(dut.idle.value):
                break
            await cycles(dut)
        assert bench.memory.outstanding == 0
        await cycles(dut, 50)
        assert len(bench.memory.bursts) == bursts and int(dut.idle.value)
        dut.halt.value = 0
    await reset(dut)
    bench.words.clear()
    bench.memory.bursts.clear()
    await bench.run(0x3000, 20)
    bench.check(0x3000, 20)
