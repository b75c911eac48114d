# SPDX-License-Identifier: Apache-2.0
"""Where Yosys and nextpnr are, and how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["FlowError", "run_tool", "tool_command", "tool_version"]

_LOG_TAIL_LINES = 25


class FlowError(RuntimeError):
    """A tool is missing or refused the design. The message says what to do, or why."""


def tool_command(name: str, package: str) -> str:
    """The executable of a tool.

    Looked for in this order: an environment variable called after the tool, as Amaranth uses
    (``YOSYS``, ``NEXTPNR_ECP5``); what a package of this Python brings, YoWASP's or one of the
    tool's own name; YoWASP's and then native executables on PATH.

    Parameters
    ----------
    name : str
        Name of the native executable, such as ``nextpnr-ecp5``.
    package : str
        Python package that brings it, named if there is none.

    Raises
    ------
    FlowError
        If there is none.
    """
    override = os.environ.get(name.upper().replace("-", "_"))
    if override:
        found = shutil.which(override)
        if found is None:
            variable = name.upper().replace("-", "_")
            raise FlowError(
                f"{variable} names {override!r}, which is no executable; correct it or unset it"
            )
        return found
    own = Path(sys.executable).parent
    for candidate in (str(own / f"yowasp-{name}"), str(own / name), f"yowasp-{name}", name):
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise FlowError(f"{name} is not installed; install it with: pip install {package}")


def run_tool(command: Sequence[str], directory: Path, log: Path) -> None:
    """Run a tool in ``directory`` with its output in ``log``.

    File names in ``command`` must be relative to ``directory``: the YoWASP builds see the folder
    they start in, but have a /tmp of their own.

    Raises
    ------
    FlowError
        If it fails, with its last words.
    """
    with log.open("w") as stream:
        done = subprocess.run(
            list(command), cwd=directory, stdin=subprocess.DEVNULL, stdout=stream,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()
        wanted = [line for line in lines if line.startswith(("ERROR", "error"))]
        tail = "\n".join(wanted[-3:] or lines[-_LOG_TAIL_LINES:])
        raise FlowError(f"{Path(command[0]).name} failed with status {done.returncode}:\n{tail}")


def tool_version(command: str) -> str:
    """The one line with which a tool names its version."""
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else "unknown"
