# SPDX-License-Identifier: Apache-2.0
"""The ULX3S of Radiona with an LFE5U-85F. Pins as in amaranth-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin, SDRAMOnBoard
from ..flow.families import Part
from ..litedram import SDRAM

__all__ = ["BOARD"]

_LVCMOS33 = {"IO_TYPE": "LVCMOS33"}

_BUS = {**_LVCMOS33, "PULLMODE": "NONE", "DRIVE": "4", "SLEWRATE": "FAST"}

_SDRAM_SITES = {
    "clk": ("F19",), "cke": ("F20",), "cs_n": ("P20",), "we_n": ("T20",), "ras_n": ("R20",),
    "cas_n": ("T19",), "ba": ("P19", "N20"), "dm": ("U19", "E20"),
    "a": ("M20", "M19", "L20", "L19", "K20", "K19", "K18", "J20", "J19", "H20", "N19", "G20",
          "G19"),
    "dq": ("J16", "L18", "M18", "N18", "P18", "T18", "T17", "U20", "E19", "D20", "D19", "C20",
           "E18", "F18", "J18", "J17"),
}

_SDRAM = SDRAMOnBoard(
    SDRAM("AS4C16M16", 1 << 25, 16, 13, 2, "LFE5U-85F-6BG381C"),
    {
        f"sdram_{name}_{index}" if len(sites) > 1 else f"sdram_{name}": Pin(site, _BUS)
        for name, sites in _SDRAM_SITES.items()
        for index, site in enumerate(sites)
    },
    50_000_000,
)

BOARD = Board(
    name="ulx3s-85f",
    title="ULX3S-85F",
    family="ecp5",
    part=Part("LFE5U-85F", "CABGA381", "6"),
    clock=Pin("G2", _LVCMOS33),
    clock_hz=25_000_000,
    system_hz=75_000_000,
    uart_rx=Pin("M1", {**_LVCMOS33, "PULLMODE": "UP"}),
    uart_tx=Pin("L4", _LVCMOS33),
    baud=2_000_000,
    leds=tuple(Pin(site, {**_LVCMOS33, "DRIVE": "4"}) for site in ("B2", "C2", "C1", "D2")),
    leds_active_low=False,
    memory_bytes=131072,
    config=Config(
        rows=8, cols=8, activation_depth=2048, weight_depth=2048, accumulator_depth=512,
        axi_width=32, axi_address_width=25, read_outstanding=4, write_outstanding=4,
        vector_lanes=1, family="ecp5",
    ),
    sdram=_SDRAM,
    programmer="ulx3s",
    notes=("On-chip memory takes the place of DRAM; --memory sdram connects the SDRAM.",),
)
