# SPDX-License-Identifier: Apache-2.0
"""Programs on the whole accelerator in both simulators, from every array size that we promise."""

import pytest
from system_cases import DEFAULT_SIZES, FULL_SIZES, system_config

from weft.sim.bench.runner import run_bench
from weft.sim.rtl.design import accelerator_verilog

QUICK = {"products": 6, "programs": 4}
LONG = {"products": 60, "programs": 60}


def run(size, simulator, *, products, programs, adversarial=(0, 3)):
    config = system_config(size)
    run_bench(
        accelerator_verilog(config),
        name="weft_accelerator",
        test_module="bench_system",
        simulator=simulator,
        parameters={
            "config": config.to_dict(), "products": products, "programs": programs,
            "adversarial": list(adversarial),
        },
    )


@pytest.mark.parametrize("size", DEFAULT_SIZES)
def test_programs(size, simulator):
    run(size, simulator, **QUICK)


@pytest.mark.full
@pytest.mark.parametrize("size", DEFAULT_SIZES + FULL_SIZES)
def test_many_programs(size, simulator):
    run(size, simulator, **LONG, adversarial=(0, 1, 2, 3))
