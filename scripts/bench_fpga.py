# SPDX-License-Identifier: Apache-2.0
"""Places and routes designs and boards, and writes what came out into the tables of docs/fpga.md.

    python scripts/bench_fpga.py                              # only the table of boards
    python scripts/bench_fpga.py --design array-8x8 --design accelerator-8x8 --seeds 3
    python scripts/bench_fpga.py --board ulx3s-85f --seeds 3 -o build/fpga

The tables keep their other rows: a row is replaced when its design or board is built again.
`--reuse` takes results that are in the output directory already.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weft.boards import BOARDS, board_named
from weft.boards.board import Board
from weft.boards.build import BoardBuild, build_board

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "fpga.md"

BOARD_HEAD = (
    "| board | device | clock | UART | memory | array by default |\n"
    "|---|---|---|---|---|---|\n"
)
BUILD_HEAD = (
    "| board | array | Fmax, median (seeds) | board's clock | LUT4 | CCU2C | FF | DSP | block RAM "
    "| bitstream |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)
DESIGN_HEAD = (
    "| design | Fmax, median (seeds) | LUT4 | CCU2C | LUT per MAC | FF | DSP | block RAM |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
PART = "--family ecp5 --device LFE5U-85F --package CABGA381 --speed 6"
DESIGNS = {
    "array-8x8": "--top array --rows 8 --cols 8",
    "array-12x12": "--top array --rows 12 --cols 12",
    "array-16x16": "--top array --rows 16 --cols 16",
    "accelerator-8x8": "--top accelerator --preset small --vector-lanes 1 --axi-width 32 "
                       "--axi-address-width 32 --read-outstanding 4 --write-outstanding 4 "
                       "--clock 125",
}
"""Designs that are harnessed for LFE5U-85F, speed 6: arguments of `weft synth`."""


def design_row(name: str, result: dict[str, Any]) -> str:
    """One line of the table of designs, from what `weft synth --json` says."""
    seeds = ", ".join(f"{value:.1f}" for value in result["fmax_mhz_seeds"])
    return (
        f"| `{name}` | {result['fmax_mhz']:.1f} MHz ({seeds}) | {result['lut4']:,} "
        f"| {result['ccu2c']:,} | {result['lut_per_mac']:.1f} | {result['ff']:,} "
        f"| {result['dsp']:,} | {result['bram']:,} |\n"
    )


def design_result(name: str, seeds: int, directory: Path, reuse: bool) -> dict[str, Any]:
    """Build a design, or take the result that lies in its directory."""
    if not reuse:
        weft = str(Path(sys.executable).with_name("weft"))
        arguments = [*DESIGNS[name].split(), *PART.split(), "--seeds", str(seeds)]
        subprocess.run([weft, "synth", *arguments, "-o", str(directory)], check=True)
    return json.loads((directory / "result.json").read_text(encoding="utf-8"))


def board_row(board: Board) -> str:
    """One line of the table of boards."""
    part = " ".join(filter(None, (board.part.device, board.part.package, board.part.speed)))
    return (
        f"| `{board.name}` | {part} | {board.system_hz / 1e6:g} MHz | {board.baud / 1e6:g} Mbaud "
        f"| {board.memory_bytes // 1024} KB | {board.config.rows} x {board.config.cols} |\n"
    )


def build_row(build: BoardBuild) -> str:
    """One line of the table of builds."""
    result = build.synthesis
    seeds = ", ".join(f"{value:.1f}" for value in result.fmax_mhz_seeds)
    figures = " | ".join(
        f"{getattr(result, name):,}" for name in ("lut4", "ccu2c", "ff", "dsp", "bram")
    )
    return (
        f"| `{build.board.name}` | {build.config.rows} x {build.config.cols} "
        f"| {result.fmax_mhz:.1f} MHz ({seeds}) | {build.board.system_hz / 1e6:g} MHz "
        f"| {figures} | {build.bitstream.stat().st_size:,} bytes |\n"
    )


def table_of(text: str, name: str) -> str:
    """What stands between the markers of a table."""
    found = re.search(rf"<!-- {name} begin -->\n(.*?)<!-- {name} end -->", text, re.S)
    if found is None:
        sys.exit(f"{DOCUMENT} has no markers for {name!r}")
    return found[1]


def replaced(text: str, name: str, table: str) -> str:
    """The text with another table between the markers."""
    marked = f"<!-- {name} begin -->\n{table_of(text, name)}"
    return text.replace(marked, f"<!-- {name} begin -->\n{table}")


def board_table() -> str:
    """All boards."""
    return BOARD_HEAD + "".join(map(board_row, BOARDS.values()))


def merged(
    table: str, rows: dict[str, str], head: str = BUILD_HEAD, order: Iterable[str] = BOARDS
) -> str:
    """A table with some rows new, in order."""
    known = {name: f"{line}\n" for line in table.splitlines()
             for name in re.findall(r"^\| `([^`]+)`", line)}
    known |= rows
    return head + "".join(known[name] for name in order if name in known)


def add_row(table: str, name: str, row: str, head: str, order: Iterable[str]) -> None:
    """Put one row into a table of the document as it is now: builds take long."""
    text = DOCUMENT.read_text(encoding="utf-8")
    new = merged(table_of(text, table), {name: row}, head, order)
    DOCUMENT.write_text(replaced(text, table, new), encoding="utf-8")


def main() -> None:
    """Build what is asked for and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--board", action="append", default=[], help="a board to build; repeatable")
    parser.add_argument("--design", action="append", default=[], choices=DESIGNS,
                        help="a design to place and route; repeatable")
    parser.add_argument("--reuse", action="store_true", help="take the designs' earlier results")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/fpga"))
    options = parser.parse_args()
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replaced(text, "boards", board_table()), encoding="utf-8")
    for name in options.design:
        result = design_result(name, options.seeds, options.output / name, options.reuse)
        add_row("designs", name, design_row(name, result), DESIGN_HEAD, DESIGNS)
    for name in options.board:
        build = build_board(
            board_named(name), seeds=options.seeds, output=options.output / name,
            progress=lambda step, name=name: print(f"{name}: {step}", flush=True),
        )
        add_row("builds", name, build_row(build), BUILD_HEAD, BOARDS)


if __name__ == "__main__":
    main()
