# SPDX-License-Identifier: Apache-2.0
"""The profile of a model as one HTML page without outside parts."""

from __future__ import annotations

import math
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from ._model_recording import ARRAY_CAUSES

__all__ = ["page", "roofline_plot"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 430, 64, 24, 44, 52

COLOURS = dict(zip(ARRAY_CAUSES, (
    "#2f8f63", "#d5735a", "#c74f7a", "#9c6b4f", "#e3b7a6", "#b9c3cc", "#e0a63a", "#4f86c6",
    "#8b5fb0",
), strict=True))
"""What the array did."""
ESTIMATE = "#7fa8cf"
LABELS = 6
"""Layers whose circle in the plot has a name beside it."""


def roofline_plot(layers: list[dict[str, Any]], peak: int, beat: int) -> str:
    """An SVG: MACs a cycle over MACs a DRAM byte, both logarithmic, under the roof.

    Parameters
    ----------
    peak : int
        MACs a cycle of the array.
    beat : int
        DRAM bytes a cycle in one direction.
    """
    points = [
        (layer["name"], layer["macs"] / max(layer["bytes_read"], layer["bytes_written"], 1),
         layer["macs"] / layer["cycles"], layer["cycles"])
        for layer in layers if layer["macs"] and layer["cycles"]
    ]
    ridge = peak / beat
    low_x = min([point[1] for point in points] + [ridge]) / 2
    high_x = max([point[1] for point in points] + [ridge]) * 2
    low_y, high_y = min([point[2] for point in points] + [low_x * beat]) / 2, peak * 2

    def at(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / low_x) / math.log(high_x / low_x)
        up = math.log(max(y, low_y) / low_y) / math.log(high_y / low_y)
        return (round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
                round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1))

    floor, edge = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Roofline</title>",
    ]
    for value in _decades(low_x, high_x):
        x, _ = at(value, low_y)
        parts.append(f'<path class="grid" d="M{x} {TOP}V{floor}"/><text class="soft" x="{x}" '
                     f'y="{floor + 18}" text-anchor="middle">{value:g}</text>')
    for value in _decades(low_y, high_y):
        _, y = at(low_x, value)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{edge}"/><text class="soft" x="{LEFT - 8}"'
                     f' y="{y + 4}" text-anchor="end">{value:g}</text>')
    roof = " ".join(f"{x},{y}" for x, y in (
        at(low_x, low_x * beat), at(ridge, peak), at(high_x, peak)))
    _, flat = at(high_x, peak)
    parts += [
        f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{edge}"/>',
        f'<polyline class="roof" points="{roof}"/>',
        (f'<text class="soft" x="{(LEFT + edge) / 2}" y="{HEIGHT - 12}" text-anchor="middle">MACs '
        "a byte of the busier DRAM direction</text>"),
        f'<text class="soft" x="{LEFT - 8}" y="{TOP - 20}">MACs a cycle</text>',
        (f'<text x="{edge}" y="{flat - 8}" text-anchor="end">roof: {peak:,} MACs a cycle, {beat} '
        "bytes a cycle each way</text>"),
    ]
    longest = max((point[3] for point in points), default=1)
    named = {point[0] for point in sorted(points, key=lambda item: -item[3])[:LABELS]}
    labelled: list[tuple[float, float]] = []
    for name, x, y, cycles in points:
        across, up = at(x, y)
        radius = round(4 + 8 * math.sqrt(cycles / longest), 1)
        parts.append(f'<circle cx="{across}" cy="{up}" r="{radius}"><title>{escape(name)}: '
                     f"{x:.3g} MACs a byte, {y:.3g} MACs a cycle, {cycles:,} cycles</title>"
                     "</circle>")
        clear = all(abs(across - other[0]) > 120 or abs(up - other[1]) > 13
                    for other in labelled)
        if name in named and clear:
            labelled.append((across, up))
            left = across > (LEFT + edge) * 0.6
            place = across - radius - 4 if left else across + radius + 4
            parts.append(f'<text x="{place:.1f}" y="{up + 4}" text-anchor='
                         f'"{"end" if left else "start"}">{escape(_short(name))}</text>')
    return "\n".join([*parts, "</svg>"])


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten in a range, or of two if these are few."""
    tens = [10.0**n for n in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    if len(tens) >= 3:
        return tens
    return [2.0**n for n in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _bar(name: str, cycles: int, longest: int, array: dict[str, int] | None) -> dict[str, Any]:
    """A bar and its row of shares, which sum to ``sum``."""
    counts = array if array is not None else {"estimated cycles": cycles}
    parts = [
        {"name": words, "count": count, "share": count / cycles,
         "colour": COLOURS.get(words, ESTIMATE)}
        for words, count in counts.items()
    ]
    return {"name": name, "cycles": cycles, "length": cycles / longest, "parts": parts,
            "sum": sum(counts.values()) / cycles}


def page(result: dict[str, Any]) -> str:
    """The page from what ``weft profile --json`` prints."""
    import jinja2

    config = result["config"]
    timed = [layer for layer in result["layers"] if layer["cycles"]]
    longest = max((layer["cycles"] for layer in timed), default=1)
    measured = result["target"] == "rtl"
    total: dict[str, int] | None = None
    if measured:
        total = {words: sum(layer["array"][words] for layer in timed) for words in COLOURS}
    cycles = result["cycles"]
    whole = _bar("whole model", cycles, longest, total) if cycles else None
    counters = result["counters"]
    units = [
        {"name": unit.lower(), "busy": counters[f"{unit}_BUSY"] / cycles,
         "memory": counters[f"{unit}_WAIT_MEMORY"] / cycles,
         "semaphore": counters[f"{unit}_WAIT_SEMAPHORE"] / cycles}
        for unit in ("LOAD", "MATMUL", "VECTOR", "STORE") if counters
    ]
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = (resources.files("weft") / "data" / "profile.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        **{key: result[key] for key in (
            "config", "source", "cycles", "utilization", "roofline_share", "macs", "layers",
            "host_operators", "notes")},
        name=Path(result["model"]).name,
        measured=measured,
        operators=len(result["layers"]),
        accelerator_layers=sum(layer["where"] == "accelerator" for layer in result["layers"]),
        bars=[_bar(layer["name"], layer["cycles"], longest, layer["array"]) for layer in timed],
        total_bar=whole,
        total_parts=whole["parts"] if whole else [],
        units=units,
        plot=roofline_plot(result["layers"], config["rows"] * config["cols"],
                           config["axi_width"] // 8),
        count=lambda value: "-" if value is None else f"{value:,}",
        share=lambda value: "-" if value is None else f"{value:.1%}",
    )
