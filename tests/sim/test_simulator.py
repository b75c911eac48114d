# SPDX-License-Identifier: Apache-2.0
"""The instruction-level simulator: each opcode against a naive model, every error, deadlock."""

import numpy as np
import pytest

from weft.hdl.config import Config
from weft.hdl.isa import ErrorCode, ErrorSource, Instruction, Memory, Opcode, Unit
from weft.sim.machine import Machine, Segment
from weft.sim.random_programs import random_config, random_program
from weft.sim.simulator import Simulator

TINY = Config(rows=2, cols=3, activation_depth=16, weight_depth=16, accumulator_depth=16,
              axi_width=32, queue_depth=2, vector_lanes=0)
PROGRAM, DATA, SIZE = 0, 4096, 16384


def run(instructions, *, config=TINY, limit=4096, seed=None, length=None, address=PROGRAM,
        base=DATA, track=False, memory=None):
    memory = np.arange(SIZE, dtype=np.uint32).astype(np.uint8) if memory is None else memory
    code = b"".join(item if isinstance(item, bytes) else item.to_bytes() for item in instructions)
    if address % 32 == 0 and address + len(code) <= len(memory):
        memory[address : address + len(code)] = np.frombuffer(code, np.uint8)
    simulator = Simulator(config, schedule_seed=seed, track=track)
    segments = {0: Segment(base, limit)}
    length = len(instructions) if length is None else length
    return simulator.run(memory, address, length, segments), memory, simulator


def load(**values):
    masks = {name: values.pop(name) for name in ("wait", "signal") if name in values}
    return Instruction(Opcode.LOAD, {"bytes": 2, **values}, **masks)


def matmul(flags=0, **values):
    masks = {name: values.pop(name) for name in ("wait", "signal") if name in values}
    return Instruction(Opcode.MATMUL, {"last_rows": 2, **values}, flags=flags, **masks)


def store(**values):
    masks = {name: values.pop(name) for name in ("wait", "signal") if name in values}
    return Instruction(Opcode.STORE, {"memory": 2, "bytes": 12, **values}, **masks)


def sync(unit, **masks):
    return Instruction(Opcode.SYNC, {"unit": unit.value}, **masks)


