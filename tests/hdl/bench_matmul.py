# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the matmul unit with its memories."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly
from matmul_model import (
    ACTIVATION_STRIDES,
    LOOPS,
    Fault,
    Model,
    field_high,
    random_matmul,
    random_sync,
)

from weft.hdl.bus import COMMAND_LAYOUT, ERROR_LAYOUT
from weft.hdl.config import Config
from weft.hdl.isa import ACCUMULATE_FLAG, ErrorCode, Instruction, Opcode
from weft.hdl.memory.accumulator import Accumulator
from weft.hdl.memory.ports import chunk_layout, int8_vector, int32_vector
from weft.hdl.units.issue import ARRAY_ACTIVITY
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamSink, StreamSource, cycles, reset, start_clock

ACTIVE, IDLE, SEMAPHORE, WEIGHTS, ACTIVATIONS, INTERLOCK = (name for name, _ in ARRAY_ACTIVITY)


class Bench:
    """Drives the unit, watches it every cycle, and holds the model."""

    def __init__(self, dut):
        self.dut = dut
        self.config = Config.from_dict(bench_parameters()["config"])
        self.random = bench_random()
        self.model = Model(self.config, self.random)
        self.stalls = 0.0
        self.error_codec = Codec(ERROR_LAYOUT)
        self.activity = []
        self.signals = []
        self.errors = []
        self.index = 0
        dut.halt.value = 0
        dut.waiting_semaphore.value = 0
        start_clock(dut)

        def source(prefix, layout=None, stalls=None):
            return StreamSource(dut, prefix, dut.clk, layout, stalls=stalls, random=self.random)

        def words(memory_depth, vector):
            return chunk_layout((memory_depth - 1).bit_length(), 1, vector)

        config = self.config
        rows, cols = config.rows, config.cols
        self.command = source("command", COMMAND_LAYOUT, lambda: self.random.random() < self.stalls)
        self.writes = (
            source("activation_write", words(config.activation_depth, int8_vector(rows))),
            source("weight_write", words(config.weight_depth, int8_vector(cols))),
            source("accumulator_write", words(config.accumulator_depth, int32_vector(cols))),
        )
        self.read = source("accumulator_read")
        self.read_data = Responses(dut, int32_vector(cols))

    async def start(self):
        await reset(self.dut)
        cocotb.start_soon(self.watch())
        await self.preload()

    async def preload(self):
        model = self.model
        tables = model.activations, model.weights, model.accumulator
        for stream, values in zip(self.writes, tables, strict=True):
            stream.put(
                {"address": address, "slot": 0, "data": [int(item) for item in word]}
                for address, word in enumerate(values)
            )
        for stream in self.writes:
            await stream.drained()

    async def watch(self):
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.rst.value):
                continue
            activity = int(dut.activity.value)
            assert activity.bit_count() == 1, f"activity is {activity:#b}"
            self.activity.append(list(ARRAY_ACTIVITY)[activity.bit_length() - 1][0])
            assert int(dut.idle.value) != int(dut.busy.value)
            stalled = self.activity[-1] in (WEIGHTS, ACTIVATIONS, INTERLOCK)
            assert int(dut.wait_memory.value) == stalled
            assert int(dut.progress.value) or self.activity[-2:-1] != [ACTIVE]
            mask = int(dut.signal.value)
            if mask:
                self.signals.append((mask, int(dut.signal_index.value)))
                self.signal_cycle = len(self.activity) - 1
                assert not int(dut.halt.value), "signalled although halted"
            if int(dut.error.value) & 1:
                self.errors.append(self.error_codec.unpack(int(dut.error.value)))

    def issue(self, instructions):
        """Queue commands; returns the signals they must give."""
        expected = []
        for instruction in instructions:
            self.command.put([{"instruction": instruction.encode(), "index": self.index}])
            if instruction.signal:
                expected.append((instruction.signal, self.index))
            self.index += 1
        return expected

    async def idle(self, limit=5000):
        for _ in range(limit):
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if int(self.dut.idle.value) and not self.command._waiting:
                await FallingEdge(self.dut.clk)
                return
        raise AssertionError(f"not idle after {limit} cycles")

    async def check(self):
        """Compare every accumulator word."""
        depth = self.config.accumulator_depth
        self.read.put(range(depth))
        answers = await self.read_data.receive(depth)
        wrong = np.nonzero((np.array(answers) != self.model.accumulator).any(axis=1))[0]
        assert not len(wrong), (
            f"accumulator words {wrong} differ: {np.array(answers)[wrong]} instead of "
            f"{self.model.accumulator[wrong]}"
        )

    async def run(self, instructions):
        """Run to the end and compare signals and memory; returns the activity from start to end."""
        before = len(self.activity)
        self.signals.clear()
        expected = self.issue(instructions)
        for instruction in instructions:
            if instruction.opcode is Opcode.MATMUL:
                for _ in self.model.vectors(instruction):
                    pass
        await cycles(self.dut, 2)
        await self.idle()
        assert self.signals == expected
        assert not self.errors, self.errors
        seen = self.activity[before:]
        await self.check()
        return seen


