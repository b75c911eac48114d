# SPDX-License-Identifier: Apache-2.0
"""Which processing elements get a multiplier block."""

import re

import pytest

from weft.generators.verilog import emit
from weft.hdl.config import Config
from weft.hdl.stream_array import StreamArray
from weft.hdl.tech.allocation import Allocation, spread


@pytest.mark.parametrize("places", range(1, 20))
def test_spread_is_even(places):
    for amount in range(3 * places):
        shares = spread(amount, places)
        assert sum(shares) == amount and len(shares) == places
        for length in range(1, places + 1):
            sums = [sum(shares[low : low + length]) for low in range(places - length + 1)]
            assert max(sums) - min(sums) <= 1


def kinds(rows, cols, family, multipliers):
    """Processing elements by module, and rows by module, counted in the emitted text."""
    text = emit(
        StreamArray(Config(rows=rows, cols=cols, family=family, multipliers=multipliers)), "top"
    )
    modules = {
        name: body for name, body in re.findall(r"^module (\w+) (.*?)^endmodule", text, re.M | re.S)
    }
    counts = {}
    for row in re.findall(r"^  (weft_row\w*) row_\d+ \(", modules["weft_mesh"], re.M):
        for pe in re.findall(r"^  (weft_pe\w*) pe_\d+ \(", modules[row], re.M):
            counts[pe] = counts.get(pe, 0) + 1
    return counts, sorted(name for name in modules if name.startswith("weft_row"))


@pytest.mark.parametrize(
    ("rows", "cols", "family", "multipliers", "counts", "rows_emitted"),
    [
        (16, 16, "ecp5", 156, {"weft_pe": 156, "weft_pe_soft": 100},
         ["weft_row_10_blocks", "weft_row_9_blocks"]),
        (8, 8, "ecp5", None, {"weft_pe": 64}, ["weft_row"]),
        (8, 8, "ecp5", 156, {"weft_pe": 64}, ["weft_row"]),
        (3, 4, "ecp5", 0, {"weft_pe_soft": 12}, ["weft_row_0_blocks"]),
        (4, 4, "ice40", 16, {"weft_pe_pair": 8}, ["weft_row"]),
        (4, 8, "ice40", 16, {"weft_pe_pair": 8, "weft_pe_soft_2": 8}, ["weft_row_2_blocks"]),
        (2, 5, "ice40", None, {"weft_pe_pair": 4, "weft_pe_soft": 2}, ["weft_row"]),
        (2, 5, "ice40", 3, {"weft_pe_pair": 1, "weft_pe_soft": 2, "weft_pe_soft_2": 3},
         ["weft_row_0_blocks", "weft_row_1_blocks"]),
        (2, 1, "ice40", None, {"weft_pe_soft": 2}, ["weft_row"]),
    ],
)
def test_each_kind_is_elaborated_once(rows, cols, family, multipliers, counts, rows_emitted):
    assert kinds(rows, cols, family, multipliers) == (counts, rows_emitted)
    allocation = Allocation(family, rows, cols, multipliers)
    blocks = sum(count for name, count in counts.items() if "soft" not in name)
    assert allocation.blocks == blocks
    assert sum(allocation.row_blocks) == blocks
