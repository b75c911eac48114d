# SPDX-License-Identifier: Apache-2.0
"""The scratchpads and the accumulator."""

import re

import pytest

from weft.generators.verilog import emit
from weft.hdl.memory.accumulator import Accumulator
from weft.hdl.memory.scratchpad import ActivationScratchpad
from weft.hdl.memory.weight_scratchpad import WeightScratchpad
from weft.hdl.serial.memories import AccumulatorMemory, ActivationMemory
from weft.hdl.tech.technology import simulation_model
from weft.sim.bench.runner import run_bench

OF_ACCUMULATORS = (
    "read_latency",
    "write_latency",
    "data_delay",
    "update_latency",
    "hazard_distance",
)


def latencies_of(component, *names):
    return {name: getattr(component, name) for name in names}


def bench(component, memory, simulator, family="generic", **parameters):
    run_bench(
        component,
        sources=[simulation_model(family)],
        name=f"{memory}_memory",
        test_module="bench_memory",
        simulator=simulator,
        testcase="accumulator" if memory == "accumulator" else "scratchpad",
        parameters={"memory": memory, "cycles": 700, **parameters},
    )


@pytest.mark.parametrize("rows, depth", [(1, 16), (5, 64)])
def test_activation_scratchpad(rows, depth, simulator):
    component = ActivationScratchpad(rows=rows, depth=depth)
    latencies = latencies_of(component, "matmul_latency", "read_latency", "write_latency")
    bench(component, "activation", simulator, length=rows, depth=depth, banks=2, **latencies)


@pytest.mark.parametrize("rows, depth", [(1, 16), (4, 64)])
def test_activation_memory_of_serial_execution(rows, depth, simulator):
    component = ActivationMemory(rows=rows, depth=depth)
    latency = component.read_latency
    latencies = {"matmul_latency": latency, "read_latency": latency, "write_latency": 1}
    bench(component, "activation", simulator, length=rows, depth=depth, banks=1, **latencies)


@pytest.mark.parametrize("single_port", [False, True])
def test_weight_scratchpad(single_port, simulator):
    component = WeightScratchpad(cols=3, depth=32, single_port=single_port)
    sizes = {"length": 3, "depth": 32, "single_port": single_port}
    sizes |= {"matmul_latency": component.read_latency, "write_latency": 1}
    bench(component, "weight", simulator, **sizes)


@pytest.mark.parametrize(
    "cols, width, data_width, depth, slots, banks, family",
    [
        (1, 32, 16, 16, 1, 2, "generic"),
        (3, 24, 18, 32, 1, 2, "generic"),
        (6, 32, 19, 16, 3, 2, "generic"),
        (4, 28, 18, 16, 4, 1, "generic"),
        (4, 32, 18, 16, 2, 2, "ecp5"),
        (2, 23, 23, 16, 1, 2, "ecp5"),
    ],
)
def test_accumulator(cols, width, data_width, depth, slots, banks, family, simulator):
    component = Accumulator(
        cols=cols,
        width=width,
        depth=depth,
        data_width=data_width,
        slots=slots,
        banks=banks,
        family=family,
    )
    sizes = {"length": cols, "depth": depth, "width": width, "data_width": data_width}
    sizes |= {"slots": slots, "banks": banks, **latencies_of(component, *OF_ACCUMULATORS)}
    bench(component, "accumulator", simulator, family, **sizes, one_at_a_time=False)


@pytest.mark.parametrize(
    "cols, width, data_width, depth, slots",
    [(1, 32, 16, 16, 1), (4, 28, 18, 16, 4), (8, 24, 19, 16, 2)],
)
def test_accumulator_of_serial_execution(cols, width, data_width, depth, slots, simulator):
    sizes = {"width": width, "data_width": data_width, "depth": depth, "slots": slots}
    component = AccumulatorMemory(cols=cols, **sizes)
    sizes |= {"length": cols, "banks": 1, **latencies_of(component, *OF_ACCUMULATORS)}
    bench(component, "accumulator", simulator, **sizes, one_at_a_time=True)


def test_accumulator_refuses_banks():
    with pytest.raises(ValueError, match="banks must be 1 or 2, not 3"):
        Accumulator(cols=1, width=32, depth=16, data_width=16, banks=3)


@pytest.mark.parametrize("width, data_width", [(33, 16), (16, 17), (16, 0)])
def test_accumulator_refuses_widths(width, data_width):
    with pytest.raises(ValueError, match="must be in ascending order from 1 to 32"):
        Accumulator(cols=1, width=width, depth=16, data_width=data_width)


def test_memories_have_no_initial_value_nor_reset():
    """Block RAM with an output register: a write, a read and a register that is zero if not asked;
    only what says whether it was has a reset."""
    text = emit(WeightScratchpad(cols=4, depth=64), "weight_memory")
    bank = text[text.index("module weft_memory_bank_32x64") :]
    assert re.search(r"reg \[31:0\] ram *\[63:0\];", bank)
    bank = bank[: bank.index("endmodule")]
    assert "initial" not in bank
    assert re.findall(r"if \(rst\) (\w+) <=", bank) == ["unasked"] and bank.count("(rst)") == 1
    assert bank.count("always @(posedge clk)") == 4
