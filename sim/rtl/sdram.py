# SPDX-License-Identifier: Apache-2.0
"""A model of an SDRAM that checks its timing."""

from __future__ import annotations

from importlib import resources

__all__ = ["sdram_model"]


def sdram_model() -> str:
    """Verilog of ``weft_sdram_model``, and of the pins of the ECP5 that lead to it.

    A command that the data sheet does not allow ends the simulation with a message.
    """
    return (resources.files(__package__) / "sdram.v").read_text(encoding="utf-8")
