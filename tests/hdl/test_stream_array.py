# SPDX-License-Identifier: Apache-2.0
"""The bare array behind AXI4-Stream ports."""

import pytest

from weft.hdl.config import Config
from weft.hdl.stream_array import StreamArray
from weft.sim.bench.runner import run_bench

CASES = [
    (1, 1, False, "icarus"),
    (5, 7, False, "icarus"),
    (5, 7, True, "icarus"),
    (4, 4, True, "verilator"),
]


@pytest.mark.parametrize(("rows", "cols", "stalls", "tool"), CASES)
def test_stream_array(rows, cols, stalls, tool, request):
    if request.config.getoption("--simulator") not in (tool, "both", None):
        pytest.skip(f"only on {tool}")
    config = Config(rows=rows, cols=cols)
    run_bench(
        StreamArray(config),
        name="weft_array",
        test_module="bench_stream_array",
        simulator=tool,
        parameters={"rows": rows, "cols": cols, "stalls": stalls},
    )
