# SPDX-License-Identifier: Apache-2.0
"""Wide nets of Nexus netlists."""

import pytest

from weft.boards.flow.fanout import divide_wide_nets


def netlist(kind, output, users, *, port="D", outside=()):
    """One driver of net 2, from net 3, and flip-flops that read it."""
    cells = {
        "driver": {
            "type": kind,
            "port_directions": {"A": "input", output: "output"},
            "connections": {"A": [3], output: [2]},
        }
    }
    for number in range(users):
        cells[f"user_{number:03}"] = {
            "type": "FD1P3IX",
            "port_directions": {port: "input", "Q": "output"},
            "connections": {port: [2], "Q": [10 + number]},
        }
    ports = {"port": {"bits": list(outside)}}
    return {"modules": {"top": {"ports": ports, "cells": cells, "netnames": {}}}}


def readers(design):
    """How many cells read each net of a driver or one of its copies."""
    cells = design["modules"]["top"]["cells"]
    drivers = {
        bits[0]: 0 for name, cell in cells.items() if name.startswith("driver")
        for port, bits in cell["connections"].items() if cell["port_directions"][port] == "output"
    }
    for name, cell in cells.items():
        if name.startswith("user"):
            (bit,) = next(bits for port, bits in cell["connections"].items() if port != "Q")
            drivers[bit] += 1
    return sorted(drivers.values())


@pytest.mark.parametrize(("kind", "output"), [("LUT4", "Z"), ("FD1P3IX", "Q"), ("FD1P3JX", "Q")])
def test_drivers_are_copied(kind, output):
    design = netlist(kind, output, 25)
    assert divide_wide_nets(design, 10) == 2
    assert readers(design) == [5, 10, 10]
    cells = design["modules"]["top"]["cells"]
    copies = [cell for name, cell in cells.items() if name.startswith("driver_copy")]
    assert [cell["connections"]["A"] for cell in copies] == [[3], [3]]
    # In the order of names, and every net has one driver.
    assert [cells[f"user_{number:03}"]["connections"]["D"] for number in (0, 9)] == [[2], [2]]
    assert cells["user_010"]["connections"]["D"] != [2]
    driven = [bit for cell in cells.values() for port, bits in cell["connections"].items()
              if cell["port_directions"][port] == "output" for bit in bits]
    assert len(driven) == len(set(driven)) == 28
    assert divide_wide_nets(design, 10) == 0


@pytest.mark.parametrize(
    "design",
    [
        netlist("LUT4", "Z", 10),
        netlist("PDPSC16K", "Z", 25),
        netlist("LUT4", "Z", 25, port="CK"),
        netlist("LUT4", "Z", 25, outside=[2]),
    ],
    ids=["narrow", "memory", "clock", "port"],
)
def test_other_nets_stay(design):
    assert divide_wide_nets(design, 10) == 0
    assert max(readers(design)) in (10, 25)
