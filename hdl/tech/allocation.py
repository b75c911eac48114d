# SPDX-License-Identifier: Apache-2.0
"""Which processing elements of an array get a multiplier block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .technology import TECHNOLOGIES

__all__ = ["Allocation", "spread"]


def spread(amount: int, places: int) -> Sequence[int]:
    """Deal ``amount`` out to ``places`` in a line, as evenly as whole numbers allow.

    No two places differ by more than one, and neither do any two stretches of equal length. This is
    the line drawing of Bresenham (1965).
    """
    return [(place + 1) * amount // places - place * amount // places for place in range(places)]


@dataclass(frozen=True)
class Allocation:
    """Multiplier blocks and look-up tables for ``rows`` x ``cols`` processing elements.

    Blocks are spread evenly over the rows and in each row over its columns, so that the processing
    elements without one, which are larger, do not crowd the die in one place. A block of several
    multipliers serves as many adjacent columns of a row, and look-up tables take the place of whole
    blocks, so that a column is at the same distance from the edge in every row; columns that are
    left over at the end of a row have look-up tables.

    Attributes
    ----------
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`.
    rows, cols : int
        Size of the array.
    multipliers : int or None
        Multipliers that the device's blocks have; ``None`` for as many as can be used.
    """

    family: str
    rows: int
    cols: int
    multipliers: int | None = None

    @property
    def lanes(self) -> int:
        """Multipliers of a block."""
        return TECHNOLOGIES[self.family].hard.lanes

    @property
    def blocks(self) -> int:
        """Multiplier blocks in use."""
        most = self.rows * (self.cols // self.lanes)
        return most if self.multipliers is None else min(most, self.multipliers // self.lanes)

    @property
    def row_blocks(self) -> Sequence[int]:
        """Blocks of each row."""
        return spread(self.blocks, self.rows)

    @property
    def stages(self) -> Sequence[tuple[bool, int]]:
        """The processing elements of a single row, west to east: whether each is a block, and its
        columns."""
        whole, rest = divmod(self.cols, self.lanes)
        stages = [(bool(block), self.lanes) for block in spread(self.row_blocks[0], whole)]
        return stages + [(False, 1)] * rest

    @property
    def product_latency(self) -> int:
        """Cycles from an activation to its product, the most of the multipliers in use."""
        technology = TECHNOLOGIES[self.family]
        used = [technology.hard] if self.blocks else []
        if self.blocks * self.lanes < self.rows * self.cols:
            used.append(technology.soft)
        return max(multiplier.latency for multiplier in used)
