# SPDX-License-Identifier: Apache-2.0
"""`weft asm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..hdl.config import Config
from ._command import Output, subcommand
from ._options import config_options

__all__ = ["command"]


@subcommand(
    short_help="Assemble text into a program file.",
    epilog="""
    weft asm copy.s -o copy.weft
    weft asm copy.s -o copy.weft --preset small --json
    """,
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", "target", required=True,
              type=click.Path(path_type=Path, dir_okay=False), help="Program file to write.")
@click.option("--bare", is_flag=True, help="Write the bare instructions, without a description.")
@config_options
def command(
    output: Output, config: Config, file: Path, target: Path, bare: bool
) -> dict[str, Any]:
    """Assemble FILE. docs/isa.md lists the instructions and their fields."""
    from ..compiler.assembler import assemble

    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not assembler text: {error}") from error
    program = assemble(text, config)
    program.name = program.name or file.stem
    content = program.to_bytes() if bare else program.to_file_bytes()
    target.write_bytes(content)
    output.console.print(f"{len(program)} instructions, {len(content):,} bytes in {target}")
    return {"file": str(target), "instructions": len(program), "bytes": len(content)}