class NaiveModel:
    """The instruction documentation transcribed loop by loop, in Python integers."""

    def __init__(self, config, machine):
        self.config = config
        self.width = {
            Memory.ACTIVATION: config.rows, Memory.WEIGHT: config.cols,
            Memory.ACCUMULATOR: 4 * config.cols,
        }
        self.words = {memory: [bytes(word) for word in array]
                      for memory, array in machine.words.items()}
        self.dram = bytearray(machine.dram.tobytes())
        self.segments = machine.segments

    def row_address(self, i, y, x):
        base = self.segments[i["segment"]].base
        return base + i["offset"] + y * i["stride_y"] + x * i["stride_x"]

    def load(self, i):
        memory = Memory(i["memory"])
        width, word = self.width[memory], i["address"]
        fill = bytes([i["fill"]])

        def put(data):
            nonlocal word
            if memory is Memory.ACCUMULATOR:
                data = b"".join(self.wrapped(int.from_bytes(data[n : n + 4], "little"))
                                for n in range(0, width, 4))
            self.words[memory][word] = data
            word += 1

        for y in range(i["count_y"]):
            for _ in range(i["pad_before"]):
                put(fill * width)
            for x in range(i["count_x"]):
                start = self.row_address(i, y, x)
                row = bytes(self.dram[start : start + i["bytes"]]) if i["bytes"] else b""
                for part in range(max(1, -(-i["bytes"] // width))):
                    put(row[part * width : (part + 1) * width].ljust(width, fill))
            for _ in range(i["pad_after"]):
                put(fill * width)

    def wrapped(self, value):
        bits = self.config.accumulator_width
        value &= (1 << bits) - 1
        if value >> (bits - 1):
            value -= 1 << bits
        return value.to_bytes(4, "little", signed=True)

    def store(self, i):
        memory = Memory(i["memory"])
        width, word = self.width[memory], i["address"]
        count = -(-i["bytes"] // width)
        for y in range(i["count_y"]):
            for x in range(i["count_x"]):
                row = b"".join(self.words[memory][word : word + count])[: i["bytes"]]
                start = self.row_address(i, y, x)
                self.dram[start : start + i["bytes"]] = row
                word += count

    def matmul(self, i):
        block = 0
        for ky in range(i["kernel_y"]):
            for kx in range(i["kernel_x"]):
                for channel in range(i["channel_blocks"]):
                    used = self.config.rows
                    if channel == i["channel_blocks"] - 1:
                        used = i["last_rows"]
                    self.block(i, block, ky, kx, channel, used)
                    block += 1

    def block(self, i, block, ky, kx, channel, used):
        weights = [
            np.frombuffer(self.words[Memory.WEIGHT][
                i["weight_address"] + block * i["weight_stride_block"]
                + row * i["weight_stride_row"]], np.int8).tolist()
            for row in range(used)
        ]
        for y in range(i["output_y"]):
            for x in range(i["output_x"]):
                activation = np.frombuffer(self.words[Memory.ACTIVATION][
                    i["activation_address"] + ky * i["activation_stride_kernel_y"]
                    + kx * i["activation_stride_kernel_x"]
                    + channel * i["activation_stride_channel"] + y * i["activation_stride_y"]
                    + x * i["activation_stride_x"]], np.int8).tolist()
                word = (i["accumulator_address"] + y * i["accumulator_stride_y"]
                        + x * i["accumulator_stride_x"])
                old = np.frombuffer(self.words[Memory.ACCUMULATOR][word], "<i4").tolist()
                new = b""
                for column in range(self.config.cols):
                    total = old[column] if i.flags or block else 0
                    total += sum(activation[row] * weights[row][column] for row in range(used))
                    new += self.wrapped(total)
                self.words[Memory.ACCUMULATOR][word] = new

    def execute(self, i):
        {Opcode.LOAD: self.load, Opcode.STORE: self.store, Opcode.MATMUL: self.matmul,
         Opcode.SYNC: lambda i: None}[i.opcode](i)


@pytest.mark.parametrize("seed", range(40))
def test_instructions_equal_the_naive_model(seed):
    config = random_config(seed, largest=4)
    program = random_program(config, seed, length=16)
    memory, segments = np.zeros(1 << 14, np.uint8), {}
    position = 0
    for number, data in program.segments.items():
        segments[number] = Segment(position, len(data))
        memory[position : position + len(data)] = data
        position += len(data) + 11
    machine = Machine(config, memory, segments)
    naive = NaiveModel(config, machine)
    for index, instruction in enumerate(program.instructions):
        machine.execute(instruction, index)
        naive.execute(instruction)
        for kind, array in machine.words.items():
            assert [bytes(word) for word in array] == naive.words[kind], (index, instruction)
        assert machine.dram.tobytes() == bytes(naive.dram), (index, instruction)


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_order_of_units_does_not_matter_in_race_free_programs(seed, vector):
    config = random_config(1000 + seed, vector=vector)
    program = random_program(config, seed)
    results = []
    for schedule in (None, 1, 2, 3):
        memory = np.zeros(1 << 16, np.uint8)
        code = np.frombuffer(b"".join(i.to_bytes() for i in program.instructions), np.uint8)
        memory[: len(code)] = code
        segments, position = {}, len(code)
        for number, data in program.segments.items():
            segments[number] = Segment(position, len(data))
            memory[position : position + len(data)] = data
            position += len(data)
        simulator = Simulator(config, schedule_seed=schedule, track=True)
        result = simulator.run(memory, 0, len(program.instructions), segments)
        assert result.error is None
        assert result.read_before_write == []
        assert result.executed == len(program.instructions)
        results.append(memory)
    assert all(np.array_equal(results[0], other) for other in results[1:])


def expect(result, code, source, index, address):
    error = result.error
    assert error is not None
    assert (error.code, error.source, error.index, error.address) == (code, source, index, address)


ERRORS = [
    ([bytes(32)], ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, 0, 0),
    ([sync(Unit.LOAD), b"\x05" + bytes(30) + b"\x80"], ErrorCode.ILLEGAL_INSTRUCTION,
     ErrorSource.DISPATCH, 1, 0),
    ([b"\x01\x01" + bytes(30)], ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, 0, 0),
    ([matmul(last_rows=3)], ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, 0, 0),
    ([store(memory=1)], ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, 0, 0),
    ([store(memory=3)], ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH, 0, 0),
    ([load(memory=4)], ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH, 0, 0),
    ([store(memory=4)], ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH, 0, 0),
    ([load(memory=5)], ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, 0, 0),
    ([store(memory=7)], ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH, 0, 0),
    ([load(memory=3)], ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH, 0, 0),
    ([Instruction(Opcode.VECTOR, {})], ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH, 0, 0),
    ([sync(Unit.VECTOR)], ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH, 0, 0),
    ([load(address=14, count_x=3)], ErrorCode.MEMORY_RANGE, ErrorSource.LOAD, 0, 16),
    ([load(memory=1, address=20)], ErrorCode.MEMORY_RANGE, ErrorSource.LOAD, 0, 1 << 29 | 20),
    ([load(pad_after=16, fill=1)], ErrorCode.MEMORY_RANGE, ErrorSource.LOAD, 0, 16),
    ([store(address=15, count_y=2)], ErrorCode.MEMORY_RANGE, ErrorSource.STORE, 0, 2 << 29 | 16),
    ([matmul(activation_address=12, output_x=3, activation_stride_x=2)], ErrorCode.MEMORY_RANGE,
     ErrorSource.MATMUL, 0, 16),
    ([matmul(weight_address=15, weight_stride_row=2)], ErrorCode.MEMORY_RANGE, ErrorSource.MATMUL,
     0, 1 << 29 | 17),
    ([matmul(output_y=2, accumulator_stride_y=16)], ErrorCode.MEMORY_RANGE, ErrorSource.MATMUL, 0,
     2 << 29 | 16),
    ([load(offset=4095)], ErrorCode.SEGMENT_LIMIT, ErrorSource.LOAD, 0, 4095),
    ([load(count_x=2, stride_x=-1)], ErrorCode.SEGMENT_LIMIT, ErrorSource.LOAD, 0, 0xFFFF_FFFF),
    ([load(segment=5)], ErrorCode.SEGMENT_LIMIT, ErrorSource.LOAD, 0, 0),
    ([store(offset=4090)], ErrorCode.SEGMENT_LIMIT, ErrorSource.STORE, 0, 4090),
    ([sync(Unit.STORE, wait=1)], ErrorCode.NO_PROGRESS, ErrorSource.WATCHDOG, 0, 0),
    ([sync(Unit.MATMUL, signal=1), sync(Unit.STORE, wait=3), sync(Unit.LOAD, wait=4)],
     ErrorCode.NO_PROGRESS, ErrorSource.WATCHDOG, 1, 0),
    ([sync(Unit.LOAD, signal=0x20)] * 64, ErrorCode.SEMAPHORE_OVERFLOW, ErrorSource.SEMAPHORES, 63,
     5),
]


@pytest.mark.parametrize(("instructions", "code", "source", "index", "address"), ERRORS)
def test_errors(instructions, code, source, index, address):
    result, _, _ = run(instructions)
    expect(result, code, source, index, address)


def test_every_error_code_is_produced():
    produced = {case[1] for case in ERRORS} | {
        ErrorCode.READ_RESPONSE, ErrorCode.WRITE_RESPONSE, ErrorCode.FETCH_RESPONSE,
        ErrorCode.PROGRAM_ADDRESS, ErrorCode.NONE,
    }
    assert produced == set(ErrorCode)


def test_read_response_names_the_burst():
    config = TINY.replace(max_burst_beats=4)
    result, _, _ = run([load(offset=2, bytes=32)], config=config, base=SIZE - 18)
    expect(result, ErrorCode.READ_RESPONSE, ErrorSource.LOAD, 0, SIZE)
    result, _, _ = run([load(bytes=8)], base=SIZE + 6)
    expect(result, ErrorCode.READ_RESPONSE, ErrorSource.LOAD, 0, SIZE + 4)


def test_write_response_names_the_burst():
    result, memory, _ = run([store(offset=0)], base=SIZE)
    expect(result, ErrorCode.WRITE_RESPONSE, ErrorSource.STORE, 0, SIZE)


def test_fetch_beyond_memory():
    result, _, _ = run([], length=1, address=SIZE)
    expect(result, ErrorCode.FETCH_RESPONSE, ErrorSource.FETCH, 0, SIZE)


@pytest.mark.parametrize("address", [1, 16, (1 << 32) - 32])
def test_program_address(address):
    result, _, _ = run([], length=2, address=address)
    expect(result, ErrorCode.PROGRAM_ADDRESS, ErrorSource.FETCH, 0, address)


def test_a_fill_row_touches_no_dram():
    result, _, simulator = run([load(segment=5, bytes=0, count_x=3, fill=7, address=2)])
    assert result.error is None
    assert simulator.machine.words[Memory.ACTIVATION][2:5].tolist() == [[7, 7]] * 3


def test_full_queue_stops_dispatch():
    """Three that wait fill a queue of two; the signal behind them never comes."""
    waiting = [sync(Unit.STORE, wait=1)] * 3
    result, _, _ = run([*waiting, sync(Unit.LOAD, signal=1)])
    expect(result, ErrorCode.NO_PROGRESS, ErrorSource.WATCHDOG, 0, 0)
    result, _, _ = run([*waiting[:2], *[sync(Unit.LOAD, signal=1)] * 2])
    assert result.error is None


def test_a_race_shows_under_some_schedule():
    """LOAD and STORE of one word without a semaphore: not every order gives the same bytes."""
    program = [load(bytes=2, offset=100), load(bytes=2, offset=200, signal=1),
               store(memory=0, bytes=2, offset=0)]
    seen = {bytes(run(program, seed=seed)[1][DATA : DATA + 2]) for seed in range(20)}
    assert len(seen) > 1


def test_read_before_write_is_tracked():
    result, _, _ = run([store(memory=0, bytes=2, address=3)], track=True)
    assert [(r.index, r.memory, r.address) for r in result.read_before_write] == [
        (0, Memory.ACTIVATION, 3)
    ]


def test_several_outputs_in_one_accumulator_word():
    """Stride 0: all outputs of the first block overwrite one word, later blocks all add to it."""
    program = [
        load(bytes=8, offset=0), load(memory=1, bytes=12, offset=8, signal=1),
        matmul(wait=1, output_x=2, channel_blocks=2, activation_stride_x=1,
               activation_stride_channel=2, weight_stride_row=1, weight_stride_block=2),
    ]
    result, memory, simulator = run(program)
    assert result.error is None
    a = memory[DATA : DATA + 8].view(np.int8).astype(int).reshape(4, 2)
    w = memory[DATA + 8 : DATA + 20].view(np.int8).astype(int).reshape(2, 2, 3)
    expected = a[1] @ w[0] + a[2] @ w[1] + a[3] @ w[1]
    assert simulator.machine.accumulator[0].tolist() == expected.tolist()


def test_beats_are_counted():
    result, _, _ = run([load(bytes=4, offset=3), store(bytes=12, offset=1)])
    assert result.read_beats == 2 + 2 * 8
    assert result.write_beats == 4
