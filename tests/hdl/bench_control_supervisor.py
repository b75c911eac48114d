# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the supervisor with units that the bench plays."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.bus import ERROR_LAYOUT
from weft.hdl.control.supervisor import FAULT_LAYOUT, REPORTERS, STATUS_LAYOUT, address_bits
from weft.hdl.isa import ErrorCode, ErrorSource
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock

ERROR_BITS = Codec(ERROR_LAYOUT).width
NO_FAULT = {"code": ErrorCode.NONE, "source": 0, "index": 0, "address": 0}


def address_of(source):
    """An address with the highest bit that the source's can have."""
    bits = address_bits(source, bench_parameters()["address_width"])
    return (1 << bits >> 1) | (source.value & ((1 << bits) - 1))


class Bench:
    """The units as levels that a test sets; events are counted."""

    def __init__(self, dut):
        self.dut, self.random = dut, bench_random()
        start_clock(dut)
        for name in ("start", "soft_reset", "watchdog_limit", "progress", "oldest", "errors"):
            getattr(dut, name).value = 0
        self.set(finished=0, idle=1, quiet=1)
        self.events = dict.fromkeys(("done_event", "error_event", "unit_reset", "launch"), 0)
        self.counted = 0
        cocotb.start_soon(self.watch())

    def set(self, **levels):
        for name, level in levels.items():
            getattr(self.dut, name).value = level

    async def watch(self):
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if int(self.dut.rst.value):
                continue
            self.counted += int(self.dut.count.value)
            for name in self.events:
                self.events[name] += int(getattr(self.dut, name).value)
            if int(self.dut.unit_reset.value):
                assert int(self.dut.idle.value), "reset with transactions outstanding"

    async def pulse(self, name):
        getattr(self.dut, name).value = 1
        await cycles(self.dut)
        getattr(self.dut, name).value = 0

    async def start(self):
        assert int(self.dut.startable.value)
        await self.pulse("start")
        self.set(finished=0)
        assert self.status() == {"running"}

    async def fail(self, *sources, **values):
        """An error of some sources in one cycle."""
        word = 0
        for source in sources:
            error = {
                "valid": 1,
                "code": ErrorCode.MEMORY_RANGE,
                "index": 100 + source.value,
                "address": address_of(source),
                **values,
            }
            word |= Codec(ERROR_LAYOUT).pack(error) << source.value * ERROR_BITS
        self.dut.errors.value = word
        await cycles(self.dut)
        self.dut.errors.value = 0

    def status(self):
        fields = Codec(STATUS_LAYOUT).unpack(int(self.dut.status.value))
        return {name for name, value in fields.items() if value}

    def fault(self):
        return Codec(FAULT_LAYOUT).unpack(int(self.dut.fault.value))

    async def soft_reset(self):
        await self.pulse("soft_reset")
        await cycles(self.dut, 8)
        self.set(finished=0)


def fault_of(source):
    return {
        "code": ErrorCode.MEMORY_RANGE,
        "source": source.value,
        "index": 100 + source.value,
        "address": address_of(source),
    }


@cocotb.test()
async def a_run_ends(dut):
    bench = Bench(dut)
    await reset(dut)
    for number in range(1, 4):
        await bench.start()
        await cycles(dut, 20)
        assert bench.status() == {"running"} and not int(dut.startable.value)
        bench.set(finished=1, idle=0)
        await cycles(dut, 5)
        assert bench.status() == {"running"}
        bench.set(idle=1, quiet=0)
        await cycles(dut, 5)
        assert bench.status() == {"running"}
        bench.set(quiet=1)
        await cycles(dut, 4)
        assert bench.status() == {"done"} and bench.events["done_event"] == number
        assert bench.events["launch"] == number and int(dut.startable.value)
        counted = bench.counted
        await cycles(dut, 10)
        assert bench.counted == counted and not int(dut.halt.value)
    assert bench.events["error_event"] == bench.events["unit_reset"] == 0
    assert bench.fault() == NO_FAULT


@cocotb.test()
async def short_idle_moments_do_not_end_a_run(dut):
    bench = Bench(dut)
    await reset(dut)
    await bench.start()
    bench.set(finished=1)
    for _ in range(30):
        bench.set(idle=1)
        await cycles(dut)
        bench.set(idle=0)
        await cycles(dut, bench.random.randrange(1, 3))
    assert bench.status() == {"running"}
    bench.set(idle=1)
    await cycles(dut, 4)
    assert bench.status() == {"done"}


