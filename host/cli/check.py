# SPDX-License-Identifier: Apache-2.0
"""`weft check`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..hdl.config import Config
from ._command import Output, subcommand
from ._options import config_options

__all__ = ["command"]


@subcommand(
    short_help="Prove a program free of deadlock, races and bad accesses.",
    epilog="""
    weft check copy.weft
    weft check copy.s --preset small
    weft check --gemm 128 256 256 --save gemm.weft
    """,
)
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--gemm", nargs=3, type=click.IntRange(min=1), metavar="M N K",
              help="Check the compiler's program for this product.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the program of --gemm to this file.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True,
              help="Most findings to show.")
@config_options
def command(
    output: Output, config: Config, file: Path | None, gemm: tuple[int, int, int] | None,
    save: Path | None, limit: int,
) -> dict[str, Any]:
    """Check FILE, a program file or assembler text, before it runs.

    A program file knows the configuration it was made for; for text, and for files without one, the
    options choose it. The exit status is 0 only if nothing was found.
    """
    from ..compiler.checker import check as find
    from ..compiler.gemm import compile_gemm
    from ._programs import read_program

    if (file is None) == (gemm is None):
        raise click.UsageError("give either FILE or --gemm M N K")
    if save is not None and gemm is None:
        raise click.UsageError("--save goes with --gemm")
    with output.progress("checking") as update:
        if gemm is not None:
            update(title="compiling")
            program = compile_gemm(config, *gemm)
            if save is not None:
                program.save(save)
        else:
            assert file is not None
            program = read_program(file)
        config = program.config or config
        update(title=f"checking {len(program)} instructions")
        findings = find(config, program, limit=limit)
    for finding in findings:
        output.console.print(f"[red]{finding.kind}[/red] instruction {finding.index}: "
                             f"{finding.what}; {finding.fix}", soft_wrap=True, highlight=False)
    if findings:
        output.status = 1
        output.console.print(f"{len(findings)} findings in {len(program)} instructions")
    else:
        output.console.print(f"{len(program)} instructions: nothing found")
    return {
        "ok": not findings,
        "instructions": len(program),
        "config": config.to_dict(),
        "findings": [asdict(finding) for finding in findings],
    }