class Responses(StreamSink):
    """Answers of the accumulator, which come as `valid` and `data`."""

    def __init__(self, dut, layout):
        class View:
            """The response under the names of a stream."""

            rst = dut.rst
            r__valid = dut.accumulator_read_data__valid
            r__payload = dut.accumulator_read_data__data

        super().__init__(View, "r", dut.clk, layout)


def burst(seen):
    """The activity from the first active cycle to the last."""
    last = len(seen) - 1 - seen[::-1].index(ACTIVE)
    return seen[seen.index(ACTIVE) : last + 1]


def matmul(**values):
    flags = values.pop("flags", 0)
    signal = values.pop("signal", 0)
    return Instruction(Opcode.MATMUL, values, flags=flags, signal=signal)


@cocotb.test()
async def random_programs(dut):
    bench = Bench(dut)
    await bench.start()
    for _ in range(bench_parameters()["rounds"]):
        bench.stalls = bench.random.choice([0.0, 0.0, 0.5, 0.9])
        bench.dut.waiting_semaphore.value = bench.random.randrange(2)
        vectors = bench.random.choice([1, 3, 20, 60])
        program = [
            random_sync(bench.random)
            if bench.random.random() < 0.2
            else random_matmul(bench.random, bench.config, vectors=vectors)
            for _ in range(bench.random.randint(1, 8))
        ]
        seen = await bench.run(program)
        idle = IDLE if dut.waiting_semaphore.value else SEMAPHORE
        assert idle not in seen


@cocotb.test()
async def every_field_at_its_largest_without_effect(dut):
    """Strides of loops that run once do not matter, whatever they are."""
    bench = Bench(dut)
    await bench.start()
    strides = [
        *ACTIVATION_STRIDES,
        "weight_stride_block",
        "accumulator_stride_y",
        "accumulator_stride_x",
    ]
    values = {name: field_high(name) for name in strides}
    await bench.run([matmul(**values, last_rows=1, weight_stride_row=4095, signal=1)])


@cocotb.test()
async def long_passes_have_no_bubble(dut):
    """Within an instruction and from one to the next, every cycle has a vector."""
    bench = Bench(dut)
    await bench.start()
    config = bench.config
    length = max(config.rows, Accumulator.hazard_distance)
    for extra in (0, 1, 5):
        program = [
            matmul(
                kernel_y=1 + number % 2,
                channel_blocks=1 + number % 3,
                output_x=length + extra,
                accumulator_stride_x=1,
                activation_stride_x=1,
                activation_stride_channel=1,
                weight_stride_row=1,
                weight_stride_block=1,
                accumulator_address=config.accumulator_depth // 2 * (number % 2),
                flags=number % 2,
                signal=1,
            )
            for number in range(6)
        ]
        seen = burst(await bench.run(program))
        vectors = sum(i["kernel_y"] * i["channel_blocks"] for i in program) * (length + extra)
        assert seen == [ACTIVE] * vectors


@cocotb.test()
async def single_vectors_come_every_rows_cycles(dut):
    """M = 1: a tile takes `rows` cycles, across blocks and across instructions."""
    bench = Bench(dut)
    await bench.start()
    rows = bench.config.rows
    # One instruction of many blocks that add to one word, then many of one block each.
    for program, period in (
        ([matmul(channel_blocks=12, weight_stride_row=1)], max(rows, Accumulator.hazard_distance)),
        (
            [matmul(accumulator_address=n % 8, weight_stride_row=1, signal=1) for n in range(12)],
            rows,
        ),
    ):
        seen = burst(await bench.run(program))
        assert len(seen) == 11 * period + 1
        assert seen.count(ACTIVE) == 12
        if period == rows and rows > 1:
            assert seen.count(WEIGHTS) + seen.count(ACTIVATIONS) == 11 * (period - 1)


