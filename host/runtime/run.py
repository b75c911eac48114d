# SPDX-License-Identifier: Apache-2.0
"""What is known about a finished run."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """Facts about the last run of a device.

    Parameters
    ----------
    target : str
        Target that ran it.
    cycles : int or None
        Clock cycles from start to interrupt; None where there is no clock.
    macs : int
        Multiply-accumulates of the problem, without padding.
    peak_macs_per_cycle : int
        Processing elements of the array.
    roofline_cycles : int
        The least cycles the problem can take; 0 if unknown.
    counters : dict[str, int]
        Performance counters by name, as `weft.hdl.registers.COUNTERS` lists them; empty where
        there is no clock.
    instructions : int
        Instructions of the program.
    bytes_read, bytes_written : int
        Bytes moved by AXI data beats, instruction fetch and partly used beats included.
    """

    target: str
    cycles: int | None
    macs: int
    peak_macs_per_cycle: int
    roofline_cycles: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    instructions: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    @property
    def utilization(self) -> float | None:
        """Share of the array's multiply-accumulates that the problem used."""
        if not self.cycles:
            return None
        return self.macs / (self.peak_macs_per_cycle * self.cycles)

    @property
    def roofline_share(self) -> float | None:
        """``roofline_cycles / cycles``: 1 is the best any schedule could do."""
        if not self.cycles or not self.roofline_cycles:
            return None
        return self.roofline_cycles / self.cycles
