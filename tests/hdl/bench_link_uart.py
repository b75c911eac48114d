# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the UART's receiver and transmitter."""

import cocotb
from cocotb.triggers import Timer

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamMonitor, StreamSource, cycles, reset, start_clock
from weft.sim.bench.uart import UARTModel


async def begin(dut):
    parameters = bench_parameters()
    bit_ps = round(parameters["cycles_per_bit"] * 10_000 * parameters["skew"])
    dut.rx.value = 1
    start_clock(dut)
    source, monitor = StreamSource(dut, "i", dut.clk), StreamMonitor(dut, "o", dut.clk)
    await reset(dut)
    await cycles(dut, 20)
    # Before the reset, the line may have been anything.
    uart = UARTModel(dut.rx, dut.tx, bit_ps)
    return uart, source, monitor, bit_ps


@cocotb.test()
async def carries_bytes_both_ways(dut):
    random = bench_random()
    uart, source, monitor, bit_ps = await begin(dut)
    data = bytes([0, 255, 0x55, 0xAA, 0x7E, *random.randbytes(20)])
    uart.put(data)
    await source.send(data)
    await Timer(30 * bit_ps, "ps")
    assert bytes(monitor.items) == data, "to the device"
    assert bytes(uart.received) == data, "from the device"
    assert uart.framing_errors == 0


@cocotb.test()
async def ignores_disturbances(dut):
    uart, _, monitor, bit_ps = await begin(dut)
    # Shorter than the filter, then longer but gone in the middle of the start bit.
    for length in (1, bench_parameters()["cycles_per_bit"] // 2 - 1):
        dut.rx.value = 0
        await cycles(dut, int(max(1, length)))
        dut.rx.value = 1
        await Timer(14 * bit_ps, "ps")
    assert not monitor.items
    uart.put(b"\xa5")
    await Timer(14 * bit_ps, "ps")
    assert bytes(monitor.items) == b"\xa5"


@cocotb.test()
async def reports_a_missing_stop_bit_once(dut):
    uart, _, monitor, bit_ps = await begin(dut)
    errors = 0
    dut.rx.value = 0
    for cycle in range(int(40 * bench_parameters()["cycles_per_bit"])):
        errors += int(dut.error.value)
        if cycle == int(30 * bench_parameters()["cycles_per_bit"]):
            dut.rx.value = 1
        await cycles(dut)
    assert errors == 1 and not monitor.items
    uart.put(b"\x3c")
    await Timer(14 * bit_ps, "ps")
    assert bytes(monitor.items) == b"\x3c"
