# SPDX-License-Identifier: Apache-2.0
"""VECTOR in the instruction-level simulator: against a naive model, extremes, errors, tracking."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest

from weft.hdl.config import Config
from weft.hdl.isa import (
    ADD_FLAG,
    MAXIMUM_FLAG,
    REQUANTIZE_FLAG,
    SUM_FLAG,
    TABLE_FLAG,
    UNIFORM_FLAG,
    ErrorCode,
    ErrorSource,
    Instruction,
    Memory,
    Opcode,
)
from weft.sim.accesses import legality
from weft.sim.fault import Fault
from weft.sim.machine import Machine, Segment
from weft.sim.random_programs import random_config, random_program
from weft.sim.simulator import Simulator
from weft.sim.vector import parameter_words
from weft.sim.vector_access import vector_access

CONFIG = Config(rows=4, cols=6, activation_depth=16, weight_depth=16, accumulator_depth=16,
                parameter_depth=16, axi_width=32, vector_lanes=2)
LOW, HIGH = -(1 << 31), (1 << 31) - 1


def signed32(value):
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def fixed_point(value, multiplier, left, right):
    """gemmlowp's arithmetic, sign by sign, on Python integers."""
    value = signed32(value << left)
    if value == LOW and multiplier == LOW:
        high = HIGH
    else:
        product = value * multiplier
        nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
        high = abs(nudged) >> 31
        high = high if nudged >= 0 else -high
    magnitude = abs(high)
    rounded = (magnitude + (1 << right >> 1)) >> right
    return rounded if high >= 0 else -rounded


def nearest_float32(value: Fraction) -> Fraction:
    """Round to nearest, ties to even, to 24 significant bits (no subnormals, no overflow)."""
    if not value:
        return value
    exponent = math.floor(math.log2(abs(value))) - 23
    while abs(value) / Fraction(2) ** exponent >= 1 << 24:
        exponent += 1
    while abs(value) / Fraction(2) ** exponent < 1 << 23:
        exponent -= 1
    return round(value / Fraction(2) ** exponent) * Fraction(2) ** exponent


def floating(value, scale):
    product = nearest_float32(nearest_float32(Fraction(value)) * Fraction(float(scale)))
    return min(max(round(product), LOW), HIGH)


