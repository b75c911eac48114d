# SPDX-License-Identifier: Apache-2.0
"""The Colorlight i9 v7.2 on its extension board. Pins as in litex-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="colorlight-i9",
    title="Colorlight i9 v7.2",
    family="ecp5",
    part=Part("LFE5U-45F", "CABGA381", "6"),
    clock=Pin("P3", _LVCMOS33),
    clock_hz=25_000_000,
    system_hz=62_500_000,
    uart_rx=Pin("H18", {**_LVCMOS33, "PULLMODE": "UP"}),
    uart_tx=Pin("J17", _LVCMOS33),
    baud=115_200,
    leds=(Pin("L2", _LVCMOS33),),
    leds_active_low=True,
    memory_bytes=65536,
    config=Config(
        rows=4, cols=4, activation_depth=1024, weight_depth=1024, accumulator_depth=256,
        axi_width=32, axi_address_width=16, read_outstanding=4, write_outstanding=4,
        vector_lanes=1, family="ecp5",
    ),
    programmer="colorlight-i9",
    notes=(
        (
            "The extension board's debugger is also its USB-to-UART bridge; the baud rate is its "
            "usual one."
        ),
        "The SDRAM is not connected: on-chip memory takes the place of DRAM.",
    ),
)
