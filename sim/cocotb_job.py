# SPDX-License-Identifier: Apache-2.0
"""The cocotb side of `CocotbTransport`: runs the job it finds in a folder."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiResp, AxiSlave

from ..hdl.registers import register
from .bench.runner import bench_parameters, bench_random

__all__ = ["run_job"]

CLOCK_PERIOD_NS = 10


class _Store:
    """Target of the AXI memory: raises outside the array, which becomes an error response."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def _range(self, address: int, length: int) -> slice:
        if address + length > self.array.size:
            raise IndexError(f"{length} bytes at {address:#x} are outside the memory")
        return slice(address, address + length)

    async def read(self, address: int, length: int) -> bytes:
        """Bytes at an address."""
        return self.array[self._range(address, length)].tobytes()

    async def write(self, address: int, data: bytes) -> None:
        """Put bytes at an address."""
        self.array[self._range(address, len(data))] = np.frombuffer(bytes(data), np.uint8)


def _pauses(generator: random.Random, probability: float) -> Iterator[bool]:
    while True:
        yield generator.random() < probability


def _stall(memory: AxiSlave, registers: AxiLiteMaster, probability: float) -> None:
    generator = bench_random()
    write, read = memory.write_if, memory.read_if
    channels = [write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel]
    write, read = registers.write_if, registers.read_if
    channels += [
        write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel
    ]
    for channel in channels:
        stream = random.Random(generator.random())
        channel.set_pause_generator(_pauses(stream, probability))


@cocotb.test()
async def run_job(dut: Any) -> None:
    """Reset, do the register writes, wait for the interrupt, read back."""
    logging.getLogger("cocotb.weft_accelerator").setLevel(logging.WARNING)
    folder = Path(bench_parameters()["folder"])
    job = json.loads((folder / "job.json").read_text())
    array = np.load(folder / "memory.npy")
    clock = Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns")
    cocotb.start_soon(clock.start())
    memory = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, target=_Store(array))
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    if job["stall_probability"]:
        _stall(memory, registers, job["stall_probability"])
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await RisingEdge(dut.clk)

    refused = []
    for offset, value in job["writes"]:
        answer = await registers.write(offset, value.to_bytes(4, "little"))
        if answer.resp != AxiResp.OKAY:
            refused.append(offset)
    interrupt = False
    control = register("CONTROL")
    last = job["writes"][-1] if job["writes"] else (0, 0)
    if last[0] == control.offset and last[1] & 1 and last[0] not in refused:
        if not dut.irq.value:
            await First(RisingEdge(dut.irq), ClockCycles(dut.clk, job["max_cycles"]))
        interrupt = bool(dut.irq.value)
    values = {}
    for offset in job["reads"]:
        answer = await registers.read(offset, 4)
        assert answer.resp == AxiResp.OKAY, f"reading register {offset:#x} was refused"
        values[offset] = int.from_bytes(answer.data, "little")
    np.save(folder / "memory.npy", array)
    result = {"values": values, "interrupt": interrupt, "refused": refused}
    (folder / "result.json").write_text(json.dumps(result))