@cocotb.test()
async def updates_of_one_word_keep_their_distance(dut):
    bench = Bench(dut)
    await bench.start()
    distance = Accumulator.hazard_distance
    for words in (1, 2, 3, 4, 5):
        values = dict(output_x=words, output_y=12, accumulator_stride_x=1, activation_stride_y=1)
        seen = burst(await bench.run([matmul(**values, flags=ACCUMULATE_FLAG)]))
        turns = 11 * max(words, distance) + words
        assert len(seen) == turns and seen.count(INTERLOCK) == turns - 12 * words
        # Overwriting does not wait.
        seen = burst(await bench.run([matmul(**values)]))
        assert seen == [ACTIVE] * 12 * words


@cocotb.test()
async def first_vector_comes_soon(dut):
    """Cycles from a command to its first vector: the weights' way and `rows` words."""
    bench = Bench(dut)
    await bench.start()
    dut.waiting_semaphore.value = 0
    await cycles(dut, 2)
    before = len(bench.activity)
    seen = await bench.run([matmul(output_x=4, accumulator_stride_x=1)])
    assert before + len(seen) <= len(bench.activity)
    start = next(n for n, name in enumerate(seen) if name != IDLE)
    first = seen.index(ACTIVE)
    assert first - start == bench_parameters()["start_latency"]


def boundary(config, memory, loop):
    """An instruction that leaves a memory by one stride, at the last iteration of one loop."""
    counts = dict.fromkeys(LOOPS, 2)
    values = {**counts, "last_rows": config.rows, "weight_stride_row": 1, "signal": 0xFFFF}
    depth = {
        "activation": config.activation_depth,
        "weight": config.weight_depth,
        "accumulator": config.accumulator_depth,
    }[memory]
    if loop == "address":
        values[f"{memory}_address"] = depth
    elif loop == "row":
        values["weight_address"] = depth - config.rows + 1
    else:
        values[f"{memory}_stride_{loop}"] = depth
        if depth > field_high(f"{memory}_stride_{loop}"):
            values[f"{memory}_stride_{loop}"] = 1
            values[f"{memory}_address"] = depth - 1
    return matmul(**values)


BOUNDARIES = (
    [("activation", loop) for loop in ("address", "kernel_y", "kernel_x", "channel", "y", "x")]
    + [("weight", loop) for loop in ("address", "row", "block")]
    + [("accumulator", loop) for loop in ("address", "y", "x")]
)


async def faults(bench, program):
    """Run a program whose model faults and compare error, signals and memory."""
    dut = bench.dut
    bench.errors.clear()
    bench.signals.clear()
    first_index = bench.index
    bench.issue(program)
    expected = None
    for number, instruction in enumerate(program):
        try:
            for _ in bench.model.vectors(instruction):
                pass
        except Fault as fault:
            expected = {
                "valid": 1,
                "code": ErrorCode.MEMORY_RANGE,
                "index": first_index + number,
                "address": fault.reported,
            }
            break
    assert expected is not None, "the program was to fault"
    for _ in range(5000):
        await cycles(dut)
        if bench.errors:
            break
    if bench.random.randrange(2):
        dut.halt.value = 1
    bench.command._waiting.clear()
    await cycles(dut, 200)
    assert int(dut.idle.value) and not int(dut.command__ready.value)
    assert bench.errors == [expected]
    legal = [(i.signal, first_index + n) for n, i in enumerate(program) if i.signal]
    assert bench.signals == legal[: len(bench.signals)]
    assert all(index < expected["index"] for _, index in bench.signals)
    await bench.check()
    bench.errors.clear()
    dut.halt.value = 0
    await reset(dut)


@cocotb.test()
async def range_faults_at_every_loop(dut):
    bench = Bench(dut)
    await bench.start()
    for memory, loop in BOUNDARIES:
        if (memory, loop) == ("weight", "row") and bench.config.rows == 1:
            continue
        await faults(bench, [boundary(bench.config, memory, loop)])
    await bench.run([random_matmul(bench.random, bench.config) for _ in range(3)])


