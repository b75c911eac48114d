# SPDX-License-Identifier: Apache-2.0
"""Options and fixtures that all tests share."""

import pytest

from weft.boards import build
from weft.boards.wrapper import wrapper

STAND_IN = """
module weft_board (input wire clk, rst, uart_rx, output wire uart_tx, output wire [3:0] leds);
  reg [3:0] count;
  always @(posedge clk) count <= rst ? 4'b0 : count + uart_rx;
  assign uart_tx = count[3];
  assign leds = count;
endmodule
"""
"""In the place of the generic board: a whole one takes minutes to build."""


def pytest_addoption(parser):
    parser.addoption(
        "--simulator",
        choices=["icarus", "verilator", "both"],
        default="both",
        help="simulator for cocotb benches (default: both)",
    )
    parser.addoption("--full", action="store_true", help="run the long tests as well")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: long test, runs with --full only")
    config.addinivalue_line("markers", "slow_on(simulator, ...): long on these, full there")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        skip = pytest.mark.skip(reason="long; runs with --full")
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(skip)


def pytest_generate_tests(metafunc):
    if "simulator" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--simulator")
        names = ["icarus", "verilator"] if chosen == "both" else [chosen]
        slow = metafunc.definition.get_closest_marker("slow_on")
        metafunc.parametrize("simulator", [
            pytest.param(name, marks=pytest.mark.full) if slow and name in slow.args else name
            for name in names
        ])


@pytest.fixture
def stand_in_board(monkeypatch):
    """Boards are built with a small design; the configurations that were asked for."""
    asked = []

    def verilog(board, config):
        asked.append(config)
        return STAND_IN + wrapper(board)

    monkeypatch.setattr(build, "board_top_verilog", verilog)
    return asked
