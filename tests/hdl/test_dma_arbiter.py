# SPDX-License-Identifier: Apache-2.0
"""The read arbiter between two managers and one memory."""

import pytest

from weft.hdl.dma.arbiter import ReadArbiter
from weft.sim.bench.runner import run_bench


@pytest.mark.parametrize(("data_width", "compact"), [(32, False), (32, True), (128, False)])
def test_shares_a_port(data_width, compact):
    run_bench(
        ReadArbiter(address_width=32, data_width=data_width, compact=compact),
        name="read_arbiter",
        test_module="bench_arbiter",
        parameters={"data_bytes": data_width // 8},
    )
