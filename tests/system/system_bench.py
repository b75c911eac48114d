# SPDX-License-Identifier: Apache-2.0
"""An accelerator in a cocotb simulation, with the bus models around it."""

from __future__ import annotations

import random
from typing import Any

from cocotb.triggers import FallingEdge, First, Timer
from system_axi import OKAY, AxiMemory, Mood, Registers
from system_cases import CHECKED_REGISTERS, WATCHDOG, Case, check_outcome, offset

from weft.hdl.config import Config
from weft.sim.bench.clock import CLOCK_PERIOD_NS, reset, start_clock

START, SOFT_RESET = 1, 2
RUNNING, DONE, ERROR, DRAINING, RESETTING = (1 << n for n in range(5))


class System:
    """The top with DRAM, register accesses and what is known of the registers."""

    def __init__(self, dut: Any, config: Config, generator: random.Random) -> None:
        self.dut = dut
        self.config = config
        self.random = generator
        # DRAM anywhere in the address space, so that every address bit is used.
        room = (1 << config.axi_address_width) - (1 << 24)
        self.base = generator.randrange(0, room, 4096) if room > 0 else 0
        self.axi = AxiMemory(dut, config, generator, self.base)
        self.registers = Registers(dut, generator)
        self.known: dict[str, int] = {}
        self.done = 0

    async def begin(self) -> None:
        """Clock and reset."""
        start_clock(self.dut)
        await reset(self.dut)
        self.axi.start()

    async def write(self, name: str, value: int, response: int = OKAY) -> None:
        """Write a register; the response must be as given."""
        actual = await self.registers.write(offset(name), value)
        assert actual == response, f"writing {name} was answered with {actual}, not {response}"

    async def read(self, name: str) -> int:
        """Read a register."""
        value, response = await self.registers.read(offset(name))
        assert response == OKAY, f"reading {name} was answered with {response}"
        return value

    async def cycles(self, count: int) -> None:
        """Let time pass."""
        if count:
            await Timer(count * CLOCK_PERIOD_NS, "ns")

    async def interrupt(self, limit: int) -> bool:
        """Wait for the interrupt, at most ``limit`` cycles; ends at a falling edge."""
        if not self.axi.irq:
            self.axi.irq_changed.clear()
            await First(self.axi.irq_changed.wait(), Timer(limit * CLOCK_PERIOD_NS, "ns"))
            await FallingEdge(self.dut.clk)
        return bool(self.axi.irq)

    async def start(self, case: Case, mood: Mood | None = None) -> None:
        """Set everything up and write START."""
        self.axi.mood = mood or Mood.choose(self.random)
        self.registers.longest_delay = self.random.choice((0, 0, 3))
        self.axi.memory = case.memory.copy()
        self.axi.read_errors = [(*item, self.random.choice((2, 3))) for item in case.read_errors]
        self.axi.write_errors = [(*item, self.random.choice((2, 3))) for item in case.write_errors]
        self.axi.read_beats = self.axi.write_beats = 0
        wanted = case.register_writes(self.base)
        names = [n for n in wanted if n == "IRQ_STATUS" or self.known.get(n) != wanted[n]]
        self.random.shuffle(names)
        for name in names:
            await self.write(name, wanted[name])
        self.known |= wanted
        await self.write("CONTROL", START)

    async def finish(self, case: Case) -> dict[str, int]:
        """Wait for the end and check everything."""
        # The watchdog bounds every wait.
        limit = 40 * max(case.watchdog, WATCHDOG) + 400_000
        assert await self.interrupt(limit), (
            f"{case.name}: no interrupt, STATUS {await self.read('STATUS'):#07b}"
        )
        assert self.axi.idle, f"{case.name}: the interrupt came before the last AXI answer"
        values = {name: await self.read(name) for name in CHECKED_REGISTERS}
        check_outcome(case, values, self.axi.memory, self.base)
        assert values["COUNTER_READ_BEATS"] <= self.axi.read_beats
        assert values["COUNTER_WRITE_BEATS"] <= self.axi.write_beats
        self.done += 1
        return values

    async def run(self, case: Case, mood: Mood | None = None) -> dict[str, int]:
        """Start and finish; the message of a failure says which case it was."""
        try:
            await self.start(case, mood)
            return await self.finish(case)
        except Exception as error:
            error.add_note(f"in {case.name}, {self.axi.mood}, after {self.done} programs")
            raise

    async def soft_reset(self) -> None:
        """Reset, wait until it is over and look at the state it leaves."""
        await self.write("CONTROL", SOFT_RESET)
        for _ in range(20_000):
            status = await self.read("STATUS")
            if not status & (RESETTING | DRAINING):
                break
        assert status == 0, f"STATUS is {status:#07b} after a soft reset"
        assert self.axi.idle, "the soft reset ended before the last AXI answer"
        assert await self.read("ERROR_CODE") == 0
        for name in ("WATCHDOG", "PROGRAM_LENGTH", "SEGMENT0_LIMIT", "IRQ_ENABLE"):
            if name in self.known:
                assert await self.read(name) == self.known[name], f"the soft reset lost {name}"
