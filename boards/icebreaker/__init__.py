# SPDX-License-Identifier: Apache-2.0
"""The iCEBreaker of 1BitSquared. Pins as in amaranth-boards."""

from __future__ import annotations

from ...hdl.config import Config
from ..board import Board, Pin
from ..flow.families import Part

__all__ = ["BOARD"]

BOARD = Board(
    name="icebreaker",
    title="iCEBreaker",
    family="ice40",
    part=Part("UP5K", "sg48", ""),
    clock=Pin("35"),
    clock_hz=12_000_000,
    system_hz=24_000_000,
    uart_rx=Pin("6", {"pullup": "yes"}),
    uart_tx=Pin("9"),
    baud=2_000_000,
    leds=(Pin("37"), Pin("11")),
    leds_active_low=True,
    memory_bytes=65536,
    single_port=True,
    config=Config(
        rows=4, cols=4, activation_depth=512, weight_depth=16384, accumulator_depth=256,
        accumulator_width=28, max_reduction_depth=8191, performance_counters=0,
        axi_width=32, axi_address_width=16, max_burst_beats=1, read_outstanding=1,
        write_outstanding=1, queue_depth=1, vector_lanes=0, execution="serial", family="ice40",
    ),
    programmer="ice40_generic",
    notes=("The memory is two of the four SPRAMs.",),
)
