# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of StoreUnit."""

import cocotb
import numpy as np
from axi_agents import AxiMemory, Bench, UnitControl, write_segments
from transfer_model import (
    Fault,
    TransferModel,
    faulty_variant,
    random_sync,
    random_transfer,
)

from weft.hdl.config import Config
from weft.hdl.isa import ErrorCode, Instruction, Memory, Opcode, Unit
from weft.hdl.memory.shared_ports import SharedPorts
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock

PORTS = {Memory.ACTIVATION: "activation", Memory.ACCUMULATOR: "accumulator"}
DRAM_BYTES = 3 << 14
PAUSE = 30 + 21
"""Most cycles from an instruction's last beat to the next one's first; memory takes 30."""


class ReadPort:
    """An on-chip memory's read requests with stalls, and its answers after the fixed latency."""

    def __init__(self, bench, prefix, words, width, slots, random, stalls):
        self.wires, self.prefix, self.words = bench.wires, prefix, words
        self.width = width // slots
        self.address_width = (len(words) - 1).bit_length()
        self.random, self.stalls = random, stalls
        self.answers = {}
        self.held = None
        bench.add(self)

    def drive(self, cycle):
        self.ready = not (self.stalls and self.random.random() < self.stalls)
        self.wires.set(f"{self.prefix}_read__ready", int(self.ready))
        answer = self.answers.pop(cycle, None)
        data = self.random.randbytes(self.width) if answer is None else self.part(answer)
        value = int.from_bytes(data, "little")
        if self.wires.has(f"{self.prefix}_data__valid"):
            self.wires.set(f"{self.prefix}_data__valid", int(answer is not None))
            self.wires.set(f"{self.prefix}_data__data", value)

    def part(self, request):
        """The slot of a word that a request asks for."""
        word = self.words[request & ((1 << self.address_width) - 1)]
        return word[(request >> self.address_width) * self.width :][: self.width]

    def observe(self, cycle):
        if self.wires.get(f"{self.prefix}_read__valid"):
            address = self.wires.get(f"{self.prefix}_read__payload")
            assert self.held is None or self.held == address, "address changed while waiting"
            self.held = None if self.ready else address
            assert self.part(address)
            if self.ready:
                self.answers[cycle + SharedPorts.read_latency] = address


class StoreBench:
    def __init__(self, dut, *, stalls=None, port_stalls=0.0, gap=0.0, latency=30, turn=0):
        self.random = random = bench_random()
        random.seed(f"{random.random()}{turn}")
        self.config = config = Config.from_dict(bench_parameters()["config"])
        self.dram = np.frombuffer(random.randbytes(DRAM_BYTES), np.uint8).copy()
        self.segments = [
            (random.randrange(1, 300), 9000 + random.randrange(100)),
            (4096, 8192),
            (20001, 5003),
            (DRAM_BYTES - 4099, 4099),
            (0, DRAM_BYTES),
        ]
        self.bench = bench = Bench(dut)
        self.model = model = TransferModel(config, self.dram.copy(), self.segments)
        for memory in PORTS:
            model.words[memory] = {
                word: random.randbytes(model.width[memory]) for word in range(model.depth[memory])
            }
        self.memory = AxiMemory(
            bench,
            "axi__",
            self.dram,
            data_bytes=config.axi_bytes,
            random=random,
            max_burst_beats=config.max_burst_beats,
            latency=latency,
            stalls=stalls,
            read=False,
            write=True,
            outstanding=config.write_outstanding,
        )
        self.unit = UnitControl(bench, random=random, gap=gap)
        self.ports = {
            memory: ReadPort(
                bench,
                prefix,
                model.words[memory],
                model.width[memory],
                config.accumulator_slots if memory is Memory.ACCUMULATOR else 1,
                random,
                port_stalls,
            )
            for memory, prefix in PORTS.items()
        }
        start_clock(dut)

    async def start(self):
        dut = self.bench.wires.dut
        self.bench.wires.set("segment_write", 0)
        for agent in self.bench.agents:
            agent.drive(0)
        dut.command__valid.value = 0
        await reset(dut)
        await write_segments(self.bench.wires, self.segments)
        return self

    async def finish(self, limit=15000):
        await self.bench.run_until(lambda: self.unit.drained, limit)
        await self.bench.run(4)

    def has_failed(self):
        return bool(self.unit.errors)

    def is_idle(self):
        return bool(self.unit.idle)

    def is_quiet(self):
        return self.is_idle() and self.memory.quiet

    def random_program(self, count):
        return [
            random_sync(self.random, Unit.STORE)
            if self.random.random() < 0.1
            else random_transfer(self.random, self.model, Opcode.STORE)
            for _ in range(count)
        ]

    def check_signals(self, program, first=0):
        expected = [(n, i.signal) for n, i in enumerate(program, first) if i.signal]
        assert [item[:2] for item in self.unit.signals] == expected


