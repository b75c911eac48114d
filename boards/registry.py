# SPDX-License-Identifier: Apache-2.0
"""All boards by name."""

from __future__ import annotations

from . import (
    colorlight_i9,
    crosslink_nx_evn,
    ecpix5,
    icebreaker,
    orangecrab,
    tang_nano_20k,
    ulx3s,
)
from .board import Board

__all__ = ["BOARDS", "board_named"]

BOARDS: dict[str, Board] = {
    each.BOARD.name: each.BOARD
    for each in (
        icebreaker, ulx3s, orangecrab, ecpix5, colorlight_i9, tang_nano_20k, crosslink_nx_evn
    )
}
"""Every board that Weft knows, by the name ``--board`` takes."""


def board_named(name: str) -> Board:
    """The board called ``name``.

    Raises
    ------
    ValueError
        If there is none such.
    """
    if name not in BOARDS:
        raise ValueError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
