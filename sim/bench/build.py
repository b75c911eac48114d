# SPDX-License-Identifier: Apache-2.0
"""Builds of cocotb benches, cached by content and safe between processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from cocotb_tools.runner import Icarus, Runner, Verilator

from ...generators.verilog import verilator_flags
from ..tools import find_icarus, find_verilator, verilator_environment

__all__ = ["TIMESCALE", "BenchFailure", "build_design", "build_root", "log_tail", "make_runner"]

TIMESCALE = ("1ns", "1ps")
_FAST_COMPILE = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
_LOG_TAIL_LINES = 60


class BenchFailure(AssertionError):
    """A bench failed to build, or a test in it failed. The message holds the log's tail."""


class _Environment(Runner):
    """Keeps the repository root off the simulator's PYTHONPATH: ``hdl`` would load twice."""

    extra_path: tuple[str, ...] = ()

    def _set_env_common(self) -> None:
        super()._set_env_common()
        paths = [path for path in sys.path if path and not (Path(path) / "pyproject.toml").exists()]
        self.env["PYTHONPATH"] = os.pathsep.join([*self.extra_path, *paths])


class _Icarus(_Environment, Icarus):
    def _simulator_in_path(self) -> None:
        find_icarus()


class _Verilator(_Environment, Verilator):
    runtime: Path | None = None

    def _execute_cmds(self, cmds: Any, cwd: Any, stdout: Any = None) -> None:
        # make rebuilds objects that are older than the makefile that Verilator just wrote, so
        # the run time, equal for all designs, is taken from an earlier build in between.
        for index, command in enumerate(cmds):
            super()._execute_cmds([command], cwd, stdout)
            if index == 0 and len(cmds) > 1 and self.runtime is not None:
                for item in self.runtime.glob("*.o"):
                    shutil.copy(item, Path(cwd) / item.name)

    def _simulator_in_path_build_only(self) -> None:
        self.executable = find_verilator()

    def _set_env_build(self) -> None:
        super()._set_env_build()
        tools = verilator_environment()
        self.env["PATH"] = tools["PATH"] + os.pathsep + self.env["PATH"]
        self.env["MAKEFLAGS"] = f"{tools.get('MAKEFLAGS', '')} {_FAST_COMPILE}".strip()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_arguments(simulator: str) -> list[str]:
    if simulator == "icarus":
        return ["-Wall", "-Wno-timescale"]
    return [*verilator_flags(), "--x-assign", "unique", "--x-initial", "unique", "--no-timing"]


def build_root(root: str | os.PathLike[str] | None) -> Path:
    """Return the folder for builds: ``root``, else ``WEFT_BUILD_DIR``, else ``build``."""
    root = root or os.environ.get("WEFT_BUILD_DIR") or "build"
    return Path(root).absolute() / "bench"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def build_design(
    runner: Any, simulator: str, texts: Sequence[str], name: str, root: Path, waves: bool
) -> Path:
    """Build the design unless that was done; returns its folder."""
    versions = [metadata.version("cocotb")]
    if simulator == "verilator":
        versions.append(metadata.version("verilator") if _has("verilator") else find_verilator())
    arguments = _build_arguments(simulator)
    digest = _digest(texts, name, versions, arguments, _FAST_COMPILE, waves, sys.executable)
    folder = root / f"{name}-{simulator}-{digest}"
    stamp = folder / "complete"
    with _locked(root / f"{folder.name}.lock"):
        if stamp.exists():
            runner.build_dir = folder
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        sources = []
        for index, text in enumerate(texts):
            source = folder / (f"{name}.v" if index == 0 else f"extra_{index}.v")
            source.write_text(text)
            sources.append(source)
        runtime = root / f"runtime-{_digest(versions, _FAST_COMPILE, waves)}"
        runner.runtime = runtime
        log = folder / "build.log"
        try:
            runner.build(
                sources=sources,
                hdl_toplevel=name,
                build_dir=folder,
                build_args=arguments,
                timescale=TIMESCALE,
                waves=waves,
                log_file=log,
            )
        except RuntimeError as error:
            raise BenchFailure(
                f"{name}: {simulator} refused the design ({error})\n{log_tail(log)}\nlog: {log}"
            ) from None
        if not runtime.exists() and simulator == "verilator" and list(folder.glob("verilated*.o")):
            _save_runtime(folder, runtime)
        for item in [*folder.glob("verilated*.o"), *folder.glob("*.gch")]:
            item.unlink()
        stamp.touch()
    return folder


def _has(distribution: str) -> bool:
    try:
        return bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False


def _save_runtime(folder: Path, runtime: Path) -> None:
    """Keep Verilator's own run time for later builds."""
    with tempfile.TemporaryDirectory(dir=runtime.parent, prefix="staged-") as name:
        staged = Path(name) / "runtime"
        staged.mkdir()
        for item in folder.glob("verilated*.o"):
            shutil.copy(item, staged / item.name)
        try:
            staged.rename(runtime)
        except OSError:
            pass  # Another process was faster; both hold the same.


def log_tail(log: Path) -> str:
    """Return the last lines of a log without colours."""
    text = log.read_text(errors="replace") if log.exists() else ""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])


def make_runner(simulator: str, test_directory: Path) -> Any:
    """Return cocotb's runner for a simulator; tests are looked for in ``test_directory``."""
    runner = _Icarus() if simulator == "icarus" else _Verilator()
    runner.extra_path = (str(test_directory.absolute()),)
    runner.log.disabled = True
    return runner
