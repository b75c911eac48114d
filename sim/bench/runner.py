# SPDX-License-Identifier: Apache-2.0
"""Run a cocotb test module on a component, with Icarus or Verilator.

Builds are cached by content: an unchanged design is built once, however many benches, processes
and test runs use it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import re
import secrets
import shutil
import sys
import tempfile
import xml.etree.ElementTree as xml
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cocotb_tools.runner import Icarus, Runner, Verilator

from ...generators.verilog import emit, verilator_flags
from ..tools import find_icarus, find_verilator, verilator_environment

__all__ = ["BenchFailure", "BenchResult", "bench_parameters", "bench_random", "run_bench"]

SIMULATORS = ("icarus", "verilator")
TIMESCALE = ("1ns", "1ps")
_PARAMETERS = "WEFT_BENCH_PARAMETERS"
_SEED = "WEFT_BENCH_SEED"
_FAST_COMPILE = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
_LOG_TAIL_LINES = 60


class BenchFailure(AssertionError):
    """A bench failed to build, or a test in it failed. The message holds the log's tail."""


@dataclass(frozen=True)
class BenchResult:
    """What a successful run leaves.

    Attributes
    ----------
    tests : int
        Number of cocotb tests that ran; all passed.
    seed : int
        Seed of :func:`bench_random`.
    waves : Path or None
        Waveform (FST from Icarus, VCD from Verilator) if asked for.
    """

    tests: int
    seed: int
    waves: Path | None


def bench_parameters() -> dict[str, Any]:
    """Return the ``parameters`` given to :func:`run_bench`; for use inside a cocotb test."""
    return json.loads(os.environ.get(_PARAMETERS, "{}"))


def bench_random() -> random.Random:
    """Return a generator started from the printed seed; for use inside a cocotb test."""
    return random.Random(int(os.environ.get(_SEED, os.environ.get("WEFT_SEED", "0"))))


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


def _build_root(build_root: str | os.PathLike[str] | None) -> Path:
    root = build_root or os.environ.get("WEFT_BUILD_DIR") or "build"
    return Path(root).absolute() / "bench"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _build(
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
                f"{name}: {simulator} refused the design ({error})\n{_tail(log)}\nlog: {log}"
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


def _tail(log: Path) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])


def _read_results(results: Path) -> tuple[int, list[str]]:
    """Return the number of tests and a line for each failure."""
    tests, failures = 0, []
    if not results.exists():
        return 0, ["the simulator ended without results"]
    for case in xml.parse(results).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        tests += 1
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                text = found.get("message") or (found.text or "").strip() or "failed"
                failures.append(f"{case.get('name')}: {found.get('error_type', '')} {text}".strip())
    return tests, failures


def run_bench(
    design: Any,
    *,
    name: str,
    test_module: str,
    simulator: str = "icarus",
    parameters: dict[str, Any] | None = None,
    seed: int | None = None,
    waves: bool = False,
    build_root: str | os.PathLike[str] | None = None,
    testcase: str | Sequence[str] | None = None,
    sources: Sequence[str] = (),
    test_directory: str | os.PathLike[str] | None = None,
) -> BenchResult:
    """Build a design and run the cocotb tests of a module on it.

    Parameters
    ----------
    design : wiring.Component or str
        Component to emit, or Verilog text.
    name : str
        Name of the top module.
    test_module : str
        Python module with the cocotb tests, by its name in ``test_directory`` or on ``sys.path``.
    simulator : str
        ``"icarus"`` or ``"verilator"``.
    parameters : dict
        Anything JSON can hold; :func:`bench_parameters` returns it inside the test.
    seed : int
        Seed of :func:`bench_random`; random if ``None``. ``WEFT_SEED`` in the environment wins.
    waves : bool
        Whether to keep a waveform.
    build_root : path
        Folder for builds; else ``WEFT_BUILD_DIR``, else ``build`` in the current folder.
    testcase : str or sequence of str
        Run only these tests of the module.
    sources : sequence of str
        Further Verilog texts: simulation models of primitives.
    test_directory : path
        Folder of ``test_module``; that of the calling file if ``None``.

    Returns
    -------
    BenchResult

    Raises
    ------
    BenchFailure
        If the simulator refuses the design, a test fails, or there is no test to run.
    ToolError
        If the simulator is not installed.
    ValueError
        If ``simulator`` is unknown.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if test_directory is None:
        test_directory = Path(sys._getframe(1).f_code.co_filename).parent
    if "WEFT_SEED" in os.environ:
        seed = int(os.environ["WEFT_SEED"])
    elif seed is None:
        seed = secrets.randbits(31)
    text = design if isinstance(design, str) else emit(design, name)
    root = _build_root(build_root)
    runner = _Icarus() if simulator == "icarus" else _Verilator()
    runner.extra_path = (str(Path(test_directory).absolute()),)
    runner.log.disabled = True
    folder = _build(runner, simulator, [text, *sources], name, root, waves)
    runs = root / "runs"
    runs.mkdir(exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix=f"{name}-{simulator}-", dir=runs))
    print(f"bench {name}: {test_module} on {simulator}, WEFT_SEED={seed}", flush=True)
    plusargs = [f"+dumpfile_path={run / (name + '.fst')}"] if waves else []
    if simulator == "verilator":
        plusargs = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % 0x7FFFFFFF + 1}"]
    results, log = run / "results.xml", run / "simulation.log"
    try:
        runner.test(
            test_module=test_module,
            hdl_toplevel=name,
            hdl_toplevel_lang="verilog",
            build_dir=folder,
            test_dir=run,
            results_xml=str(results),
            testcase=testcase,
            seed=seed,
            waves=waves,
            plusargs=plusargs,
            timescale=TIMESCALE,
            log_file=log,
            extra_env={_PARAMETERS: json.dumps(parameters or {}), _SEED: str(seed)},
        )
    except (SystemExit, RuntimeError):
        pass  # The results tell more.
    tests, failures = _read_results(results)
    if tests == 0 and not failures:
        failures = [f"no test ran; check testcase={testcase!r} against {test_module}"]
    if failures:
        listed = "\n  ".join(failures)
        raise BenchFailure(
            f"{name} on {simulator}, repeat with WEFT_SEED={seed}:\n  {listed}\n"
            f"--- end of {log} ---\n{_tail(log)}"
        )
    if not waves:
        shutil.rmtree(run, ignore_errors=True)
        return BenchResult(tests, seed, None)
    suffix = "fst" if simulator == "icarus" else "vcd"
    return BenchResult(tests, seed, next(iter(sorted(run.glob(f"*.{suffix}"))), None))
