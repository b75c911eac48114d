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

from weft.hdl.isa import ErrorCode, Memory, Opcode
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
                    generator.uniform(0.4, 1),
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
