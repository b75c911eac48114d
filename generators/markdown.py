# SPDX-License-Identifier: Apache-2.0
"""Reference pages in Markdown: the register map and the instruction set."""

from __future__ import annotations

from collections.abc import Callable

from ..hdl import isa
from ..hdl.config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM, Config
from ..hdl.registers import REGISTERS, Register, configuration_value
from .header import instruction_positions
from .template import render

__all__ = ["instruction_reference", "register_map", "register_reference"]


def register_map(config: Config) -> str:
    """The register map of one configuration, with the values of its constants."""
    return render(
        "registers.md.j2", config=config, registers=REGISTERS, value=_value(config), isa=isa
    )


def register_reference() -> str:
    """The register map of all configurations, without a heading of its own."""
    return render("register_table.md.j2", registers=REGISTERS, value=_value(None), isa=isa)


def _value(config: Config | None) -> Callable[[Register], str]:
    """What a register reads as after reset, as a table shows it."""

    def value(item: Register) -> str:
        if item.constant in ("ID", "VERSION"):
            return f"`0x{configuration_value(item, config or Config()):08X}`"
        if item.constant:
            return "configuration" if config is None else str(configuration_value(item, config))
        return f"`0x{item.reset:08X}`" if item.reset else "0"

    return value


def instruction_reference() -> str:
    """Every instruction format, the enumerations and the error codes, without a heading."""
    return render(
        "instructions.md.j2",
        isa=isa,
        formats=isa.FORMATS.values(),
        positions=instruction_positions,
        semaphores=SEMAPHORE_COUNT,
        maximum=SEMAPHORE_MAXIMUM,
    )
