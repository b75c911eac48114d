# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of LoadUnit."""

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
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock

DRAM_BYTES = 3 << 14
PAUSE = 30 + 18
"""Most cycles from an instruction's last beat to the next one's first; memory takes 30."""


class WritePort:
    """An on-chip memory's write stream, with stalls."""

    def __init__(self, bench, prefix, depth, width, slots, random, stalls):
        self.wires, self.prefix, self.width, self.slots = bench.wires, prefix, width, slots
        self.address_width = (depth - 1).bit_length()
        self.slot_width = (slots - 1).bit_length()
        self.random, self.stalls = random, stalls
        self.words, self.cycles, self.parts = {}, [], {}
        self.held = None
        bench.add(self)

    def drive(self, cycle):
        self.ready = not (self.stalls and self.random.random() < self.stalls)
        self.wires.set(f"{self.prefix}__ready", int(self.ready))

    def observe(self, cycle):
        valid = self.wires.get(f"{self.prefix}__valid")
        if valid:
            payload = self.wires.get(f"{self.prefix}__payload")
            assert self.held is None or self.held == payload, "payload changed while waiting"
            self.held = None if self.ready else payload
            if self.ready:
                address = payload & ((1 << self.address_width) - 1)
                slot = payload >> self.address_width & ((1 << self.slot_width) - 1)
                data = payload >> self.address_width + self.slot_width
                self.write(address, slot, data.to_bytes(self.width // self.slots, "little"))
                self.cycles.append(cycle)

    def write(self, address, slot, data):
        """A word's slots come in order; the word counts when it has all."""
        parts = self.parts.setdefault(address, [])
        assert slot == len(parts), f"slot {slot} of word {address} after {len(parts)} others"
        parts.append(data)
        if len(parts) == self.slots:
            self.words[address] = b"".join(self.parts.pop(address))


class LoadBench:
    def __init__(self, dut, *, stalls=None, port_stalls=0.0, gap=0.0, latency=30, bad=()):
        self.random = bench_random()
        self.config = config = Config.from_dict(bench_parameters()["config"])
        self.dram = np.frombuffer(self.random.randbytes(DRAM_BYTES), np.uint8).copy()
        self.segments = [
            (self.random.randrange(1, 300), 9000 + self.random.randrange(100)),
            (4096, 8192),
            (20001, 5003),
            (DRAM_BYTES - 4099, 4099),
            (0, DRAM_BYTES),
        ]
        self.bench = bench = Bench(dut)
        self.model = TransferModel(config, self.dram, self.segments)
        self.memory = AxiMemory(
            bench,
            "axi__",
            self.dram,
            data_bytes=config.axi_bytes,
            random=self.random,
            max_burst_beats=config.max_burst_beats,
            latency=latency,
            stalls=stalls,
            bad=bad,
            outstanding=config.read_outstanding,
        )
        self.unit = UnitControl(bench, random=self.random, gap=gap)
        slots = {
            Memory.ACCUMULATOR: config.accumulator_slots,
            Memory.PARAMETER: config.parameter_slots,
        }
        self.ports = {
            memory: WritePort(
                bench,
                name,
                self.model.depth[memory],
                self.model.width[memory],
                slots.get(memory, 1),
                self.random,
                port_stalls,
            )
            for memory, name in ((item, f"{item.name.lower()}_write") for item in self.model.width)
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

    def check_memories(self):
        for memory, port in self.ports.items():
            assert port.words == self.model.words[memory], memory
            assert not port.parts, memory

    async def finish(self, limit=15000):
        await self.bench.run_until(lambda: self.unit.drained, limit)
        await self.bench.run(4)

    def touches(self, instruction, address):
        trial = TransferModel(self.config, self.dram, self.segments)
        trial.execute(instruction)
        return address // self.config.axi_bytes in trial.beats

    def has_failed(self):
        return bool(self.unit.errors)

    def is_idle(self):
        return bool(self.unit.idle)

    def is_quiet(self):
        return self.is_idle() and self.memory.quiet

    def random_program(self, count):
        return [
            random_sync(self.random, Unit.LOAD)
            if self.random.random() < 0.1
            else random_transfer(self.random, self.model, Opcode.LOAD)
            for _ in range(count)
        ]


def random_stalls(random):
    rate = random.choice([0.0, 0.2, 0.6])
    return {"ar": rate, "r": random.choice([0.0, 0.3]), "latency": random.choice([0, 40])}


@cocotb.test()
async def random_loads(dut):
    random = bench_random()
    test = await LoadBench(
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
    test.check_memories()
    assert not test.unit.errors
    expected = [(n, i.signal) for n, i in enumerate(program, 7) if i.signal]
    assert [item[:2] for item in test.unit.signals] == expected
    assert sum(beats for _, _, beats in test.memory.read_bursts) == test.model.beat_count
    assert len(test.memory.beats_read) == test.model.beat_count


@cocotb.test()
async def faulty_rows_stop_the_unit(dut):
    for _ in range(bench_parameters()["faults"]):
        random = bench_random()
        test = LoadBench(dut, stalls={"ar": 0.2, "r": 0.2}, port_stalls=0.2, latency=10)
        for agent in test.bench.agents:
            random = agent.random
        random.seed(f"{random.random()}{_}")
        await test.start()
        program = test.random_program(random.randrange(4))
        while True:
            candidate = random_transfer(random, test.model, Opcode.LOAD)
            candidate = faulty_variant(random, test.model, candidate)
            program.append(candidate)
            fault = None
            trial = TransferModel(test.config, test.dram, test.segments)
            try:
                trial.execute(candidate)
            except Fault as error:
                fault = error
            if fault is not None:
                break
        index = len(program) - 1
        for instruction in program[:-1]:
            test.model.execute(instruction)
        program += test.random_program(2)
        test.unit.put(program)
        await test.bench.run_until(test.has_failed, 20000)
        await test.bench.run(100)
        code, address = fault.args
        assert test.unit.errors == [(code.value, index, address)]
        assert test.unit.idle and test.memory.quiet
        expected = [(n, i.signal) for n, i in enumerate(program[:index]) if i.signal]
        assert [item[:2] for item in test.unit.signals] == expected
        beats = set()
        for _, burst, count in test.memory.read_bursts:
            start = burst // test.config.axi_bytes
            beats.update(range(start, start + count))
        assert beats <= test.model.beats | trial.beats, "read outside the request"


@cocotb.test()
async def error_responses_are_reported(dut):
    for turn in range(bench_parameters()["faults"]):
        test = LoadBench(dut, stalls={"ar": 0.2, "r": 0.2}, port_stalls=0.2, latency=20)
        test.random.seed(f"{test.random.random()}{turn}")
        for agent in test.bench.agents:
            agent.random = test.random
        await test.start()
        random = test.random
        program = [i for i in test.random_program(6) if i.opcode is Opcode.LOAD and i["bytes"]]
        if not program:
            continue
        victim = random.randrange(len(program))
        i = program[victim]
        y, x = random.randrange(i["count_y"]), random.randrange(i["count_x"])
        address = test.segments[i["segment"]][0] + i["offset"]
        address += y * i["stride_y"] + x * i["stride_x"] + random.randrange(i["bytes"])
        test.memory.bad.append((address, address + 1))
        test.unit.put(program)
        await test.bench.run_until(test.has_failed, 20000)
        await test.bench.run_until(test.is_idle, 2000)
        await test.bench.run(60)
        assert test.memory.quiet and test.unit.idle
        code, index, where = test.unit.errors[0]
        assert code == ErrorCode.READ_RESPONSE.value and len(test.unit.errors) == 1

        assert index == next(n for n, i in enumerate(program) if test.touches(i, address))
        size = test.config.axi_bytes
        assert any(
            burst == where and burst <= address < burst + beats * size
            for _, burst, beats in test.memory.read_bursts
        )
        expected = [(n, i.signal) for n, i in enumerate(program[:index]) if i.signal]
        assert [item[:2] for item in test.unit.signals] == expected


@cocotb.test()
async def halt_drains(dut):
    for turn in range(bench_parameters()["faults"]):
        test = LoadBench(dut, stalls={"ar": 0.3, "r": 0.3}, port_stalls=0.4, latency=25)
        test.random.seed(f"{test.random.random()}{turn}")
        for agent in test.bench.agents:
            agent.random = test.random
        await test.start()
        test.unit.put(test.random_program(12))
        await test.bench.run(test.random.randrange(5, 300))
        if test.unit.drained:
            continue
        bursts = len(test.memory.read_bursts)
        test.unit.halt = 1
        for port in test.ports.values():
            port.stalls = 1.0
        await test.bench.run_until(test.is_quiet, 5000)
        words = [dict(port.words) for port in test.ports.values()]
        await test.bench.run(80)
        assert test.unit.idle and test.memory.quiet
        # Two bursts may already have been on their way in the address register.
        assert len(test.memory.read_bursts) <= bursts + 2
        assert words == [port.words for port in test.ports.values()]


def load(memory, **values):
    return Instruction(Opcode.LOAD, {"memory": memory.value, "segment": 4, **values}, signal=1)


def pauses(config, program):
    """Cycles without a beat: a compact unit waits for an instruction's end before the next."""
    return (len(program) - 1) * PAUSE if config.compact_transfers else 0


def takes_two_bursts(config):
    """Whether a compact unit has the rows of a long instruction in flight at once."""
    return (
        config.compact_transfers and config.read_outstanding > 1 and config.max_burst_beats >= 16
    )


async def measure(dut, program, beats, words, slack):
    """Cycles from the first beat to the last word, against one a cycle."""
    test = await LoadBench(dut).start()
    for instruction in program:
        test.model.execute(instruction)
    test.unit.put(program)
    await test.finish()
    test.check_memories()
    cycles = sorted(c for port in test.ports.values() for c in port.cycles)
    read = test.memory.beats_read
    assert len(read) == beats and len(cycles) == words
    slack += pauses(test.config, program)
    span = read[-1] - read[0] + 1
    dut._log.info("%d beats in %d cycles, %d words", beats, span, words)
    assert span <= beats + slack, f"{beats} beats took {span} cycles"
    assert cycles[-1] - read[0] + 1 <= max(beats, words) + slack + 8
    first_address = test.memory.read_bursts[0][0]
    assert first_address - test.unit.accepted[0] <= 12
    return test


@cocotb.test()
async def long_rows_take_a_beat_a_cycle(dut):
    config = Config.from_dict(bench_parameters()["config"])
    width, beat = config.rows, config.axi_bytes
    if width % beat or (config.read_outstanding < 32 and not takes_two_bursts(config)):
        return
    size = 24 * width
    program = [
        load(Memory.ACTIVATION, offset=64 * n, bytes=size, address=0) for n in range(3)
    ]
    await measure(dut, program, 3 * size // beat, 3 * 24, 0)


@cocotb.test()
async def short_rows_take_a_beat_a_cycle_across_instructions(dut):
    config = Config.from_dict(bench_parameters()["config"])
    width, beat = config.rows, config.axi_bytes
    if width != beat or config.read_outstanding < 32:
        return
    program = [
        load(
            Memory.ACTIVATION,
            offset=beat * n,
            bytes=beat,
            count_x=4,
            stride_x=256,
            count_y=2,
            stride_y=2048,
        )
        for n in range(12)
    ]
    await measure(dut, program, 96, 96, 0)


@cocotb.test()
async def unaligned_rows_take_one_beat_more(dut):
    config = Config.from_dict(bench_parameters()["config"])
    width, beat = config.rows, config.axi_bytes
    if width != beat or config.read_outstanding < 32:
        return
    program = [
        load(Memory.WEIGHT, offset=3 + n, bytes=4 * beat, count_x=8, stride_x=512)
        for n in range(4)
    ]
    if config.cols != config.rows:
        return
    rows = [(3 + n) % beat != 0 for n in range(4)]
    beats = 8 * sum(4 + extra for extra in rows)
    await measure(dut, program, beats, 8 * 4 * 4, 2)
