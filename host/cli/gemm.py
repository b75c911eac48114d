# SPDX-License-Identifier: Apache-2.0
"""`weft gemm`."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..hdl.config import Config
from ._board_options import TargetType, baud_option
from ._command import Output, subcommand
from ._options import config_options

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.device import Device

__all__ = ["command"]

TARGETS = ("reference", "simulator", "rtl", "cocotb")


@subcommand(
    short_help="Multiply two int8 matrices and show where the cycles went.",
    epilog="""
    weft gemm --m 128 --n 256 --k 256
    weft gemm --rows 8 --cols 8 --a A.npy --b B.npy --save C.npy
    weft gemm --m 64 --n 64 --k 64 --trace build/trace
    weft gemm --m 512 --n 512 --k 512 --latency 100 --json
    weft gemm --m 32 --n 32 --k 32 --target serial:/dev/ttyUSB0
    """,
)
@config_options
@click.option("--m", type=click.IntRange(min=1), help="Rows of A and C.  [default: 128]")
@click.option("--n", type=click.IntRange(min=1), help="Columns of B and C.  [default: 256]")
@click.option("--k", type=click.IntRange(min=1), help="Columns of A, rows of B.  [default: 256]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of random operands and of stalls.")
@click.option("--a", "file_a", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="int8 [M, K], a NumPy file.")
@click.option("--b", "file_b", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="int8 [K, N], a NumPy file.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False),
              help="Write C there, int32 [M, N], a NumPy file.")
@click.option("--target", type=TargetType(TARGETS), default="rtl", show_default=True,
              help="Where it runs; a board says itself what its configuration is.")
@baud_option
@click.option("--latency", type=click.IntRange(min=1), default=30, show_default=True,
              help="Cycles of memory latency (rtl).")
@click.option("--stall", type=click.FloatRange(0, 1, max_open=True), default=0.0,
              show_default=True, help="Probability of a pause, each memory channel and cycle "
              "(rtl, cocotb).")
@click.option("--trace", type=click.Path(path_type=Path, file_okay=False),
              help="Write waveform.vcd and timeline.json (for ui.perfetto.dev) into this "
              "directory (rtl).")
def command(
    output: Output, config: Config, m: int | None, n: int | None, k: int | None, seed: int,
    file_a: Path | None, file_b: Path | None, save: Path | None, target: str, baud: int,
    latency: int, stall: float, trace: Path | None,
) -> dict[str, Any]:
    """Multiply int8 [M, K] by int8 [K, N], compare with NumPy, and account for every cycle.

    Operands are random unless given as files. On the target rtl cycles are those of the hardware,
    from start to interrupt, with a memory of the given latency.
    """
    from .. import open as open_device
    from ..sim.reference import matmul

    if trace is not None and target != "rtl":
        raise click.UsageError(f"--trace needs --target rtl, not {target}")
    if save is not None and not save.absolute().parent.is_dir():
        raise click.UsageError(f"--save: there is no directory {save.parent}")
    a, b = _operands(m, n, k, seed, file_a, file_b)
    options: dict[str, Any] = {}
    if target == "rtl":
        options = {"latency": latency, "stall_probability": stall, "seed": seed}
    elif target == "cocotb":
        options = {"stall_probability": stall, "seed": seed}
    if trace is not None:
        trace.mkdir(parents=True, exist_ok=True)
        options["trace"] = trace / "waveform.vcd"
    slow = target in ("rtl", "cocotb")
    with output.progress(f"building the target {target}") if slow else nullcontext():
        if target.startswith("serial:"):
            device = open_device(target, baud=baud)
            config = device.config
        else:
            device = open_device(target, config, **options)
    with device:
        began = time.perf_counter()
        c = _multiply(output, device, a, b)
        seconds = time.perf_counter() - began
        run = device.last_run
        files = {} if trace is None else _write_timeline(device, trace)
    equal = bool((c == matmul(a, b)).all())
    if save is not None:
        _save(save, c)
    if not equal:
        output.status = 1
    simulated = getattr(getattr(device, "transport", None), "seconds", None)
    result = {
        "target": target,
        "m": a.shape[0], "n": b.shape[1], "k": a.shape[1], "seed": seed,
        "config": config.to_dict(),
        "cycles": run.cycles,
        "utilization": run.utilization,
        "roofline_cycles": run.roofline_cycles,
        "roofline_share": run.roofline_share,
        "equal_to_reference": equal,
        "macs": run.macs,
        "instructions": run.instructions,
        "bytes_read": run.bytes_read,
        "bytes_written": run.bytes_written,
        "counters": run.counters,
        "seconds": round(seconds, 4),
        "cycles_per_second": round(run.cycles / simulated) if run.cycles and simulated else None,
        "trace": files,
    }
    from ._gemm_report import print_report

    print_report(output.console, result)
    return result


def _operands(
    m: int | None, n: int | None, k: int | None, seed: int, file_a: Path | None,
    file_b: Path | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Operands from files, or random; a size that contradicts a file is refused."""
    import numpy as np

    loaded = [None if path is None else _load(path) for path in (file_a, file_b)]
    a, b = loaded
    for name, given, array, axis in (
        ("m", m, a, 0), ("k", k, a, 1), ("k", k, b, 0), ("n", n, b, 1)
    ):
        if given is not None and array is not None and array.shape[axis] != given:
            raise click.UsageError(
                f"--{name} is {given}, but the file's matrix has shape {array.shape}"
            )
    depth = k or (a.shape[1] if a is not None else b.shape[0] if b is not None else 256)
    generator = np.random.default_rng(seed)
    if a is None:
        a = generator.integers(-128, 128, (m or 128, depth), dtype=np.int8)
    if b is None:
        b = generator.integers(-128, 128, (depth, n or 256), dtype=np.int8)
    return a, b


def _load(path: Path) -> np.ndarray:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise click.UsageError(f"{path} is not a NumPy array file: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise click.UsageError(f"{path} must hold one array of two dimensions")
    return array


def _save(path: Path, array: np.ndarray) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.save(file, array)


def _multiply(output: Output, device: Device, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from ..compiler.estimate import roofline_cycles

    best = roofline_cycles(device.config, a.shape[0], b.shape[1], a.shape[1])
    transport: Any = getattr(device, "transport", None)
    if not hasattr(transport, "progress"):
        with output.progress("multiplying"):
            return device.matmul(a, b)
    with output.progress("cycles", total=best) as update:
        update(0)
        transport.progress = lambda cycles: update(cycles, total=max(best, cycles))
        return device.matmul(a, b)


def _write_timeline(device: Device, folder: Path) -> dict[str, str]:
    import json

    from ..sim.rtl.timeline import perfetto

    timeline = folder / "timeline.json"
    transport = device.transport  # type: ignore[attr-defined]
    cycles, events = transport.activity()
    timeline.write_text(json.dumps(perfetto(cycles, events, device.config)))
    return {"waveform": str(folder / "waveform.vcd"), "timeline": str(timeline)}
