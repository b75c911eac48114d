# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the systolic array in test_array.py, against NumPy."""

from dataclasses import dataclass, field

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.types import LogicArray

from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamSource, cycles, reset, start_clock

ROWS, COLS, WIDTH, LATENCY = (
    bench_parameters()[name] for name in ("rows", "cols", "partial_sum_width", "latency")
)
WEIGHTS = data.ArrayLayout(signed(8), COLS)
ACTIVATIONS = data.StructLayout({"data": data.ArrayLayout(signed(8), ROWS), "first": 1})
RESULTS = data.ArrayLayout(signed(WIDTH), COLS)
TIMEOUT_US = 20 + 2 * (ROWS + COLS)  # Ten times what a test needs.


class Source(StreamSource):
    """Drives X between items where the simulator knows X."""

    def _drive(self, bits):
        super()._drive(bits)
        if bits is None and cocotb.SIM_NAME.startswith("Icarus"):
            self._payload.value = LogicArray("X" * self.codec.width)


@dataclass
class Log:
    """What happened on the array's streams, by cycle number."""

    weights: list = field(default_factory=list)
    activations: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    results: list = field(default_factory=list)
    values: list = field(default_factory=list)


async def watch(dut, log):
    codec, cycle = Codec(RESULTS), 0
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        cycle += 1
        bits = (
            dut.weights__valid.value,
            dut.weights__ready.value,
            dut.activations__valid.value,
            dut.activations__ready.value,
            dut.o__valid.value,
        )
        assert all(bit.is_resolvable for bit in bits), f"control is X: {bits}"
        weight_valid, weight_ready, valid, ready, result = map(int, bits)
        if weight_valid and weight_ready:
            log.weights.append(cycle)
        if valid:
            (log.activations if ready else log.refused).append(cycle)
        if result:
            assert dut.o__payload.value.is_resolvable, f"result is {dut.o__payload.value}"
            log.results.append(cycle)
            log.values.append(codec.unpack(int(dut.o__payload.value)))


def start(dut, random, stalls=(None, None)):
    start_clock(dut)
    weights = Source(dut, "weights", dut.clk, WEIGHTS, stalls=stalls[0], random=random)
    activations = Source(dut, "activations", dut.clk, ACTIVATIONS, stalls=stalls[1], random=random)
    return weights, activations


def vectors(activations):
    return [{"data": row, "first": int(not number)} for number, row in enumerate(activations)]


async def multiply(dut, sources, passes):
    """Run passes, check every result and its latency, return the log."""
    log = Log()
    watcher = cocotb.start_soon(watch(dut, log))
    for weights, activations in passes:
        sources[0].put(weights[::-1].tolist())
        sources[1].put(vectors(activations.tolist()))
    for source in sources:
        await source.drained()
    await cycles(dut, LATENCY + 2)
    watcher.cancel()
    expected = np.concatenate([a.astype(np.int64) @ w.astype(np.int64) for w, a in passes])
    assert np.array_equal(np.array(log.values).reshape(-1, COLS), expected)
    assert log.results == [cycle + LATENCY for cycle in log.activations]
    assert len(log.weights) == ROWS * len(passes)
    return log


def random_passes(random, lengths):
    numbers = np.random.default_rng(random.getrandbits(32))
    return [
        (
            numbers.integers(-128, 128, (ROWS, COLS), np.int8),
            numbers.integers(-128, 128, (length, ROWS), np.int8),
        )
        for length in lengths
    ]


