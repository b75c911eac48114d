# SPDX-License-Identifier: Apache-2.0
"""Errors, drains and soft resets on verilated hardware."""

import random
from collections import Counter

import numpy as np
import pytest
from system_cases import (
    CHECKED_REGISTERS,
    DEFAULT_SIZES,
    SERIAL_SIZES,
    check_interrupted_memory,
    choose_seed,
    gemm_case,
    program_case,
    system_config,
)
from system_vector_errors import VectorErrorCases, possible_codes
from system_verilated import DRAINING, ERROR, RUNNING, SOFT_RESET, START, Verilated

from weft.hdl.isa import ErrorCode
from weft.hdl.registers import REGISTERS, Access


def all_codes(config):
    return {code.name for code in possible_codes(config)}


def beyond(case):
    """First address after everything that fails."""
    return max([stop for _, stop in case.read_errors + case.write_errors], default=0) + 64


def every_error(size, seed):
    """Each error, a soft reset, a product; returns the count of each code."""
    config = system_config(size)
    generator = random.Random(seed)
    found = Counter()
    device = Verilated(config, stall_probability=0.3, latency=5, seed=seed)
    for case in VectorErrorCases(config, seed).all():
        failing = case.read_errors + case.write_errors
        if failing:
            target = Verilated(
                config, stall_probability=generator.choice((0, 0.3, 0.6)), seed=seed,
                latency=generator.choice((1, 5, 30)), error_ranges=failing,
            )
        else:
            target = device
        target.run(case)
        refused, _ = target.access([("CONTROL", START)])
        assert refused.refused, "START after an error was not refused"
        target.soft_reset()
        sizes = [generator.randrange(1, 12) for _ in range(3)]
        target.run(gemm_case(config, *sizes, generator.getrandbits(30), start=beyond(case)))
        found[case.error.code.name] += 1
    return found


@pytest.mark.parametrize("size", ["1x1", "2x3", "4x4", "4x4 serial"])
def test_every_error(size, record_property):
    seed = choose_seed()
    found = every_error(size, seed)
    print(f"{size}: {sum(found.values())} errors, each with recovery: {dict(found)}")
    record_property("covered: errors with recovery", sum(found.values()))
    assert set(found) == all_codes(system_config(size))


@pytest.mark.full
@pytest.mark.parametrize("size", [*DEFAULT_SIZES, *SERIAL_SIZES])
def test_every_error_often(size, record_property):
    seed = choose_seed()
    total = Counter()
    for number in range(5):
        total += every_error(size, seed + number)
    print(f"{size}: {sum(total.values())} errors, each with recovery: {dict(total)}")
    record_property("covered: errors with recovery", sum(total.values()))
    assert set(total) == all_codes(system_config(size))


def resets_at_random(size, moments, seed):
    """Soft resets while programs run, at any moment."""
    config = system_config(size)
    generator = random.Random(seed)
    for number in range(4):
        stall, latency = generator.choice((0, 0.3, 0.7)), generator.choice((1, 5, 60))
        with Verilated(config, stall_probability=stall, latency=latency, seed=seed) as device:
            # How long the program takes, to reset at any time of it.
            case = program_case(config, seed + number)
            length = device.run(case)["COUNTER_CYCLES"]
            for _ in range(moments // 4):
                device.start(case, generator.randrange(1, length + 100))
                running = device.read("STATUS") & RUNNING
                device.soft_reset()
                if running:
                    check_interrupted_memory(case, device.memory)
                sizes = [generator.randrange(1, 12) for _ in range(3)]
                device.run(gemm_case(config, *sizes, generator.getrandbits(30)))


@pytest.mark.parametrize("size", ["4x4", "5x7", "4x4 serial"])
def test_soft_reset_at_any_moment(size, record_property):
    resets_at_random(size, 60, choose_seed())
    record_property("covered: soft resets with recovery", 60)


@pytest.mark.full
@pytest.mark.parametrize(
    "size", ["1x1", "2x3", "8x8", "16x16", "16x4", "4x16", *SERIAL_SIZES]
)
def test_many_soft_resets(size, record_property):
    resets_at_random(size, 200, choose_seed())
    record_property("covered: soft resets with recovery", 200)


@pytest.mark.parametrize("size", ["4x4", "4x4 serial"])
def test_memory_that_answers_too_late(size):
    """The watchdog ends the run while reads are outstanding; they are still waited for."""
    config = system_config(size)
    latency = 5000
    with Verilated(config, latency=latency) as device:
        case = program_case(config, 3)
        case.watchdog = 300
        assert device.start(case).interrupt
        values = device.access([], CHECKED_REGISTERS)[1]
        assert values["STATUS"] == ERROR | DRAINING
        assert values["ERROR_CODE"] == ErrorCode.NO_PROGRESS.value | 7 << 8
        assert values["IRQ_STATUS"] == 2
        assert values["COUNTER_CYCLES"] < latency
        assert device.access([("CONTROL", START)])[0].refused
        device.access([("CONTROL", SOFT_RESET)])
        assert device.read("STATUS") & DRAINING
        before = device.transport.cycles
        device.soft_reset()
        assert device.transport.cycles - before > latency // 2
        check_interrupted_memory(case, device.memory)
        device.run(gemm_case(config, 5, 4, 3, 1))


@pytest.mark.parametrize("size", ["4x4", "4x4 serial"])
def test_registers_while_a_program_runs(size):
    """What is locked, refused and kept, before, during and after a run."""
    config = system_config(size)
    with Verilated(config, latency=200) as device:
        case = program_case(config, 11)
        device.start(case, 50)
        assert device.read("STATUS") == RUNNING
        for item in REGISTERS:
            if item.name in ("CONTROL", "IRQ_STATUS"):
                continue
            before = device.read(item.name)
            result, _ = device.access([(item.name, before ^ 1)])
            refused = item.locked or item.access is Access.READ_ONLY
            assert bool(result.refused) == refused, item.name
            if refused and not item.name.startswith("COUNTER"):
                assert device.read(item.name) == before, item.name
        device.access([("IRQ_ENABLE", 3)])
        assert device.access([("CONTROL", START)])[0].refused
        while device.read("STATUS") & RUNNING:
            pass
        values = device.access([], CHECKED_REGISTERS)[1]
        assert values["STATUS"] == 2
        assert np.array_equal(device.memory, case.expected)
