# SPDX-License-Identifier: Apache-2.0
"""Supervisor, performance counters and the watchdog's report."""

import pytest

from weft.hdl.control.counters import Counters
from weft.hdl.control.oldest import OldestInstruction
from weft.hdl.control.supervisor import Supervisor
from weft.hdl.registers import COUNTERS
from weft.sim.bench.runner import run_bench


def test_supervisor(simulator):
    result = run_bench(
        Supervisor(address_width=40),
        name="supervisor",
        test_module="bench_control_supervisor",
        simulator=simulator,
        parameters={"address_width": 40},
    )
    assert result.tests == 9


@pytest.mark.parametrize("count", [len(COUNTERS), 5])
def test_counters(simulator, count):
    if simulator == "verilator" and count == 5:
        pytest.skip("on Icarus only, to save build time")
    result = run_bench(
        Counters(count=count),
        name="counters",
        test_module="bench_control_counters",
        simulator=simulator,
        parameters={"count": count},
    )
    assert result.tests == 3


def test_counters_refuse_nonsense():
    with pytest.raises(ValueError, match="count must be at least 5"):
        Counters(count=4)


@pytest.mark.parametrize("candidates", [2, 3, 4, 5])
def test_oldest(candidates):
    oldest = OldestInstruction(candidates=candidates)
    run_bench(
        oldest,
        name="oldest",
        test_module="bench_control_oldest",
        parameters={"candidates": candidates, "latency": oldest.latency},
    )


def test_oldest_refuses_nonsense():
    with pytest.raises(ValueError, match="candidates must be at least 2, not 1"):
        OldestInstruction(candidates=1)
