# SPDX-License-Identifier: Apache-2.0
"""Open ends of ECP5 carry chains."""

from weft.boards.flow.carry import open_carry_ends


def cell(carry_in, carry_out, *, c0="0", init="0000000000000000"):
    connections = {"CIN": [carry_in], "COUT": [carry_out], "C0": [c0]}
    return {"type": "CCU2C", "parameters": {"INIT0": init}, "connections": connections}


def netlist(**cells):
    return {"modules": {"top": {"ports": {"carry": {"bits": [9]}}, "cells": cells}}}


def test_ends_without_a_reader_are_opened():
    design = netlist(first=cell("0", 2, c0="1"), second=cell(2, 3), third=cell(3, 4))
    assert open_carry_ends(design) == 2
    cells = design["modules"]["top"]["cells"]
    assert [item["connections"]["CIN"] for item in cells.values()] == [["x"], [2], [3]]
    assert [item["connections"]["COUT"] for item in cells.values()] == [[2], [3], ["x"]]


def test_a_carry_that_leaves_the_design_stays():
    design = netlist(only=cell("0", 9, c0="1"))
    assert open_carry_ends(design) == 1
    assert design["modules"]["top"]["cells"]["only"]["connections"]["COUT"] == [9]


def test_a_constant_carry_that_matters_stays():
    # The table's output is 1 somewhere where C is 1, or C is not known to be 1.
    for only in (cell("0", 9, c0="1", init="0000000000010000"), cell("1", 9, c0="0")):
        assert open_carry_ends(netlist(only=only)) == 0
        assert only["connections"]["CIN"] != ["x"]


def test_entries_where_c_is_zero_do_not_matter():
    only = cell("1", 9, c0="1", init="0000111100001111")
    assert open_carry_ends(netlist(only=only)) == 1
