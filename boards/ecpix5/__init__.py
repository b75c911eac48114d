# SPDX-License-Identifier: Apache-2.0
"""The ECPIX-5 of LambdaConcept with an LFE5UM5G-85F. Pins as in amaranth-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="ecpix5-85f",
    title="ECPIX-5 85F",
    family="ecp5",
    part=Part("LFE5UM5G-85F", "CABGA554", "8"),
    clock=Pin("K23", _LVCMOS33),
    clock_hz=100_000_000,
    system_hz=100_000_000,
    uart_rx=Pin("R26", {**_LVCMOS33, "PULLMODE": "UP"}),
    uart_tx=Pin("R24", _LVCMOS33),
    baud=2_000_000,
    leds=tuple(Pin(site, _LVCMOS33) for site in ("R21", "W21", "K24", "R23")),
    leds_active_low=True,
    memory_bytes=131072,
    config=Config(
        rows=8, cols=8, activation_depth=2048, weight_depth=2048, accumulator_depth=512,
        axi_width=32, axi_address_width=17, read_outstanding=4, write_outstanding=4,
        vector_lanes=1, family="ecp5",
    ),
    programmer="ecpix5",
    notes=("The DDR3 is not connected: on-chip memory takes the place of DRAM.",),
)