@cocotb.test()
async def first_error_wins(dut):
    bench = Bench(dut)
    await reset(dut)
    for first in REPORTERS:
        others = [source for source in REPORTERS if source.value >= first.value]
        await bench.start()
        await cycles(dut, bench.random.randrange(1, 6))
        bench.set(idle=0)
        counted = bench.counted
        await bench.fail(first, *bench.random.sample(others, bench.random.randrange(len(others))))
        assert int(dut.halt.value), "halt is late"
        assert bench.status() == {"running", "draining"}
        await bench.fail(*REPORTERS, index=1)
        await cycles(dut, 10)
        assert bench.status() == {"running", "draining"} and bench.counted - counted <= 1
        bench.set(idle=1)
        await cycles(dut, 5)
        assert bench.status() == {"error"} and int(dut.halt.value)
        assert bench.fault() == fault_of(first)
        await bench.fail(*REPORTERS, index=1)
        assert bench.fault() == fault_of(first) and not int(dut.startable.value)
        await bench.pulse("start")
        await cycles(dut, 3)
        assert bench.status() == {"error"}
        await bench.soft_reset()
        assert bench.status() == set() and bench.fault() == NO_FAULT and not int(dut.halt.value)
    assert bench.events["error_event"] == bench.events["unit_reset"] == len(REPORTERS)
    assert bench.events["done_event"] == 0 and bench.events["launch"] == len(REPORTERS)


@cocotb.test()
async def error_in_the_cycle_of_the_end(dut):
    bench = Bench(dut)
    await reset(dut)
    await bench.start()
    bench.set(finished=1)
    await cycles(dut, 2)
    await bench.fail(ErrorSource.SEMAPHORES)
    await cycles(dut, 5)
    assert bench.status() == {"error"} and bench.events["done_event"] == 0


@cocotb.test()
async def watchdog_ends_a_run(dut):
    bench = Bench(dut)
    await reset(dut)
    for limit in (1, 2, 10, 50):
        bench.set(watchdog_limit=limit, progress=1, idle=0, oldest=77)
        await bench.start()
        for _ in range(5):
            bench.set(progress=1)
            await cycles(dut)
            bench.set(progress=0)
            await cycles(dut, limit)
        assert bench.status() == {"running"}
        await cycles(dut, 4)
        assert bench.status() == {"running", "draining"}
        bench.set(idle=1)
        await cycles(dut, 6)
        assert bench.status() == {"error"}
        assert bench.fault() == {
            "code": ErrorCode.NO_PROGRESS,
            "source": ErrorSource.WATCHDOG.value,
            "index": 77,
            "address": 0,
        }
        await bench.soft_reset()


@cocotb.test()
async def watchdog_zero_never_ends(dut):
    bench = Bench(dut)
    await reset(dut)
    bench.set(idle=0)
    await bench.start()
    await cycles(dut, 500)
    assert bench.status() == {"running"}
    await bench.fail(ErrorSource.LOAD)
    await cycles(dut, 500)
    assert bench.status() == {"running", "draining"}


@cocotb.test()
async def memory_that_never_answers_the_drain(dut):
    bench = Bench(dut)
    await reset(dut)
    bench.set(watchdog_limit=20, idle=0)
    await bench.start()
    await bench.fail(ErrorSource.STORE)
    await cycles(dut, 15)
    assert bench.status() == {"running", "draining"}
    await cycles(dut, 15)
    assert bench.status() == {"error", "draining"} and bench.events["error_event"] == 1
    await bench.pulse("soft_reset")
    await cycles(dut, 100)
    assert bench.status() == {"draining", "resetting"} and bench.events["unit_reset"] == 0
    assert not int(dut.startable.value) and int(dut.halt.value)
    bench.set(idle=1)
    await cycles(dut, 6)
    assert bench.status() == set() and bench.events["unit_reset"] == 1
    await bench.start()
    bench.set(finished=1)
    await cycles(dut, 6)
    assert bench.status() == {"done"} and bench.events["error_event"] == 1


@cocotb.test()
async def late_answer_without_reset(dut):
    bench = Bench(dut)
    await reset(dut)
    bench.set(watchdog_limit=5, idle=0)
    await bench.start()
    await bench.fail(ErrorSource.STORE)
    await cycles(dut, 30)
    assert bench.status() == {"error", "draining"}
    bench.set(idle=1)
    await cycles(dut, 6)
    assert bench.status() == {"error"} and bench.events["error_event"] == 1


@cocotb.test()
async def soft_reset_from_every_state(dut):
    bench = Bench(dut)
    await reset(dut)
    for state in ("rest", "done", "running", "draining", "error", "resetting"):
        bench.set(idle=1, finished=0)
        resets = bench.events["unit_reset"]
        if state != "rest":
            await bench.start()
        if state == "done":
            bench.set(finished=1)
            await cycles(dut, 6)
        if state in ("running", "draining"):
            bench.set(idle=0)
        if state in ("draining", "error"):
            await bench.fail(ErrorSource.DISPATCH)
            await cycles(dut, 6)
        if state == "resetting":
            bench.set(idle=0)
            await bench.pulse("soft_reset")
            await cycles(dut, 3)
        await bench.pulse("soft_reset")
        assert int(dut.halt.value)
        await cycles(dut, bench.random.randrange(5))
        bench.set(idle=1)
        await cycles(dut, 8)
        assert bench.status() == set(), state
        assert bench.events["unit_reset"] == resets + 1 and not int(dut.halt.value)
        assert bench.fault() == NO_FAULT and int(dut.startable.value)
