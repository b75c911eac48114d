# SPDX-License-Identifier: Apache-2.0
"""The summary of `weft regress`, as a table and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console
from rich.table import Table

from ._coverage import Regression

__all__ = ["print_summary", "write_report"]

_COLUMNS = ("area", "tests", "benches", "runs on", "array sizes", "seeds")
_SIZES_SHOWN = 6


def _row(name: str, area: dict[str, Any]) -> list[str]:
    sizes = area["configurations"]
    more = len(sizes) - _SIZES_SHOWN
    tests = [f"{area['passed']:,}"]
    tests += [f"{area[what]:,} {what}" for what in ("failed", "skipped") if area[what]]
    return [
        name,
        ", ".join(tests),
        f"{area['benches']:,}" if area["benches"] else "",
        ", ".join(f"{name} {count:,}" for name, count in area["simulators"].items()),
        " ".join(sizes[:_SIZES_SHOWN]) + (f" and {more} more" if more > 0 else ""),
        f"{area['seeds']:,}" if area["seeds"] else "",
    ]


def _also(areas: dict[str, Any]) -> dict[str, int]:
    """What tests reported beyond their number, over all areas."""
    total: dict[str, int] = {}
    for area in areas.values():
        for what, count in area["covered"].items():
            total[what] = total.get(what, 0) + count
    return dict(sorted(total.items()))


def print_summary(console: Console, result: dict[str, Any]) -> None:
    """Print what a regression covered."""
    table = Table(title="What was covered", title_justify="left")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in ("benches", "seeds") else "left")
    for name, area in result["areas"].items():
        table.add_row(*_row(name, area), style="red" if area["failed"] else None)
    console.print(table)
    for what, count in _also(result["areas"]).items():
        console.print(f"{count:,} {what}")
    verdict = "[green]passed[/green]" if result["ok"] else "[bold red]FAILED[/bold red]"
    console.print(
        f"{verdict} in {result['seconds']:.0f} s; simulator: "
        f"{result['simulator']}{', full' if result['full'] else ''}"
    )
    console.print(f"report: {result['report']}", soft_wrap=True)
    console.print(
        f"tests: {result['passed']} passed, {result['failed']} failed, "
        f"{result['skipped']} skipped",
        highlight=False,
    )


_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Weft regression</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border-bottom: 1px solid #ccc; padding: .2rem .7rem; text-align: left }
.failed { color: #b00020 } .passed { color: #1b6e2c } .skipped { color: #666 }
pre { background: #f4f4f4; overflow: auto; padding: .7rem }
</style>
<h1>Weft regression: <span class="{{ 'passed' if result.ok else 'failed' }}">
{{ 'passed' if result.ok else 'failed' }}</span></h1>
<p>{{ result.passed }} passed, {{ result.failed }} failed, {{ result.skipped }} skipped in
{{ result.seconds }} s. Simulator: {{ result.simulator }}{{ ', full' if result.full }}.</p>
<h2>What was covered</h2>
<table><tr>{% for name in columns %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% for what, count in also.items() %}<p>{{ count }} {{ what }}</p>{% endfor %}
{% if failures %}
<h2>Failures</h2>
{% for test in failures %}
<h3 class="failed">{{ test.id }}</h3><pre>{{ test.message }}</pre>
{% endfor %}
{% endif %}
<h2>All tests</h2>
<table><tr><th>test</th><th>outcome</th><th>seconds</th></tr>
{% for test in tests %}
<tr><td>{{ test.id }}</td><td class="{{ test.outcome }}">{{ test.outcome }}</td>
<td>{{ test.seconds }}</td></tr>
{% endfor %}
</table>
</html>
"""


def write_report(path: Path, result: dict[str, Any], regression: Regression) -> None:
    """Write the page."""
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_PAGE).render(
        result=result,
        columns=_COLUMNS,
        rows=[_row(name, area) for name, area in result["areas"].items()],
        also=_also(result["areas"]),
        failures=[test for test in regression.tests if test["outcome"] == "failed"],
        tests=sorted(regression.tests, key=lambda test: test["id"]),
    )
    path.write_text(page, encoding="utf-8")
