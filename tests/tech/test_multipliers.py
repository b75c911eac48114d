# SPDX-License-Identifier: Apache-2.0
"""The processing elements of every family, and their multipliers."""

import re

import pytest

from weft.generators.verilog import emit
from weft.hdl.config import FAMILIES, Config
from weft.hdl.pe.integer import PE
from weft.hdl.tech.technology import TECHNOLOGIES, simulation_model
from weft.sim.bench.runner import run_bench

KINDS = [(family, True) for family in FAMILIES]
KINDS += [("generic", False), ("ecp5", False), ("ice40", False)]
RUNS = [
    pytest.param(family, hard, simulator, id=f"{family}-{'hard' if hard else 'soft'}-{simulator}")
    for family, hard in KINDS
    for simulator in ("icarus", "verilator")
]
WIDTH = Config(rows=8).partial_sum_width


@pytest.mark.parametrize(("family", "hard", "chosen"), RUNS)
def test_pe(family, hard, chosen, request):
    if request.config.getoption("--simulator") not in (chosen, "both"):
        pytest.skip(f"--simulator leaves {chosen} out")
    span = TECHNOLOGIES[family].hard.lanes
    pe = PE(partial_sum_width=WIDTH, family=family, hard=hard, span=span)
    result = run_bench(
        pe,
        name=pe.module_name,
        test_module="bench_pe",
        simulator=chosen,
        sources=[simulation_model(family)],
        parameters={
            "columns": pe.span,
            "product_latency": pe.product_latency,
            "partial_sum_width": WIDTH,
        },
    )
    assert result.tests == 2


def test_every_family_has_a_technology():
    assert tuple(TECHNOLOGIES) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_models(family):
    text = "".join(
        emit(PE(partial_sum_width=WIDTH, family=family, hard=hard), "weft_pe_under_test")
        for hard in (True, False)
    )
    used = set(re.findall(r"^  ([A-Z]\w+) ", text, re.M))
    assert set(re.findall(r"^module (\w+)", simulation_model(family), re.M)) == used
