# SPDX-License-Identifier: Apache-2.0
"""Whole programs on the accelerator; started by test_system.py."""

from __future__ import annotations

import time

import cocotb
from system_bench import System
from system_cases import (
    adversarial_case,
    deepest_reduction,
    gemm_case,
    gemm_specifications,
    program_case,
)

from weft.hdl.config import Config
from weft.sim.bench.runner import bench_parameters, bench_random


@cocotb.test()
async def runs_programs(dut):
    """Products, random programs and extreme operands, one after the other without a reset."""
    parameters, generator = bench_parameters(), bench_random()
    config = Config.from_dict(parameters["config"])
    system = System(dut, config, generator)
    await system.begin()
    began = time.perf_counter()
    cases = [
        (gemm_case, specification)
        for specification in gemm_specifications(config, generator, parameters["products"])
    ]
    cases += [
        (program_case, [generator.getrandbits(30), generator.randrange(4, 30)])
        for _ in range(parameters["programs"])
    ]
    cases += [
        (adversarial_case, [style, generator.getrandbits(30)])
        for style in parameters["adversarial"]
    ]
    generator.shuffle(cases)
    for make, arguments in cases:
        await system.run(make(config, *arguments))
    assert await system.registers.read(0xFFC) == (0, 2)
    print(
        f"{config.rows}x{config.cols}: {system.done} programs, deepest reduction "
        f"{deepest_reduction(config) if parameters['adversarial'] else 0}, {system.axi.cycle} "
        f"cycles in {time.perf_counter() - began:.1f} s"
    )
