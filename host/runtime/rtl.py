# SPDX-License-Identifier: Apache-2.0
"""The rtl target: programs on the verilated accelerator, cycle-exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..hdl.config import Config
from .device import ProgramDevice

__all__ = ["RtlDevice"]


class RtlDevice(ProgramDevice):
    """Runs programs on register-transfer level, compiled by Verilator.

    Parameters
    ----------
    latency : int
        Cycles of DRAM latency.
    stall_probability : float
        Share of cycles in which a DRAM channel pauses.
    seed : int
        Seed of the pauses.
    trace : str, Path or None
        Waveform file. Empty: compiled for waveforms as with a file, but none is written.
    options
        As in `ProgramDevice`.
    """

    target = "rtl"

    def __init__(
        self,
        config: Config,
        *,
        latency: int = 30,
        stall_probability: float = 0.0,
        seed: int = 0,
        trace: str | Path | None = None,
        **options: Any,
    ) -> None:
        from ..sim.rtl import VerilatedTransport

        transport = VerilatedTransport(
            config, latency=latency, stall_probability=stall_probability, seed=seed, trace=trace
        )
        super().__init__(config, transport, **options)

    def close(self) -> None:
        """Let go of the simulation."""
        super().close()
        close = getattr(self.transport, "close", None)
        if close is not None:
            close()
