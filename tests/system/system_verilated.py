# SPDX-License-Identifier: Apache-2.0
"""Runs cases on verilated register-transfer level."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
from system_cases import CHECKED_REGISTERS, Case, check_outcome, offset

from weft.hdl.config import Config
from weft.sim.job import Job, JobResult
from weft.sim.rtl import VerilatedTransport

START, SOFT_RESET = 1, 2
RUNNING, DONE, ERROR, DRAINING, RESETTING = (1 << n for n in range(5))


class Verilated:
    """An accelerator with its register interface; keeps its state from case to case."""

    def __init__(self, config: Config, **options: Any) -> None:
        self.config = config
        self.transport = VerilatedTransport(config, **options)
        self.memory = np.zeros(4096, np.uint8)

    def __enter__(self) -> Verilated:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.transport.close()

    def access(
        self, writes: list[tuple[str, int]], reads: tuple[str, ...] = (), cycles: int = 0
    ) -> tuple[JobResult, dict[str, int]]:
        """Register accesses on the memory in place; a last START runs up to ``cycles``."""
        result = self.transport.execute(
            Job(
                self.memory, [(offset(name), value) for name, value in writes],
                [offset(name) for name in reads], cycles,
            )
        )
        return result, {name: result.values[offset(name)] for name in reads}

    def read(self, name: str) -> int:
        """One register."""
        return self.access([], (name,))[1][name]

    def start(self, case: Case, cycles: int = 10_000_000) -> JobResult:
        """Begin a case and run at most ``cycles``."""
        self.memory = case.memory.copy()
        writes = [*case.register_writes().items(), ("CONTROL", START)]
        return self.access(writes, (), cycles)[0]

    def run(self, case: Case) -> dict[str, int]:
        """Run a case to its end and check everything; returns the registers."""
        result = self.start(case)
        values = self.access([], CHECKED_REGISTERS)[1]
        assert not result.refused, f"{case.name}: refused {result.refused}"
        assert result.interrupt, f"{case.name}: no interrupt, STATUS {values['STATUS']:#07b}"
        check_outcome(case, values, self.memory)
        return values

    def soft_reset(self) -> None:
        """Reset and wait until it is over."""
        result, _ = self.access([("CONTROL", SOFT_RESET)])
        assert not result.refused, "soft reset was refused"
        for _ in range(100_000):
            if not self.read("STATUS") & (RESETTING | DRAINING):
                break
        status, irq = self.read("STATUS"), self.read("IRQ_STATUS")
        assert status == 0, f"STATUS is {status:#07b} after a soft reset"
        assert self.read("ERROR_CODE") == 0
        assert irq == 0
