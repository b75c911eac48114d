# SPDX-License-Identifier: Apache-2.0
"""The matmul unit with its three memories."""

import pytest
from amaranth import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator

from weft.generators.verilog import emit
from weft.hdl.bus import UnitSignature
from weft.hdl.config import Config
from weft.hdl.memory.accumulator import Accumulator
from weft.hdl.memory.scratchpad import ActivationScratchpad
from weft.hdl.memory.weight_scratchpad import WeightScratchpad
from weft.hdl.once import Once
from weft.hdl.tech.technology import simulation_model
from weft.hdl.units.delay_line import DelayLine
from weft.hdl.units.matmul import TOGETHER, MatmulUnit
from weft.hdl.units.weight_sequencer import constant_multiple
from weft.sim.bench.runner import run_bench


class MatmulSystem(wiring.Component):
    """The unit and its memories, whose other ports are those of the top."""

    def __init__(self, config):
        self.unit = MatmulUnit(config)
        self.activations = ActivationScratchpad(rows=config.rows, depth=config.activation_depth)
        self.weights = WeightScratchpad(cols=config.cols, depth=config.weight_depth)
        self.accumulator = Accumulator(
            cols=config.cols,
            width=config.accumulator_width,
            depth=config.accumulator_depth,
            data_width=config.partial_sum_width,
        )
        self.outer = {
            **{name: (self.unit, name) for name in UnitSignature().members},
            "waiting_semaphore": (self.unit, "waiting_semaphore"),
            "activity": (self.unit, "activity"),
            "activation_write": (self.activations, "write"),
            "weight_write": (self.weights, "write"),
            "accumulator_read": (self.accumulator, "read"),
            "accumulator_read_data": (self.accumulator, "read_data"),
            "accumulator_write": (self.accumulator, "write"),
        }
        super().__init__(
            {name: part.signature.members[port] for name, (part, port) in self.outer.items()}
        )

    def elaborate(self, platform):
        m = Module()
        unit = self.unit
        for name in ("unit", "activations", "weights", "accumulator"):
            m.submodules[name] = Once(getattr(self, name))
        wiring.connect(m, unit.activation_read, self.activations.matmul_read)
        wiring.connect(m, unit.weight_read, self.weights.matmul_read)
        wiring.connect(m, unit.update, self.accumulator.update)
        for name, (part, port) in self.outer.items():
            inner, outer = getattr(part, port), getattr(self, name)
            if self.signature.members[name].is_signature:
                wiring.connect(m, inner, wiring.flipped(outer))
            elif self.signature.members[name].flow == Out:
                m.d.comb += outer.eq(inner)
            else:
                m.d.comb += inner.eq(outer)
        return m


def configuration(rows, cols, **changes):
    sizes = dict(activation_depth=64, weight_depth=max(64, 4 * rows), accumulator_depth=64)
    return Config.from_dict({"rows": rows, "cols": cols, **sizes, **changes})


def start_latency(config):
    """Cycles from the one after a command is accepted to its first vector."""
    return 5 + config.rows - (config.rows > TOGETHER)


def bench(config, simulator, *, rounds, **options):
    system = MatmulSystem(config)
    return run_bench(
        system,
        name="matmul_system",
        test_module="bench_matmul",
        simulator=simulator,
        parameters={
            "config": config.to_dict(),
            "rounds": rounds,
            "start_latency": start_latency(config),
            # Result out of the array, sum written; a read is chosen a cycle before.
            "signal_latency": system.unit.array.latency + 1,
        },
        sources=[simulation_model(config.family)],
        **options,
    )


NARROW = {"accumulator_width": 24, "max_reduction_depth": 256}
SIZES = [
    (1, 1, {}),
    (2, 3, {}),
    (4, 4, {}),
    (5, 7, NARROW),
    (8, 4, {"activation_depth": 16, "accumulator_depth": 32, "family": "ecp5"}),
    (16, 16, {}),
]
LARGE = 128
ON_BOTH = [(4, 4)]
TIMING = [
    "long_passes_have_no_bubble",
    "single_vectors_come_every_rows_cycles",
    "first_vector_comes_soon",
]


@pytest.mark.parametrize("rows, cols, changes", SIZES)
def test_matmul(rows, cols, changes, simulator, request):
    full = request.config.getoption("--full")
    if simulator == "verilator" and (rows, cols) not in ON_BOTH and not full:
        pytest.skip("other sizes run on Verilator with --full")
    large = rows * cols >= LARGE and not full
    result = bench(
        configuration(rows, cols, **changes),
        simulator,
        rounds=60 if full else 2 if large else 8,
        testcase=["random_programs", *TIMING] if large else None,
    )
    assert result.tests == (4 if large else 11)


@pytest.mark.full
@pytest.mark.parametrize("rows, cols", [(1, 8), (3, 1), (16, 4), (4, 16), (12, 13), (32, 32)])
def test_more_sizes(rows, cols):
    bench(configuration(rows, cols), "verilator", rounds=30)


@pytest.mark.parametrize("rows", [1, 2, 16, 17, 100, 256])
def test_constant_multiple(rows):
    factor = rows - 1
    for value in (0, 1, 1234, 4095):
        product = constant_multiple(Const(value, 12), factor)
        assert simulate(product) & 0xFFFFF == value * factor


def simulate(expression):
    """Value of an expression of constants."""
    m = Module()
    result = Signal(24)
    m.d.comb += result.eq(expression)
    values = []

    async def process(context):
        values.append(context.get(result))

    simulator = Simulator(m)
    simulator.add_testbench(process)
    simulator.run()
    return values[0]


def test_members():
    """The ports that other units are wired to."""
    config = configuration(4, 3)
    members = MatmulUnit(config).signature.members
    assert set(UnitSignature().members) < set(members)
    assert set(members) - set(UnitSignature().members) == {
        "activation_read",
        "weight_read",
        "update",
        "waiting_semaphore",
        "activity",
    }


def test_unit_emits_twice_alike():
    config = configuration(3, 2)
    first, second = (emit(MatmulUnit(config), "unit") for _ in range(2))
    assert first == second


def test_delay_line_wants_no_negative_delay():
    with pytest.raises(ValueError, match="delay must be at least 0, not -1"):
        DelayLine(1, delay=-1)
