# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of a whole board: the real driver at the other end of its UART."""

import cocotb
import numpy as np
from cocotb.task import bridge
from cocotb.triggers import with_timeout
from pytest import raises

from weft.compiler.assembler import assemble
from weft.hdl.config import Config
from weft.hdl.registers import register
from weft.runtime.driver import bit
from weft.runtime.errors import SegmentLimitError
from weft.runtime.serial import SerialDevice
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock
from weft.sim.bench.uart import SimulatedPort, UARTModel
from weft.sim.job import Job
from weft.sim.line_noise import Noise
from weft.sim.reference import matmul

BIT_PS = 40_000
SLOWEST_MS = 10_000


async def with_device(dut, work, noise=None):
    """Run ``work(device)`` in a thread of its own on a freshly reset board."""
    uart = UARTModel(dut.uart_rx, dut.uart_tx, BIT_PS)
    start_clock(dut)
    await reset(dut)
    await cycles(dut, 10)
    assert int(dut.leds.value) & 1
    port = SimulatedPort(uart, noise)

    def body():
        config = Config.from_dict(bench_parameters()["config"])
        with SerialDevice(port, config, latency=100 * BIT_PS * 1e-12) as device:
            work(device)
        return device.client.statistics

    statistics = await with_timeout(bridge(body)(), SLOWEST_MS, "ms")
    assert uart.framing_errors == 0
    return statistics


def job(device, text, segments):
    """A program at address 0 and the bytes behind it, smaller than the driver would lay out."""
    program = assemble(text, device.config)
    memory = np.zeros(512, np.uint8)
    code = np.frombuffer(program.to_bytes(), np.uint8)
    memory[: len(code)] = code
    memory[256:] = np.arange(256)
    values = {
        "IRQ_ENABLE": bit("IRQ_ENABLE", "DONE") | bit("IRQ_ENABLE", "ERROR"),
        "IRQ_STATUS": 3,
        "PROGRAM_ADDRESS_LOW": 0,
        "PROGRAM_LENGTH": len(program),
        "SEGMENT0_BASE_LOW": 256,
        "SEGMENT0_LIMIT": segments,
        "CONTROL": bit("CONTROL", "START"),
    }
    writes = [(register(name).offset, value) for name, value in values.items()]
    reads = [register(name).offset for name in ("STATUS", "ERROR_CODE", "COUNTER_INSTRUCTIONS")]
    return Job(memory, writes, reads, 100_000)


COPY = """
.segment 0 name=all bytes=256 role=scratch
LOAD memory=activation segment=0 offset=0 bytes=4 count_x=4 stride_x=4 signal={0}
STORE memory=activation segment=0 offset=64 bytes=4 count_x=4 stride_x=4 wait={0}
"""


@cocotb.test()
async def copies_through_the_accelerator(dut):
    def work(device):
        for limit, ends in ((256, "DONE"), (72, "ERROR"), (256, "DONE")):
            wanted = job(device, COPY, limit)
            before = wanted.memory.copy()
            result = device.transport.execute(wanted)
            assert result.interrupt and not result.refused
            status = result.values[register("STATUS").offset]
            assert status & bit("STATUS", ends), f"status {status:#x}"
            if ends == "DONE":
                before[320:336] = before[256:272]
                assert np.array_equal(result.memory, before)
            else:
                # The store reaches beyond its segment: nothing behind the limit may change.
                before[320:328] = result.memory[320:328]
                assert np.array_equal(result.memory, before)
                device.driver.soft_reset()

    noise = bench_parameters()["noise"]
    model = Noise(noise, bench_random().getrandbits(32)) if noise else None
    statistics = await with_device(dut, work, model)
    if noise:
        assert model.events > 0 and statistics.unanswered > 0
    else:
        assert statistics.damaged == statistics.unanswered == 0


@cocotb.test()
async def multiplies_and_reports_errors(dut):
    random = np.random.default_rng(bench_random().getrandbits(32))
    a = random.integers(-128, 128, (5, 9), dtype=np.int8)
    b = random.integers(-128, 128, (9, 6), dtype=np.int8)

    def work(device):
        assert np.array_equal(device.matmul(a, b), matmul(a, b))
        beyond = """
        .segment 0 name=data bytes=16 role=input
        LOAD memory=activation segment=0 offset=8 bytes=4 count_x=4 stride_x=4
        """
        with raises(SegmentLimitError) as caught:
            device.run_program(assemble(beyond, device.config))
        assert caught.value.instruction == 0
        assert np.array_equal(device.matmul(a, b), matmul(a, b))

    await with_device(dut, work)
