# SPDX-License-Identifier: Apache-2.0
"""Programs on the whole accelerator in both simulators, from every array size that we promise."""

import pytest
from system_cases import DEFAULT_SIZES, FULL_SIZES, SERIAL_SIZES, system_config

from weft.sim.bench.runner import run_bench
from weft.sim.rtl.design import accelerator_verilog

LONG = {"products": 60, "programs": 60}


def quick(size, simulator):
    """Amounts of work for a few seconds: Icarus is slow, Verilator slow to build."""
    if size.endswith("serial") and simulator == "icarus":
        return {"products": 2, "programs": 1, "adversarial": ()}
    if simulator == "verilator":
        return {"products": 8, "programs": 5, "adversarial": (0, 3)}
    if size == "16x16":
        return {"products": 1, "programs": 1, "adversarial": ()}
    return {"products": 4, "programs": 2, "adversarial": (3,)}


def run(size, simulator, record, *, products, programs, adversarial):
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
    record("covered: products in cocotb", products + len(adversarial))
    record("covered: random programs in cocotb", programs)


@pytest.mark.parametrize("size", [*DEFAULT_SIZES, "4x4 serial"])
def test_programs(size, simulator, record_property):
    run(size, simulator, record_property, **quick(size, simulator))


@pytest.mark.full
@pytest.mark.parametrize("size", DEFAULT_SIZES + FULL_SIZES + SERIAL_SIZES)
def test_many_programs(size, simulator, record_property):
    run(size, simulator, record_property, **LONG, adversarial=(0, 1, 2, 3))
