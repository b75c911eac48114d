# SPDX-License-Identifier: Apache-2.0
"""Post-route figures as one HTML page without outside parts."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from .. import __version__
from ..boards.build import BoardBuild
from ..boards.flow.result import HARNESS_UNIT
from ..boards.flow.synthesize import SynthesisResult

__all__ = ["floorplan", "synthesis_page", "unit_colours", "write_synthesis"]

PALETTE = (
    "#2f8f63", "#4f86c6", "#e0a63a", "#c74f7a", "#8b5fb0", "#d5735a", "#3aa6a6", "#9c6b4f",
    "#7d9c3a", "#5560a8", "#b58b2a", "#a0527a", "#527a52", "#b0574a", "#6b8fb5", "#80703a",
)
HARNESS_COLOUR = "#c9d1d8"
TILE = 8
"""Side of a tile of the device in the picture."""
FULL = 8
"""Cells in a tile from which it is drawn in full strength; a logic tile has eight LUTs."""


def unit_colours(units: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """A colour for each unit, the largest first; units beyond the palette share its colours."""
    by_size = sorted(units, key=lambda unit: (-sum(units[unit].values()), unit))
    own = [unit for unit in by_size if unit != HARNESS_UNIT]
    colours = {unit: PALETTE[number % len(PALETTE)] for number, unit in enumerate(own)}
    return colours | {unit: HARNESS_COLOUR for unit in by_size if unit == HARNESS_UNIT}


def floorplan(result: SynthesisResult, colours: Mapping[str, str]) -> str:
    """An SVG of the device: each tile in the colour of the unit that has most of its cells.

    A multiplier block or block RAM is drawn larger, with an outline.
    """
    cells = result.run.cells
    tiles: dict[tuple[int, int], Counter[str]] = {}
    for cell in cells:
        tiles.setdefault((cell.x, cell.y), Counter())[cell.unit] += 1
    width = TILE * (max((x for x, _ in tiles), default=0) + 2)
    height = TILE * (max((y for _, y in tiles), default=0) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>Floorplan</title>",
        f'<rect width="{width}" height="{height}" fill="#f5f7f9"/>',
    ]
    for (x, y), count in sorted(tiles.items()):
        unit, _ = max(count.items(), key=lambda item: (item[1], item[0]))
        strength = round(0.35 + 0.65 * min(1.0, sum(count.values()) / FULL), 2)
        parts.append(
            f'<rect x="{x * TILE}" y="{y * TILE}" width="{TILE}" height="{TILE}" '
            f'fill="{colours[unit]}" fill-opacity="{strength}"/>'
        )
    for cell in cells:
        if cell.resource in ("dsp", "bram", "spram"):
            parts.append(
                f'<rect class="block" x="{cell.x * TILE - 1}" y="{cell.y * TILE - 1}" '
                f'width="{TILE + 2}" height="{TILE + 2}" fill="{colours[cell.unit]}">'
                f"<title>{escape(cell.name)}</title></rect>"
            )
    return "\n".join([*parts, "</svg>"])


def _bars(result: SynthesisResult, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """For each resource its total and the share of each unit, in percent."""
    bars = []
    for name in sorted(result.resources, key=lambda name: (-result.resources[name], name)):
        parts = {unit: count.get(name, 0) for unit, count in result.units.items()}
        whole = sum(parts.values())
        bars.append(
            {
                "name": name,
                "total": result.resources[name],
                "parts": [
                    {"unit": unit, "colour": colours[unit], "count": count,
                     "percent": round(100 * count / whole, 2)}
                    for unit, count in sorted(parts.items(), key=lambda item: -item[1])
                    if count
                ],
            }
        )
    return bars


def synthesis_page(result: SynthesisResult, values: Mapping[str, Any]) -> str:
    """The page of a synthesis.

    Parameters
    ----------
    result : SynthesisResult
        Figures and placement.
    values : mapping
        What ``weft synth --json`` prints.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = (resources.files("weft") / "data" / "synth.html.j2").read_text(encoding="utf-8")
    colours = unit_colours(result.units)
    return environment.from_string(text).render(
        values=values,
        version=__version__,
        colours=colours,
        floorplan=floorplan(result, colours),
        bars=_bars(result, colours),
        path=result.critical_path,
        harness=HARNESS_UNIT,
    )


def write_synthesis(build: BoardBuild, directory: Path, seconds: float = 0.0) -> dict[str, Any]:
    """Write ``report.html`` and ``result.json`` of a board's build; returns what they show."""
    from .synth import figures

    board = build.board
    values = {
        "top": "board",
        "board": board.name,
        "memory": board.memory,
        "family": board.family,
        **dataclasses.asdict(board.part),
        **figures(build.synthesis, build.config),
        "clock_mhz": board.system_hz / 1e6,
        "meets_clock": build.meets_clock,
        "bitstream": str(build.bitstream),
        "config": build.config.to_dict(),
        "seconds": round(seconds, 1),
    }
    page = directory / "report.html"
    page.write_text(synthesis_page(build.synthesis, values), encoding="utf-8")
    (directory / "result.json").write_text(json.dumps(values, indent=2) + "\n")
    return values | {"report": str(page)}
