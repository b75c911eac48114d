# SPDX-License-Identifier: Apache-2.0
"""Where program and segments lie in DRAM, with canaries between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..compiler.program import Program
from .errors import MemoryCorruptionError, MemorySizeError

__all__ = ["Layout"]

_ALIGNMENT = 4096
_GAP = 256
"""Least canary bytes between two regions."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class _Region:
    name: str
    base: int
    size: int
    is_output: bool


class Layout:
    """A DRAM image of a program and its segments.

    The program comes first, then the segments in ascending order, each at a multiple of 4096, at
    least 256 bytes apart. All bytes of no region hold a pattern that `verify` expects back.

    Parameters
    ----------
    program : Program
        Gives code and segment sizes.
    contents : Mapping[int, numpy.ndarray]
        Initial bytes by segment number, any dtype, at most the segment's size. What is not given
        holds the pattern.
    capacity : int
        Bytes of the device's memory.
    """

    def __init__(
        self, program: Program, contents: Mapping[int, NDArray[np.generic]], capacity: int
    ) -> None:
        code = np.frombuffer(program.to_bytes(), np.uint8)
        self.regions = {-1: _Region("program", 0, len(code), False)}
        end = len(code)
        for need in sorted(program.segments, key=lambda need: need.number):
            base = -(-(end + _GAP) // _ALIGNMENT) * _ALIGNMENT
            self.regions[need.number] = _Region(need.name, base, need.bytes, need.role != "input")
            end = base + need.bytes
        self.size = -(-(end + _GAP) // _ALIGNMENT) * _ALIGNMENT
        if self.size > capacity:
            parts = ", ".join(f"{r.name} {r.size}" for r in self.regions.values())
            raise MemorySizeError(
                f"the run needs {self.size} bytes of DRAM ({parts}), the device has {capacity}; "
                "split the problem or open the device with a larger `dram_bytes`"
            )
        pattern = np.arange(self.size, dtype=np.uint32)
        self._pattern = ((pattern * 2654435761) >> 24).astype(np.uint8)
        self.memory: Bytes = self._pattern.copy()
        self.memory[: len(code)] = code
        for number, data in contents.items():
            region = self.regions.get(number)
            if region is None:
                raise MemorySizeError(f"the program has no segment {number}")
            raw = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            if len(raw) > region.size:
                raise MemorySizeError(
                    f"segment {number} ({region.name}) holds {region.size} bytes, not {len(raw)}"
                )
            self.memory[region.base : region.base + len(raw)] = raw
        self._before = {
            number: self.memory[r.base : r.base + r.size].copy()
            for number, r in self.regions.items() if not r.is_output
        }

    def segment(self, memory: Bytes, number: int) -> Bytes:
        """The bytes of a segment as a view of ``memory``."""
        region = self.regions[number]
        return memory[region.base : region.base + region.size]

    def verify(self, memory: Bytes) -> None:
        """Raise `MemoryCorruptionError` if bytes outside the output segments changed."""
        for number, before in self._before.items():
            self._compare(self.segment(memory, number), before, self.regions[number].base,
                          f"{self.regions[number].name}, which is only read")
        ordered = list(self.regions.values())
        for region, following in zip(ordered, [*ordered[1:], None], strict=True):
            start = region.base + region.size
            end = self.size if following is None else following.base
            self._compare(memory[start:end], self._pattern[start:end], start,
                          f"the gap after {region.name}")

    @staticmethod
    def _compare(actual: Bytes, expected: Bytes, base: int, where: str) -> None:
        if np.array_equal(actual, expected):
            return
        wrong = np.flatnonzero(actual != expected)
        raise MemoryCorruptionError(
            f"{len(wrong)} bytes changed in {where}, the first at DRAM address "
            f"{base + int(wrong[0]):#x}: the accelerator wrote where no output segment is"
        )
