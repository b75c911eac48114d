# SPDX-License-Identifier: Apache-2.0
"""Weft, a generator of systolic-array matrix accelerators for FPGAs.

>>> import numpy, weft
>>> with weft.open("simulator", weft.Config(rows=4, cols=4)) as device:
...     c = device.matmul(numpy.eye(3, dtype=numpy.int8), numpy.ones((3, 2), numpy.int8))
>>> c.tolist()
[[1, 1], [1, 1], [1, 1]]
"""

from __future__ import annotations

from typing import Any

from .compiler.gemm import CompileError, compile_gemm
from .compiler.program import Program, ProgramError
from .hdl.config import Config, ConfigurationError
from .runtime import errors as _errors
from .runtime.device import Device
from .runtime.errors import (
    AcceleratorError,
    AcceleratorTimeoutError,
    ConfigurationMismatchError,
    DeviceError,
    MemoryCorruptionError,
    MemorySizeError,
    OperandError,
    TargetError,
)
from .runtime.run import Run

__all__ = [
    "AcceleratorError",
    "AcceleratorTimeoutError",
    "CompileError",
    "Config",
    "ConfigurationError",
    "ConfigurationMismatchError",
    "Device",
    "DeviceError",
    "MemoryCorruptionError",
    "MemorySizeError",
    "OperandError",
    "Program",
    "ProgramError",
    "Run",
    "TargetError",
    "compile_gemm",
    "errors",
    "open",
]

__version__ = "0.1.0"

errors = _errors
"""Every exception of the device API, one class per error code of the accelerator."""


def open(target: str, config: Config | None = None, **options: Any) -> Device:  # noqa: A001
    """Open a device.

    Parameters
    ----------
    target : str
        ``"reference"`` (NumPy), ``"simulator"`` (instruction by instruction), ``"rtl"``
        (verilated, cycle-exact), ``"cocotb"``, or ``"serial:PORT"``, a board at a serial port.
    config : Config or None
        The accelerator; None is the default configuration, for a board the one that it has.
    options
        Of the target: ``dram_bytes`` for all; ``watchdog`` and ``max_cycles`` for all that run
        programs; ``schedule_seed`` and ``track`` for the simulator; ``latency``,
        ``stall_probability``, ``seed`` and ``trace`` for rtl; ``simulator``,
        ``stall_probability`` and ``seed`` for cocotb; ``baud`` and ``latency`` for boards.

    Returns
    -------
    Device
        With ``matmul``, ``run_program`` and ``last_run``; a context manager.

    Raises
    ------
    TargetError
        For an unknown target or option.

    >>> open("simulatr")
    Traceback (most recent call last):
    weft.runtime.errors.TargetError: target must be one of reference, simulator, rtl, cocotb \
or serial:PORT, not 'simulatr'; did you mean 'simulator'?
    """
    from .runtime.targets import open_device

    return open_device(target, config, **options)
