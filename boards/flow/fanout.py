# SPDX-License-Identifier: Apache-2.0
"""Divides nets with very many sinks in a netlist from Yosys."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import Any

__all__ = ["MOST_SINKS", "divide_wide_nets"]

MOST_SINKS = 300
"""Sinks of a net that is left alone."""

_OUTPUTS = {"LUT4": "Z", "FD1P3IX": "Q", "FD1P3JX": "Q"}
"""The output of the cells that may be copied, by type."""

_GLOBAL = {"CLK", "CK", "CLKA", "CLKB", "CLKR", "CLKW", "WCK"}
"""Ports whose nets have wires of their own."""


def divide_wide_nets(netlist: dict[str, Any], most: int = MOST_SINKS) -> int:
    """Copy the drivers of nets with more than ``most`` sinks; returns how many copies there are.

    nextpnr's ``router1`` looks at all of a net for each sink it routes, so a net of thousands of
    sinks, such as a reset, takes hours. Sinks are divided in the order of their names, which keeps
    those of one unit together. Nets that reach a port of the module are left as they are.

    Parameters
    ----------
    netlist : dict
        The netlist of a Nexus device as ``write_json`` has it; changed in place.
    most : int
        Sinks of a net at most.
    """
    copies = 0
    for module in netlist["modules"].values():
        cells = module["cells"]
        drivers: dict[int, str] = {}
        sinks: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
        for name, cell in sorted(cells.items()):
            for port, bits in cell["connections"].items():
                output = cell["port_directions"][port] == "output"
                for place, bit in enumerate(bits):
                    if not output:
                        sinks[bit].append((name, port, place))
                    elif _OUTPUTS.get(cell["type"]) == port:
                        drivers[bit] = name
        outside = set(chain.from_iterable(port["bits"] for port in module["ports"].values()))
        used = (bit for cell in cells.values() for bits in cell["connections"].values()
                for bit in bits if isinstance(bit, int))
        free = max(chain(used, (bit for bit in outside if isinstance(bit, int))), default=0) + 1
        for bit, name in drivers.items():
            users = sinks[bit]
            if (
                len(users) <= most
                or bit in outside
                or any(port in _GLOBAL for _, port, _ in users)
            ):
                continue
            driver = cells[name]
            output = _OUTPUTS[driver["type"]]
            for number, start in enumerate(range(most, len(users), most)):
                copy = f"{name}_copy_{number}"
                cells[copy] = {
                    **driver, "connections": {**driver["connections"], output: [free]}
                }
                module["netnames"][copy] = {"hide_name": 0, "bits": [free], "attributes": {}}
                for user, port, place in users[start : start + most]:
                    bits = list(cells[user]["connections"][port])
                    bits[place] = free
                    cells[user]["connections"][port] = bits
                free += 1
                copies += 1
    return copies
