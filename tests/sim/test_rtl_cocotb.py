# SPDX-License-Identifier: Apache-2.0
"""The cocotb transport on the copy engine; it must do what the verilated transport does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weft.hdl.config import Config
from weft.hdl.registers import register
from weft.sim.cocotb_transport import CocotbTransport
from weft.sim.job import Job
from weft.sim.rtl import VerilatedTransport

ENGINE = (Path(__file__).parent / "copy_engine.v").read_text()


def job(target: int = 8192, max_cycles: int = 5000) -> Job:
    offset = {name: register(name).offset for name in ("CONTROL", "STATUS", "WATCHDOG")}
    memory = np.random.default_rng(2).integers(0, 256, 16384, dtype=np.uint8)
    return Job(
        memory,
        [
            (offset["WATCHDOG"], 1),  # which the copy engine refuses
            (register("SEGMENT1_BASE_LOW").offset, target),
            (register("SEGMENT0_BASE_LOW").offset, 512),
            (register("PROGRAM_LENGTH").offset, 3),
            (register("PROGRAM_ADDRESS_LOW").offset, 0),
            (offset["CONTROL"], 1),
        ],
        [offset["STATUS"]],
        max_cycles,
    )


@pytest.mark.parametrize("target", [8192, 16384 - 256])
def test_agrees_with_the_verilated_transport(target: int) -> None:
    config = Config.preset("tiny", axi_width=128)
    mine = CocotbTransport(config, verilog=ENGINE, stall_probability=0.2, seed=4).execute(
        job(target)
    )
    with VerilatedTransport(config, verilog=ENGINE) as device:
        theirs = device.execute(job(target))
    assert mine.values == theirs.values
    assert mine.values[register("STATUS").offset] == (0b010 if target == 8192 else 0b110)
    assert mine.interrupt and theirs.interrupt
    assert mine.refused == theirs.refused == [register("WATCHDOG").offset]
    assert np.array_equal(mine.memory, theirs.memory)


def test_gives_up_after_max_cycles() -> None:
    result = CocotbTransport(Config.preset("tiny"), verilog=ENGINE).execute(job(max_cycles=20))
    assert not result.interrupt


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="simulator must be icarus or verilator, not 'vcs'"):
        CocotbTransport(Config(), simulator="vcs")
    with pytest.raises(ValueError, match="stall_probability must be at least 0 and below 1"):
        CocotbTransport(Config(), stall_probability=1)
