# SPDX-License-Identifier: Apache-2.0
"""Errors, silent memories and soft resets; started by test_error_benches.py."""

from __future__ import annotations

from collections import defaultdict

import cocotb
from system_axi import OKAY, PATIENT, SLVERR, Mood
from system_bench import DRAINING, ERROR, RESETTING, RUNNING, SOFT_RESET, START, System
from system_cases import ERROR_REGISTERS, check_interrupted_memory, gemm_case, program_case
from system_vector_errors import VectorErrorCases, possible_codes

from weft.hdl.config import Config
from weft.hdl.isa import ErrorCode
from weft.hdl.registers import REGISTERS
from weft.sim.bench.runner import bench_parameters, bench_random


async def start(dut):
    """The accelerator out of reset, and parameters."""
    parameters, generator = bench_parameters(), bench_random()
    system = System(dut, Config.from_dict(parameters["config"]), generator)
    await system.begin()
    return system, generator, parameters


async def recover(system, generator):
    """Soft reset, then a product."""
    await system.soft_reset()
    await product(system, generator)


async def product(system, generator):
    """A small product that must come out right."""
    sizes = [generator.randrange(1, 7) for _ in range(3)]
    await system.run(gemm_case(system.config, *sizes, generator.getrandbits(30)))


def brisk(generator):
    """A mood in which the watchdog of a deadlocked program does not end anything else."""
    mood = Mood.choose(generator)
    mood.read_latency = mood.write_latency = (1, 20)
    mood.stalls = {channel: min(value, 0.5) for channel, value in mood.stalls.items()}
    return mood


@cocotb.test()
async def reports_every_error(dut):
    """Every code: registers as predicted, interrupt, refusal to start, recovery."""
    system, generator, parameters = await start(dut)
    kinds = defaultdict(list)
    for case in VectorErrorCases(system.config, generator.getrandbits(30)).all():
        kinds[case.error.code].append(case)
    assert set(kinds) == possible_codes(system.config)
    for cases in kinds.values():
        generator.shuffle(cases)
    chosen = [case for cases in kinds.values() for case in cases[: parameters["each"]]]
    chosen += [
        next(case for cases in kinds.values() for case in cases if case.name.startswith("VECTOR"))
    ] if system.config.lanes else []
    generator.shuffle(chosen)
    for case in chosen:
        await system.run(case, brisk(generator))
        await system.write("CONTROL", START, SLVERR)
        # The event clears by writing one to it; the error stays.
        assert system.axi.irq
        await system.write("IRQ_STATUS", 1)
        assert system.axi.irq
        await system.write("IRQ_STATUS", 2)
        await system.cycles(3)
        assert not system.axi.irq
        assert await system.read("STATUS") == ERROR
        await recover(system, generator)
    dut._log.info("%d errors, each with recovery", len(chosen))


@cocotb.test()
async def survives_a_memory_that_stops(dut):
    """Reads or writes are never answered: watchdog, DRAINING; once answered, all is well again."""
    system, generator, parameters = await start(dut)
    for number in range(parameters["silences"]):
        case = program_case(system.config, generator.getrandbits(30), 12)
        case.watchdog = 400
        which = ("silent_reads", "silent_writes", "deaf")[number % 3]
        await system.start(case, PATIENT)
        await system.cycles(generator.randrange(0, 600))
        for name in {which, "silent_reads" if which == "deaf" else which}:
            setattr(system.axi, name, True)
        assert await system.interrupt(200_000)
        status = await system.read("STATUS")
        if status & ERROR:
            code = await system.read("ERROR_CODE")
            assert code == ErrorCode.NO_PROGRESS.value | 7 << 8, hex(code)
            assert bool(status & DRAINING) == (not system.axi.idle or which == "deaf")
            await system.write("CONTROL", START, SLVERR)
            check_interrupted_memory(case, system.axi.memory)
        await system.write("CONTROL", SOFT_RESET)
        status = await system.read("STATUS")
        if not system.axi.idle:
            assert status & (DRAINING | RESETTING) == DRAINING | RESETTING
            await system.cycles(500)
            assert await system.read("STATUS") & RESETTING, "reset with AXI outstanding"
            await system.write("CONTROL", START, SLVERR)
        system.axi.silent_reads = system.axi.silent_writes = system.axi.deaf = False
        await system.cycles(600)
        image = system.axi.memory
        await system.soft_reset()
        check_interrupted_memory(case, image)
        await product(system, generator)


@cocotb.test()
async def resets_at_any_moment(dut):
    """Soft reset while programs run; nothing of AXI is lost, the next product is right."""
    system, generator, parameters = await start(dut)
    running = 0
    for _ in range(parameters["moments"]):
        case = program_case(system.config, generator.getrandbits(30), 10)
        await system.start(case)
        await system.cycles(generator.randrange(0, parameters["longest"]))
        running += (await system.read("STATUS")) & RUNNING
        await system.soft_reset()
        check_interrupted_memory(case, system.axi.memory)
        await product(system, generator)
    dut._log.info("%d resets, %d of them while running", parameters["moments"], running)


@cocotb.test()
async def guards_its_registers(dut):
    """Locked registers, START while running, unknown addresses, byte strobes, interrupts."""
    system, generator, _ = await start(dut)
    case = program_case(system.config, generator.getrandbits(30), 20)
    await system.start(case, PATIENT)
    if await system.read("STATUS") & RUNNING:
        await system.write("PROGRAM_LENGTH", 1, SLVERR)
        await system.write("CONTROL", START, SLVERR)
        await system.write("SEGMENT0_LIMIT", 0, SLVERR)
        assert await system.read("SEGMENT0_LIMIT") == case.segments[0].limit
        assert await system.read("STATUS") & RUNNING
    await system.finish(case)
    for name in ("ID", "STATUS", "COUNTER_CYCLES", *ERROR_REGISTERS):
        await system.write(name, 0xFFFF_FFFF, SLVERR)
    unused = sorted(set(range(0, 0x1000, 4)) - {item.offset for item in REGISTERS})
    for address in {unused[0], unused[-1], *generator.sample(unused, 6)}:
        assert (await system.registers.read(address))[1] == SLVERR
        assert await system.registers.write(address, 1) == SLVERR
    # W1C, enable, level.
    assert system.axi.irq
    await system.write("IRQ_ENABLE", 2)
    await system.cycles(3)
    assert not system.axi.irq and await system.read("IRQ_STATUS") == 1
    await system.write("IRQ_ENABLE", 1)
    assert await system.interrupt(5)
    await system.write("IRQ_STATUS", 2)
    await system.cycles(3)
    assert system.axi.irq and await system.read("IRQ_STATUS") == 1
    await system.write("IRQ_STATUS", 1)
    await system.cycles(3)
    assert not system.axi.irq and await system.read("IRQ_STATUS") == 0
    system.known["IRQ_ENABLE"] = 1
    address = 0x09C
    assert await system.registers.write(address, 0x1122_3344) == OKAY
    assert await system.registers.write(address, 0xAABB_CCDD, 0b0110) == OKAY
    assert await system.read("WATCHDOG") == 0x11BB_CC44
    system.known["WATCHDOG"] = 0x11BB_CC44
    await system.run(gemm_case(system.config, 3, 3, 3, 1))
