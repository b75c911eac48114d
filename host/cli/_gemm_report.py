# SPDX-License-Identifier: Apache-2.0
"""What `weft gemm` shows to people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["ARRAY_STATES", "print_report"]

ARRAY_STATES = {
    "ARRAY_ACTIVE": "multiplying",
    "ARRAY_IDLE": "no instruction",
    "ARRAY_SEMAPHORE": "waiting on semaphores",
    "ARRAY_WEIGHTS": "waiting for weights",
    "ARRAY_ACTIVATIONS": "waiting for activations",
    "ARRAY_INTERLOCK": "waiting for the accumulator",
}
"""The counters that sum to the cycles, in words."""
BAR_WIDTH = 30


def print_report(console: Console, result: dict[str, Any]) -> None:
    """Print tables from what ``weft gemm --json`` prints."""
    config = result["config"]
    console.print(
        f"[bold]{result['m']} x {result['k']} times {result['k']} x {result['n']}[/bold] on "
        f"{result['target']}, {config['rows']} x {config['cols']}, {config['axi_width']}-bit AXI"
    )
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    equal = result["equal_to_reference"]
    table.add_row("equal to NumPy", "[green]yes[/green]" if equal else "[bold red]NO[/bold red]")
    if result["cycles"] is not None:
        table.add_row("cycles", f"{result['cycles']:,}")
        table.add_row("utilization", f"{result['utilization']:.1%}")
    if result["roofline_share"] is not None:
        table.add_row("roofline", f"{result['roofline_cycles']:,} cycles")
        table.add_row("roofline share", f"{result['roofline_share']:.1%}")
    table.add_row("multiply-accumulates", f"{result['macs']:,}")
    if result["instructions"]:
        table.add_row("instructions", f"{result['instructions']:,}")
    if result["bytes_read"]:
        table.add_row("bytes read", f"{result['bytes_read']:,}")
        table.add_row("bytes written", f"{result['bytes_written']:,}")
    if result["cycles_per_second"]:
        table.add_row("simulated cycles a second", f"{result['cycles_per_second']:,}")
    table.add_row("seconds", f"{result['seconds']:.2f}")
    console.print(table)
    if result["counters"]:
        _print_array(console, result["counters"])
        _print_units(console, result["counters"])
    for kind, path in result["trace"].items():
        console.print(f"{kind}: {path}")


def _print_array(console: Console, counters: dict[str, int]) -> None:
    total = counters["CYCLES"]
    table = Table(title="Where the array's cycles went", title_justify="left")
    table.add_column("array")
    table.add_column("cycles", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    for name, words in ARRAY_STATES.items():
        share = counters[name] / total if total else 0
        table.add_row(
            words, f"{counters[name]:,}", f"{share:.1%}", "█" * round(share * BAR_WIDTH)
        )
    counted = sum(counters[name] for name in ARRAY_STATES)
    table.add_section()
    table.add_row("sum", f"{counted:,}", f"{counted / total if total else 0:.1%}", "")
    console.print(table)


def _print_units(console: Console, counters: dict[str, int]) -> None:
    total = counters["CYCLES"] or 1
    table = Table(title="What the units did, in cycles", title_justify="left")
    table.add_column("unit")
    for heading in ("busy", "of which on memory", "waiting on semaphores"):
        table.add_column(heading, justify="right")
    for unit in ("LOAD", "MATMUL", "VECTOR", "STORE"):
        values = [
            counters[f"{unit}_{kind}"] for kind in ("BUSY", "WAIT_MEMORY", "WAIT_SEMAPHORE")
        ]
        if unit == "VECTOR" and not any(values):
            continue
        table.add_row(unit.lower(), *(f"{value:,} ({value / total:.0%})" for value in values))
    console.print(table)
