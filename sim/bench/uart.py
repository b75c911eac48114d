# SPDX-License-Identifier: Apache-2.0
"""The other end of a UART in cocotb benches, also for host software that knows no simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.task import resume
from cocotb.triggers import Event, FallingEdge, First, Timer
from cocotb.utils import get_sim_time

__all__ = ["SimulatedPort", "UARTModel"]


class UARTModel:
    """Sends and receives bytes, 8 data bits, no parity, 1 stop bit.

    Parameters
    ----------
    to_device, from_device : handle
        The device's receiving and sending pin.
    bit_ps : int
        Length of a bit in picoseconds.

    Attributes
    ----------
    received : bytearray
        What has come; take from its beginning.
    framing_errors : int
        Bytes that came without a stop bit.
    """

    def __init__(self, to_device: Any, from_device: Any, bit_ps: int) -> None:
        self._to, self._from, self._bit = to_device, from_device, bit_ps
        self._waiting = bytearray()
        self._wake = Event()
        self.received = bytearray()
        self.arrival = Event()
        self.framing_errors = 0
        to_device.value = 1
        cocotb.start_soon(self._send())
        cocotb.start_soon(self._receive())

    def put(self, data: bytes) -> None:
        """Queue bytes to send, one straight after the other."""
        self._waiting += data
        self._wake.set()

    async def drained(self) -> None:
        """Wait until nothing is queued; the last byte may still be on its way."""
        while self._waiting:
            await Timer(self._bit, "ps")

    async def _send(self) -> None:
        # Off the clock's edges.
        await Timer(1234, "ps")
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            byte = self._waiting.pop(0)
            for level in (0, *(byte >> n & 1 for n in range(8)), 1):
                self._to.value = level
                await Timer(self._bit, "ps")

    async def _receive(self) -> None:
        while True:
            await FallingEdge(self._from)
            await Timer(self._bit // 2, "ps")
            bits = 0
            for number in range(10):
                bits |= int(self._from.value) << number
                if number < 9:
                    await Timer(self._bit, "ps")
            if bits & 0x201 == 0x200:
                self.received.append(bits >> 1 & 0xFF)
                self.arrival.set()
            else:
                self.framing_errors += 1


class SimulatedPort:
    """What host software takes for a serial port; it runs in ``cocotb.task.bridge``.

    Its seconds are those of the simulation.

    Parameters
    ----------
    uart : UARTModel
        The line.
    noise : callable or None
        What happens to bytes, both ways.
    """

    def __init__(self, uart: UARTModel, noise: Callable[[bytes], bytes] | None = None) -> None:
        self._uart = uart
        self._noise: Callable[[bytes], bytes] = noise or bytes
        self._now = float(get_sim_time("ns")) * 1e-9
        self._resumed_read = resume(self._read)
        self._resumed_write = resume(self._write)

    async def _write(self, data: bytes) -> None:
        self._uart.put(self._noise(data))
        await self._uart.drained()
        self._now = float(get_sim_time("ns")) * 1e-9

    async def _read(self, timeout: float) -> bytes:
        uart = self._uart
        if not uart.received:
            uart.arrival.clear()
            await First(uart.arrival.wait(), Timer(max(1, round(timeout * 1e9)), "ns"))
        data = bytes(uart.received)
        uart.received.clear()
        self._now = float(get_sim_time("ns")) * 1e-9
        return self._noise(data)

    def write(self, data: bytes) -> None:
        """Send, and wait until it is on the line."""
        self._resumed_write(data)

    def read(self, timeout: float) -> bytes:
        """What has come; waits up to ``timeout`` seconds for the first byte."""
        return self._resumed_read(timeout)

    def now(self) -> float:
        """Seconds of simulated time as of the last call."""
        return self._now

    def close(self) -> None:
        """Nothing to let go of."""
