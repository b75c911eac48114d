# SPDX-License-Identifier: Apache-2.0
"""The cocotb target: programs on the accelerator in an event-driven simulation."""

from __future__ import annotations

from typing import Any

from ..hdl.config import Config
from .device import ProgramDevice

__all__ = ["CocotbDevice"]


class CocotbDevice(ProgramDevice):
    """Runs programs in a cocotb simulation; slow, with bus models that are not our own.

    Parameters
    ----------
    simulator : str
        ``"icarus"`` or ``"verilator"``.
    stall_probability : float
        Share of cycles in which a DRAM channel pauses.
    seed : int
        Seed of the pauses.
    options
        As in `ProgramDevice`.
    """

    target = "cocotb"

    def __init__(
        self,
        config: Config,
        *,
        simulator: str = "icarus",
        stall_probability: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        from ..sim.cocotb_transport import CocotbTransport

        transport = CocotbTransport(
            config, simulator=simulator, stall_probability=stall_probability, seed=seed
        )
        super().__init__(config, transport, **options)
