# SPDX-License-Identifier: Apache-2.0
"""The vector unit with its memories."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from weft.hdl.bus import UnitSignature
from weft.hdl.config import Config
from weft.hdl.memory.accumulator import Accumulator
from weft.hdl.memory.parameter_memory import ParameterMemory
from weft.hdl.memory.scratchpad import ActivationScratchpad
from weft.hdl.memory.table_memory import TableMemory
from weft.hdl.once import Once
from weft.hdl.tech.technology import simulation_model
from weft.hdl.units.vector import VectorUnit
from weft.sim.bench.runner import run_bench


class VectorSystem(wiring.Component):
    """The unit and its memories, whose other ports are those of the top."""

    def __init__(self, config):
        self.config = config
        lanes = config.lanes
        self.unit = VectorUnit(config)
        self.activation = ActivationScratchpad(
            rows=config.rows, depth=config.activation_depth, lanes=lanes
        )
        self.accumulator = Accumulator(
            cols=config.cols,
            width=config.accumulator_width,
            depth=config.accumulator_depth,
            data_width=config.partial_sum_width,
            lanes=lanes,
            family=config.family,
        )
        self.parameters = ParameterMemory(
            lanes=lanes, depth=config.parameter_depth, convention=config.requantize
        )
        self.table = TableMemory(lanes=lanes)
        self.outer = {
            **{name: (self.unit, name) for name in UnitSignature().members},
            "matmul_read": (self.activation, "matmul_read"),
            "update": (self.accumulator, "update"),
            "parameter_write": (self.parameters, "write"),
            "table_write": (self.table, "write"),
        }
        for name in ("activation", "accumulator"):
            for port in ("read", "read_data", "write"):
                self.outer[f"{name}_{port}"] = getattr(self, name), port
        super().__init__(
            {name: part.signature.members[port] for name, (part, port) in self.outer.items()}
        )

    def elaborate(self, platform):
        m = Module()
        unit = self.unit
        for name in ("unit", "activation", "accumulator", "parameters", "table"):
            m.submodules[f"the_{name}"] = Once(getattr(self, name))
        for name in ("activation", "accumulator"):
            for port in ("read", "data", "write"):
                inner = getattr(getattr(self, name), f"vector_{port}")
                wiring.connect(m, getattr(unit, f"{name}_{port}"), inner)
        m.d.comb += unit.accumulator_busy.eq(self.accumulator.busy)
        wiring.connect(m, unit.parameter_read, self.parameters.vector_read)
        for lane in range(self.config.lanes):
            wiring.connect(
                m, getattr(unit, f"table_{lane}"), getattr(self.table, f"lane_{lane}")
            )
        for name, (part, port) in self.outer.items():
            inner, outer = getattr(part, port), getattr(self, name)
            if self.signature.members[name].is_signature:
                wiring.connect(m, inner, wiring.flipped(outer))
            elif self.signature.members[name].flow == Out:
                m.d.comb += outer.eq(inner)
            else:
                m.d.comb += inner.eq(outer)
        return m


def configuration(rows, cols, lanes, **changes):
    chunks = cols // lanes if lanes else 1
    sizes = {
        "activation_depth": 128, "weight_depth": 512, "accumulator_depth": 64,
        "parameter_depth": max(16, 1 << (chunks - 1).bit_length()),
    }
    return Config.from_dict(
        {"rows": rows, "cols": cols, "vector_lanes": lanes, **sizes, **changes}
    )


def bench(config, simulator, *, turns, count, faults, **options):
    run_bench(
        VectorSystem(config),
        name="vector_system",
        test_module="bench_vector",
        simulator=simulator,
        parameters={
            "config": config.to_dict(),
            "turns": turns,
            "count": count,
            "faults": faults,
            # Setup, loops, check, the queue of requests and the buffer; then the way to the write.
            "start": VectorUnit(config).latency + 6,
        },
        sources=[simulation_model(config.family)],
        **options,
    )


SIZES = [(4, 4, 1), (4, 4, 2), (4, 4, 4), (8, 8, 2), (16, 4, 4), (4, 16, 2), (5, 7, 1), (3, 9, 3)]


@pytest.mark.parametrize("rows, cols, lanes", SIZES[3:])
def test_on_icarus(rows, cols, lanes):
    narrow = {"accumulator_width": 24, "max_reduction_depth": 256} if rows == 5 else {}
    convention = "onnx" if rows == 3 else "tflite"
    family = "ecp5" if rows in (5, 8) else "generic"
    config = configuration(rows, cols, lanes, requantize=convention, family=family, **narrow)
    bench(config, "icarus", turns=2, count=6, faults=1)


@pytest.mark.parametrize("rows, cols, lanes, convention", [(8, 8, 2, "tflite"), (6, 12, 3, "onnx")])
def test_on_verilator(rows, cols, lanes, convention):
    family = "ecp5" if rows == 8 else "generic"
    config = configuration(rows, cols, lanes, requantize=convention, family=family)
    bench(config, "verilator", turns=4, count=40, faults=8)


@pytest.mark.full
@pytest.mark.parametrize("convention", ["tflite", "onnx"])
@pytest.mark.parametrize("rows, cols, lanes", [*SIZES, (64, 128, 4), (12, 6, 6)])
def test_long(rows, cols, lanes, convention, simulator):
    config = configuration(rows, cols, lanes, requantize=convention)
    bench(config, simulator, turns=20, count=60, faults=40)


def test_refuses_no_lanes():
    with pytest.raises(ValueError, match="vector_lanes must be at least 1"):
        VectorUnit(configuration(4, 4, 0))
