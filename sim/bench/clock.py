# SPDX-License-Identifier: Apache-2.0
"""Clock and reset of a bench."""

from __future__ import annotations

from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

__all__ = ["CLOCK_PERIOD_NS", "cycles", "reset", "start_clock"]

CLOCK_PERIOD_NS = 10


def start_clock(dut: Any, period_ns: int = CLOCK_PERIOD_NS) -> None:
    """Start the clock ``dut.clk``."""
    Clock(dut.clk, period_ns, unit="ns").start()


async def cycles(dut: Any, count: int = 1) -> None:
    """Wait ``count`` clock cycles, to just after a falling edge: the place to change inputs."""
    for _ in range(count):
        await FallingEdge(dut.clk)


async def reset(dut: Any, length: int = 3) -> None:
    """Hold ``dut.rst`` for ``length`` cycles; returns with it low and inputs ready to be set."""
    dut.rst.value = 1
    await cycles(dut, length)
    dut.rst.value = 0
