# SPDX-License-Identifier: Apache-2.0
"""Verilog between the generic board, the SDRAM's controller and the SDRAM's pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amaranth.lib.wiring import Out
from amaranth.utils import exact_log2

from ..hdl.bus import AXI4ReadSignature, AXI4WriteSignature
from .litedram import CORE_MODULE

if TYPE_CHECKING:
    from .board import Board

__all__ = ["board_connections", "bus_fields", "sdram_instance"]

_START = {"cyc": 1, "adr": 30, "dat_w": 32, "ack": 1}
_SIZE = {"arsize": 4, "awsize": 4}
"""Fields that are wider at the controller than in AXI4."""


def bus_fields(address_width: int, data_width: int) -> list[tuple[str, int, bool]]:
    """Name, width and whether the generic board drives it, of each of its ports to the memory."""
    widths = {"address_width": address_width, "data_width": data_width}
    return [
        (f"memory_{name}__{field}", member.shape, member.flow is Out)
        for name, signature in (
            ("read", AXI4ReadSignature(**widths)), ("write", AXI4WriteSignature(**widths))
        )
        for field, member in signature.members.items()
    ]


def board_connections() -> str:
    """The ports that a generic board with an external memory has more than others."""
    names = [name for name, _, _ in bus_fields(1, 8)] + [f"start_{name}" for name in _START]
    return ",\n".join(f"    .{name}({name})" for name in names)


def sdram_instance(board: Board) -> list[str]:
    """Wires, the controller, and the memory's clock, which rises in the middle of a cycle."""
    assert board.sdram is not None
    chip = board.sdram.chip
    fields = [
        (name, width) for name, width, _ in bus_fields(exact_log2(chip.size), chip.data_bits)
    ]
    wires = [*fields, *((f"start_{name}", width) for name, width in _START.items())]
    lines = [f"  wire [{width - 1}:0] {name};" for name, width in wires]
    connections = {"clk": "clk", "rst": "rst"}
    for name, width in fields:
        field = name.partition("__")[2]
        wider = _SIZE.get(field, width) - width
        value = f"{{{wider}'b0, {name}}}" if wider else name
        connections[f"user_port_axi_0_{field}"] = value
    connections |= {
        "wb_ctrl_cyc": "start_cyc", "wb_ctrl_stb": "start_cyc", "wb_ctrl_we": "1'b1",
        "wb_ctrl_adr": "start_adr", "wb_ctrl_dat_w": "start_dat_w", "wb_ctrl_ack": "start_ack",
        "wb_ctrl_sel": "4'hf", "wb_ctrl_cti": "3'b0", "wb_ctrl_bte": "2'b0",
    }
    for name in ("cke", "cs_n", "we_n", "ras_n", "cas_n"):
        connections[f"sdram_{name}"] = f"sdram_{name}"
    buses = {"ba": chip.bank_bits, "dm": chip.data_bits // 8, "a": chip.address_bits,
             "dq": chip.data_bits}
    for name, width in buses.items():
        pins = ", ".join(f"sdram_{name}_{index}" for index in reversed(range(width)))
        connections[f"sdram_{name}"] = f"{{{pins}}}"
    return [
        *lines,
        f"  {CORE_MODULE} sdram (",
        ",\n".join(f"    .{port}({value})" for port, value in connections.items()),
        "  );",
        "  ODDRX1F sdram_clock (.D0(1'b0), .D1(1'b1), .SCLK(clk), .RST(1'b0), .Q(sdram_clk));",
    ]
