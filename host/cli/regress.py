# SPDX-License-Identifier: Apache-2.0
"""`weft regress`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ._command import Output, subcommand
from ._coverage import Regression
from ._regress_plugin import EVENTS_VARIABLE

__all__ = ["command"]

POLL_SECONDS = 0.2


def find_checkout() -> Path:
    """The source checkout: that of an editable install, else the nearest around the current folder.

    Raises
    ------
    click.ClickException
        If there are no tests: an installed package does not carry them.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package, Path.cwd(), *Path.cwd().parents):
        if (folder / "tests" / "conftest.py").is_file() and (folder / "hdl").is_dir():
            return folder
    raise click.ClickException(
        f"no tests found: neither {package} nor {Path.cwd()} is in a source checkout of Weft; "
        "clone the repository and run weft regress there"
    )


@subcommand(
    short_help="Run the regression of a source checkout and show what it covered.",
    context_settings={"ignore_unknown_options": True},
    epilog="""
    weft regress
    weft regress --simulator icarus
    weft regress --full
    weft regress tests/system -k gemm -x
    """,
)
@click.option("--simulator", type=click.Choice(["icarus", "verilator"]),
              help="Run cocotb benches on this simulator only.  [default: both]")
@click.option("--full", is_flag=True, help="Run the long tests as well.")
@click.option("-n", "--workers", type=click.IntRange(min=0), default=2, show_default=True,
              help="Tests that run at the same time; 0 runs them in one process.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False),
              help="HTML report to write.  [default: build/regress/report.html of the checkout]")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def command(
    output: Output, simulator: str | None, full: bool, workers: int, report: Path | None,
    pytest_arguments: tuple[str, ...],
) -> dict[str, Any]:
    """Run the tests of a source checkout with pytest.

    Other arguments go to pytest. The exit status is 0 only if tests ran and none failed.
    """
    root = find_checkout()
    if util.find_spec("pytest") is None:
        raise click.ClickException("pytest is not installed; run: pip install 'weft[dev,sim]'")
    arguments = [sys.executable, "-m", "pytest", "-p", "weft.cli._regress_plugin", "-q"]
    if workers and util.find_spec("xdist") is not None:
        arguments += ["-n", str(workers), "--dist", "worksteal"]
    arguments += [f"--simulator={simulator}"] if simulator else []
    arguments += ["--full"] if full else []
    arguments += pytest_arguments
    if not any((root / item.split("::")[0]).exists() for item in pytest_arguments):
        arguments.append("tests")
    report = report or root / "build" / "regress" / "report.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    log = report.with_suffix(".log")
    began = time.monotonic()
    regression = Regression()
    status = _run(output, arguments, root, log, regression)
    seconds = time.monotonic() - began
    good = status == 0 and regression.failed == 0 and regression.passed > 0
    result = {
        "ok": good,
        "seconds": round(seconds, 1),
        "simulator": simulator or "both",
        "full": full,
        **regression.summary(),
        "report": str(report),
        "log": str(log),
    }
    from ._regress_report import print_summary, write_report

    write_report(report, result, regression)
    if not good:
        output.status = 1
        _show_failures(output, regression, log)
    print_summary(output.console, result)
    return result


def _run(
    output: Output, arguments: list[str], root: Path, log: Path, regression: Regression
) -> int:
    """Run pytest, following its events; returns its exit status."""
    with tempfile.TemporaryDirectory(prefix="weft-") as folder, log.open("wb") as log_file:
        events = Path(folder) / "events"
        events.touch()
        # A worker of another regression may run this one; its pytest is no worker of that.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTEST_XDIST_")
        }
        environment = {**inherited, EVENTS_VARIABLE: str(events)}
        process = subprocess.Popen(
            arguments, cwd=root, env=environment, stdout=log_file, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            with output.progress("collecting tests", total=1) as update, events.open() as file:
                lines = _lines(file)
                while True:
                    ended = process.poll() is not None
                    regression.take(next(lines))
                    done = len(regression.tests)
                    title = f"{done} tests"
                    if regression.failed:
                        title = f"[red]{regression.failed} failed[/red] of {title}"
                    update(done, total=max(regression.total, done, 1), title=title)
                    if ended:
                        return process.returncode
                    time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _lines(file: Any) -> Iterator[list[dict[str, Any]]]:
    """Whole lines that have appeared since the last step."""
    rest = ""
    while True:
        rest += file.read()
        *whole, rest = rest.split("\n")
        yield [json.loads(line) for line in whole]


def _show_failures(output: Output, regression: Regression, log: Path) -> None:
    console = Console(stderr=True, soft_wrap=True)
    failures = [test for test in regression.tests if test["outcome"] == "failed"]
    for test in failures:
        console.print(f"[bold red]FAILED[/bold red] {test['id']}", highlight=False)
        console.print(test["message"][-1500:], markup=False, highlight=False)
    if not failures:
        tail = log.read_text(errors="replace").splitlines()[-30:]
        console.print("\n".join(tail), markup=False, highlight=False)
