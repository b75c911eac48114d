# SPDX-License-Identifier: Apache-2.0
"""On-chip memory behind AXI4, and its arbiter."""

import pytest

from weft.hdl.memory.axi_memory import BANK_WORDS, AXIMemory
from weft.hdl.memory.memory_arbiter import MemoryArbiter
from weft.sim.bench.runner import run_bench


@pytest.mark.parametrize(
    ("size", "data_width", "single_port"),
    [
        (4096, 32, True),
        pytest.param(4096, 32, False, marks=pytest.mark.full),
        (4096, 128, False),
        # Several banks.
        (8 * BANK_WORDS, 32, False),
        (16 * BANK_WORDS, 32, True),
    ],
)
def test_memory(simulator, size, data_width, single_port):
    run_bench(
        AXIMemory(size=size, address_width=32, data_width=data_width, single_port=single_port),
        name="axi_memory",
        test_module="bench_axi_memory",
        simulator=simulator,
        parameters={"size": size, "lanes": data_width // 8, "single_port": single_port},
    )


@pytest.mark.parametrize("outstanding", [1, 4])
def test_arbiter(simulator, outstanding):
    run_bench(
        MemoryArbiter(address_width=32, data_width=32, outstanding=outstanding),
        name="memory_arbiter",
        test_module="bench_memory_arbiter",
        simulator=simulator,
    )


@pytest.mark.parametrize("size", [2048, 5000, 0])
def test_memory_size_out_of_range(size):
    with pytest.raises(ValueError, match="power of two from 4096"):
        AXIMemory(size=size, address_width=32, data_width=32)


@pytest.mark.parametrize("outstanding", [0, 3])
def test_arbiter_outstanding_out_of_range(outstanding):
    with pytest.raises(ValueError, match="power of two"):
        MemoryArbiter(address_width=32, data_width=32, outstanding=outstanding)
