# SPDX-License-Identifier: Apache-2.0
"""Descriptions of boards, their clocks, their pins, and the module around the generic board."""

import dataclasses
import re
import subprocess

import pytest

from weft.boards import BOARDS, board_named, build
from weft.boards.board import Pin
from weft.boards.clocking import DirectClock
from weft.boards.constraints import constraints
from weft.boards.wrapper import RESET_CYCLES, TOP_MODULE, board_top_verilog, wrapper
from weft.hdl.config import Config

ALL = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def test_names():
    assert set(BOARDS) == {
        "ulx3s-85f", "orangecrab-85f", "ecpix5-85f", "colorlight-i9", "icebreaker", "tangnano20k",
        "crosslink-nx-evn",
    }
    assert all(board_named(name).name == name for name in BOARDS)


def test_unknown_name():
    with pytest.raises(ValueError, match="^board must be one of icebreaker, .*, not 'ulx3s'$"):
        board_named("ulx3s")


def _site(resource, *names):
    """Names of the pins of a resource of amaranth-boards, or of one of its parts."""
    for name in names:
        resource = next(part for part in resource.ios if part.name == name)
    return resource.ios[0].names


@pytest.mark.parametrize(
    ("name", "module", "platform", "clock", "leds"),
    [
        ("icebreaker", "icebreaker", "ICEBreakerPlatform", "clk12", [("led_g", 0), ("led_r", 0)]),
        ("ulx3s-85f", "ulx3s", "ULX3S_85F_Platform", "clk25", [("led", n) for n in range(4)]),
        ("ecpix5-85f", "ecpix5", "ECPIX585Platform", "clk100",
         [("rgb_led", n, "g") for n in range(4)]),
        ("orangecrab-85f", "orangecrab_r0_2", "OrangeCrabR0_2_85FPlatform", "clk",
         [("rgb_led", 0, colour) for colour in "gbr"]),
    ],
)
def test_pins_are_those_of_amaranth_boards(name, module, platform, clock, leds):
    platforms = pytest.importorskip(f"amaranth_boards.{module}")
    known = getattr(platforms, platform)
    resources = {(each.name, each.number): each for each in known.resources}
    board = BOARDS[name]
    assert [board.clock.site] == _site(resources[clock, 0])
    assert resources[clock, 0].clock.frequency == board.clock_hz
    assert known.device.upper().removeprefix("ICE40") == board.part.device
    if ("uart", 0) in resources:
        assert [board.uart_rx.site] == _site(resources["uart", 0], "rx")
        assert [board.uart_tx.site] == _site(resources["uart", 0], "tx")
    else:
        header = known.connectors[0].mapping
        assert (board.uart_rx.site, board.uart_tx.site) == (header["0"], header["1"])
    for pin, (resource, number, *part) in zip(board.leds, leds, strict=True):
        found = resources[resource, number]
        assert [pin.site] == _site(found, *part)
        ports = next(each for each in found.ios if each.name == part[0]).ios[0] if part \
            else found.ios[0]
        assert ports.invert == board.leds_active_low


@ALL
def test_constraints_place_every_port_once(board):
    text = constraints(board)
    ports = re.findall(r"^  (?:in|out)put wire (\w+)", wrapper(board), re.M)
    assert ports == list(board.pins)
    for port, pin in board.pins.items():
        places = [
            line for line in text.splitlines()
            if re.search(rf"\b{port}\b", line) and re.search(rf"\b{pin.site}\b", line)
        ]
        assert len(places) == 1


PARAMETER = re.compile(r"\.(\w+)\((?:\d+'d)?(\d+)\)")


