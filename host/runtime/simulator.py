# SPDX-License-Identifier: Apache-2.0
"""The simulator target: programs on the instruction-level simulator."""

from __future__ import annotations

from typing import Any

from ..hdl.config import Config
from ..sim.transport import SimulatorTransport
from .device import ProgramDevice

__all__ = ["SimulatorDevice"]


class SimulatorDevice(ProgramDevice):
    """Runs programs instruction by instruction; no clock.

    Parameters
    ----------
    schedule_seed : int or None
        Order in which the units advance; see `weft.sim.simulator.Simulator`.
    track : bool
        Report words read before they were written.
    options
        As in `ProgramDevice`.
    """

    target = "simulator"
    has_clock = False

    def __init__(
        self,
        config: Config,
        *,
        schedule_seed: int | None = None,
        track: bool = False,
        **options: Any,
    ) -> None:
        transport = SimulatorTransport(config, schedule_seed=schedule_seed, track=track)
        super().__init__(config, transport, **options)
