# SPDX-License-Identifier: Apache-2.0
"""A board's whole design for simulation: its top module, its PLL replaced by a wire."""

from __future__ import annotations

import dataclasses

from ..hdl.config import Config
from ..hdl.tech.technology import simulation_model
from .board import Board
from .top import LED_COUNT
from .wrapper import TOP_MODULE, board_top_verilog

__all__ = ["SIMULATION_MODULE", "simulated_baud", "simulation_verilog"]

SIMULATION_MODULE = "weft_board_simulation"


def simulated_baud(board: Board, baud: int | None = None) -> Board:
    """The board with another baud rate, by default its own; the frequency of its clock stays.

    A byte takes ``10 * system_hz / baud`` cycles to simulate: nothing else depends on the rate.
    """
    return board if baud is None else dataclasses.replace(board, baud=baud)


def simulation_verilog(board: Board, config: Config | None = None) -> str:
    """Verilog of a board as it is built, with models of the family's blocks.

    The module `SIMULATION_MODULE` has ports ``clk``, ``rst``, ``uart_rx``, ``uart_tx`` and
    ``leds``. ``clk`` stands for the output of the PLL: its frequency is ``board.system_hz``.
    ``rst`` is the PLL that has lost its lock, so that the board's own reset is simulated. A light
    that is on is a 1 in ``leds`` on every board.
    """
    chosen = config or board.config
    pins = [f".{port}({port})" for port in ("uart_rx", "uart_tx")]
    pins += [f".led_{index}(pin_{index})" for index in range(len(board.leds))]
    sign = "~" if board.leds_active_low else ""
    lights = [f"{sign}pin_{index}" for index in range(len(board.leds))]
    dark = ["1'b0"] * (LED_COUNT - len(lights))
    return "\n".join(
        [
            board_top_verilog(board, chosen),
            simulation_model(board.family),
            board.clock_source.model(f"{SIMULATION_MODULE}.rst"),
            f"module {SIMULATION_MODULE} (",
            "  input wire clk, input wire rst, input wire uart_rx, output wire uart_tx,",
            f"  output wire [{LED_COUNT - 1}:0] leds",
            ");",
            f"  wire {', '.join(f'pin_{index}' for index in range(len(board.leds)))};",
            f"  {TOP_MODULE} top (.clk_in(clk), {', '.join(pins)});",
            f"  assign leds = {{{', '.join([*dark, *reversed(lights)])}}};",
            "endmodule\n",
        ]
    )
