# SPDX-License-Identifier: Apache-2.0
"""One run of an accelerator as data: what to write, what to start, what to read back.

Verilated RTL, a cocotb simulation and a card execute the same job, so one driver serves all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

__all__ = ["Job", "JobResult", "Transport"]


@dataclass
class Job:
    """A run from register writes to interrupt.

    Parameters
    ----------
    memory : numpy.ndarray
        DRAM image, uint8, one dimension; its length is the size of the memory. Accesses outside
        it are answered with DECERR.
    writes : list[tuple[int, int]]
        Register writes (byte offset, value) in order; the last one starts the program.
    reads : list[int]
        Byte offsets of the registers to read after the interrupt.
    max_cycles : int
        Give up after this many clock cycles without an interrupt.
    """

    memory: np.ndarray
    writes: list[tuple[int, int]]
    reads: list[int]
    max_cycles: int = 100_000_000


@dataclass
class JobResult:
    """What a job left behind.

    Parameters
    ----------
    memory : numpy.ndarray
        DRAM after the run (may be the job's own array, changed in place).
    values : dict[int, int]
        Register values by byte offset.
    interrupt : bool
        Whether the interrupt came within ``max_cycles``.
    refused : list[int]
        Offsets of register writes that were answered with SLVERR.
    """

    memory: np.ndarray
    values: dict[int, int]
    interrupt: bool
    refused: list[int] = field(default_factory=list)


class Transport(Protocol):
    """Something that executes jobs on an accelerator, in hardware or simulated."""

    def execute(self, job: Job) -> JobResult:
        """Run ``job`` to its interrupt and read back."""
        ...
