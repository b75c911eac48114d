# SPDX-License-Identifier: Apache-2.0
"""The Tang Nano 20K of Sipeed. Pins as in litex-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="tangnano20k",
    title="Tang Nano 20K",
    family="gowin",
    part=Part("GW2AR-LV18", "QN88", "C8/I7"),
    clock=Pin("4", _LVCMOS33),
    clock_hz=27_000_000,
    system_hz=54_000_000,
    uart_rx=Pin("70", {**_LVCMOS33, "PULL_MODE": "UP"}),
    uart_tx=Pin("69", _LVCMOS33),
    baud=1_000_000,
    leds=tuple(Pin(site, _LVCMOS33) for site in ("15", "16", "17", "18")),
    leds_active_low=True,
    memory_bytes=32768,
    config=Config(
        rows=4, cols=4, activation_depth=1024, weight_depth=1024, accumulator_depth=256,
        axi_width=32, axi_address_width=16, read_outstanding=4, write_outstanding=4,
        vector_lanes=1, family="gowin",
    ),
    programmer="tangnano20k",
    notes=("The SDRAM in the package is not connected: on-chip memory takes the place of DRAM.",),
)
