# SPDX-License-Identifier: Apache-2.0
"""Synthesizes boards of a few sizes and writes what the estimates of `weft fit --board` rest on.

    python scripts/bench_fit.py                          # every family: hours
    python scripts/bench_fit.py --family ecp5            # one; the others keep their figures
    python scripts/bench_fit.py --family ecp5 --missing  # only points that are not there yet
    python scripts/bench_fit.py --tables                 # only the table of docs/fpga.md

Yosys only, nothing is placed. boards/fit.json is written after each synthesis.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from weft.boards.board import Board
from weft.boards.build import synthesis_arguments
from weft.boards.fit import (
    CELLS,
    DATA_FILE,
    RESOURCES,
    count_resources,
    load_models,
    modelled,
)
from weft.boards.flow.count import synthesized_cells
from weft.boards.flow.families import family_named
from weft.boards.registry import BOARDS
from weft.boards.verilog import BOARD_MODULE, board_verilog
from weft.generators.generate import MODULES, component_of
from weft.generators.verilog import emit
from weft.hdl.config import Config

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "boards" / DATA_FILE
DOCUMENT = ROOT / "docs" / "fpga.md"
MEMORY_BYTES = 4096
SIZES = ((2, 2, 0), (4, 4, 0), (4, 4, 1), (4, 4, 4), (8, 8, 1))
"""Rows, columns, and lanes of the vector unit."""

SMALL_SIZES = ((2, 2, 0), (2, 4, 0), (4, 2, 0), (4, 4, 0))
"""The same for boards without the unit."""

MODELS = {"ecp5": "ulx3s-85f", "ice40": "icebreaker", "gowin": "tangnano20k",
          "nexus": "crosslink-nx-evn"}
"""The board of each family whose configuration is synthesized in these sizes."""
HEAD = (
    "| family | array | lanes | LUT | FF | multiplier blocks | block RAM |\n"
    "|---|---|---|---|---|---|---|\n"
)
BEGIN, END = "<!-- fit begin -->\n", "<!-- fit end -->\n"


def board_cells(board: Board, config: Config) -> dict[str, int]:
    """Cells of a board with the host link, and a small memory unless it is not in block RAM."""
    text = board_verilog(
        config, clock_hz=25_000_000, baud=1_000_000, single_port=board.single_port,
        memory_bytes=board.memory_bytes if board.single_port else MEMORY_BYTES,
    )
    return synthesized_cells(
        text, BOARD_MODULE, f"{board.flow.synthesis} {synthesis_arguments(board.family)}"
    )


def soft_cost(family: str) -> float:
    """Look-up tables that a product needs more without a multiplier block."""
    luts = []
    for multipliers in (16, 0):
        config = Config(rows=4, cols=4, family=family, multipliers=multipliers, weight_depth=16)
        text = emit(component_of(config, "array"), MODULES["array"])
        cells = synthesized_cells(text, MODULES["array"], family_named(family).synthesis)
        luts.append(count_resources(cells, family)["lut"])
    return round((luts[1] - luts[0]) / 16, 1)


def measure(data: dict[str, Any], family: str, *, missing: bool) -> None:
    """Synthesize the sizes of one family."""
    entry = data["families"].setdefault(family, {"soft": None, "points": []})
    if not missing:
        entry.update(soft=None, points=[])
    if entry["soft"] is None:
        entry["soft"] = soft_cost(family)
        save(data)
    board = BOARDS[MODELS[family]]
    for rows, cols, lanes in SIZES if board.config.lanes else SMALL_SIZES:
        config = board.config.replace(rows=rows, cols=cols, vector_lanes=lanes)
        settings = {name: value for name, value in config.to_dict().items() if name != "family"}
        if any(point["config"] == settings for point in entry["points"]):
            continue
        began = time.perf_counter()
        cells = board_cells(board, config)
        entry["points"].append(
            {
                "config": settings,
                # A single-port memory is in blocks of another kind.
                "memory_bytes": 0 if board.single_port else MEMORY_BYTES,
                "cells": cells,
            }
        )
        save(data)
        seconds = time.perf_counter() - began
        print(f"{family} {rows} x {cols}, {lanes} lanes: {seconds:.0f} s", flush=True)


def table() -> str:
    """Every synthesis, with what the estimate of it is off by."""
    lines = []
    for family, model in load_models().items():
        for point in model.points:
            config = Config.from_dict({**point["config"], "family": family})
            products = config.rows * config.cols
            estimated = modelled(family, config, products, point["memory_bytes"])
            counted = count_resources(point["cells"], family)
            cells = " | ".join(
                f"{counted[name]:,.0f} ({estimated[name] / counted[name] - 1:+.1%})"
                if counted[name] else "0"
                for name in RESOURCES
            )
            lines.append(
                f"| {family} | {config.rows} x {config.cols} | {config.lanes} | {cells} |\n"
            )
    return HEAD + "".join(lines)


def write_table() -> None:
    """Put the table between its markers in the document."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")


def save(data: dict[str, Any]) -> None:
    """Write the file that `weft.boards.fit` reads."""
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--family", action="append", choices=list(CELLS))
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    data = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {"families": {}}
    if not options.tables:
        for family in options.family or CELLS:
            measure(data, family, missing=options.missing)
    write_table()


if __name__ == "__main__":
    main()
