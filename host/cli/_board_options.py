# SPDX-License-Identifier: Apache-2.0
"""The options of a generic board, and targets that may be a board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..boards.board import MEMORIES

__all__ = ["TargetType", "baud_option", "board_options", "memory_option"]


class TargetType(click.Choice[str]):
    """One of some targets, or ``serial:PORT``."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The target's name."""
        text = str(value)
        return text if text.startswith("serial:") else super().convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The choices, as help shows them."""
        return f"[{'|'.join(map(str, self.choices))}|serial:PORT]"


def baud_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--baud``."""
    return click.option("--baud", type=click.IntRange(min=1), default=1_000_000, show_default=True,
                        help="Baud rate (serial).")(function)


def memory_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--memory``."""
    return click.option("--memory", type=click.Choice(MEMORIES), default=MEMORIES[0],
                        show_default=True, help="What takes the place of DRAM on a board: block "
                        "RAM, or its SDRAM behind a controller from LiteDRAM.")(function)


def board_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--clock-hz``, ``--baud``, ``--memory-bytes`` and ``--single-port``."""
    for option in (
        click.option("--single-port", is_flag=True,
                     help="Memory that reads or writes in a cycle, as iCE40 UltraPlus has it."),
        click.option("--memory-bytes", type=click.IntRange(min=4096), default=65536,
                     show_default=True, help="Size of the memory, a power of two."),
        click.option("--baud", type=click.IntRange(min=1), default=1_000_000, show_default=True,
                     help="Baud rate of the host link."),
        click.option("--clock-hz", type=click.IntRange(min=1), default=25_000_000,
                     show_default=True, help="Frequency of the clock."),
    ):
        function = option(function)
    return function
