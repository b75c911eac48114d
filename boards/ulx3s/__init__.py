# SPDX-License-Identifier: Apache-2.0
"""The ULX3S of Radiona with an LFE5U-85F. Pins as in amaranth-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="ulx3s-85f",
    title="ULX3S-85F",
    family="ecp5",
    part=Part("LFE5U-85F", "CABGA381", "6"),
    clock=Pin("G2", _LVCMOS33),
    clock_hz=25_000_000,
    system_hz=100_000_000,
    uart_rx=Pin("M1", {**_LVCMOS33, "PULLMODE": "UP"}),
    uart_tx=Pin("L4", _LVCMOS33),
    baud=2_000_000,
    leds=tuple(Pin(site, {**_LVCMOS33, "DRIVE": "4"}) for site in ("B2", "C2", "C1", "D2")),
    leds_active_low=False,
    memory_bytes=131072,
    config=Config(
        rows=8, cols=8, activation_depth=2048, weight_depth=2048, accumulator_depth=512,
        axi_width=64, family="ecp5",
    ),
    programmer="ulx3s",
    notes=("The SDRAM is not connected: on-chip memory takes the place of DRAM.",),
)
