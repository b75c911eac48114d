# SPDX-License-Identifier: Apache-2.0
"""What continuous integration places and routes in each run: the parts of the smallest board.

Routing the whole iCEBreaker takes minutes, so that is for `--full`; in each run its array and its
host link are built, each by itself. Both must fit together, and be as fast as the board's clock.
"""

import pytest

from weft.boards import BOARDS
from weft.boards.build import build_board
from weft.boards.flow.synthesize import synthesize
from weft.generators.generate import MODULES, component_of
from weft.generators.verilog import emit
from weft.hdl.link.baud import Baud
from weft.hdl.link.link import HostLink

BOARD = BOARDS["icebreaker"]
AVAILABLE = {"lut4": 5280, "dsp": 8, "bram": 30}


@pytest.fixture(scope="module")
def builds():
    """Post-route figures by part."""
    config = BOARD.config.replace(multipliers=BOARD.flow.multipliers[BOARD.part.device])
    link = HostLink(
        baud=Baud(BOARD.system_hz, BOARD.baud), memory_bytes=BOARD.memory_bytes,
        address_width=config.axi_address_width, data_width=config.axi_width,
    )
    designs = {
        "array": (emit(component_of(config, "array"), MODULES["array"]), MODULES["array"]),
        "link": (emit(link, "weft_host_link"), "weft_host_link"),
    }
    part = BOARD.part
    return {
        name: synthesize(text, top, BOARD.family, part.device, part.package, part.speed)
        for name, (text, top) in designs.items()
    }


@pytest.mark.parametrize("name", ["array", "link"])
def test_meets_the_clock(name, builds):
    assert builds[name].fmax_mhz * 1e6 >= BOARD.system_hz


def test_fit_together(builds):
    for resource, available in AVAILABLE.items():
        assert sum(getattr(build, resource) for build in builds.values()) <= available
    products = BOARD.config.rows * BOARD.config.cols
    assert builds["array"].dsp == products // 2
    assert builds["link"].bram > 0


@pytest.mark.full
def test_the_whole_board(tmp_path):
    build = build_board(BOARD, output=tmp_path)
    assert build.meets_clock
    for resource, available in AVAILABLE.items():
        assert getattr(build.synthesis, resource) <= available
    assert build.bitstream.stat().st_size > 100_000