def _frequencies(board):
    """Frequencies of phase detector, VCO and output that the instance's parameters mean."""
    values = {name: int(value) for name, value in PARAMETER.findall(wrapper(board))}
    if board.family == "ecp5":
        detector = board.clock_hz / values["CLKI_DIV"]
        output = detector * values["CLKFB_DIV"]
        return detector, output * values["CLKOP_DIV"], output
    if board.family == "ice40":
        detector = board.clock_hz / (values["DIVR"] + 1)
        oscillator = detector * (values["DIVF"] + 1)
        return detector, oscillator, oscillator / 2 ** values["DIVQ"]
    detector = board.clock_hz / (values["IDIV_SEL"] + 1)
    output = detector * (values["FBDIV_SEL"] + 1)
    return detector, output * values["ODIV_SEL"], output


LIMITS = {  # MHz: phase detector, VCO
    "ecp5": ((10, 400), (400, 800)), "ice40": ((10, 133), (533, 1066)),
    "gowin": ((3, 400), (500, 1250)),
}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((name, board.system_hz) for name, board in BOARDS.items()
          if board.system_hz != board.clock_hz),
        ("icebreaker", 18_000_000), ("icebreaker", 39_750_000), ("ulx3s-85f", 62_500_000),
        ("ulx3s-85f", 125_000_000), ("orangecrab-85f", 60_000_000), ("tangnano20k", 40_500_000),
        ("tangnano20k", 94_500_000),
    ],
)
def test_pll_makes_the_frequency_within_its_limits(name, wanted):
    board = BOARDS[name]
    *inner, output = _frequencies(dataclasses.replace(board, system_hz=wanted, baud=115200))
    assert output == wanted
    for value, (low, high) in zip(inner, LIMITS[board.family], strict=True):
        assert low * 1e6 <= value <= high * 1e6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uart_tx": Pin("6")}, "^pin 6 of icebreaker .*, not both uart_rx and uart_tx$"),
        ({"leds": ()}, "^leds must be 1 to 4 pins, not 0$"),
        ({"system_hz": 24_000_001}, "^no setting of SB_PLL40_PAD makes 24000001 Hz"),
        ({"baud": 8_000_000}, "^baud must be from 367 to 6000000"),
        ({"config": Config(family="ecp5")}, "must be 'ice40' or 'generic', not 'ecp5'$"),
        ({"family": "nexus", "part": BOARDS["crosslink-nx-evn"].part},
         "^system_hz must be the oscillator's 12000000 Hz without a PLL, not 24000000$"),
    ],
)
def test_illegal_descriptions(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(BOARDS["icebreaker"], **changes)


SURROUNDINGS = """
module weft_board (input wire clk, rst, uart_rx, output wire uart_tx, output wire [3:0] leds);
  assign uart_tx = uart_rx;
  assign leds = {3'b0, ~rst};
endmodule
module EHXPLLL (
  input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
    PLLWAKESYNC, ENCLKOP,
  output CLKOP, LOCK
);
  parameter PLLRST_ENA = 0, INTFB_WAKE = 0, STDBY_ENABLE = 0, DPHASE_SOURCE = 0,
    OUTDIVIDER_MUXA = 0, CLKI_DIV = 0, CLKFB_DIV = 0, CLKOP_DIV = 0, CLKOP_ENABLE = 0,
    CLKOP_CPHASE = 0, CLKOP_FPHASE = 0, FEEDBK_PATH = 0;
  assign CLKOP = CLKI;
  assign LOCK = bench.locked;
endmodule
module SB_PLL40_PAD (input PACKAGEPIN, RESETB, BYPASS, output PLLOUTGLOBAL, LOCK);
  parameter FEEDBACK_PATH = 0, DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0;
  assign PLLOUTGLOBAL = PACKAGEPIN;
  assign LOCK = bench.locked;
endmodule
module rPLL (
  input CLKIN, CLKFB, RESET, RESET_P, input [5:0] FBDSEL, IDSEL, ODSEL,
  input [3:0] PSDA, DUTYDA, FDLY, output CLKOUT, LOCK
);
  parameter DEVICE = 0, FCLKIN = 0, IDIV_SEL = 0, FBDIV_SEL = 0, ODIV_SEL = 0, DYN_IDIV_SEL = 0,
    DYN_FBDIV_SEL = 0, DYN_ODIV_SEL = 0, PSDA_SEL = 0, DUTYDA_SEL = 0, DYN_DA_EN = 0,
    DYN_SDIV_SEL = 0, CLKFB_SEL = 0, CLKOUT_BYPASS = 0, CLKOUTP_BYPASS = 0, CLKOUTD_BYPASS = 0;
  assign CLKOUT = CLKIN;
  assign LOCK = bench.locked;
endmodule
module bench;
  reg clk_in = 0, uart_rx = 1, locked = 0;
  wire uart_tx, led_0;
  integer edges = 0;
  always #5 clk_in = ~clk_in;
  always @(posedge clk_in) edges = edges + 1;
  weft_top top (.clk_in(clk_in), .uart_rx(uart_rx), .uart_tx(uart_tx), .led_0(led_0));
  task show; $display("%0d %b %b", edges, led_0, uart_tx); endtask
  initial begin
    #1000 show;
    locked = 1; edges = 0;
    @(led_0) show;
    uart_rx = 0;
    #1 show;
    #100 locked = 0;
    #20 show;
    $finish;
  end
endmodule
"""


@ALL
def test_reset_follows_the_pll(board, tmp_path):
    """The wrapper alone, around a PLL that locks late and loses its lock again."""
    (tmp_path / "top.v").write_text(wrapper(board) + SURROUNDINGS)
    subprocess.run(
        ["iverilog", "-g2012", "-Wall", "-s", "bench", "-o", "bench", "top.v"], cwd=tmp_path,
        check=True,
    )
    done = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True,
                          text=True, timeout=60)
    lines = [line.split() for line in done.stdout.splitlines() if re.match(r"\d+ ", line)]
    on = "0" if board.leds_active_low else "1"
    off = "1" if on == "0" else "0"
    # Without a PLL the clock is good from the start, 100 edges earlier, and stays so.
    direct = isinstance(board.clock_source, DirectClock)
    last = on if direct else off
    assert [line[1:] for line in lines] == [[off, "1"], [on, "1"], [on, "0"], [last, "0"]]
    assert int(lines[1][0]) == RESET_CYCLES + 3 - (100 if direct else 0)


