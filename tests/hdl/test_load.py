# SPDX-License-Identifier: Apache-2.0
"""The load unit against a byte-array model, on an AXI memory that checks the protocol."""

import pytest

from weft.hdl.config import Config
from weft.hdl.tech.technology import simulation_model
from weft.hdl.units.load import LoadUnit
from weft.sim.bench.runner import run_bench


def config(rows, cols, axi_width, **changes):
    return Config(
        rows=rows,
        cols=cols,
        axi_width=axi_width,
        activation_depth=64,
        weight_depth=max(64, 1 << (rows - 1).bit_length()),
        accumulator_depth=32,
        **{"parameter_depth": 16, "vector_lanes": 0, **changes},
    )


CONFIGS = [
    config(1, 1, 32, max_burst_beats=1, read_outstanding=1, write_outstanding=1),
    config(2, 3, 32, max_burst_beats=4, read_outstanding=4, write_outstanding=4),
    config(5, 7, 64, read_outstanding=2),
    config(8, 8, 64, max_burst_beats=1),
    config(16, 16, 128),
    config(3, 2, 128, max_burst_beats=16),
    config(28, 12, 64),
    config(64, 16, 128, read_outstanding=1),
    config(8, 4, 32, vector_lanes=4),
    config(6, 9, 64, vector_lanes=3),
    config(8, 8, 64, vector_lanes=1, family="ecp5"),
    config(8, 8, 32, read_outstanding=4, write_outstanding=4, family="ecp5"),
    config(
        4, 4, 32, max_burst_beats=16, read_outstanding=2, write_outstanding=2,
        axi_address_width=16, family="ice40",
    ),
    config(3, 8, 64, max_burst_beats=16, axi_address_width=17),
]
FULL = [
    config(32, 32, 256, max_burst_beats=256),
    config(1, 1, 256),
    config(12, 13, 256),
    config(7, 5, 32),
    config(32, 4, 32, axi_address_width=32),
    config(256, 200, 128),
    config(4, 4, 32),
]


def bench(item, simulator, count, faults):
    run_bench(
        LoadUnit(item),
        name="load_unit",
        test_module="bench_load",
        simulator=simulator,
        sources=[simulation_model(item.family)],
        parameters={"config": item.to_dict(), "count": count, "faults": faults},
    )


def name(item):
    return f"{item.rows}x{item.cols}-{item.axi_width}-{item.axi_address_width}-{item.family}"


@pytest.mark.parametrize("item", CONFIGS, ids=name)
def test_on_icarus(item):
    bench(item, "icarus", 40, 4)


@pytest.mark.parametrize("item", [CONFIGS[2], CONFIGS[4], *CONFIGS[-3:-1]], ids=name)
def test_on_verilator(item):
    bench(item, "verilator", 60, 8)


@pytest.mark.full
@pytest.mark.parametrize("item", CONFIGS + FULL, ids=name)
def test_long(item, simulator):
    bench(item, simulator, 400, 40)
