# SPDX-License-Identifier: Apache-2.0
"""Which multipliers, adders and simulation models each family has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from amaranth.hdl import Module, Mux, Value, ValueLike

from . import ecp5_carry
from .ecp5 import ECP5Multiplier
from .ecp5_soft import ECP5SoftMultiplier
from .generic import GenericMultiplier
from .gowin import GowinMultiplier
from .ice40 import ICE40Multiplier
from .multiplier import Multiplier
from .nexus import NexusMultiplier
from .soft import SoftMultiplier
from .xilinx7 import Xilinx7Multiplier

__all__ = ["TECHNOLOGIES", "Technology", "simulation_model"]


def _add(m: Module, name: str, left: Value, right: Value, width: int) -> Value:
    """``left + right`` in ``width`` bits, as the synthesizer maps it."""
    return (left + right)[:width]


def _add_chosen(
    m: Module, name: str, base: Value, select: Value, choices: tuple[Value, Value], width: int,
    carry: ValueLike = 0,
) -> Value:
    """``base + choices[select] + carry`` in ``width`` bits, as the synthesizer maps it."""
    return (base + Mux(select, choices[1], choices[0]) + Value.cast(carry))[:width]


def _add_or_load(
    m: Module, name: str, left: Value, right: Value, load: Value, value: Value, width: int
) -> Value:
    """``left + right`` or ``value`` in ``width`` bits, as the synthesizer maps it."""
    return ((left | Mux(load, value, 0)) + right)[:width]


@dataclass(frozen=True)
class Technology:
    """What one family's processing elements are made of.

    Attributes
    ----------
    hard : type of Multiplier
        The multiplier of the family's blocks.
    soft : type of Multiplier
        The one of look-up tables.
    add : callable
        ``add(m, name, left, right, width)`` returns the sum of two signed values.
    add_chosen : callable
        ``add_chosen(m, name, base, select, choices, width, carry=0)`` returns the sum of ``base``,
        one of two values, all of ``width`` bits, and a carry.
    add_or_load : callable
        ``add_or_load(m, name, left, right, load, value, width)`` returns the sum of ``left`` and
        ``right``; or ``value`` with ``load``, which comes while both others are zero; all of
        ``width`` bits.
    """

    hard: type[Multiplier]
    soft: type[Multiplier] = SoftMultiplier
    add: Callable[[Module, str, Value, Value, int], Value] = _add
    add_chosen: Callable[..., Value] = _add_chosen
    add_or_load: Callable[[Module, str, Value, Value, Value, Value, int], Value] = _add_or_load


TECHNOLOGIES: dict[str, Technology] = {
    "generic": Technology(GenericMultiplier),
    "ecp5": Technology(
        ECP5Multiplier,
        ECP5SoftMultiplier,
        ecp5_carry.add,
        ecp5_carry.add_chosen,
        ecp5_carry.add_or_load,
    ),
    "ice40": Technology(ICE40Multiplier),
    "gowin": Technology(GowinMultiplier),
    "nexus": Technology(NexusMultiplier),
    "xilinx7": Technology(Xilinx7Multiplier),
}
"""By the name that ``Config.family`` has."""


def simulation_model(family: str) -> str:
    """Verilog of the blocks that a family's design instantiates, for simulation only.

    Empty for a family whose design instantiates none. Modules are called as the vendor's.
    """
    path = resources.files(__package__) / "models" / f"{family}.v"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
