# SPDX-License-Identifier: Apache-2.0
"""`weft synth --board`."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import click

from ..boards.build import build_board
from ..boards.registry import board_named
from ..hdl.config import Config
from ._board_config import board_config, given
from ._command import Output

__all__ = ["synthesize_board"]

EXCLUDED = ("top", "device", "package", "speed")
"""Options that a board decides."""


def synthesize_board(
    output: Output, name: str, memory: str, config: Config, seeds: int, placer: str | None,
    clock: float | None, directory: Path | None,
) -> dict[str, Any]:
    """Build the board called ``name`` with one of its memories, at ``clock`` MHz or its own
    frequency; returns what ``--json`` prints."""
    from ._synth_report import write_synthesis
    from .synth import print_figures

    for option in EXCLUDED:
        if given(option):
            raise click.UsageError(f"--board and --{option} exclude each other")
    if directory is None:
        raise click.UsageError("--board needs -o, the directory for the bitstream")
    board = board_named(name).with_memory(memory)
    if clock is not None:
        try:
            board = dataclasses.replace(board, system_hz=round(clock * 1e6))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--clock") from None
    chosen = board_config(board, config)
    began = time.perf_counter()
    title = f"{board.title}, {chosen.rows} x {chosen.cols}"
    with output.progress(title, total=seeds + 3) as update:
        done = iter(range(seeds + 3))
        build = build_board(
            board, chosen, seeds, output=directory, placer=placer,
            progress=lambda step: update(completed=next(done), title=f"{title}: {step}"),
        )
    values = write_synthesis(build, directory, time.perf_counter() - began)
    print_figures(output, build.synthesis, values)
    output.console.print(f"bitstream: {build.bitstream}", soft_wrap=True)
    if not build.meets_clock:
        output.status = 1
        output.console.print(
            f"[bold red]too slow[/bold red]: the board's clock is {values['clock_mhz']:g} MHz"
        )
    for note in board.notes:
        output.console.print(f"note: {note}", soft_wrap=True)
    return values