class NaiveVector:
    """The documentation of VECTOR, one element at a time."""

    def __init__(self, config, machine):
        self.config = config
        self.memories = {0: machine.activation.tolist(), 1: machine.accumulator.tolist()}
        self.parameters = machine.words[Memory.PARAMETER].tobytes()
        self.table = machine.words[Memory.TABLE].view(np.int8)[:, 0].tolist()

    def place(self, i, side, y, x, chunk, lane, wy=0, wx=0):
        words = self.memories[i[f"{side}_memory"]]
        element = i[f"{side}_element"] + chunk * self.config.lanes + lane
        word = (i[f"{side}_address"] + y * i[f"{side}_stride_y"] + x * i[f"{side}_stride_x"]
                + element // len(words[0]))
        word += wy * i["window_stride_y"] + wx * i["window_stride_x"]
        return words[word], element % len(words[0])

    def execute(self, i):
        for y in range(i["count_y"]):
            for x in range(i["count_x"]):
                for chunk in range(i["chunks"]):
                    results = [self.result(i, y, x, chunk, lane)
                               for lane in range(self.config.lanes)]
                    for lane, value in enumerate(results):
                        word, element = self.place(i, "destination", y, x, chunk, lane)
                        word[element] = value

    def result(self, i, y, x, chunk, lane):
        window = []
        for wy in range(i["window_y"]):
            for wx in range(i["window_x"]):
                word, element = self.place(i, "source", y, x, chunk, lane, wy, wx)
                window.append(word[element])
        value = signed32(sum(window)) if i.flags & SUM_FLAG else max(window)
        if i.flags & REQUANTIZE_FLAG:
            word = i["parameter_address"] + (0 if i.flags & UNIFORM_FLAG else chunk)
            start = 12 * (word * self.config.lanes + lane)
            bias, multiplier, left, right = struct.unpack_from("<iiBB", self.parameters, start)
            value = signed32(value + bias)
            if self.config.requantize == "tflite":
                value = fixed_point(value, multiplier, left & 31, right & 31)
            else:
                value = floating(value, struct.unpack_from("<f", self.parameters, start + 4)[0])
        if i["destination_memory"]:
            word, element = self.place(i, "destination", y, x, chunk, lane)
            if i.flags & ADD_FLAG:
                value = signed32(value + word[element])
            elif i.flags & MAXIMUM_FLAG:
                value = max(value, word[element])
            half = 1 << (self.config.accumulator_width - 1)
            return (value + half) % (2 * half) - half
        if i.flags & REQUANTIZE_FLAG:
            value += i["zero_point"]
        value = min(max(value, i["clamp_low"]), i["clamp_high"])
        return self.table[value + 128] if i.flags & TABLE_FLAG else value


def machine_of(config, seed=0, **options):
    """A machine whose memories hold random numbers, parameters near what models use."""
    random = np.random.default_rng(seed)
    machine = Machine(config, np.zeros(64, np.uint8), {0: Segment(0, 64)}, **options)
    machine.words[Memory.ACTIVATION][...] = random.integers(0, 256, machine.activation.shape)
    machine.words[Memory.TABLE][...] = random.integers(0, 256, (256, 1))
    width = config.accumulator_width
    magnitude = random.integers(1, width, machine.accumulator.shape)
    machine.accumulator[...] = random.integers(-(1 << 40), 1 << 40, magnitude.shape) >> (
        41 - magnitude)
    machine.accumulator[0] = np.resize([-(1 << (width - 1)), (1 << (width - 1)) - 1, 0, -1, 1],
                                       config.cols)
    count = config.parameter_depth * config.lanes
    if config.requantize == "tflite":
        scales = random.choice([0, 1, -1, 1 << 30, HIGH, LOW, 1234567890, -1717171717], count)
        shifts = random.choice([0, 0, 1, 7, 8, 15, 30, 31], (2, count))
    else:
        scales = np.float32(2.0) ** random.integers(-40, 8, count).astype(np.float32)
        scales *= random.uniform(1, 2, count).astype(np.float32)
        shifts = np.zeros((2, count), np.int64)
    biases = random.choice([0, 1, -1, LOW, HIGH, 54321, -777], count)
    scales = scales.astype(np.float32 if config.requantize == "onnx" else np.int32)
    words = parameter_words(biases.astype(np.int32), scales, *shifts)
    machine.words[Memory.PARAMETER][...] = words.reshape(config.parameter_depth, -1)
    return machine


def random_vector(config, random):
    """A VECTOR whose destination elements are all different and not among its sources."""
    def number(low, high):
        return int(random.integers(low, high + 1))

    flags = sum(bit for bit in (SUM_FLAG, REQUANTIZE_FLAG, UNIFORM_FLAG, TABLE_FLAG)
                if random.random() < 0.5)
    source, destination = number(0, 1), number(0, 1)
    if destination:
        flags &= ~TABLE_FLAG
        flags |= (0, ADD_FLAG, MAXIMUM_FLAG)[number(0, 2)]
    width = config.cols if destination else config.rows
    first = config.lanes * number(0, width // config.lanes - 1)
    chunks = number(1, 5)
    span = -(-(first + chunks * config.lanes) // width)
    count_y, count_x = number(1, 2), number(1, 2)
    low, high = sorted((number(-128, 127), number(-128, 127)))
    sources = config.cols if source else config.rows
    return Instruction(Opcode.VECTOR, {
        "source_memory": source, "destination_memory": destination,
        "source_address": number(0, 1 if source == destination else 8),
        "source_element": config.lanes * number(0, sources // config.lanes - 1),
        "destination_address": 32 - count_y * count_x * span,
        "destination_element": first, "chunks": chunks, "count_y": count_y, "count_x": count_x,
        "source_stride_y": number(0, 2), "source_stride_x": number(0, 1),
        "destination_stride_y": count_x * span, "destination_stride_x": span,
        "window_y": number(1, 3), "window_x": number(1, 2),
        "window_stride_y": number(0, 1), "window_stride_x": number(0, 1),
        "parameter_address": number(0, config.parameter_depth - 5),
        "zero_point": number(-128, 127), "clamp_low": low, "clamp_high": high,
    }, flags=flags)


@pytest.mark.parametrize("convention", ["tflite", "onnx"])
@pytest.mark.parametrize(("rows", "cols", "lanes", "width"),
                         [(4, 4, 4, 32), (4, 6, 2, 32), (3, 1, 1, 30), (8, 4, 2, 30),
                          (1, 5, 1, 32)])
def test_equals_the_naive_model(convention, rows, cols, lanes, width):
    config = Config(rows=rows, cols=cols, vector_lanes=lanes, activation_depth=32, weight_depth=16,
                    accumulator_depth=32, parameter_depth=16, accumulator_width=width,
                    max_reduction_depth=16384, axi_width=32, requantize=convention)
    random = np.random.default_rng([rows, cols, lanes])
    done = 0
    for seed in range(60):
        i = random_vector(config, random)
        assert legality(config, i) is None
        if i["destination_address"] < 12:
            continue
        machine = machine_of(config, seed)
        naive = NaiveVector(config, machine)
        machine.execute(i, 0)
        naive.execute(i)
        assert machine.activation.tolist() == naive.memories[0], i
        assert machine.accumulator.tolist() == naive.memories[1], i
        done += 1
    assert done > 30


def scaled(value, bias, multiplier, left, right, convention="tflite"):
    """One int32 accumulator through requantize to int32."""
    config = CONFIG.replace(requantize=convention)
    machine = machine_of(config)
    machine.accumulator[0] = value
    kind = np.int32 if convention == "tflite" else np.float32
    words = parameter_words(np.array([bias] * 2, np.int32), np.array([multiplier] * 2, kind), left,
                            right)
    machine.words[Memory.PARAMETER][0] = words
    machine.execute(Instruction(Opcode.VECTOR, {
        "source_memory": 1, "destination_memory": 1, "destination_address": 1,
    }, flags=REQUANTIZE_FLAG), 0)
    return int(machine.accumulator[1, 0])


@pytest.mark.parametrize("value", [LOW, LOW + 1, -(1 << 30), -3, -1, 0, 1, 2, 1 << 30, HIGH])
def test_extremes_of_fixed_point(value):
    for multiplier in (LOW, LOW + 1, -1, 0, 1, 1 << 30, (1 << 30) + 1, HIGH):
        for left in (0, 1, 31):
            for right in (0, 1, 30, 31):
                assert scaled(value, 0, multiplier, left, right) == fixed_point(
                    value, multiplier, left, right), (multiplier, left, right)


def test_known_results_of_fixed_point():
    assert scaled(LOW, 0, LOW, 0, 0) == HIGH
    assert scaled(HIGH, 0, HIGH, 0, 0) == HIGH - 1
    assert scaled(LOW, 0, HIGH, 0, 0) == LOW + 1
    assert scaled(LOW, -1, 1 << 30, 0, 0) == 1 << 30  # the bias wraps: 2**31 - 1
    assert scaled(3, 0, 1 << 30, 31, 0) == -(1 << 30)  # 3 << 31 wraps
    assert scaled(-5, 0, HIGH, 0, 1) == -3  # -2.5, ties away from zero
    assert scaled(5, 0, HIGH, 0, 1) == 3
    assert scaled(HIGH, 0, HIGH, 0, 31) == 1
    assert scaled(LOW + 1, 0, HIGH, 0, 31) == -1


def test_known_results_of_floating_point():
    def onnx(value, bias, scale):
        return scaled(value, bias, scale, 0, 0, "onnx")

    assert [onnx(value, 0, 0.5) for value in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
    assert onnx(HIGH, 0, 1.0) == HIGH
    assert onnx(LOW, 0, 1.0) == LOW
    assert onnx(LOW, -1, 4.0) == HIGH  # the bias wraps, the product saturates
    assert onnx(LOW, 0, 3e38) == LOW
    assert onnx(16777217, 0, 1.0) == 16777216  # int32 to float32 rounds to even
    assert onnx(16777219, 0, 1.0) == 16777220
    assert onnx(HIGH, 0, 1e-45) == 0
    # What is not a number, or infinite, acts like the largest float32 of its sign.
    assert onnx(7, 0, math.inf) == onnx(7, 0, math.nan) == onnx(-7, 0, -math.inf) == HIGH
    assert onnx(-7, 0, math.inf) == onnx(7, 0, -math.inf) == LOW
    assert onnx(0, 0, math.inf) == onnx(0, 0, math.nan) == 0
    assert onnx(33554431, 0, 0.1) == floating(33554431, np.float32(0.1))


def test_int8_results_do_not_wrap_before_the_clamp():
    machine = machine_of(CONFIG)
    machine.accumulator[0] = [HIGH, LOW, 200, -200, 5, -5]
    machine.words[Memory.PARAMETER][0] = parameter_words(
        np.zeros(2, np.int32), np.full(2, HIGH, np.int32), 1, 1)
    values = {"source_memory": 1, "chunks": 3, "zero_point": 100}
    machine.execute(Instruction(Opcode.VECTOR, values), 0)
    assert machine.activation.reshape(-1)[:6].tolist() == [127, -128, 127, -128, 5, -5]
    machine.words[Memory.PARAMETER][0] = parameter_words(
        np.zeros(2, np.int32), np.full(2, HIGH, np.int32))
    machine.execute(Instruction(Opcode.VECTOR, values,
                                flags=REQUANTIZE_FLAG | UNIFORM_FLAG), 0)
    assert machine.activation.reshape(-1)[:6].tolist() == [127, -128, 127, -100, 105, 95]


def test_sums_wrap():
    machine = machine_of(CONFIG)
    machine.accumulator[0:3] = [[HIGH] * 6, [HIGH] * 6, [3] * 6]
    i = {"source_memory": 1, "destination_memory": 1, "destination_address": 4, "window_y": 3,
         "window_stride_y": 1}
    machine.execute(Instruction(Opcode.VECTOR, i, flags=SUM_FLAG), 0)
    assert machine.accumulator[4, :2].tolist() == [1, 1]
    machine.execute(Instruction(Opcode.VECTOR, i | {"window_y": 1}, flags=ADD_FLAG), 0)
    assert machine.accumulator[4, :2].tolist() == [LOW, LOW]
    machine.execute(Instruction(Opcode.VECTOR, i, flags=MAXIMUM_FLAG), 0)
    assert machine.accumulator[4, :2].tolist() == [HIGH, HIGH]


def test_other_elements_of_a_word_keep_their_value():
    machine = machine_of(CONFIG)
    before = machine.activation.copy()
    machine.execute(Instruction(Opcode.VECTOR, {
        "source_address": 9, "destination_address": 3, "destination_element": 2, "chunks": 2}), 0)
    before[3, 2:], before[4, :2] = before[9, :2], before[9, 2:]
    assert np.array_equal(machine.activation, before)


def vector(flags=0, **values):
    return Instruction(Opcode.VECTOR, values, flags=flags)


REFUSED = [
    (vector(source_element=1), "source_element must be a multiple of lanes (2) below 4, not 1"),
    (vector(source_element=4), "source_element must be a multiple of lanes (2) below 4, not 4"),
    (vector(destination_memory=1, destination_element=6),
     "destination_element must be a multiple of lanes (2) below 6, not 6"),
    (vector(ADD_FLAG | MAXIMUM_FLAG, destination_memory=1),
     "the flags add and maximum exclude each other"),
    (vector(ADD_FLAG), "the flags add and maximum need the accumulator as destination"),
    (vector(TABLE_FLAG, destination_memory=1),
     "the flag table needs the activation scratchpad as destination"),
    (Instruction(Opcode.STORE, {"memory": 3}), "STORE cannot read the parameter memory"),
    (Instruction(Opcode.STORE, {"memory": 4}), "STORE cannot read the table memory"),
    (Instruction(Opcode.LOAD, {"memory": 6}), "there is no memory 6"),
]


@pytest.mark.parametrize(("instruction", "reason"), REFUSED)
def test_refused(instruction, reason):
    assert legality(CONFIG, instruction) == (ErrorCode.ILLEGAL_INSTRUCTION, reason)


def test_without_a_vector_unit():
    config = CONFIG.replace(vector_lanes=0)
    for i in (vector(source_element=1), Instruction(Opcode.LOAD, {"memory": 3}),
              Instruction(Opcode.LOAD, {"memory": 4}), Instruction(Opcode.STORE, {"memory": 4}),
              Instruction(Opcode.SYNC, {"unit": 2})):
        refusal = legality(config, i)
        assert refusal is not None and refusal[0] is ErrorCode.NOT_CONFIGURED


FAULTS = [
    (vector(source_address=16), Memory.ACTIVATION, 16),
    (vector(source_memory=1, source_address=15, window_y=3, window_stride_y=2), Memory.ACCUMULATOR,
     17),
    (vector(source_address=15, source_element=2, chunks=2), Memory.ACTIVATION, 16),
    (vector(destination_memory=1, destination_address=14, count_y=2, destination_stride_y=7),
     Memory.ACCUMULATOR, 21),
    (vector(REQUANTIZE_FLAG, parameter_address=15, chunks=2), Memory.PARAMETER, 16),
    (vector(REQUANTIZE_FLAG | UNIFORM_FLAG, parameter_address=4095), Memory.PARAMETER, 4095),
    # Chunk by chunk: the window, the parameters, the destination.
    (vector(REQUANTIZE_FLAG, source_address=99, parameter_address=99, destination_address=99),
     Memory.ACTIVATION, 99),
    (vector(REQUANTIZE_FLAG, parameter_address=98, destination_address=99), Memory.PARAMETER, 98),
    (vector(destination_address=97, window_y=2, window_stride_y=50), Memory.ACTIVATION, 50),
    (vector(destination_address=97, chunks=3, window_y=2), Memory.ACTIVATION, 97),
    (vector(destination_address=15, chunks=3, source_address=15, window_y=2, window_stride_y=1),
     Memory.ACTIVATION, 16),
    (vector(REQUANTIZE_FLAG, parameter_address=15, chunks=2, count_x=2, source_stride_x=20),
     Memory.PARAMETER, 16),
    (vector(count_x=3, source_stride_x=8, destination_stride_x=7), Memory.ACTIVATION, 16),
    (vector(chunks=1024, count_y=1024, count_x=1024, source_stride_y=16383), Memory.ACTIVATION, 16),
]


@pytest.mark.parametrize(("instruction", "memory", "address"), FAULTS)
def test_faults(instruction, memory, address):
    machine = machine_of(CONFIG)
    before = {item: array.copy() for item, array in machine.words.items()}
    with pytest.raises(Fault) as caught:
        machine.execute(instruction, 5)
    error = caught.value
    assert (error.code, error.source, error.index) == (
        ErrorCode.MEMORY_RANGE, ErrorSource.VECTOR, 5)
    assert error.address == memory.value << 29 | address
    for item, array in before.items():
        assert np.array_equal(array, machine.words[item])


def test_parameters_are_not_checked_without_requantize():
    machine_of(CONFIG).execute(vector(parameter_address=4000), 0)


def load(memory, **values):
    return Instruction(Opcode.LOAD, {"memory": memory.value, **values})


def test_loads_fill_parameter_and_table_memory():
    machine = machine_of(CONFIG)
    machine.dram[:] = np.arange(64)
    machine.execute(load(Memory.PARAMETER, bytes=30, address=2, fill=9), 0)
    assert machine.words[Memory.PARAMETER][2:4].reshape(-1).tolist() == [*range(30), *[9] * 18]
    machine.execute(load(Memory.TABLE, bytes=64, address=192), 0)
    assert machine.words[Memory.TABLE][192:, 0].tolist() == list(range(64))
    for memory, depth in ((Memory.PARAMETER, 16), (Memory.TABLE, 256)):
        with pytest.raises(Fault) as caught:
            machine.execute(load(memory, address=depth - 1, bytes=0, count_x=2), 0)
        assert caught.value.address == memory.value << 29 | depth


def found(machine):
    result = [(r.memory.name, r.address, r.element) for r in machine.read_before_write]
    machine.read_before_write.clear()
    return result


def test_written_elements_are_tracked_one_by_one():
    machine = Machine(CONFIG, np.zeros(64, np.uint8), {0: Segment(0, 64)}, track=True)
    machine.execute(load(Memory.ACTIVATION, bytes=4), 0)
    machine.execute(vector(destination_address=1, destination_element=2), 1)
    assert found(machine) == []
    machine.execute(vector(source_address=1, source_element=2, destination_address=2), 2)
    assert found(machine) == []
    machine.execute(vector(source_element=2, chunks=2, destination_address=3), 3)
    assert found(machine) == [("ACTIVATION", 1, 0)]
    matmul = Instruction(Opcode.MATMUL, {"activation_address": 1, "last_rows": 1})
    machine.execute(load(Memory.WEIGHT, bytes=6), 4)
    machine.execute(matmul, 4)
    assert found(machine) == [("ACTIVATION", 1, 0)]
    store = Instruction(Opcode.STORE, {"address": 2, "bytes": 2})
    machine.execute(store, 5)
    assert found(machine) == []
    machine.execute(Instruction(Opcode.STORE, {"address": 2, "bytes": 3}), 5)
    assert found(machine) == [("ACTIVATION", 2, 2)]
    machine.execute(vector(ADD_FLAG, destination_memory=1, destination_address=5), 6)
    assert found(machine) == [("ACCUMULATOR", 5, 0)]
    machine.execute(vector(REQUANTIZE_FLAG, chunks=2, destination_address=6), 7)
    assert found(machine) == [("PARAMETER", 0, 0)]
    machine.execute(load(Memory.PARAMETER, bytes=24, count_x=2), 8)
    machine.execute(load(Memory.TABLE, bytes=1, address=130), 8)
    machine.execute(vector(REQUANTIZE_FLAG | TABLE_FLAG, chunks=2, destination_address=6,
                           zero_point=2), 9)
    assert found(machine) == []
    machine.execute(vector(REQUANTIZE_FLAG | TABLE_FLAG, chunks=2, destination_address=6,
                           zero_point=-3), 9)
    assert found(machine) == [("TABLE", 125, 0)]


UNDEFINED = [
    (vector(ADD_FLAG, destination_memory=1, count_x=2), "updates a destination element twice"),
    (vector(MAXIMUM_FLAG, destination_memory=1, chunks=4, count_x=2, destination_stride_x=1),
     "updates a destination element twice"),
    (vector(ADD_FLAG, destination_memory=1, chunks=3, count_x=2, destination_stride_x=1), None),
    (vector(count_x=2), "reads an element that it has written before"),
    (vector(count_x=2, source_memory=1), None),
    (vector(chunks=20), None),
    (vector(chunks=20, source_address=1), None),
    (vector(chunks=20, destination_address=1), "reads an element that it has written before"),
    (vector(chunks=20, destination_element=2), "reads an element that it has written before"),
    (vector(source_memory=1, chunks=20, destination_address=1), None),
    (vector(destination_address=3, count_x=4, source_stride_x=1, destination_stride_x=1,
            window_y=2, window_stride_y=1), "reads an element that it has written before"),
    (vector(count_x=4, source_stride_x=1, destination_stride_x=1, window_y=2, window_stride_y=1),
     None),
]


@pytest.mark.parametrize(("instruction", "reason"), UNDEFINED)
def test_undefined(instruction, reason):
    access = vector_access(CONFIG, instruction)
    assert access.fault(CONFIG) is None
    assert access.undefined(CONFIG) == reason
    if reason is None:
        machine = machine_of(CONFIG)
        naive = NaiveVector(CONFIG, machine)
        machine.execute(instruction, 0)
        naive.execute(instruction)
        assert machine.activation.tolist() == naive.memories[0]
        assert machine.accumulator.tolist() == naive.memories[1]


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed):
    """Every VECTOR of a random program against the naive model."""
    config = random_config(seed, largest=6, vector=True)
    program = random_program(config, seed, length=12)
    memory, segments = np.zeros(1 << 15, np.uint8), {}
    position = 0
    for number, data in program.segments.items():
        segments[number] = Segment(position, len(data))
        memory[position : position + len(data)] = data
        position += len(data)
    machine = Machine(config, memory, segments, track=True)
    for index, instruction in enumerate(program.instructions):
        naive = NaiveVector(config, machine) if instruction.opcode is Opcode.VECTOR else None
        machine.execute(instruction, index)
        if naive is not None:
            naive.execute(instruction)
            assert machine.activation.tolist() == naive.memories[0], instruction
            assert machine.accumulator.tolist() == naive.memories[1], instruction
    assert machine.read_before_write == []


def test_a_program_stops_at_a_fault_of_the_vector_unit():
    program = [load(Memory.ACTIVATION, bytes=4, offset=8), vector(destination_address=1, chunks=2),
               vector(REQUANTIZE_FLAG, parameter_address=77)]
    memory = np.zeros(256, np.uint8)
    code = b"".join(item.to_bytes() for item in program)
    memory[: len(code)] = np.frombuffer(code, np.uint8)
    simulator = Simulator(CONFIG)
    result = simulator.run(memory, 0, 3, {0: Segment(128, 128)})
    error = result.error
    assert error is not None
    assert (error.code, error.source, error.index, error.address) == (
        ErrorCode.MEMORY_RANGE, ErrorSource.VECTOR, 2, 3 << 29 | 77)
    assert result.instructions == 3
