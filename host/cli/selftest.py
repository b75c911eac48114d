# SPDX-License-Identifier: Apache-2.0
"""`weft selftest`."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.table import Table

from ..hdl.config import Config
from ._board_options import baud_option
from ._command import Output, subcommand
from ._options import config_options

__all__ = ["command"]


@subcommand(
    short_help="Check the numeric contract on a card or another target.",
    epilog="""
    weft selftest --target serial:/dev/ttyUSB0
    weft selftest --target serial:/dev/ttyUSB0 --baud 3000000 --products 50 --programs 10
    weft selftest --target simulator --preset small
    """,
)
@config_options
@click.option("--target", required=True,
              help="serial:PORT, or rtl, simulator or cocotb.")
@baud_option
@click.option("--products", type=click.IntRange(min=0), default=4, show_default=True,
              help="Random matrix products besides the fixed ones.")
@click.option("--programs", type=click.IntRange(min=0), default=1, show_default=True,
              help="Random programs, which use every unit.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of everything random.")
def command(
    output: Output, config: Config, target: str, baud: int, products: int, programs: int, seed: int
) -> dict[str, Any]:
    """Check the numeric contract on a device, and name what fails.

    Matrix products at the edges of the array and at the ends of int8, error reporting, random
    programs that use every unit, a network layer, and on a card its memory; all compared bit for
    bit with the reference. A card says itself what it is: the options of a configuration are for
    the other targets.
    """
    from .. import open as open_device
    from ..runtime.device import ProgramDevice
    from ._selftest import self_tests

    began = time.perf_counter()
    serial = target.startswith("serial:")
    with output.progress(f"opening {target}"):
        device = (
            open_device(target, baud=baud) if serial else open_device(target, config)
        )
    if not isinstance(device, ProgramDevice):
        raise click.UsageError(f"--target {target} runs no programs; nothing to test")
    table = Table("test", "result")
    results: list[dict[str, str]] = []
    colours = {"passed": "green", "failed": "red", "skipped": "yellow"}
    with device, output.progress("testing") as update:
        for outcome in self_tests(device, products=products, programs=programs, seed=seed):
            update(len(results), title=outcome.name)
            results.append(
                {"name": outcome.name, "result": outcome.state, "detail": outcome.detail}
            )
            words = f"[{colours[outcome.state]}]{outcome.state}[/]"
            table.add_row(outcome.name, words + (f": {outcome.detail}" if outcome.detail else ""))
        found = device.config
        link = getattr(getattr(device, "client", None), "statistics", None)
    output.console.print(table)
    failed = [item["name"] for item in results if item["result"] == "failed"]
    output.status = 1 if failed else 0
    output.console.print(
        f"{len(results) - len(failed)} of {len(results)} without failure"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return {
        "target": target, "config": found.to_dict(), "passed": not failed, "failed": failed,
        "tests": results, "link": vars(link) if link is not None else None,
        "seconds": round(time.perf_counter() - began, 3),
    }
