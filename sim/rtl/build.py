# SPDX-License-Identifier: Apache-2.0
"""Verilog and a harness compiled to a shared library, cached by content."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

from ..tools import find_verilator, verilator_environment

__all__ = ["BuildError", "build_library", "cache_directory", "locked"]

SOURCES = ("harness.cpp", "axi_memory.hpp")
VERILATOR_FLAGS = (
    "--cc", "-O3", "--x-assign", "fast", "--x-initial", "unique", "--noassert", "--no-timing",
    "--prefix", "Vweft", "-Wno-lint", "-Wno-style", "-Wno-fatal",
)
"""Uninitialized state is random, so that a design that relies on it fails."""
CXX_FLAGS = (
    "-std=c++17", "-fPIC", "-fno-strict-aliasing", "-fvisibility=hidden",
    "-DVM_SC=0", "-DVM_COVERAGE=0", "-w",
)
OPTIMIZATIONS = {"speed": "-O3", "build": "-O1"}
"""``WEFT_RTL_OPTIMIZE``: fast models, or fast builds for many short runs."""


def _optimization() -> str:
    choice = os.environ.get("WEFT_RTL_OPTIMIZE", "speed")
    if choice not in OPTIMIZATIONS:
        names = ", ".join(OPTIMIZATIONS)
        raise BuildError(f"WEFT_RTL_OPTIMIZE must be one of {names}, not {choice!r}")
    return OPTIMIZATIONS[choice]


FAST, ONCE, HARNESS = "-O1", "-O0", "-O2"
"""Optimization of the model's code that runs every cycle (more takes twice as long to compile and
runs no faster), of that which runs once, and of ours and Verilator's own."""


class BuildError(RuntimeError):
    """Verilator or the C++ compiler refused the design; the message ends with their output."""


def cache_directory() -> Path:
    """Where compiled models are kept: ``WEFT_CACHE_DIR``, or ``~/.cache/weft``."""
    override = os.environ.get("WEFT_CACHE_DIR")
    if override:
        return Path(override)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weft"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path`` between processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _answer(command: tuple[str, ...]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(command: list[str], directory: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise BuildError(f"{Path(command[0]).name} failed:\n{done.stdout[-4000:]}")


def build_library(
    verilog: str, top: str, *, data_bytes: int, trace: bool = False, control: str = "",
    harness: tuple[str, ...] = SOURCES,
) -> Path:
    """Compile Verilog with the harness, or find it compiled.

    Parameters
    ----------
    verilog : str
        The design.
    top : str
        Its top module, with the ports that the harness drives.
    data_bytes : int
        Bytes of the AXI4 data port.
    trace : bool
        Whether the library can write waveforms and watch signals.
    control : str
        Text of a Verilator control file.
    harness : tuple of str
        Files of this package that are compiled with it.

    Returns
    -------
    Path
        The shared library, in the cache.

    Raises
    ------
    BuildError
        If a tool refuses the design.
    ToolError
        If a tool is missing.
    """
    verilator = find_verilator()
    environment = verilator_environment()
    compiler = shutil.which("g++", path=environment["PATH"]) or "g++"
    sources = {name: (resources.files(__package__) / name).read_text() for name in harness}
    optimization = _optimization()
    defines = [f"-DWEFT_DATA_BYTES={data_bytes}", f"-DWEFT_TRACE={int(trace)}"]
    defines += [f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_VCD={int(trace)}", "-DVM_TRACE_FST=0"]
    digest = hashlib.sha256()
    for part in (
        verilog, top, control, *sources.values(), *VERILATOR_FLAGS, *CXX_FLAGS, FAST, ONCE, HARNESS,
        *defines,
        optimization, _answer((verilator, "--version")), _answer((compiler, "--version")),
    ):
        digest.update(f"{len(part)}:{part}".encode())
    folder = cache_directory() / "rtl"
    target = folder / f"{digest.hexdigest()[:32]}.so"
    if target.exists():
        return target
    with locked(folder / f"{target.stem}.lock"):
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as name:
            work = Path(name)
            for source, text in {"design.v": verilog, "design.vlt": control, **sources}.items():
                (work / source).write_text(text)
            files = ["design.vlt", "design.v"] if control else ["design.v"]
            extra = ["--trace-vcd"] if trace else []
            _run(
                [verilator, *VERILATOR_FLAGS, *extra, "--top-module", top, "--Mdir", "model",
                 *files],
                work, environment,
            )
            root = Path(_answer((verilator, "--getenv", "VERILATOR_ROOT")).strip())
            defines.append(optimization)
            library = _compile(work, harness, compiler, defines, root / "include", trace)
            os.replace(library, target)
    return target


def _compile(
    work: Path, harness: tuple[str, ...], compiler: str, defines: list[str], include: Path,
    trace: bool,
) -> Path:
    """Compile the generated C++ and the harness, link the run time; returns the library."""
    flags = [*CXX_FLAGS, *defines, f"-I{include}", f"-I{include / 'vltstd'}"]
    environment = dict(os.environ)
    runtime = _runtime(compiler, flags[:-2], include, trace)
    units = sorted((work / "model").glob("*.cpp"))
    units += [work / name for name in harness if name.endswith(".cpp")]

    def compile_unit(unit: Path) -> str:
        target = f"{unit.stem}.o"
        # Verilator marks what runs once.
        level = ["-O0"] if unit.stem.endswith("Slow") else []
        _run(
            [compiler, *flags, *level, "-Imodel", "-I.", "-c", str(unit), "-o", target],
            work, environment,
        )
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_unit, units))
    _run(
        [compiler, "-shared", *objects, *map(str, runtime), "-pthread", "-o", "library.so"],
        work, environment,
    )
    return work / "library.so"


def _runtime(compiler: str, flags: list[str], include: Path, trace: bool) -> list[Path]:
    """Verilator's run time as object files, compiled once for all designs."""
    names = ["verilated", "verilated_threads"] + ["verilated_vcd_c"] * trace
    flags = [flag for flag in flags if not flag.startswith("-DWEFT")]
    digest = hashlib.sha256("\n".join([_answer((compiler, "--version")), HARNESS, *flags]).encode())
    for name in names:
        digest.update((include / f"{name}.cpp").read_bytes())
    folder = cache_directory() / "rtl" / f"runtime-{digest.hexdigest()[:32]}"
    flags = [*flags, f"-I{include}", f"-I{include / 'vltstd'}"]
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="build-") as temporary:
                objects = Path(temporary) / "objects"
                objects.mkdir()
                for name in names:
                    command = [compiler, HARNESS, *flags, "-c", str(include / f"{name}.cpp")]
                    _run([*command, "-o", f"{name}.o"], objects, dict(os.environ))
                objects.rename(folder)
    return [folder / f"{name}.o" for name in names]
