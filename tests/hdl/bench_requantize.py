# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the requantizers: a group of lanes is fed every cycle, without a gap."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock
from weft.sim.requantize import scale_fixed_point
from weft.sim.vector import PARAMETERS, scale

INPUT = np.dtype(
    [("value", "<i4"), ("bias", "<i4"), ("multiplier", "<u4"), ("left", "u1"), ("right", "u1"),
     ("bypass", "u1"), ("unused", "u1")]
)
LOW, HIGH = -(2**31), 2**31 - 1


def expected(items):
    total = items["value"] + items["bias"]
    if bench_parameters()["convention"] == "tflite":
        multiplier = items["multiplier"].view("<i4")
        scaled = scale_fixed_point(total, multiplier, items["left"], items["right"])
    else:
        lanes = np.zeros(len(items), PARAMETERS)
        lanes["multiplier"] = items["multiplier"].view("<i4")
        scaled = scale("onnx", total, lanes)
    return np.where(items["bypass"] != 0, items["value"], scaled)


async def check(dut, items):
    """Feed everything, a group of lanes a cycle, and compare with the model."""
    lanes, latency = bench_parameters()["lanes"], bench_parameters()["latency"]
    items = np.concatenate([items, np.zeros(-len(items) % lanes, INPUT)])
    wanted = expected(items).astype("<i4").tobytes()
    raw, size, shown = items.tobytes(), lanes * INPUT.itemsize, 4 * lanes
    start_clock(dut)
    dut.i.value = 0
    await reset(dut)
    groups = len(items) // lanes
    for cycle in range(groups + latency):
        if cycle < groups:
            dut.i.value = int.from_bytes(raw[cycle * size : (cycle + 1) * size], "little")
        number = cycle - latency
        if number >= 0:
            found = int(dut.o.value).to_bytes(shown, "little")
            part = wanted[number * shown : (number + 1) * shown]
            if found != part:
                one = np.frombuffer(found, "<i4")
                lane = int(np.flatnonzero(one != np.frombuffer(part, "<i4"))[0])
                index = number * lanes + lane
                raise AssertionError(
                    f"{items[index]} gives {one[lane]}, not {expected(items)[index]}"
                )
        await FallingEdge(dut.clk)


def float_bits(values):
    return [int(bits) for bits in np.array(values, "<f4").view("<u4")]


@cocotb.test()
async def corners(dut):
    """Every combination of corners: 2**16 of value, multiplier and shifts."""
    random = bench_random()
    values = [0, 1, -1, 2, -2, 3, 5, -5, 127, -128, 255, 0xFFFF, 0x10000, -0x10000, -0x10001]
    values += [0x7FFF, -0x8000, 1 << 24, (1 << 24) + 1, (1 << 24) + 3, -(1 << 24) - 1, 0x1FFFFFF]
    values += [1 << 30, (1 << 30) - 1, -(1 << 30), HIGH, HIGH - 1, LOW, LOW + 1, LOW + 64]
    values += [0x7FFFFF80, 0x7FFFFFC0]
    if bench_parameters()["convention"] == "tflite":
        multipliers = [0, 1, -1, 2, HIGH, HIGH - 1, LOW, LOW + 1, 1 << 30, (1 << 30) + 1]
        multipliers += [(1 << 30) - 1, -(1 << 30), 0xFFFF, 0x10000, 0x8000, 0x7FFF, -0x8000]
        multipliers += [3 << 29, 0x55555555, -0x55555556, 0x40008000, 0x7FFF8000, 0x7FFF0001]
        multipliers += [random.randint(LOW, HIGH) for _ in range(32 - len(multipliers))]
        lefts, rights = [0, 1, 7, 8, 15, 20, 30, 31], [0, 1, 2, 7, 8, 16, 30, 31]
    else:
        multipliers = float_bits([2.0**power for power in (-32, -31, -25, -24, -8, -1, 0, 1, 7)])
        multipliers += float_bits([1.5, 0.1, 1 / 3, 0.0039, 1e-9, 1e-30, 3e38, 1e-38, 0.0, -0.0])
        multipliers += [0x007FFFFF, 0x00000001, 0x00800000, 0x7F7FFFFF, 0x3F7FFFFF, 0x3F800001]
        multipliers += [0x3EFFFFFF, 0x3F000001, 0xBF800000, 0xBEAAAAAB, 0x37800001, 0x4F000000]
        multipliers += [0x4EFFFFFF]
        lefts, rights = range(8), range(8)
    assert len(values) == len(multipliers) == 32
    rows = [
        (value, 0, multiplier & 0xFFFF_FFFF, left, right)
        for value in values
        for multiplier in multipliers
        for left in lefts
        for right in rights
    ]
    items = np.zeros(1 << 16, INPUT)
    for number, name in enumerate(("value", "bias", "multiplier", "left", "right")):
        items[name] = np.array([row[number] for row in rows], np.int64).astype(INPUT[name])
    if bench_parameters()["convention"] == "onnx":
        # Shifts mean nothing here; biases that move a value to its neighbours do.
        items["bias"] = items["left"].astype("<i4") - 4 + 64 * (items["right"].astype("<i4") - 4)
        items["left"] = items["right"] = 0
    await check(dut, items)


