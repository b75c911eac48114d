# SPDX-License-Identifier: Apache-2.0
"""`weft fit --board`."""

from __future__ import annotations

from typing import Any

from ..boards.board import Board
from ..boards.fit import RESOURCES, Estimate, estimate, largest_arrays
from ..hdl.config import Config
from ._command import Output

__all__ = ["fit_board"]

TITLES = {
    "lut": "LUTs", "ff": "flip-flops", "dsp": "multiplier blocks", "bram": "block RAMs"
}


def fit_board(output: Output, board: Board, config: Config) -> dict[str, Any]:
    """Print and return what a configuration takes of a board, and the largest arrays that fit.

    Sets the exit status to 1 if the configuration does not fit.
    """
    chosen = estimate(board, config)
    largest = list(largest_arrays(board))
    problems = [
        f"{board.title} has {chosen.available[name]:,} {TITLES[name]}, about "
        f"{chosen.used[name]:,} are needed"
        for name in chosen.short
    ]
    if problems:
        output.status = 1
    result = {
        "board": board.name, "fits": not problems, "problems": problems,
        "config": config.to_dict(), "available": dict(chosen.available),
        "estimate": dict(chosen.used),
        "largest": [_array(size) | {"estimate": dict(found.used)} for size, found in largest],
    }
    _print(output, board, config, chosen, largest)
    for problem in problems:
        output.console.print(f"[bold red]does not fit[/bold red]: {problem}", soft_wrap=True)
    return result


def _array(config: Config) -> dict[str, int]:
    return {"rows": config.rows, "cols": config.cols, "lanes": config.lanes}


def _print(
    output: Output, board: Board, config: Config, chosen: Estimate,
    largest: list[tuple[Config, Estimate]],
) -> None:
    from rich.table import Table

    table = Table(title=f"{board.title}, {board.part.device}: estimates from syntheses",
                  title_justify="left")
    table.add_column("array")
    table.add_column("lanes", justify="right")
    for name in RESOURCES:
        table.add_column(TITLES[name], justify="right")
    rows = [("", config, chosen)]
    rows += [("largest that fits: ", size, found) for size, found in largest]
    for title, size, found in rows:
        shares = (
            f"{found.used[name]:,} ({found.used[name] / found.available[name]:.0%})"
            for name in RESOURCES
        )
        table.add_row(f"{title}{size.rows} x {size.cols}", str(size.lanes), *shares)
    table.add_section()
    table.add_row("device", "", *(f"{chosen.available[name]:,}" for name in RESOURCES))
    output.console.print(table)
