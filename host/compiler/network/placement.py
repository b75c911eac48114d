# SPDX-License-Identifier: Apache-2.0
"""Places for tensors with lifetimes: in the activation scratchpad and in DRAM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Lifetime", "Range", "Scratchpad", "place_in_dram"]

DRAM_ALIGNMENT = 64

Range = tuple[int, int]
"""First word and end."""


class Scratchpad:
    """Words of the activation scratchpad in use.

    It has two banks. The vector unit waits while MATMUL reads the bank that it wants to read, so
    what both read at one time had better lie in different banks.

    Parameters
    ----------
    depth : int
        Words.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.half = depth // 2
        self.used: dict[str, Range] = {}
        self.head = 0

    def gaps(self) -> list[Range]:
        """Free ranges (first, end)."""
        result: list[Range] = []
        low = 0
        for first, end in sorted(self.used.values()):
            if first > low:
                result.append((low, first))
            low = max(low, end)
        if low < self.depth:
            result.append((low, self.depth))
        return result

    def place(self, name: str, size: int, avoid: Sequence[Range] = ()) -> int | None:
        """Reserve words, or None if there is no gap.

        Parameters
        ----------
        size : int
            Words.
        avoid : sequence of Range
            Words that are read while these are: the bank with fewer of them is better, and there
            the place that leaves the largest gap. Without, the words follow those reserved last.
        """
        starts: set[int] = set()
        for first, end in self.gaps():
            inside = (first, self.head, self.half, self.half - size, end - size)
            starts.update(start for start in inside if first <= start <= end - size)
        if not starts:
            return None

        def cost(start: int) -> tuple[int, int, bool, int]:
            words = start, start + size
            shared = sum(self._shared(words, other) for other in avoid)
            left = self._largest([
                piece for first, end in self.gaps()
                for piece in ((first, min(end, start)), (max(first, start + size), end))
            ])[1] if avoid else 0
            return shared, -left, start < self.head, start

        start = min(starts, key=cost)
        self.used[name] = (start, start + size)
        self.head = start + size
        return start

    def _shared(self, one: Range, other: Range) -> int:
        """How often reads of two ranges meet in a bank: products of their words in each."""
        total = 0
        for low, high in ((0, self.half), (self.half, self.depth)):
            words = [max(0, min(end, high) - max(first, low)) for first, end in (one, other)]
            total += words[0] * words[1]
        return total

    def free(self, name: str) -> None:
        """Give a range back."""
        self.used.pop(name, None)

    def largest_gap(self) -> tuple[int, int]:
        """First word and size of the largest free range."""
        return self._largest(self.gaps())

    def other_bank(self, name: str) -> Range:
        """Words of the bank that has less of what was reserved."""
        first, end = self.used[name]
        if min(end, self.half) - first > end - max(first, self.half):
            return self.half, self.depth
        return 0, self.half

    def largest_gap_within(self, words: Range) -> tuple[int, int]:
        """First word and size of the largest free range among some words."""
        return self._largest([(max(first, words[0]), min(end, words[1]))
                              for first, end in self.gaps()])

    @staticmethod
    def _largest(gaps: list[Range]) -> tuple[int, int]:
        first, end = max(gaps, key=lambda gap: (gap[1] - gap[0], -gap[0]), default=(0, 0))
        return (first, end - first) if end > first else (0, 0)


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
