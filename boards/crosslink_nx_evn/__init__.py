# SPDX-License-Identifier: Apache-2.0
"""The CrossLink-NX evaluation board of Lattice. Pins as in litex-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="crosslink-nx-evn",
    title="CrossLink-NX evaluation board (LIFCL-40-EVN)",
    family="nexus",
    part=Part("LIFCL-40", "BG400C", "9"),
    clock=Pin("L13", _LVCMOS33),
    clock_hz=12_000_000,
    system_hz=12_000_000,
    uart_rx=Pin("F16", {**_LVCMOS33, "PULLMODE": "UP"}),
    uart_tx=Pin("F18", _LVCMOS33),
    baud=1_000_000,
    leds=tuple(Pin(site, _LVCMOS33) for site in ("E17", "F13", "G13", "F14")),
    leds_active_low=True,
    memory_bytes=65536,
    config=Config(
        rows=4, cols=4, activation_depth=1024, weight_depth=1024, accumulator_depth=256,
        axi_width=32, axi_address_width=16, read_outstanding=4, write_outstanding=4,
        vector_lanes=1, family="nexus",
    ),
    programmer="crosslinknx_evn",
    notes=(
        "Jumper JP2 brings the 12 MHz clock to the device.",
        "The UART needs its 0-ohm jumpers fitted (section 6.2 of the board's manual).",
        (
            "The system runs at the oscillator's frequency. The device's own oscillator is faster "
            "but too inexact for a UART, and the PLL is not used."
        ),
    ),
)