LENGTHS = sorted({1, 2, max(ROWS - 1, 1), ROWS, ROWS + 1, 3 * ROWS})


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
@cocotb.parametrize(length=LENGTHS)
async def period_is_exact(dut, length):
    """Without stalls a pass starts every max(length, rows) cycles, and nothing waits inside it."""
    random, number = bench_random(), 3
    sources = start(dut, random)
    await reset(dut)
    log = await multiply(dut, sources, random_passes(random, [length] * number))
    start_cycle = log.weights[0] + ROWS
    period = max(length, ROWS)
    assert log.activations == [
        start_cycle + period * tile + vector for tile in range(number) for vector in range(length)
    ]
    if length >= ROWS:
        assert all(cycle < start_cycle for cycle in log.refused), "bubble between passes"
    assert log.weights[:ROWS] == list(range(log.weights[0], start_cycle))
    assert log.weights[ROWS] == start_cycle, "shadow registers are not free at the swap"


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def mixed_lengths_without_stalls(dut):
    """A pass starts when the one before has been fed and ``rows`` cycles after its start."""
    random = bench_random()
    sources = start(dut, random)
    await reset(dut)
    lengths = [random.choice(LENGTHS) for _ in range(6)]
    log = await multiply(dut, sources, random_passes(random, lengths))
    cycle, expected = log.weights[0] + ROWS, []
    for length in lengths:
        expected += range(cycle, cycle + length)
        cycle += max(length, ROWS)
    assert log.activations == expected


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
@cocotb.parametrize(stalls=[(0.3, 0.3), (0.6, None), (None, 0.6), (0.05, 0.05)])
async def random_stalls(dut, stalls):
    random = bench_random()
    sources = start(dut, random, stalls)
    await reset(dut)
    lengths = [random.randint(1, 2 * ROWS + 1) for _ in range(3)]
    await multiply(dut, sources, random_passes(random, [1, *lengths, 1]))


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def extreme_operands(dut):
    sources = start(dut, bench_random())
    await reset(dut)
    checkerboard = np.indices((2 * ROWS + 1, max(ROWS, COLS))).sum(0) % 2
    signs = np.where(checkerboard, 127, -128).astype(np.int8)
    tiles = [np.full((ROWS, COLS), value, np.int8) for value in (-128, 127)]
    tiles.append(signs[:ROWS, :COLS])
    feeds = [np.full((ROWS, ROWS), value, np.int8) for value in (-128, 127)]
    feeds.append(signs[: ROWS + 1, :ROWS])
    await multiply(dut, sources, [(tile, feed) for tile in tiles for feed in feeds])


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def each_weight_reaches_its_place(dut):
    """Unit vectors read the tile back, element for element."""
    random = bench_random()
    sources = start(dut, random)
    await reset(dut)
    tile = random_passes(random, [1])[0][0]
    await multiply(dut, sources, [(tile, np.eye(ROWS, dtype=np.int8))])


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def pass_goes_on_without_weights(dut):
    """Vectors without ``first`` use the current tile for ever, whatever lies in the shadow."""
    random = bench_random()
    sources = start(dut, random, (None, 0.2))
    await reset(dut)
    passes = random_passes(random, [3 * ROWS + 5, ROWS])
    log = await multiply(dut, sources, passes)
    assert log.weights[-1] < log.activations[-ROWS - 1]


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def reset_forgets_everything(dut):
    """A one-cycle reset in the middle of tile and pass leaves the array as after power-up."""
    random = bench_random()
    sources = start(dut, random)
    await reset(dut)
    for partial in sorted({0, ROWS // 2, ROWS}):
        (tile, feed), (rest, _) = random_passes(random, [random.randint(1, ROWS + 3), 1])
        sources[0].put(tile.tolist())
        sources[1].put(vectors(feed.tolist()))
        await sources[1].drained()
        await sources[0].send(rest[:partial].tolist())
        await reset(dut, 1)
        await multiply(dut, sources, random_passes(random, [ROWS, 1]))


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def first_waits_for_a_complete_tile(dut):
    """A pass does not start on the old tile, nor on a part of a new one."""
    random = bench_random()
    sources = start(dut, random)
    await reset(dut)
    (tile, feed), = random_passes(random, [2])
    log = Log()
    cocotb.start_soon(watch(dut, log))
    sources[1].put(vectors(feed.tolist()))
    await cycles(dut, 3)
    sources[0].put(tile[:0:-1].tolist())
    await cycles(dut, ROWS + LATENCY + 3)
    assert log.activations == log.results == []
    await sources[0].send(tile[:1].tolist())
    await sources[1].drained()
    await cycles(dut, LATENCY + 1)
    expected = feed.astype(np.int64) @ tile.astype(np.int64)
    assert log.values == expected.tolist()
    assert log.activations[0] == log.weights[-1] + 1
