# SPDX-License-Identifier: Apache-2.0
"""`weft generate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..boards.zynq import ZYNQ_BOARDS, ZynqBoard, vivado_files
from ..hdl.config import Config
from ._board_config import given
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
    weft generate --preset small --vivado pynq-z2 -o build/pynq
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
    "--vivado", help=f"A board with a Zynq ({', '.join(ZYNQ_BOARDS)}): also a script that makes "
    "its Vivado project, and the family xilinx7 unless another is given.",
)
@click.option(
    "-o", "--output", "directory", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write to; made if it does not exist.",
)
def command(
    output: Output, config: Config, top: str, clock_hz: int, baud: int, memory_bytes: int,
    single_port: bool, vivado: str | None, directory: Path,
) -> dict[str, Any]:
    """Write one Verilog file and what belongs to it.

    For accelerator and board: C header, CMSIS-SVD and Markdown register maps; for all tops: FuseSoC
    core file, the configuration as YAML and a JSON manifest with ports, sizes and checksums. The
    same configuration gives the same bytes. Clock, baud rate and memory are those of the board.
    """
    zynq = None
    if vivado is not None:
        zynq = _zynq(vivado, top)
        config = config if given("family") else config.replace(family="xilinx7")
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
        if zynq is not None:
            verilog = (directory / f"{manifest['module']}.v").read_text(encoding="utf-8")
            for name, text in vivado_files(zynq, config, verilog=verilog).items():
                (directory / name).write_text(text, encoding="utf-8")
    seconds = time.perf_counter() - began
    output.console.print(f"{manifest['module']} in {directory} ({seconds:.1f} s)")
    table = Table()
    table.add_column("file")
    table.add_column("bytes", justify="right")
    for name, entry in manifest["files"].items():
        table.add_row(name, f"{entry['bytes']:,}")
    output.console.print(table)
    if zynq is not None:
        output.console.print(f"Vivado project of the {zynq.title}: "
                             f"vivado -mode batch -source {directory / 'project.tcl'}",
                             soft_wrap=True)
    return {"directory": str(directory), "seconds": round(seconds, 3), **manifest}


def _zynq(name: str, top: str) -> ZynqBoard:
    """The board called ``name``, for an accelerator."""
    if top != "accelerator":
        raise click.UsageError(f"--vivado needs --top accelerator, not {top}")
    if name not in ZYNQ_BOARDS:
        raise click.UsageError(f"--vivado must be one of {', '.join(ZYNQ_BOARDS)}, not {name!r}")
    return ZYNQ_BOARDS[name]
