# SPDX-License-Identifier: Apache-2.0
"""The top module of a board: clock, reset and pins around the generic board."""

from __future__ import annotations

from ..hdl.config import Config
from .board import Board
from .litedram import sdram_core
from .sdram_wiring import board_connections, sdram_instance
from .top import LED_COUNT
from .verilog import BOARD_MODULE, board_verilog

__all__ = ["BOARD_INSTANCE", "RESET_CYCLES", "TOP_MODULE", "board_top_verilog", "wrapper"]

TOP_MODULE = "weft_top"

BOARD_INSTANCE = "board"
"""Name of the generic board in the top module."""

RESET_CYCLES = 256
"""Cycles of reset after the PLL has locked. Block RAM of iCE40 cannot be read in the first 3 us
after configuration; this is more at every clock below 85 MHz, which is all that iCE40 reaches."""


def wrapper(board: Board) -> str:
    """Verilog of the top module, which instantiates the generic board.

    ::

        clk_in -> PLL -- clk -----------------> generic board
                   `-- locked -> reset ----------^  ^  |
        uart_rx ------------------------------------'  `-> uart_tx, led_0, ...

    Reset begins with the loss of ``locked`` at any time, and ends `RESET_CYCLES` edges of ``clk``
    after two flip-flops have seen it high.
    """
    ports = [f"  {_direction(port)} wire {port}" for port in board.pins]
    sign = "~" if board.leds_active_low else ""
    leds = [f"  assign led_{index} = {sign}leds[{index}];" for index in range(len(board.leds))]
    bits = RESET_CYCLES.bit_length()
    return "\n".join(
        [
            f"// {board.title}: clock, reset and pins.",
            f"module {TOP_MODULE} (",
            ",\n".join(ports),
            ");",
            "  wire clk, locked;",
            f"  wire [{LED_COUNT - 1}:0] leds;",
            "  reg [1:0] started = 2'b0;",
            f"  reg [{bits - 1}:0] count = {bits}'b0;",
            "  reg rst = 1'b1;",
            board.clock_source.instance(),
            "  always @(posedge clk or negedge locked)",
            "    if (!locked) started <= 2'b0;",
            "    else started <= {started[0], 1'b1};",
            "  always @(posedge clk) begin",
            f"    if (!started[1]) count <= {bits}'b0;",
            f"    else if (!count[{bits - 1}]) count <= count + {bits}'b1;",
            f"    rst <= !count[{bits - 1}];",
            "  end",
            f"  {BOARD_MODULE} {BOARD_INSTANCE} (",
            "    .clk(clk), .rst(rst), .uart_rx(uart_rx), .uart_tx(uart_tx), .leds(leds)"
            + (",\n" + board_connections() if board.memory == "sdram" else ""),
            "  );",
            *(sdram_instance(board) if board.memory == "sdram" else []),
            *leds,
            "endmodule\n",
        ]
    )


def _direction(port: str) -> str:
    if port.startswith("sdram_dq_"):
        return "inout"
    drives = port == "uart_tx" or port.startswith(("led_", "sdram_"))
    return "output" if drives else "input"


def board_top_verilog(board: Board, config: Config | None = None) -> str:
    """Verilog of everything on the board.

    Parameters
    ----------
    board : Board
        Clock, pins, memory.
    config : Config, optional
        The accelerator; by default the board's own.
    """
    chosen = config or board.config
    board.check_config(chosen)
    text = board_verilog(
        chosen, clock_hz=board.system_hz, baud=board.baud, memory_bytes=board.memory_bytes,
        single_port=board.single_port, external=board.external,
    )
    if board.memory == "sdram" and board.sdram is not None:
        text += "\n" + sdram_core(board.sdram.chip, board.system_hz).verilog
    return text + "\n" + wrapper(board)
