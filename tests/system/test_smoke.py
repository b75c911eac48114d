# SPDX-License-Identifier: Apache-2.0
"""From register writes to the interrupt on the smallest preset, with cocotbext-axi."""

from weft.hdl.config import Config
from weft.sim.bench.runner import run_bench
from weft.sim.rtl.design import accelerator_verilog


def test_smoke():
    config = Config.preset("tiny")
    result = run_bench(
        accelerator_verilog(config),
        name="weft_accelerator",
        test_module="bench_smoke",
        simulator="icarus",
        parameters={"config": config.to_dict()},
    )
    assert result.tests == 9