@cocotb.test()
async def random_faults(dut):
    """Legal instructions, then one with random fields, then another."""
    bench = Bench(dut)
    await bench.start()
    done = 0
    while done < bench_parameters()["rounds"]:
        wild = {
            f.name: bench.random.randint(f.low, f.high)
            for f in Instruction(Opcode.MATMUL, {}).format.fields
        }
        if bench.random.randrange(2):
            wild = dict(random_matmul(bench.random, bench.config).values)
            name = bench.random.choice(
                [
                    "activation_address",
                    "weight_address",
                    "accumulator_address",
                    *ACTIVATION_STRIDES,
                    "weight_stride_row",
                    "weight_stride_block",
                    "accumulator_stride_y",
                    "accumulator_stride_x",
                ]
            )
            wild[name] = bench.random.randint(0, field_high(name))
        wild |= {name: bench.random.randint(1, 3) for name in LOOPS}
        wild["last_rows"] = bench.random.randint(1, bench.config.rows)
        probe = Model(bench.config, bench.random)
        try:
            for _ in probe.vectors(matmul(**wild)):
                pass
        except Fault:
            legal = [random_matmul(bench.random, bench.config, vectors=10) for _ in range(2)]
            await faults(bench, [*legal, matmul(**wild, signal=5), legal[0]])
            done += 1


@cocotb.test()
async def halt_stops_anywhere(dut):
    """After a halt the memory holds the work of the vectors that had entered, no more, no less."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(bench_parameters()["rounds"]):
        bench.signals.clear()
        program = [random_matmul(bench.random, bench.config, vectors=30) for _ in range(6)]
        before = len(bench.activity)
        expected = bench.issue(program)
        await cycles(dut, bench.random.randint(1, 150))
        dut.halt.value = 1
        await cycles(dut, 2)  # In which it may take one more.
        bench.command._waiting.clear()
        limit = 2 * (bench.config.rows + bench.config.cols) + 40
        await cycles(dut, limit)
        assert int(dut.idle.value) and not int(dut.command__ready.value)
        entered = bench.activity[before:].count(ACTIVE)
        steps = (step for instruction in program for step in bench.model.vectors(instruction))
        for _ in range(entered):
            next(steps)
        assert bench.signals == expected[: len(bench.signals)]
        await bench.check()
        dut.halt.value = 0
        await reset(dut)


@cocotb.test()
async def other_ports_of_the_accumulator(dut):
    """Reads and writes of words that no instruction touches, in both banks, meanwhile."""
    bench = Bench(dut)
    await bench.start()
    random, model, depth = bench.random, bench.model, bench.config.accumulator_depth
    for _ in range(bench_parameters()["rounds"] // 2 + 1):
        # The unit keeps to the even words, so to both banks; traffic has the odd ones.
        program = []
        for _ in range(4):
            i = random_matmul(random, bench.config, vectors=60, accumulator_words=depth // 2)
            values = dict(i.values)
            for name in ("accumulator_address", "accumulator_stride_y", "accumulator_stride_x"):
                values[name] *= 2
            if values["accumulator_stride_y"] > field_high("accumulator_stride_y"):
                values["accumulator_stride_y"] = 0
            if values["accumulator_stride_x"] > field_high("accumulator_stride_x"):
                values["accumulator_stride_x"] = 0
            program.append(matmul(**values, flags=i.flags, signal=i.signal))
        odd = [address for address in range(depth) if address % 2]
        to_read, to_write = odd[::2] * 3, odd[1::2] * 2
        random.shuffle(to_read)
        bench.read.put(to_read)
        written = []
        for address in to_write:
            word = [random.randint(-(2**31), 2**31 - 1) for _ in range(bench.config.cols)]
            model.accumulator[address] = model.wrap(word)
            written.append({"address": address, "slot": 0, "data": word})
        bench.writes[2].put(written)
        expected = model.accumulator[to_read].tolist()
        bench.issue(program)
        for instruction in program:
            for _ in model.vectors(instruction):
                pass
        assert await bench.read_data.receive(len(to_read)) == expected
        await bench.writes[2].drained()
        await bench.idle()
        await bench.check()


@cocotb.test()
async def signals_when_the_last_word_is_readable(dut):
    bench = Bench(dut)
    await bench.start()
    for _ in range(6):
        instruction = random_matmul(bench.random, bench.config, vectors=6, signal=1)
        bench.signals.clear()
        bench.issue([instruction])
        *_, last = bench.model.vectors(instruction)
        while not bench.signals:
            await cycles(dut)
        bench.read.put([last])
        assert await bench.read_data.receive() == [bench.model.accumulator[last].tolist()]
        active = max(n for n, name in enumerate(bench.activity) if name == ACTIVE)
        assert bench.signal_cycle - active == bench_parameters()["signal_latency"]
    await bench.check()
