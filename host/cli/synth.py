# SPDX-License-Identifier: Apache-2.0
"""`weft synth`."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from ..hdl.config import Config
from ._board_config import given
from ._board_options import memory_option
from ._command import Output, subcommand
from ._options import config_options

if TYPE_CHECKING:
    from ..boards.flow.families import Family, Part
    from ..boards.flow.result import CriticalPath, Stage
    from ..boards.flow.synthesize import SynthesisResult

__all__ = ["command", "figures", "print_figures"]

FIGURES = ("lut4", "ccu2c", "ff", "dsp", "bram")


@subcommand(
    short_help="Place and route: frequency, resources, critical path, floorplan.",
    epilog="""
    weft synth --top array --rows 8 --cols 8 --family ecp5 --seeds 3 -o build/array8
    weft synth --preset tiny --family ecp5 --device LFE5U-25F --package CABGA256 --json
    weft synth --top array --rows 4 --cols 4 --family ice40
    weft synth --board icebreaker -o build/icebreaker
    """,
)
@config_options
@click.option(
    "--top", type=click.Choice(["accelerator", "array"]), default="accelerator", show_default=True,
    help="The accelerator with AXI4 and AXI4-Lite ports, or the bare array with streams.",
)
@click.option("--board", help="A whole board, to a bitstream in -o; `weft fit --board` names them.")
@memory_option
@click.option("--device", help="Device, such as LFE5U-85F. By default a usual one of the family.")
@click.option("--package", help="Package, such as CABGA381.")
@click.option("--speed", help="Speed grade, such as 6.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True,
              help="Placements; the median counts.")
@click.option(
    "--placer", type=click.Choice(["heap", "static"]),
    help="nextpnr's placer. By default the better one for the family.",
)
@click.option(
    "--clock", type=click.FloatRange(min=0, min_open=True), metavar="MHZ",
    help="Frequency asked of nextpnr; with --board, what the PLL makes.",
)
@click.option(
    "-o", "--output", "directory", type=click.Path(path_type=Path, file_okay=False),
    help="Directory for report.html, netlists, logs and nextpnr's reports.",
)
def command(
    output: Output,
    config: Config,
    top: str,
    board: str | None,
    memory: str,
    device: str | None,
    package: str | None,
    speed: str | None,
    seeds: int,
    placer: str | None,
    clock: float | None,
    directory: Path | None,
) -> dict[str, Any]:
    """Run Yosys and nextpnr on a design and say what became of it.

    The design stands between shift registers, so that pins do not limit it; they are not counted.
    Without --multipliers the array uses as many multiplier blocks as the device has.

    With --board it is that board's whole design, with the board's own configuration but for the
    parameters that are given, and becomes a bitstream. --clock replaces the board's frequency.
    """
    if board is not None:
        from ._synth_board import synthesize_board

        return synthesize_board(output, board, memory, config, seeds, placer, clock, directory)
    if given("memory"):
        raise click.UsageError("--memory needs --board")
    from ..boards.flow.families import family_named
    from ..boards.flow.synthesize import TARGET_MHZ, synthesize
    from ..generators.generate import MODULES, component_of
    from ..generators.verilog import emit
    from ._synth_report import synthesis_page

    family = family_named(config.family)
    part = _part(family, device, package, speed)
    if config.multipliers is None:
        config = config.replace(multipliers=family.multipliers.get(part.device))
    began = time.perf_counter()
    title = f"{top} {config.rows} x {config.cols} on {part.device}"
    with output.progress(title, total=seeds + 2) as update:
        update(completed=0, title=f"{title}: generating")
        verilog = emit(component_of(config, top), MODULES[top])
        done = iter(range(1, seeds + 2))
        result = synthesize(
            verilog, MODULES[top], family.name, part.device, part.package, part.speed, seeds,
            target_mhz=clock or TARGET_MHZ,
            placer=placer,
            directory=directory,
            progress=lambda step: update(completed=next(done), title=f"{title}: {step}"),
        )
    values = {
        "top": top,
        "family": family.name,
        **dataclasses.asdict(part),
        **figures(result, config),
        "config": config.to_dict(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    if directory is not None:
        page = directory / "report.html"
        page.write_text(synthesis_page(result, values), encoding="utf-8")
        (directory / "result.json").write_text(json.dumps(values, indent=2) + "\n")
        values["report"] = str(page)
    print_figures(output, result, values)
    return values


def _part(family: Family, device: str | None, package: str | None, speed: str | None) -> Part:
    """The part named by the options, the family's usual one where they are silent."""
    named = {"device": device, "package": package, "speed": speed}
    return dataclasses.replace(
        family.part, **{name: value for name, value in named.items() if value is not None}
    )


def _stage(stage: Stage) -> dict[str, str]:
    return {"unit": stage.unit, "stage": stage.name}


def _path(path: CriticalPath | None) -> dict[str, Any] | None:
    if path is None:
        return None
    return {
        "text": str(path),
        "from": _stage(path.source),
        "to": _stage(path.target),
        "through": list(path.through),
        "logic_ns": path.logic_ns,
        "routing_ns": path.routing_ns,
    }


def figures(result: SynthesisResult, config: Config) -> dict[str, Any]:
    """What ``--json`` prints of a result."""
    macs = config.rows * config.cols
    return {
        "fmax_mhz": result.fmax_mhz,
        "fmax_mhz_seeds": result.fmax_mhz_seeds,
        **{name: getattr(result, name) for name in FIGURES},
        "lut_per_mac": round((result.lut4 + 2 * result.ccu2c) / macs, 2),
        "peak_gmacs": round(macs * result.fmax_mhz / 1000, 2),
        "critical_path": _path(result.critical_path),
        "resources": result.resources,
        "units": result.units,
    }


def print_figures(output: Output, result: SynthesisResult, values: dict[str, Any]) -> None:
    """Print what people want to know of a result."""
    console = output.console
    seeds = ", ".join(f"{value:g}" for value in result.fmax_mhz_seeds)
    console.print(
        f"{values['top']} on {values['device']}: {result.fmax_mhz:g} MHz (seeds: {seeds}), "
        f"{values['lut_per_mac']:g} LUT/MAC, {values['peak_gmacs']:g} GMAC/s peak, post-route"
    )
    table = Table()
    table.add_column("unit")
    names = sorted({name for count in result.units.values() for name in count})
    for name in names:
        table.add_column(name, justify="right")
    for unit, count in result.units.items():
        table.add_row(unit, *(f"{count.get(name, 0):,}" for name in names))
    table.add_section()
    table.add_row(
        "without harness", *(f"{result.resources.get(name, 0):,}" for name in names)
    )
    console.print(table)
    console.print(f"critical path: {result.critical_path or 'none'}", highlight=False)
    if "report" in values:
        console.print(f"report: {values['report']}")
