# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of processing elements in test_multipliers.py, every operand pair of each column."""

from collections import deque

import cocotb
from cocotb.triggers import FallingEdge

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import start_clock

COLUMNS, LATENCY, WIDTH = (
    bench_parameters()[name] for name in ("columns", "product_latency", "partial_sum_width")
)
VALUES = range(-128, 128)


class Column:
    """What one column has to do, cycle by cycle, with Python integers."""

    def __init__(self):
        self.shadow = self.weight = 0
        self.products = deque([None] * LATENCY)
        self.pairs = set()

    def cycle(self, activation, swap, shift, weight, partial_sum):
        """The results of this cycle's inputs: partial sum and shadow after it."""
        if swap:
            self.weight = self.shadow
        if shift:
            self.shadow = weight
        self.products.append((activation, self.weight))
        operands = self.products.popleft()
        if operands is None:
            return None, self.shadow
        self.pairs.add(operands)
        return partial_sum + operands[0] * operands[1], self.shadow


def pack(values, width):
    return sum((value & ((1 << width) - 1)) << (width * place)
               for place, value in enumerate(values))


async def run(dut, stimulus, random):
    """Drive a PE with (activation, swap, shift, weights) and compare every output."""
    columns = [Column() for _ in range(COLUMNS)]
    limit = 1 << (WIDTH - 2)
    for activation, swap, shift, weights in stimulus:
        sums = [random.randrange(-limit, limit) for _ in columns]
        dut.activation_i.value = activation & 255
        dut.swap_i.value = swap
        dut.shift_i.value = shift
        dut.weight_i.value = pack(weights, 8)
        dut.partial_sum_i.value = pack(sums, WIDTH)
        expected, shadows = [], []
        for column, weight, partial_sum in zip(columns, weights, sums, strict=True):
            result, shadow = column.cycle(activation, swap, shift, weight, partial_sum)
            expected.append(result)
            shadows.append(shadow)
        await FallingEdge(dut.clk)
        assert int(dut.weight_o.value) == pack(shadows, 8)
        if None not in expected:
            assert int(dut.partial_sum_o.value) == pack(expected, WIDTH), expected
        assert int(dut.activation_o.value) == activation & 255
        assert (int(dut.swap_o.value), int(dut.shift_o.value)) == (swap, shift)
    return columns


def every_pair(random):
    """Streams all activations past all weights; each column has the weights in its own order."""
    orders = [random.sample(VALUES, len(VALUES)) for _ in range(COLUMNS)]
    yield 0, 0, 1, [order[0] for order in orders]
    for index in range(len(VALUES)):
        load = random.randrange(100, 240)
        following = [order[(index + 1) % len(VALUES)] for order in orders]
        for number, activation in enumerate(random.sample(VALUES, len(VALUES))):
            weights = [random.choice(VALUES) for _ in range(COLUMNS)]
            if number == load:
                weights = following
            # A swap to the same weight, or a shift of anything before the last, changes nothing.
            swap = number == 0 or (number < 90 and random.random() < 0.1)
            shift = number == load or (90 <= number < load and random.random() < 0.3)
            yield activation, int(swap), int(shift), weights
    for _ in range(LATENCY):
        yield 0, 0, 0, [0] * COLUMNS


def anything(random, cycles):
    for _ in range(cycles):
        weights = [random.choice(VALUES) for _ in range(COLUMNS)]
        yield random.choice(VALUES), random.getrandbits(1), random.getrandbits(1), weights


async def start(dut):
    """Leave every register of the PE zero, whatever was in it."""
    start_clock(dut)
    for port in (dut.activation_i, dut.weight_i, dut.partial_sum_i, dut.swap_i, dut.shift_i):
        port.value = 0
    for control in (dut.shift_i, dut.swap_i):
        control.value = 1
        await FallingEdge(dut.clk)
        control.value = 0
        for _ in range(1 + LATENCY):
            await FallingEdge(dut.clk)


@cocotb.test()
async def all_operand_pairs(dut):
    random = bench_random()
    await start(dut)
    columns = await run(dut, every_pair(random), random)
    for column in columns:
        assert len(column.pairs) == len(VALUES) ** 2


@cocotb.test()
async def random_enables(dut):
    random = bench_random()
    await start(dut)
    await run(dut, anything(random, 3000), random)
