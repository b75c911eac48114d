# SPDX-License-Identifier: Apache-2.0
"""Cocotb bench of StreamArray: tiles and passes through cocotbext-axi, against NumPy."""

import cocotb
import numpy as np
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from weft.sim.bench.clock import reset, start_clock
from weft.sim.bench.runner import bench_parameters, bench_random


def _pause(random, probability):
    while True:
        yield random.random() < probability


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def multiplies_tiles(dut):
    parameters, random = bench_parameters(), bench_random()
    rows, cols = parameters["rows"], parameters["cols"]
    start_clock(dut)
    weights = AxiStreamSource(
        AxiStreamBus.from_prefix(dut, "s_axis_weights"), dut.clk, dut.rst, byte_lanes=cols
    )
    activations = AxiStreamSource(
        AxiStreamBus.from_prefix(dut, "s_axis_activations"), dut.clk, dut.rst, byte_lanes=rows
    )
    results = AxiStreamSink(
        AxiStreamBus.from_prefix(dut, "m_axis_results"), dut.clk, dut.rst, byte_lanes=4 * cols
    )
    await reset(dut)
    if parameters["stalls"]:
        weights.set_pause_generator(_pause(random, 0.3))
        activations.set_pause_generator(_pause(random, 0.3))
    numbers = np.random.default_rng(random.getrandbits(32))
    expected = []
    for length in (1, rows, rows + 3, 2):
        tile = numbers.integers(-128, 128, (rows, cols), dtype=np.int8)
        vectors = numbers.integers(-128, 128, (length, rows), dtype=np.int8)
        vectors[0] = tile[:, 0] = -128
        await weights.send(AxiStreamFrame(tile[::-1].tobytes()))
        for number, vector in enumerate(vectors):
            await activations.send(
                AxiStreamFrame(vector.tobytes(), tuser=[int(number == 0)] * rows)
            )
        expected.append(vectors.astype(np.int32) @ tile.astype(np.int32))
    for product in expected:
        for row in product:
            frame = await results.recv()
            assert (np.frombuffer(bytes(frame.tdata), "<i4") == row).all()