@cocotb.test()
async def every_scale(dut):
    """Every pair of shifts, or every exponent and sign, infinite and not a number included."""
    random = bench_random()
    edges = [0, 1, -1, 3, -3, 1 << 24, HIGH, LOW, LOW + 1, random.randint(LOW, HIGH)]
    if bench_parameters()["convention"] == "tflite":
        factors = [1, -1, 1 << 30, HIGH, LOW, random.randint(1 << 30, HIGH)]
        rows = [
            (value, factor & 0xFFFF_FFFF, left, right)
            for value in edges for factor in factors for left in range(32) for right in range(32)
        ]
    else:
        mantissas = [0, 1, 0x400000, 0x7FFFFF, 0x2AAAAA, random.getrandbits(23)]
        rows = [
            (value, sign << 31 | exponent << 23 | mantissa, 0, 0)
            for value in edges for mantissa in mantissas
            for exponent in range(256) for sign in (0, 1)
        ]
    items = np.zeros(len(rows), INPUT)
    for number, name in enumerate(("value", "multiplier", "left", "right")):
        items[name] = np.array([row[number] for row in rows], np.int64).astype(INPUT[name])
    await check(dut, items)


@cocotb.test()
async def random_values(dut):
    """Values of every magnitude, with every scale that networks have and many they have not."""
    count = bench_parameters()["count"]
    draw = np.random.default_rng(bench_random().getrandbits(32))
    items = np.zeros(count, INPUT)
    full = draw.integers(LOW, HIGH + 1, (2, count))
    items["value"] = full[0] >> draw.integers(0, 32, count)
    items["bias"] = full[1] >> draw.integers(0, 32, count)
    items["bypass"] = draw.random(count) < 0.05
    usual = draw.random(count) < 0.5
    if bench_parameters()["convention"] == "tflite":
        items["multiplier"] = np.where(
            usual, draw.integers(1 << 30, 1 << 31, count), draw.integers(0, 1 << 32, count)
        )
        items["left"] = np.where(usual, 0, draw.integers(0, 32, count))
        items["right"] = np.where(usual, draw.integers(0, 14, count), draw.integers(0, 32, count))
    else:
        exponent = np.where(
            usual, draw.integers(127 - 32, 127 + 9, count), draw.integers(0, 255, count)
        )
        sign = (draw.random(count) < 0.1).astype(np.int64)
        mantissa = draw.integers(0, 1 << 23, count)
        short = draw.random(count) < 0.2
        mantissa = np.where(short, mantissa & (0x7FFFFF << draw.integers(16, 23, count)), mantissa)
        items["multiplier"] = sign << 31 | exponent << 23 | mantissa & 0x7FFFFF
    await check(dut, items)
