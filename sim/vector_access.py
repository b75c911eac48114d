# SPDX-License-Identifier: Apache-2.0
"""Which elements, parameters and table entries a VECTOR touches.

Places are chunk numbers as `weft.sim.accesses.chunks_per_word` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import Config
from ..hdl.isa import (
    ADD_FLAG,
    MAXIMUM_FLAG,
    REQUANTIZE_FLAG,
    TABLE_FLAG,
    UNIFORM_FLAG,
    Instruction,
    Memory,
)
from .accesses import chunks_per_word, memory_depth

__all__ = ["VectorAccess", "vector_access"]

IntArray = NDArray[np.int64]

_BLOCK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class VectorAccess:
    """Places of a VECTOR, in the order the hardware visits them: point, chunk, window element.

    Parameters
    ----------
    source, destination : Memory
        What is read and written.
    source_chunks, destination_chunks : int
        Chunks of a word of each.
    source_points, destination_points : numpy.ndarray
        ``[points]`` number of each point's first chunk, of the window's first word.
    window : numpy.ndarray
        ``[window_y * window_x]`` words from the window's first one.
    chunks : int
        Chunks of a point.
    parameters : numpy.ndarray
        ``[chunks]`` parameter words; empty without the flag requantize.
    table : tuple[int, int]
        First and last table word that any value can look up; (0, -1) if none.
    updates : bool
        Whether the destination's old value is read too (flags add, maximum).
    """

    source: Memory
    destination: Memory
    source_chunks: int
    destination_chunks: int
    source_points: IntArray
    destination_points: IntArray
    window: IntArray
    chunks: int
    parameters: IntArray
    table: tuple[int, int]
    updates: bool

    def fault(self, config: Config) -> tuple[Memory, int] | None:
        """The first word out of range in the order the hardware checks, or None.

        Per chunk: the source words of the window, then the parameter word, then the destination.
        """
        last = self.chunks - 1
        source_depth = memory_depth(config, self.source)
        destination_depth = memory_depth(config, self.destination)
        reach = (self.source_points + last) // self.source_chunks + self.window.max()
        end = (self.destination_points + last) // self.destination_chunks
        bad = (reach >= source_depth) | (end >= destination_depth)
        beyond = self.parameters >= config.parameter_depth
        point = 0 if beyond.any() else int(bad.argmax())
        if not beyond.any() and not bad[point]:
            return None
        chunk = np.arange(self.chunks)
        sources = (
            ((self.source_points[point] + chunk) // self.source_chunks)[:, None] + self.window
        )
        targets = (self.destination_points[point] + chunk) // self.destination_chunks
        wrong = sources >= source_depth
        first = wrong.any(1) | (targets >= destination_depth)
        if len(beyond):
            first |= beyond
        number = int(first.argmax())
        if wrong[number].any():
            return self.source, int(sources[number, wrong[number].argmax()])
        if len(beyond) and beyond[number]:
            return Memory.PARAMETER, int(self.parameters[number])
        return self.destination, int(targets[number])

    def undefined(self, config: Config) -> str | None:
        """Why the result depends on the hardware's pipeline, or None; only without a `fault`."""
        places = memory_depth(config, self.destination) * self.destination_chunks
        count = len(self.destination_points) * self.chunks
        if self.updates and (count > places or len(self.writes()) < count):
            return "updates a destination element twice"
        if self.source is not self.destination:
            return None
        first_write = np.full(places, count, np.int64)
        runs = [(start, target.reshape(-1)) for start, _, target in self._runs(config.lanes)]
        for start, target in reversed(runs):
            first_write[target[::-1]] = np.arange(start + target.size - 1, start - 1, -1)
        for start, source, _ in self._runs(config.lanes):
            order = np.arange(start, start + source.size).reshape(source.shape)
            for offset in self.window:
                late = first_write[source + offset * self.source_chunks] < order
                if late.any():
                    return "reads an element that it has written before"
        return None

    def _runs(self, lanes: int) -> Iterator[tuple[int, IntArray, IntArray]]:
        start = 0
        for source, target in self.blocks(lanes):
            yield start, source, target
            start += source.size

    def blocks(self, lanes: int) -> Iterator[tuple[IntArray, IntArray]]:
        """Runs of points: chunk numbers ``[points, chunks]`` of the window's start and target."""
        step = max(1, _BLOCK_ELEMENTS // (self.chunks * lanes))
        chunk = np.arange(self.chunks)
        for first in range(0, len(self.source_points), step):
            run = slice(first, first + step)
            yield self.source_points[run, None] + chunk, self.destination_points[run, None] + chunk

    def reads(self) -> IntArray:
        """Chunk numbers of all source elements, each once."""
        starts = self._spread(self.source_points)
        return np.unique(starts[:, None] + np.unique(self.window) * self.source_chunks)

    def writes(self) -> IntArray:
        """Chunk numbers of all destination elements, each once."""
        return self._spread(self.destination_points)

    def _spread(self, points: IntArray) -> IntArray:
        return np.unique(np.unique(points)[:, None] + np.arange(self.chunks))


def _points(i: Instruction, side: str) -> IntArray:
    return (
        i[f"{side}_address"]
        + np.arange(i["count_y"], dtype=np.int64)[:, None] * i[f"{side}_stride_y"]
        + np.arange(i["count_x"], dtype=np.int64) * i[f"{side}_stride_x"]
    ).reshape(-1)


def vector_access(config: Config, i: Instruction) -> VectorAccess:
    """The places of the legal VECTOR ``i``."""
    source, destination = (
        Memory.ACCUMULATOR if i[f"{side}_memory"] else Memory.ACTIVATION
        for side in ("source", "destination")
    )
    source_chunks = chunks_per_word(config, source)
    destination_chunks = chunks_per_word(config, destination)
    parameters = np.zeros(0, np.int64)
    if i.flags & REQUANTIZE_FLAG:
        step = 0 if i.flags & UNIFORM_FLAG else 1
        parameters = i["parameter_address"] + step * np.arange(i["chunks"], dtype=np.int64)
    table = (0, -1)
    if i.flags & TABLE_FLAG and destination is Memory.ACTIVATION:
        table = (128 + min(i["clamp_low"], i["clamp_high"]), 128 + i["clamp_high"])
    window = (
        np.arange(i["window_y"], dtype=np.int64)[:, None] * i["window_stride_y"]
        + np.arange(i["window_x"], dtype=np.int64) * i["window_stride_x"]
    ).reshape(-1)
    return VectorAccess(
        source,
        destination,
        source_chunks,
        destination_chunks,
        _points(i, "source") * source_chunks + i["source_element"] // config.lanes,
        _points(i, "destination") * destination_chunks + i["destination_element"] // config.lanes,
        window,
        i["chunks"],
        parameters,
        table,
        bool(i.flags & (ADD_FLAG | MAXIMUM_FLAG)),
    )
