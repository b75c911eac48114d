# SPDX-License-Identifier: Apache-2.0
"""Derived figures."""

from __future__ import annotations

import pytest

from weft.generators.sizes import block_rams, derived_figures
from weft.hdl.config import Config


@pytest.mark.parametrize(
    ("width", "depth", "banks", "expected"),
    [
        (36, 512, 1, 1),
        (36, 1024, 1, 2),
        (32, 512, 1, 1),
        (1, 16384, 1, 1),
        (128, 2048, 1, 15),  # 9 bits wide
        (128, 512, 1, 4),
        (128, 512, 2, 8),  # each bank takes half-filled blocks
    ],
)
def test_block_rams(width: int, depth: int, banks: int, expected: int) -> None:
    assert block_rams(width, depth, banks) == expected


def test_default_configuration() -> None:
    figures = derived_figures(Config())
    assert figures["macs_per_cycle"] == 256
    assert figures["activation_buffer_bytes"] == 65536
    assert figures["weight_buffer_bytes"] == 65536
    assert figures["accumulator_bytes"] == 65536
    assert figures["buffer_bytes"] == 3 * 65536
    blocks = figures["block_rams_ecp5"]
    assert blocks["total"] == blocks["activation"] + blocks["weight"] + blocks["accumulator"]
    # No mapping takes fewer blocks than the bits fill, and a power-of-two width wastes a ninth.
    assert 3 * 65536 * 8 / 18432 <= blocks["total"] <= 3 * 65536 * 8 / 16384 * 1.05