def test_configuration_of_another_family():
    with pytest.raises(ValueError, match="^family of a configuration for icebreaker must be"):
        board_top_verilog(BOARDS["icebreaker"], Config(family="ecp5"))


MAGIC = {  # How the files of each family begin.
    "ecp5": b"\xff\x00", "ice40": b"\xff\x00", "gowin": b"//", "nexus": b"LSCC"
}


@pytest.mark.parametrize(
    "name",
    ["icebreaker", *(pytest.param(name, marks=pytest.mark.full)
                     for name in BOARDS if name != "icebreaker")],
)
def test_clock_and_pins_reach_a_bitstream(name, tmp_path, stand_in_board):
    """Every pin is in the package, the PLL is legal, and the packer takes what nextpnr writes."""
    board = BOARDS[name]
    steps = []
    result = build.build_board(board, output=tmp_path, progress=steps.append)
    assert steps == ["generating", "synthesis", "place and route, seed 1", "bitstream"]
    assert result.bitstream.parent == tmp_path
    assert result.bitstream.read_bytes().startswith(MAGIC[board.family])
    assert result.meets_clock
    assert set(result.synthesis.units) == {"board", "clock and reset"}
    # A flip-flop that drives a pin may have the pin's name, and then counts for what is around.
    assert 1 <= result.synthesis.units["board"]["ff"] <= 4
    multipliers = board.flow.multipliers[board.part.device]
    assert result.config == board.config.replace(multipliers=multipliers)


def test_build_refuses_another_family(tmp_path):
    with pytest.raises(ValueError, match="must be 'ice40' or 'generic', not 'ecp5'$"):
        build.build_board(BOARDS["icebreaker"], Config(family="ecp5"), output=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.full
@ALL
def test_emits_verilog(board):
    text = board_top_verilog(board)
    assert f"module {TOP_MODULE} (" in text
    assert text.count("module weft_board (") == 1
