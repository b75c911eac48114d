# SPDX-License-Identifier: Apache-2.0
"""How a subcommand is made: its ``--json``, its console, its progress bar."""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["Output", "subcommand"]

PROGRESS_DELAY_SECONDS = 0.5
"""A bar appears only when the work takes longer."""


class Output:
    """Where a command's words go.

    Parameters
    ----------
    as_json : bool
        Keep standard output for one JSON object. Everything else that is written there, by this
        process or by those it starts, goes to standard error.

    Attributes
    ----------
    console : rich.console.Console
        For people.
    status : int
        Exit status; a command may set it.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.status = 0
        self.console = Console(stderr=as_json)
        self._saved: int | None = None
        self._stdout = sys.stdout

    def __enter__(self) -> Output:
        if self.as_json:
            sys.stdout.flush()
            self._saved = os.dup(1)
            os.dup2(2, 1)
            sys.stdout = sys.stderr
        return self

    def __exit__(self, *exception: object) -> None:
        if self._saved is not None:
            sys.stdout = self._stdout
            os.dup2(self._saved, 1)
            os.close(self._saved)
            self._saved = None

    @contextmanager
    def progress(self, title: str, total: float | None = None) -> Iterator[Callable[..., None]]:
        """Show a bar on standard error while the body runs, if it runs for long.

        Yields a function that sets the bar: ``update(completed=..., total=..., title=...)``.
        """
        console = Console(stderr=True)
        if not console.is_terminal:
            yield lambda *arguments, **values: None
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
        if total is not None:
            columns.append(MofNCompleteColumn())
        bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        task = bar.add_task(title, total=total)
        began, shown = time.monotonic(), False

        def update(
            completed: float | None = None, total: float | None = None, title: str | None = None
        ) -> None:
            nonlocal shown
            bar.update(task, completed=completed, total=total, description=title)
            if not shown and time.monotonic() - began > PROGRESS_DELAY_SECONDS:
                bar.start()
                shown = True

        if total is None:
            bar.start()
            shown = True
        try:
            yield update
        finally:
            if shown:
                bar.stop()


def subcommand(
    *, epilog: str = "", **attributes: Any
) -> Callable[[Callable[..., dict[str, Any]]], click.Command]:
    """Make a subcommand, named as its module, of a function that takes an `Output` and its options.

    The function prints for people on ``output.console`` and returns what ``--json`` prints.
    ``epilog`` holds examples, one a line. Further arguments go to `click.command`.
    """

    def wrap(function: Callable[..., dict[str, Any]]) -> click.Command:
        @functools.wraps(function)
        def run(as_json: bool, **values: Any) -> int:
            output = Output(as_json)
            with output:
                result = function(output, **values)
            if as_json:
                print(json.dumps(result), flush=True)
            return output.status

        option = click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
        )
        lines = "\n".join(f"  {line}" for line in inspect.cleandoc(epilog).splitlines())
        if lines:
            attributes["epilog"] = f"\b\nExamples:\n{lines}"
        attributes.setdefault("name", function.__module__.rpartition(".")[2])
        return click.command(**attributes)(option(run))

    return wrap
