# SPDX-License-Identifier: Apache-2.0
"""A board's whole design for simulation: its top module, its PLL replaced by a wire."""

from __future__ import annotations

import dataclasses

from ..hdl.config import Config
from ..hdl.tech.technology import simulation_model
from .board import Board
from .top import LED_COUNT
from .wrapper import TOP_MODULE, board_top_verilog

__all__ = ["SDRAM_MODEL", "SIMULATION_MODULE", "simulated_baud", "simulation_verilog"]

SIMULATION_MODULE = "weft_board_simulation"

SDRAM_MODEL = "weft_sdram_model"


def simulated_baud(board: Board, baud: int | None = None) -> Board:
    """The board with another baud rate, by default its own; the frequency of its clock stays.

    A byte takes ``10 * system_hz / baud`` cycles to simulate: nothing else depends on the rate.
    """
    return board if baud is None else dataclasses.replace(board, baud=baud)


def simulation_verilog(board: Board, config: Config | None = None, models: str = "") -> str:
    """Verilog of a board as it is built, with models of the family's blocks.

    The module `SIMULATION_MODULE` has ports ``clk``, ``rst``, ``uart_rx``, ``uart_tx`` and
    ``leds``. ``clk`` stands for the output of the PLL: its frequency is ``board.system_hz``.
    ``rst`` is the PLL that has lost its lock, so that the board's own reset is simulated. A light
    that is on is a 1 in ``leds`` on every board.

    Parameters
    ----------
    board : Board
        The board.
    config : Config, optional
        The accelerator; by default the board's own.
    models : str
        Verilog of what else is on the board: of the module ``weft_sdram_model`` if it uses its
        SDRAM, and of the device's pins.
    """
    chosen = config or board.config
    pins = [f".{port}({port})" for port in ("uart_rx", "uart_tx")]
    memory = []
    if board.memory == "sdram" and board.sdram is not None:
        names = list(board.sdram.pins)
        pins += [f".{name}({name})" for name in names]
        chip = board.sdram.chip
        memory = [
            f"  wire {', '.join(names)};",
            f"  {SDRAM_MODEL} #(.CLOCK_HZ({board.system_hz})) sdram (",
            ",\n".join(
                f"    .{name}({name})" for name in names if not name[-1].isdigit()
            ) + ",",
            ",\n".join(
                f"    .sdram_{name}({{{', '.join(_bits(name, width))}}})"
                for name, width in (("ba", chip.bank_bits), ("dm", chip.data_bits // 8),
                                    ("a", chip.address_bits), ("dq", chip.data_bits))
            ),
            "  );",
        ]
    pins += [f".led_{index}(pin_{index})" for index in range(len(board.leds))]
    sign = "~" if board.leds_active_low else ""
    lights = [f"{sign}pin_{index}" for index in range(len(board.leds))]
    dark = ["1'b0"] * (LED_COUNT - len(lights))
    return "\n".join(
        [
            board_top_verilog(board, chosen),
            simulation_model(board.family),
            board.clock_source.model(f"{SIMULATION_MODULE}.rst"),
            models,
            f"module {SIMULATION_MODULE} (",
            "  input wire clk, input wire rst, input wire uart_rx, output wire uart_tx,",
            f"  output wire [{LED_COUNT - 1}:0] leds",
            ");",
            f"  wire {', '.join(f'pin_{index}' for index in range(len(board.leds)))};",
            *memory,
            f"  {TOP_MODULE} top (.clk_in(clk), {', '.join(pins)});",
            f"  assign leds = {{{', '.join([*dark, *reversed(lights)])}}};",
            "endmodule\n",
        ]
    )


def _bits(name: str, width: int) -> list[str]:
    """The pins of a bus, highest first."""
    return [f"sdram_{name}_{index}" for index in reversed(range(width))]
