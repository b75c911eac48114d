# SPDX-License-Identifier: Apache-2.0
"""VECTOR on verilated hardware: programs of little else, what its errors leave, resets amid it."""

import random
from dataclasses import replace

import numpy as np
import pytest
from system_cases import (
    DEFAULT_SIZES,
    FULL_SIZES,
    Case,
    check_interrupted_memory,
    choose_seed,
    encode,
    place,
    program_case,
    system_config,
)
from system_verilated import Verilated

from weft.compiler.assembler import assemble
from weft.compiler.checker import check
from weft.hdl.isa import SUM_FLAG, ErrorCode, Instruction, Memory, Opcode
from weft.sim.accesses import chunks_per_word, memory_depth, word_bytes
from weft.sim.machine import Machine
from weft.sim.random_programs import random_program
from weft.sim.random_vectors import random_vector
from weft.sim.reference import wrap
from weft.sim.vector_access import vector_access

VECTOR_SIZES = [size for size in DEFAULT_SIZES + FULL_SIZES if system_config(size).lanes]


def random_programs(size, count, seed):
    """Programs of mostly VECTOR with several stalls of memory; returns how many VECTORs."""
    config = system_config(size)
    generator = random.Random(seed)
    vectors = 0
    for number, stalls in enumerate((0, 0.3, 0.7)):
        with Verilated(config, seed=seed + number, stall_probability=stalls) as device:
            for _ in range(count // 3):
                case = program_case(
                    config, generator.getrandbits(30), generator.randrange(10, 49),
                    generator.uniform(0.4, 1), extreme=generator.random() < 0.3,
                )
                device.run(case)
                vectors += sum(item.opcode is Opcode.VECTOR for item in case.instructions)
    return vectors


@pytest.mark.parametrize("size", ["4x4", "16x4"])
def test_random_programs(size, record_property):
    vectors = random_programs(size, 30, choose_seed())
    assert vectors > 300
    record_property("covered: random VECTORs simulator = RTL", vectors)


@pytest.mark.full
@pytest.mark.parametrize("size", VECTOR_SIZES)
def test_many_random_programs(size, record_property):
    vectors = random_programs(size, 300, choose_seed())
    record_property("covered: random VECTORs simulator = RTL", vectors)


@pytest.mark.parametrize("is_sum", [False, True])
def test_largest_window(is_sum):
    """64 x 64 times a word of the accumulator, and a column of different words."""
    config = system_config("4x4")
    flags = SUM_FLAG if is_sum else 0
    made = random_program(config, 7, length=0)
    stores = sum(item.opcode is Opcode.STORE for item in made.instructions)
    loads, ends = made.instructions[:-stores], made.instructions[-stores:]
    loads[-1] = replace(loads[-1], signal=1)
    values = {"source_memory": 1, "destination_memory": 1, "destination_address": 3, "window_y": 64,
              "window_x": 64, "window_stride_y": 0, "window_stride_x": 0, "chunks": 2}
    vectors = [
        Instruction(Opcode.VECTOR, values | {"source_address": 9}, flags=flags, wait=1),
        Instruction(Opcode.VECTOR, values | {"source_address": 20, "window_y": 12, "window_x": 1,
                                             "window_stride_y": 1, "destination_address": 12,
                                             "chunks": 1}, flags=flags, signal=2),
    ]
    program = [*loads, *vectors, replace(ends[0], wait=2), *(replace(i, wait=0) for i in ends[1:])]
    memory, address, segments = place(random.Random(1), encode(program), made.segments)
    case = Case(f"window, sum {is_sum}", config, memory, address, len(program), segments, program)
    assert case.error is None
    with Verilated(config, stall_probability=0.3) as device:
        values = device.run(case)
    assert values["COUNTER_VECTOR_BUSY"] > 2 * 64 * 64


RELOAD = """
.segment 0 name=in bytes=65536 role=input
LOAD memory={memory} bytes={bytes} count_x=4 stride_x={bytes}
LOAD memory=table bytes=1 count_x=256 stride_x=1
LOAD memory=accumulator bytes=16 count_x=4 stride_x=16
LOAD memory=parameter bytes=48 signal={{0}}
VECTOR source_memory=accumulator requantize table wait={{0}} signal={{1}}
LOAD memory={memory} bytes={bytes} {wait}
"""


@pytest.mark.parametrize("memory", ["parameter", "table", "accumulator"])
def test_checker_flags_a_reload_in_use(memory):
    """What VECTOR reads must not be loaded again before it has signalled."""
    config = system_config("4x4")
    size = {"parameter": config.parameter_bytes, "table": 1, "accumulator": 16}[memory]
    found = {}
    for wait in ("", "wait={1}"):
        lines = RELOAD.format(memory=memory, bytes=size, wait=wait)
        found[wait] = [item.kind for item in check(config, assemble(lines))]
    assert found == {"": ["race"], "wait={1}": []}


def vector_errors(size, count, seed):
    """VECTORs that fail, alone after the LOADs: what they leave on chip, read after a reset."""
    config = system_config(size)
    draw = random.Random(seed)
    values = np.random.default_rng(seed)
    changed = 0
    with Verilated(config, stall_probability=0.3, latency=5, seed=seed) as device:
        for _ in range(count):
            fault = None
            while fault is None:
                fault = random_vector(
                    config, values,
                    lambda low, high: int(values.integers(low, max(low, high) + 1)),
                    accept=lambda access: access.fault(config) is not None,
                )
            made = random_program(config, draw.getrandbits(30), length=0)
            loads = [item for item in made.instructions if item.opcode is Opcode.LOAD]
            stores = [replace(item, wait=0) for item in made.instructions[len(loads) :]]
            loads[-1] = replace(loads[-1], signal=1)
            memory, address, segments = place(
                draw, encode([*loads, replace(fault, wait=1)]), made.segments
            )
            failing = Case("VECTOR fault", config, memory, address, len(loads) + 1, segments, [])
            assert failing.error.code is ErrorCode.MEMORY_RANGE
            device.run(failing)
            device.soft_reset()
            # The memories as they were loaded, and as they are.
            machine = Machine(config, memory.copy(), segments)
            for index, item in enumerate(loads):
                machine.execute(item, index)
            memory, address, segments = place(draw, encode(stores), made.segments)
            reading = Case("read back", config, memory, address, len(stores), segments, [])
            device.start(reading)
            access = vector_access(config, fault)
            for store in stores:
                name = Memory(store["memory"])
                depth, width = memory_depth(config, name), word_bytes(config, name)
                first = segments[store["segment"]].base + store["offset"]
                found = device.memory[first : first + depth * width].reshape(depth, width)
                pieces = depth * chunks_per_word(config, name)
                different = (found != kept(config, machine, name)).reshape(pieces, -1).any(1)
                allowed = np.zeros(pieces, np.bool_)
                if name is access.destination:
                    places = access.writes()
                    allowed[places[places < pieces]] = True
                assert not (different & ~allowed).any(), (fault, np.flatnonzero(different))
                changed += different.sum()
    return changed


def kept(config, machine, memory):
    """The bytes of a memory as STORE shows them: narrow accumulator elements extended."""
    if memory is Memory.ACTIVATION:
        return machine.words[memory]
    values = wrap(machine.accumulator.astype(np.int64), config.accumulator_width)
    return values.astype("<i4").view(np.uint8)


def test_vector_errors_write_nowhere_else(record_property):
    assert vector_errors("4x4", 40, choose_seed()), "no VECTOR got as far as a write"
    record_property("covered: VECTOR errors, memories read back", 40)


@pytest.mark.full
@pytest.mark.parametrize("size", ["1x1", "5x7", "8x8", "16x16", "16x4", "4x16"])
def test_many_vector_errors_write_nowhere_else(size, record_property):
    assert vector_errors(size, 300, choose_seed())
    record_property("covered: VECTOR errors, memories read back", 300)


def resets_amid_vectors(size, moments, seed):
    """Soft resets while VECTOR is at work; then programs of VECTORs come out right."""
    config = system_config(size)
    generator = random.Random(seed)
    amid = 0
    with Verilated(config, stall_probability=0.3, latency=5, seed=seed) as device:
        case = program_case(config, seed, 48, 0.9)
        length = device.run(case)["COUNTER_CYCLES"]
        for number in range(moments):
            device.start(case, generator.randrange(1, length))
            busy = [device.read("COUNTER_VECTOR_BUSY") for _ in range(2)]
            amid += busy[1] > busy[0]
            device.soft_reset()
            check_interrupted_memory(case, device.memory)
            if number % 4 == 0:
                device.run(program_case(config, seed + number, 20, 0.7))
            else:
                device.run(case)
    return amid


def test_soft_reset_amid_vectors(record_property):
    assert resets_amid_vectors("4x4", 30, choose_seed()), "no reset came amid a VECTOR"
    record_property("covered: soft resets with recovery", 30)


@pytest.mark.full
@pytest.mark.parametrize("size", ["1x1", "5x7", "8x8", "16x16", "16x4", "4x16"])
def test_many_soft_resets_amid_vectors(size, record_property):
    assert resets_amid_vectors(size, 150, choose_seed()) > 10
    record_property("covered: soft resets with recovery", 150)
