# SPDX-License-Identifier: Apache-2.0
"""Reference, instruction-level simulator and verilated hardware: the same answers.

`gemm_case` compares the simulator with NumPy, `Verilated.run` the hardware with the simulator: all
of DRAM, beats, instructions and status.
"""

import random
import time

import pytest
from system_cases import (
    DEFAULT_SIZES,
    FULL_SIZES,
    SERIAL_SIZES,
    adversarial_case,
    choose_seed,
    gemm_case,
    gemm_specifications,
    program_case,
    system_config,
)
from system_verilated import Verilated

from weft.compiler.gemm import compile_gemm
from weft.sim.random_programs import random_config, random_shape

MOODS = ({"latency": 30}, {"latency": 1, "stall_probability": 0.3},
         {"latency": 9, "stall_probability": 0.7})


def three_ways(size, record, products, programs):
    """Run on one configuration with every mood of the memory."""
    config = system_config(size)
    seed = choose_seed()
    generator = random.Random(seed)
    began = time.perf_counter()
    cycles = done = 0
    for number, mood in enumerate(MOODS):
        with Verilated(config, seed=seed, **mood) as device:
            share = [
                (gemm_case, arguments)
                for arguments in gemm_specifications(config, generator, products // len(MOODS))
            ]
            share += [
                (program_case, [generator.getrandbits(30), generator.randrange(4, 40)])
                for _ in range(programs // len(MOODS))
            ]
            share.append((adversarial_case, [number, seed]))
            generator.shuffle(share)
            for make, arguments in share:
                cycles += device.run(make(config, *arguments))["COUNTER_CYCLES"]
                done += 1
    print(
        f"{size}: {done} programs three ways ({products} products, {programs} random programs), "
        f"{cycles} cycles, {time.perf_counter() - began:.1f} s"
    )
    record("covered: products three ways on RTL", products + len(MOODS))
    record("covered: random programs simulator = RTL", programs)


@pytest.mark.parametrize("size", ["1x1", "4x4", "5x7", "16x4", "4x4 serial"])
def test_three_ways(size, record_property):
    three_ways(size, record_property, products=30, programs=30)


@pytest.mark.full
@pytest.mark.parametrize("size", DEFAULT_SIZES + FULL_SIZES + SERIAL_SIZES)
def test_three_ways_at_length(size, record_property):
    three_ways(size, record_property, products=60, programs=60)


@pytest.mark.parametrize("size", ["4x4 serial", pytest.param("8x4 serial", marks=pytest.mark.full)])
def test_estimates_of_serial_execution(size):
    config = system_config(size)
    with Verilated(config, latency=3) as device:
        for sizes in ((4, 4, 4), (40, 5, 60), (3, 50, 7), (33, 33, 33)):
            estimated = compile_gemm(config, *sizes).info["estimated_cycles"]
            cycles = device.run(gemm_case(config, *sizes, 1))["COUNTER_CYCLES"]
            assert 0.85 < estimated / cycles < 1.15, (sizes, estimated, cycles)


def random_products(count, record):
    """Products on random configurations, simulator against NumPy; returns configurations."""
    seed = choose_seed()
    generator = random.Random(seed)
    configs = 0
    for number in range(count):
        if number % 20 == 0:
            config = random_config(generator.getrandbits(30), largest=16)
            configs += 1
        gemm_case(config, *random_shape(config, generator.getrandbits(30)),
                  generator.getrandbits(30))
    record("covered: products simulator = reference", count)
    print(f"{count} products on {configs} configurations, simulator equal to reference")


def test_random_products(record_property):
    random_products(300, record_property)


@pytest.mark.full
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_random_products(part, record_property):
    random_products(1000, record_property)
