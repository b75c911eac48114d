# SPDX-License-Identifier: Apache-2.0
"""Run a cocotb test module on a component, with Icarus or Verilator.

Builds are cached by content: an unchanged design is built once, however many benches, processes
and test runs use it.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import sys
import tempfile
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...generators.verilog import emit
from .build import TIMESCALE, BenchFailure, build_design, log_tail, make_runner
from .build import build_root as bench_root

__all__ = ["BenchFailure", "BenchResult", "bench_parameters", "bench_random", "run_bench"]

SIMULATORS = ("icarus", "verilator")
_PARAMETERS = "WEFT_BENCH_PARAMETERS"
_SEED = "WEFT_BENCH_SEED"


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
        Further Verilog texts: simulation models of primitives. Empty ones are left out.
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
    root = bench_root(build_root)
    runner = make_runner(simulator, Path(test_directory))
    folder = build_design(runner, simulator, [text, *filter(None, sources)], name, root, waves)
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
            f"--- end of {log} ---\n{log_tail(log)}"
        )
    if not waves:
        shutil.rmtree(run, ignore_errors=True)
        return BenchResult(tests, seed, None)
    suffix = "fst" if simulator == "icarus" else "vcd"
    return BenchResult(tests, seed, next(iter(sorted(run.glob(f"*.{suffix}"))), None))
