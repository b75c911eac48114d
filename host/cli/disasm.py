# SPDX-License-Identifier: Apache-2.0
"""`weft disasm`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ._command import Output, subcommand

__all__ = ["command"]


@subcommand(
    short_help="Show a program file as assembler text.",
    epilog="""
    weft disasm copy.weft
    weft disasm copy.weft --numbers > copy.s
    """,
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--numbers", is_flag=True, help="Put each instruction's index in a comment.")
def command(output: Output, file: Path, numbers: bool) -> dict[str, Any]:
    """Show the program in FILE (a program file or bare instructions) as text for weft asm."""
    from ..compiler.assembler import disassemble
    from ._programs import read_program

    program = read_program(file)
    text = disassemble(program, numbers=numbers)
    sys.stdout.write("" if output.as_json else text)
    return {
        "file": str(file),
        "name": program.name,
        "instructions": len(program),
        "config": None if program.config is None else program.config.to_dict(),
        "text": text,
    }
