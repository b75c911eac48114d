# SPDX-License-Identifier: Apache-2.0
"""The requantizers of both conventions against NumPy."""

import pytest
from amaranth.hdl import Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from weft.hdl.once import Once
from weft.hdl.requantize.onnx import OnnxRequantizer
from weft.hdl.requantize.parameters import LOADED_LANE
from weft.hdl.requantize.tflite import TfliteRequantizer
from weft.sim.bench.runner import run_bench

LANES = 12


class Lanes(wiring.Component):
    """Several requantizers side by side, each with value, loaded parameters and bypass."""

    def __init__(self, kind, multiply):
        self.kind = kind
        self.multiply = multiply
        self.lane = data.StructLayout({"value": 32, "parameters": LOADED_LANE})
        super().__init__({"i": In(LANES * self.lane.size), "o": Out(LANES * 32)})

    def elaborate(self, platform):
        m = Module()
        for number in range(LANES):
            m.submodules[f"lane_{number}"] = lane = Once(self.kind(multiply=self.multiply))
            given = data.View(self.lane, self.i.word_select(number, self.lane.size))
            m.d.comb += [
                lane.value.eq(given.value),
                lane.bypass.eq(given.parameters.unused[0]),
                self.o.word_select(number, 32).eq(lane.o),  # The offset is zero.
            ]
            for name in lane.parameters.shape().members:
                m.d.comb += lane.parameters[name].eq(
                    Mux(lane.bypass, 0, given.parameters[name])
                )
        return m


def bench(kind, simulator, testcase, multiply=False, **parameters):
    run_bench(
        Lanes(kind, multiply),
        name=f"requantizer_{kind.convention}_lanes",
        test_module="bench_requantize",
        simulator=simulator,
        testcase=testcase,
        parameters={
            "convention": kind.convention,
            "latency": kind.latency,
            "lanes": LANES,
            **parameters,
        },
    )


KINDS = pytest.mark.parametrize("kind", [TfliteRequantizer, OnnxRequantizer])


@KINDS
def test_corners(kind):
    bench(kind, "verilator", "corners")


@KINDS
def test_every_shift_or_exponent(kind):
    bench(kind, "verilator", "every_scale")


@pytest.mark.parametrize("testcase", ["corners", "every_scale"])
def test_shifts_by_multipliers(testcase):
    bench(TfliteRequantizer, "verilator", testcase, multiply=True)


@KINDS
def test_random_values(kind):
    bench(kind, "verilator", "random_values", count=100_000)


@pytest.mark.full
@KINDS
def test_a_million_random_values(kind):
    bench(kind, "verilator", "random_values", count=1_000_000)


@KINDS
def test_on_icarus(kind):
    bench(kind, "icarus", "random_values", count=2_000)


@pytest.mark.full
@KINDS
@pytest.mark.parametrize("testcase", ["corners", "every_scale"])
def test_corners_on_icarus(kind, testcase):
    bench(kind, "icarus", testcase)
