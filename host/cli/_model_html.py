# SPDX-License-Identifier: Apache-2.0
"""The profile of a model as one HTML page without outside parts."""

from __future__ import annotations

import math
from html import escape
from typing import Any

__all__ = ["page", "roofline_plot"]

WIDTH, HEIGHT, MARGIN = 640, 360, 56

_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .7em;border-bottom:1px solid #ccc}
td{text-align:right}td:first-child,td:nth-child(2),th{text-align:left}
svg{max-width:100%;height:auto}.axis{stroke:#555}.roof{stroke:#b35900;fill:none;stroke-width:2}
circle{fill:#2266bb;fill-opacity:.75}text{font-size:12px;fill:#333}"""


def roofline_plot(layers: list[dict[str, Any]], peak: int, beat: int) -> str:
    """An SVG: MACs a cycle over MACs a DRAM byte, both logarithmic, under the roof.

    Parameters
    ----------
    peak : int
        MACs a cycle of the array.
    beat : int
        DRAM bytes a cycle.
    """
    points = [
        (layer["name"], layer["macs"] / max(layer["bytes_read"] + layer["bytes_written"], 1),
         layer["macs"] / layer["cycles"])
        for layer in layers if layer["macs"] and layer["cycles"]
    ]
    ridge = peak / beat
    low_x = min([point[1] for point in points] + [ridge]) / 2
    high_x = max([point[1] for point in points] + [ridge]) * 2
    low_y, high_y = min([point[2] for point in points] + [low_x * beat]) / 2, peak * 2

    def at(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / low_x) / math.log(high_x / low_x)
        up = math.log(max(y, low_y) / low_y) / math.log(high_y / low_y)
        return (round(MARGIN + across * (WIDTH - 2 * MARGIN), 1),
                round(HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN), 1))

    roof = " ".join(f"{x},{y}" for x, y in (
        at(low_x, low_x * beat), at(ridge, peak), at(high_x, peak)))
    across_text = f"MACs a DRAM byte ({low_x:.3g} to {high_x:.3g}, logarithmic)"
    up_text = f"MACs a cycle (roof: {peak:,} MACs and {beat} bytes a cycle; logarithmic)"
    floor = HEIGHT - MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Roofline</title>",
        f'<path class="axis" fill="none" d="M{MARGIN} {MARGIN}V{floor}H{WIDTH - MARGIN}"/>',
        f'<polyline class="roof" points="{roof}"/>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" text-anchor="middle">{across_text}</text>',
        f'<text x="{MARGIN}" y="{MARGIN - 24}">{up_text}</text>',
    ]
    for name, x, y in points:
        across, up = at(x, y)
        parts.append(f'<circle cx="{across}" cy="{up}" r="5"><title>{escape(name)}: {x:.3g} MACs a '
                     f"byte, {y:.3g} MACs a cycle</title></circle>")
    return "\n".join([*parts, "</svg>"])


def page(result: dict[str, Any]) -> str:
    """The page from what ``weft profile --json`` prints."""
    config = result["config"]
    head = f"{escape(result['model'])} on {config['rows']} x {config['cols']}"
    causes = sorted({name for layer in result["layers"] for name in layer["array"] or {}})
    headings = ["layer", "runs on", "MACs", "cycles", "utilization", "roofline share",
                "bytes read", "bytes written", *causes]
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in _row(layer, causes)) + "</tr>"
        for layer in result["layers"]
    )
    host = "".join(f"<li>{escape(item['name'])} ({escape(item['kind'])}): "
                   f"{escape(item['reason'])}</li>" for item in result["host_operators"])
    plot = roofline_plot(result["layers"], config["rows"] * config["cols"],
                         config["axi_width"] // 8)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{head}</title>
<style>{_STYLE}</style></head><body>
<h1>{head}</h1>
<p>{escape(result['source'])}. {result['cycles']:,} cycles, utilization {_share(
        result['utilization'])}.</p>
<h2>Layers and what the array did</h2>
<table><tr>{''.join(f'<th>{escape(text)}</th>' for text in headings)}</tr>
{rows}</table>
<h2>Roofline</h2>
{plot}
<h2>Operators on the host</h2>
<ul>{host or '<li>none</li>'}</ul>
</body></html>
"""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _row(layer: dict[str, Any], causes: list[str]) -> list[str]:
    counts = ("macs", "cycles")
    traffic = ("bytes_read", "bytes_written")
    array = layer["array"] or {}
    cycles = layer["cycles"] or 0
    return [
        layer["name"], layer["where"], *(_count(layer[key]) for key in counts),
        _share(layer["utilization"]), _share(layer["roofline_share"]),
        *(_count(layer[key]) for key in traffic),
        *(_share(array[name] / cycles if cycles and name in array else None) for name in causes),
    ]


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
