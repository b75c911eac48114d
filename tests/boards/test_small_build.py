# SPDX-License-Identifier: Apache-2.0
"""What continuous integration places and routes in each run: the smallest board, as a whole."""

import pytest

from weft.boards import BOARDS
from weft.boards.build import build_board

BOARD = BOARDS["icebreaker"]
AVAILABLE = {"lut4": 5280, "dsp": 8, "bram": 30}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return build_board(BOARD, output=tmp_path_factory.mktemp("icebreaker"))


def test_meets_the_clock(build):
    assert build.meets_clock
    assert build.synthesis.fmax_mhz * 1e6 >= BOARD.system_hz


def test_fits(build):
    for resource, available in AVAILABLE.items():
        assert 0 < getattr(build.synthesis, resource) <= available
    assert build.synthesis.dsp == BOARD.config.rows * BOARD.config.cols // 2


def test_there_is_a_bitstream(build):
    assert build.bitstream.name == "icebreaker.bin"
    assert build.bitstream.stat().st_size > 100_000
