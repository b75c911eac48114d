# SPDX-License-Identifier: Apache-2.0
"""`weft generate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..hdl.config import Config
from ._board_options import board_options
from ._command import Output, subcommand
from ._options import config_options

__all__ = ["command"]


@subcommand(
    short_help="Write Verilog, register maps and a core file.",
    epilog="""
    weft generate --rows 16 --cols 16 -o build/weft16
    weft generate --rows 128 --cols 128 --top array -o build/array128
    weft generate --config my.yaml --axi-width 64 -o build/mine --json
    weft generate --preset tiny --top board --clock-hz 12000000 -o build/board
    """,
)
@config_options
@click.option(
    "--top", type=click.Choice(["accelerator", "array", "board"]), default="accelerator",
    show_default=True, help="The accelerator with AXI4 and AXI4-Lite ports, the bare array with "
    "streams, or the accelerator with a UART host link and on-chip memory.",
)
@board_options
@click.option(
    "-o", "--output", "directory", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write to; made if it does not exist.",
)
def command(
    output: Output, config: Config, top: str, clock_hz: int, baud: int, memory_bytes: int,
    single_port: bool, directory: Path,
) -> dict[str, Any]:
    """Write one Verilog file and what belongs to it.

    For accelerator and board: C header, CMSIS-SVD and Markdown register maps; for all tops: FuseSoC
    core file, the configuration as YAML and a JSON manifest with ports, sizes and checksums. The
    same configuration gives the same bytes. Clock, baud rate and memory are those of the board.
    """
    from ..boards.verilog import BOARD_MODULE, board_component
    from ..generators.generate import generate, generate_component

    began = time.perf_counter()
    with output.progress(f"generating {top} {config.rows} x {config.cols}"):
        if top == "board":
            component = board_component(
                config, clock_hz=clock_hz, baud=baud, memory_bytes=memory_bytes,
                single_port=single_port,
            )
            manifest = generate_component(config, top, BOARD_MODULE, component, directory)
        else:
            manifest = generate(config, top, directory)
    seconds = time.perf_counter() - began
    output.console.print(f"{manifest['module']} in {directory} ({seconds:.1f} s)")
    table = Table()
    table.add_column("file")
    table.add_column("bytes", justify="right")
    for name, entry in manifest["files"].items():
        table.add_row(name, f"{entry['bytes']:,}")
    output.console.print(table)
    return {"directory": str(directory), "seconds": round(seconds, 3), **manifest}
