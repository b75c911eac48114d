# SPDX-License-Identifier: Apache-2.0
"""Frees the ends of Lattice carry chains in a netlist from Yosys."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["open_carry_ends", "open_constant_carries"]

_C0_IS_ONE = 0xF0F0
"""The entries of a look-up table in which input C is 1."""

OPEN = "x"
"""What a port is connected to that has no net; nextpnr needs the port to be there."""


def open_carry_ends(netlist: dict[str, Any]) -> int:
    """Disconnect what no carry depends on; returns how many ends there were.

    nextpnr spends a CCU2C at each end of a chain that is connected to something, to bring a carry
    in or out. Yosys connects both: the carry out of the last cell goes to a net without a reader,
    and an open carry in becomes a constant. A carry out without a reader is always disconnected, a
    constant carry in where the first table's output is always 0, and so nothing depends on it (as
    in :mod:`weft.hdl.tech.ecp5_carry`).

    Parameters
    ----------
    netlist : dict
        The netlist as ``write_json`` has it; changed in place.
    """
    ends = 0
    for module in netlist["modules"].values():
        cells = module["cells"].values()
        chained = [cell for cell in cells if cell["type"] == "CCU2C"]
        uses = Counter(
            bit for cell in cells for bits in cell["connections"].values() for bit in bits
        )
        uses.update(bit for port in module["ports"].values() for bit in port["bits"])
        for cell in chained:
            connections = cell["connections"]
            if all(uses[bit] == 1 for bit in connections["COUT"]):
                connections["COUT"] = [OPEN]
                ends += 1
            initial = int(cell["parameters"]["INIT0"], 2)
            blocks = connections["C0"] == ["1"] and not initial & _C0_IS_ONE
            if connections["CIN"] in (["0"], ["1"]) and blocks:
                connections["CIN"] = [OPEN]
                ends += 1
    return ends


def open_constant_carries(netlist: dict[str, Any]) -> int:
    """Disconnect the carry into each chain of Nexus; returns how many there were.

    A chain from Yosys begins with a CCU2 whose second half sets the carry from an ordinary input.
    Its own carry in has no meaning, but Yosys ties it to a constant, and nextpnr refuses that.

    Parameters
    ----------
    netlist : dict
        The netlist as ``write_json`` has it; changed in place.
    """
    ends = 0
    for module in netlist["modules"].values():
        cells = module["cells"].values()
        constant = {"0", "1", OPEN}
        for cell in cells:
            if cell["type"] in ("VLO", "VHI"):
                constant.update(cell["connections"]["Z"])
        for cell in cells:
            if cell["type"] == "CCU2" and constant.issuperset(cell["connections"].get("CIN", [])):
                cell["connections"]["CIN"] = [OPEN]
                ends += 1
    return ends
