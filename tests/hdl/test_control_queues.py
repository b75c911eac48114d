# SPDX-License-Identifier: Apache-2.0
"""The queues of the units at every width."""

import pytest

from weft.hdl.control.instruction_queues import InstructionQueues
from weft.sim.bench.runner import run_bench

CASES = [(32, 8, (2, 1, 0)), (64, 16, (3, 2, 1, 0)), (128, 32, (3, 2, 1, 0)), (256, 4, (1, 0, 2))]


@pytest.mark.parametrize(("data_width", "depth", "urgency"), CASES)
def test_queues(simulator, data_width, depth, urgency):
    if simulator == "verilator" and data_width in (64, 128):
        pytest.skip("on Icarus only, to save build time")
    result = run_bench(
        InstructionQueues(data_width=data_width, depth=depth, urgency=urgency),
        name="instruction_queues",
        test_module="bench_control_queues",
        simulator=simulator,
        parameters={
            "data_width": data_width,
            "depth": depth,
            "units": len(urgency),
            "urgency": list(urgency),
        },
    )
    assert result.tests == 3


def test_queues_refuse_nonsense():
    with pytest.raises(ValueError, match="depth must be a power of two above 1, not 12"):
        InstructionQueues(data_width=32, depth=12, urgency=(0, 1))