def random_stalls(random):
    rate = random.choice([0.0, 0.2, 0.6])
    return {
        "aw": random.choice([0.0, rate, 0.8]),
        "w": random.choice([0.0, rate]),
        "b": rate,
        "latency": random.choice([0, 40]),
    }


@cocotb.test()
async def random_stores(dut):
    random = bench_random()
    test = await StoreBench(
        dut,
        stalls=random_stalls(random),
        port_stalls=random.choice([0.0, 0.3]),
        gap=random.choice([0.0, 0.5]),
        latency=random.choice([1, 30]),
    ).start()
    program = test.random_program(bench_parameters()["count"])
    for instruction in program:
        test.model.execute(instruction)
    test.unit.put(program, 7)
    await test.finish()
    assert not test.unit.errors
    # The whole image: what no row covers is a canary.
    assert np.array_equal(test.dram, test.model.dram)
    test.check_signals(program, 7)
    assert len(test.memory.beat_cycles) == test.model.beat_count
    stored = sum(
        i["bytes"] * i["count_x"] * i["count_y"] for i in program if i.opcode is Opcode.STORE
    )
    assert test.memory.strobed == stored


@cocotb.test()
async def faulty_rows_stop_the_unit(dut):
    for turn in range(bench_parameters()["faults"]):
        test = StoreBench(
            dut, stalls={"aw": 0.2, "w": 0.2}, port_stalls=0.2, latency=10, turn=turn
        )
        await test.start()
        program = test.random_program(test.random.randrange(4))
        for instruction in program:
            test.model.execute(instruction)
        fault = None
        while fault is None:
            candidate = random_transfer(test.random, test.model, Opcode.STORE)
            candidate = faulty_variant(test.random, test.model, candidate)
            trial = TransferModel(test.config, test.model.dram.copy(), test.segments)
            trial.words = test.model.words
            try:
                trial.execute(candidate)
            except Fault as error:
                fault = error
        index = len(program)
        program += [candidate, *test.random_program(2)]
        test.unit.put(program)
        await test.bench.run_until(test.has_failed, 20000)
        await test.bench.run(100)
        code, address = fault.args
        assert test.unit.errors == [(code.value, index, address)]
        assert test.unit.idle and test.memory.quiet
        assert np.array_equal(test.dram, trial.dram), "rows before the bad one, and no other"
        test.check_signals(program[:index])


@cocotb.test()
async def error_responses_are_reported(dut):
    for turn in range(bench_parameters()["faults"]):
        test = StoreBench(
            dut, stalls={"aw": 0.2, "w": 0.2, "b": 0.3}, port_stalls=0.2, latency=20, turn=turn
        )
        await test.start()
        program = test.random_program(6)
        stores = [i for i in program if i.opcode is Opcode.STORE]
        if not stores:
            continue
        i = test.random.choice(stores)
        y, x = test.random.randrange(i["count_y"]), test.random.randrange(i["count_x"])
        address = test.segments[i["segment"]][0] + i["offset"]
        address += y * i["stride_y"] + x * i["stride_x"] + test.random.randrange(i["bytes"])
        test.memory.bad.append((address, address + 1))
        test.unit.put(program)
        await test.bench.run_until(test.has_failed, 20000)
        await test.bench.run_until(test.is_idle, 2000)
        await test.bench.run(60)
        assert test.memory.quiet and test.unit.idle
        code, index, where = test.unit.errors[0]
        assert code == ErrorCode.WRITE_RESPONSE.value and len(test.unit.errors) == 1
        size = test.config.axi_bytes

        # Count the bursts of each instruction to find the owner of the first bad one.
        bursts = [(a, a + beats * size) for _, a, beats in test.memory.write_bursts]
        first_bad = next(n for n, (a, end) in enumerate(bursts) if a <= address < end)
        assert where == bursts[first_bad][0]
        owner, seen = None, 0
        for number, item in enumerate(program):
            seen += count_bursts(test, item)
            if seen > first_bad:
                owner = number
                break
        assert index == owner
        test.check_signals(program[:index])


