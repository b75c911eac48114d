# SPDX-License-Identifier: Apache-2.0
"""Places for tensors with lifetimes: in the activation scratchpad and in DRAM."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Lifetime", "Scratchpad", "place_in_dram"]

DRAM_ALIGNMENT = 64


class Scratchpad:
    """Words of the activation scratchpad in use.

    Parameters
    ----------
    depth : int
        Words.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.used: dict[str, tuple[int, int]] = {}
        self.head = 0

    def gaps(self) -> list[tuple[int, int]]:
        """Free ranges (first, end)."""
        result, low = [], 0
        for first, end in sorted(self.used.values()):
            if first > low:
                result.append((low, first))
            low = max(low, end)
        if low < self.depth:
            result.append((low, self.depth))
        return result

    def place(self, name: str, size: int) -> int | None:
        """Reserve ``size`` words after those reserved last, or None if there is no gap."""
        starts = []
        for first, end in self.gaps():
            if first < self.head < end and end - self.head >= size:
                starts.append(self.head)
            if end - first >= size:
                starts.append(first)
        if not starts:
            return None
        start = min(starts, key=lambda first: (first < self.head, first))
        self.used[name] = (start, start + size)
        self.head = start + size
        return start

    def free(self, name: str) -> None:
        """Give a range back."""
        self.used.pop(name, None)

    def largest_gap(self) -> tuple[int, int]:
        """First word and size of the largest free range."""
        first, end = max(self.gaps(), key=lambda gap: (gap[1] - gap[0], -gap[0]), default=(0, 0))
        return first, end - first


@dataclass(frozen=True)
class Lifetime:
    """A tensor in DRAM: bytes, first and last time of use."""

    name: str
    size: int
    first: int
    last: int


def place_in_dram(tensors: Iterable[Lifetime]) -> tuple[dict[str, int], int]:
    """Offsets by name, and the bytes of all; tensors that live at one time do not overlap.

    The largest are placed first, each at the lowest offset that is free.
    """
    placed: list[tuple[int, int, Lifetime]] = []
    offsets: dict[str, int] = {}
    for item in sorted(tensors, key=lambda item: (-item.size, item.first, item.name)):
        offset = 0
        for low, high, other in sorted(placed, key=lambda entry: entry[0]):
            if other.last < item.first or item.last < other.first:
                continue
            if low - offset >= item.size:
                break
            offset = max(offset, -(-high // DRAM_ALIGNMENT) * DRAM_ALIGNMENT)
        offsets[item.name] = offset
        placed.append((offset, offset + item.size, item))
    end = max((high for _, high, _ in placed), default=0)
    return offsets, -(-end // DRAM_ALIGNMENT) * DRAM_ALIGNMENT
