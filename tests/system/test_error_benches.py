# SPDX-License-Identifier: Apache-2.0
"""Error injection, silent memories and soft resets in both simulators."""

import pytest
from system_cases import DEFAULT_SIZES, SERIAL_SIZES, system_config

from weft.sim.bench.runner import run_bench
from weft.sim.rtl.design import accelerator_verilog


def run(size, simulator, *, each, silences, moments):
    config = system_config(size)
    run_bench(
        accelerator_verilog(config),
        name="weft_accelerator",
        test_module="bench_errors",
        simulator=simulator,
        parameters={
            "config": config.to_dict(), "each": each, "silences": silences, "moments": moments,
            "longest": 1500,
        },
    )


@pytest.mark.slow_on("icarus")
@pytest.mark.parametrize("size", ["4x4"])
def test_errors(size, simulator):
    run(size, simulator, each=2, silences=3, moments=5)


@pytest.mark.full
@pytest.mark.parametrize("size", DEFAULT_SIZES + SERIAL_SIZES)
def test_many_errors(size, simulator):
    run(size, simulator, each=20, silences=12, moments=50)