def count_bursts(test, i):
    """Bursts of an instruction: rows cut at blocks of the longest burst, at most 4 KB."""
    if i.opcode is not Opcode.STORE:
        return 0
    block = min(4096, test.config.max_burst_beats * test.config.axi_bytes)
    total = 0
    for y in range(i["count_y"]):
        for x in range(i["count_x"]):
            start = test.segments[i["segment"]][0] + i["offset"]
            start += y * i["stride_y"] + x * i["stride_x"]
            total += (start + i["bytes"] - 1) // block - start // block + 1
    return total


@cocotb.test()
async def halt_drains(dut):
    for turn in range(bench_parameters()["faults"]):
        test = StoreBench(
            dut, stalls={"aw": 0.3, "w": 0.3, "b": 0.5}, port_stalls=0.4, latency=25, turn=turn
        )
        await test.start()
        test.unit.put(test.random_program(12))
        await test.bench.run(test.random.randrange(5, 300))
        if test.unit.drained:
            continue
        bursts = len(test.memory.write_bursts)
        test.unit.halt = 1
        await test.bench.run_until(test.is_quiet, 5000)
        await test.bench.run(80)
        assert test.unit.idle and test.memory.quiet and test.memory.open_writes == 0
        # Two bursts may already have been on their way in the address register.
        assert len(test.memory.write_bursts) <= bursts + 2


def store(memory, **values):
    return Instruction(Opcode.STORE, {"memory": memory.value, "segment": 4, **values}, signal=1)


def pauses(config, program):
    """Cycles without a beat: a compact unit waits for an instruction's end before the next."""
    return (len(program) - 1) * PAUSE if config.compact_transfers else 0


async def measure(dut, program, beats, slack=0):
    """Cycles from the first beat to the last, against one a cycle."""
    test = await StoreBench(dut).start()
    for instruction in program:
        test.model.execute(instruction)
    test.unit.put(program)
    await test.finish()
    assert np.array_equal(test.dram, test.model.dram)
    written = test.memory.beat_cycles
    slack += pauses(test.config, program)
    span = written[-1] - written[0] + 1
    dut._log.info("%d beats in %d cycles", beats, span)
    assert len(written) == beats
    assert span <= beats + slack, f"{beats} beats took {span} cycles"
    assert written[0] - test.unit.accepted[0] <= 22


def fits(config):
    return config.write_outstanding >= 16 and config.max_burst_beats >= 16


@cocotb.test()
async def long_rows_take_a_beat_a_cycle(dut):
    config = Config.from_dict(bench_parameters()["config"])
    two_bursts = config.write_outstanding > 1 and config.max_burst_beats >= 16
    possible = fits(config) or (config.compact_transfers and two_bursts)
    if not possible or 4 * config.cols % config.axi_bytes:
        return
    size = 8 * 4 * config.cols
    program = [store(Memory.ACCUMULATOR, offset=1024 * n, bytes=size) for n in range(4)]
    await measure(dut, program, 4 * size // config.axi_bytes)


@cocotb.test()
async def rows_of_four_beats_take_a_beat_a_cycle_across_instructions(dut):
    config = Config.from_dict(bench_parameters()["config"])
    if not fits(config) or 4 * config.cols != 4 * config.axi_bytes:
        return
    program = [
        store(
            Memory.ACCUMULATOR,
            offset=64 * n,
            bytes=4 * config.cols,
            count_x=4,
            stride_x=512,
            count_y=2,
            stride_y=4096,
        )
        for n in range(5)
    ]
    await measure(dut, program, 4 * 8 * 5)


@cocotb.test()
async def unaligned_rows_take_one_beat_more(dut):
    config = Config.from_dict(bench_parameters()["config"])
    if not fits(config) or config.rows != config.axi_bytes:
        return
    program = [
        store(
            Memory.ACTIVATION,
            offset=1 + n,
            bytes=4 * config.axi_bytes,
            count_x=4,
            stride_x=512,
        )
        for n in range(4)
    ]
    await measure(dut, program, 4 * 4 * 5)
