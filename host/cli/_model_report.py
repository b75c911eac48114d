# SPDX-License-Identifier: Apache-2.0
"""Tables about models for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["number", "percent", "print_host", "print_layers", "print_notes", "tensor_type"]

_WHERE = {"accelerator": "[green]accelerator[/green]", "host": "[yellow]host[/yellow]",
          "none": "no work"}


def number(value: int | None) -> str:
    """With separators; "-" if unknown."""
    return "-" if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """With one decimal; "-" if unknown."""
    return "-" if value is None else f"{value:.1%}"


def tensor_type(item: Mapping[str, Any]) -> str:
    """Element type and shape of an array as JSON describes it."""
    return f"{item['dtype']} {'x'.join(map(str, item['shape'])) or 'scalar'}"


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """What was decided for the user; a warning says so itself."""
    for note in notes:
        text = note if note.startswith("warning: ") else f"note: {note}"
        console.print(escape(text), highlight=False, soft_wrap=True)


def print_layers(
    console: Console, layers: Iterable[Mapping[str, Any]], columns: Mapping[str, str],
    title: str = "Layers",
) -> None:
    """A row for each layer.

    Parameters
    ----------
    columns : mapping of str to str
        Keys of further columns, and their headings; floats are shown as shares.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("layer", overflow="fold")
    table.add_column("runs on", no_wrap=True, min_width=len("accelerator"))
    table.add_column("MACs", justify="right", no_wrap=True)
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for layer in layers:
        others = len(layer["operators"]) - 1
        name = escape(layer["name"]) + (f" (+{others})" if others > 0 else "")
        values = [layer.get(key) for key in columns]
        table.add_row(
            name, _WHERE[layer["where"]], number(layer["macs"]) if layer["macs"] else "-",
            *(percent(value) if isinstance(value, float) else number(value) for value in values),
        )
    console.print(table)


def print_host(console: Console, operators: list[dict[str, Any]]) -> None:
    """The operators that run on the host and why."""
    if not operators:
        console.print("host operators: none")
        return
    table = Table(title="Operators on the host", title_justify="left")
    for heading in ("operator", "kind", "reason"):
        table.add_column(heading, overflow="fold")
    for entry in operators:
        table.add_row(*(escape(str(entry[key])) for key in ("name", "kind", "reason")))
    console.print(table)
