# SPDX-License-Identifier: Apache-2.0
"""Simulator = RTL on random programs and on every error: same bytes, same error registers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from weft.hdl.config import SEGMENT_COUNT
from weft.hdl.isa import Unit
from weft.hdl.registers import REGISTERS, register
from weft.sim.job import Job
from weft.sim.random_programs import random_program
from weft.sim.rtl import VerilatedTransport
from weft.sim.transport import SimulatorTransport

_path = Path(__file__).with_name("test_simulator.py")
_specification = importlib.util.spec_from_file_location("simulator_cases", _path)
cases = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(cases)

CONFIG = cases.TINY.replace(max_burst_beats=4)
ERROR_REGISTERS = (
    "STATUS", "IRQ_STATUS", "ERROR_CODE", "ERROR_INSTRUCTION", "ERROR_ADDRESS_LOW",
    "ERROR_ADDRESS_HIGH",
)
COUNTED = ("COUNTER_READ_BEATS", "COUNTER_WRITE_BEATS", "COUNTER_INSTRUCTIONS")
RANDOM_PROGRAMS = 60


def offset(name):
    return register(name).offset


@pytest.fixture(scope="module")
def rtl():
    return VerilatedTransport(CONFIG)


def encode(items):
    return b"".join(item if isinstance(item, bytes) else item.to_bytes() for item in items)


def make_job(code, segments, *, address=0, length=None, memory=None):
    if memory is None:
        memory = np.arange(cases.SIZE, dtype=np.uint32).astype(np.uint8)
    memory = memory.copy()
    placed = code[: max(0, len(memory) - address)]
    if address % 32 == 0:
        memory[address : address + len(placed)] = np.frombuffer(placed, np.uint8)
    values = {
        "IRQ_STATUS": 3, "IRQ_ENABLE": 3, "WATCHDOG": 500,
        "PROGRAM_ADDRESS_LOW": address & 0xFFFF_FFFF, "PROGRAM_ADDRESS_HIGH": address >> 32,
        "PROGRAM_LENGTH": len(code) // 32 if length is None else length,
    }
    for number in range(SEGMENT_COUNT):
        base, limit = segments.get(number, (0, 0))
        values |= {f"SEGMENT{number}_BASE_LOW": base, f"SEGMENT{number}_BASE_HIGH": 0,
                   f"SEGMENT{number}_LIMIT": limit}
    values["CONTROL"] = 1
    reads = [item.offset for item in REGISTERS if item.name != "CONTROL"]
    return Job(memory, [(offset(name), value) for name, value in values.items()], reads, 200_000)


def reset(transport):
    writes = [(offset("CONTROL"), 2)]
    for _ in range(100):
        job = Job(np.zeros(4096, np.uint8), writes, [offset("STATUS")], 1000)
        if not transport.execute(job).values[offset("STATUS")] & 0b11000:
            return
        writes = []
    raise AssertionError("the soft reset does not end")


def compare(rtl, names, code, segments, **options):
    job = make_job(code, segments, **options)
    again = make_job(code, segments, **options)
    expected = SimulatorTransport(CONFIG).execute(job)
    actual = rtl.execute(again)
    assert actual.interrupt
    assert actual.refused == []
    if actual.values[offset("STATUS")] & 0b100:
        reset(rtl)
    for name in names:
        assert actual.values[offset(name)] == expected.values[offset(name)], name
    return expected.memory, actual.memory


@pytest.mark.parametrize("instructions", [case[0] for case in cases.ERRORS])
def test_errors(rtl, instructions):
    compare(rtl, ERROR_REGISTERS, encode(instructions), {0: (cases.DATA, 4096)})


@pytest.mark.parametrize(
    ("instruction", "base"),
    [
        (cases.load(offset=2, bytes=32), cases.SIZE - 18),
        (cases.load(bytes=8), cases.SIZE + 6),
        (cases.load(bytes=2, count_x=9, stride_x=3), cases.SIZE - 10),
        (cases.store(), cases.SIZE),
        (cases.store(offset=1), cases.SIZE - 6),
        (cases.store(count_x=3, stride_x=13), cases.SIZE - 16),
    ],
)
def test_error_responses(rtl, instruction, base):
    compare(rtl, ERROR_REGISTERS, instruction.to_bytes(), {0: (base, 4096)})


@pytest.mark.parametrize(
    ("address", "length"),
    [
        (cases.SIZE, 1), (cases.SIZE - 64, 9), (cases.SIZE - 32, 2), (1, 1), (16, 1),
        ((1 << 32) - 32, 2), (1 << 32, 1), (0, 0),
    ],
)
def test_fetch(rtl, address, length):
    code = cases.sync(Unit.LOAD).to_bytes() * length
    compare(rtl, ERROR_REGISTERS, code, {}, address=address, length=length)


@pytest.mark.parametrize("seed", range(RANDOM_PROGRAMS))
def test_random_programs(rtl, seed):
    made = random_program(CONFIG, seed)
    memory = np.random.default_rng(seed).integers(0, 256, 1 << 14, dtype=np.uint8)
    segments, position = {}, 4096
    for number, data in made.segments.items():
        segments[number] = (position, len(data))
        memory[position : position + len(data)] = data
        position += len(data) + 13
    expected, actual = compare(
        rtl, ERROR_REGISTERS + COUNTED, encode(made.instructions), segments, memory=memory
    )
    assert np.array_equal(actual, expected)
