# SPDX-License-Identifier: Apache-2.0
"""The OrangeCrab r0.2 with an LFE5U-85F. Pins as in amaranth-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="orangecrab-85f",
    title="OrangeCrab r0.2 85F",
    family="ecp5",
    part=Part("LFE5U-85F", "CSFBGA285", "8"),
    clock=Pin("A9", _LVCMOS33),
    clock_hz=48_000_000,
    system_hz=96_000_000,
    uart_rx=Pin("N17", {**_LVCMOS33, "PULLMODE": "UP"}),
    uart_tx=Pin("M18", _LVCMOS33),
    baud=1_000_000,
    leds=tuple(Pin(site, _LVCMOS33) for site in ("M3", "J3", "K4")),
    leds_active_low=True,
    memory_bytes=131072,
    config=Config(
        rows=8, cols=8, activation_depth=2048, weight_depth=2048, accumulator_depth=512,
        axi_width=32, axi_address_width=17, read_outstanding=4, write_outstanding=4,
        vector_lanes=1, family="ecp5",
    ),
    programmer="orangecrab_dfu",
    notes=(
        (
            "The board has no USB-to-UART bridge: an adapter of 3.3 V goes to pins 0 (from the "
            "host) and 1 (to the host) of the header."
        ),
        "The DDR3 is not connected: on-chip memory takes the place of DRAM.",
    ),
)
