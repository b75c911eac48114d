# SPDX-License-Identifier: Apache-2.0
"""The loops of VECTOR instructions, cut where they exceed an instruction's fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...hdl.config import Config
from ...hdl.isa import (
    ADD_FLAG,
    FORMATS,
    MAXIMUM_FLAG,
    REQUANTIZE_FLAG,
    TABLE_FLAG,
    UNIFORM_FLAG,
    Memory,
    Opcode,
)
from .operations import Span

__all__ = ["Place", "VectorLoops"]

_LIMITS = {item.name: item.high for item in FORMATS[Opcode.VECTOR].fields}


@dataclass(frozen=True)
class Place:
    """Where VECTOR reads or writes.

    Parameters
    ----------
    memory : Memory
        ACTIVATION or ACCUMULATOR.
    word, element : int
        Of the first element.
    stride_y, stride_x : int
        Words along the outputs.
    """

    memory: Memory
    word: int
    element: int
    stride_y: int
    stride_x: int

    def moved(self, y: int, x: int) -> Place:
        """Some outputs further."""
        return replace(self, word=self.word + y * self.stride_y + x * self.stride_x)


@dataclass(frozen=True)
class VectorLoops:
    """A VECTOR with loops of any length, except chunks and windows.

    Parameters
    ----------
    source, destination : Place
        Where it reads and writes.
    chunks, count_y, count_x : int
        Extents.
    lanes : int
        Elements of a chunk.
    window, window_stride : tuple of int
        Rows and columns, and words along them.
    flags : int
        Of the instruction.
    parameter : int
        Parameter word.
    zero_point : int
        Added after scaling.
    clamp : tuple of int
        Smallest and largest int8.
    """

    source: Place
    destination: Place
    chunks: int
    count_y: int
    count_x: int
    lanes: int
    window: tuple[int, int] = (1, 1)
    window_stride: tuple[int, int] = (0, 0)
    flags: int = 0
    parameter: int = 0
    zero_point: int = 0
    clamp: tuple[int, int] = (-128, 127)

    @property
    def steps(self) -> int:
        """Chunks read."""
        return (self.chunks * self.count_y * self.count_x * self.window[0] * self.window[1])

    def pieces(self) -> Iterator[VectorLoops]:
        """The same work in instructions."""
        for axis in "yx":
            count = getattr(self, f"count_{axis}")
            strides = [getattr(place, f"stride_{axis}") for place in (self.source,
                                                                      self.destination)]
            names = (f"source_stride_{axis}", f"destination_stride_{axis}")
            size = _LIMITS[f"count_{axis}"]
            if any(stride > _LIMITS[name] for stride, name in zip(strides, names, strict=True)):
                size = 1
            if count > size:
                for first in range(0, count, size):
                    step = (first, 0) if axis == "y" else (0, first)
                    yield from replace(
                        self, source=self.source.moved(*step),
                        destination=self.destination.moved(*step),
                        **{f"count_{axis}": min(size, count - first)},
                    ).pieces()
                return
        yield self

    def values(self) -> dict[str, int]:
        """The instruction's fields."""
        values = {
            "chunks": self.chunks, "count_y": self.count_y, "count_x": self.count_x,
            "window_y": self.window[0], "window_x": self.window[1],
            "window_stride_y": self.window_stride[0] if self.window[0] > 1 else 0,
            "window_stride_x": self.window_stride[1] if self.window[1] > 1 else 0,
            "parameter_address": self.parameter, "zero_point": self.zero_point,
            "clamp_low": self.clamp[0], "clamp_high": self.clamp[1],
        }
        for name, place in (("source", self.source), ("destination", self.destination)):
            values[f"{name}_memory"] = int(place.memory is Memory.ACCUMULATOR)
            values[f"{name}_address"] = place.word
            values[f"{name}_element"] = place.element
            values[f"{name}_stride_y"] = place.stride_y if self.count_y > 1 else 0
            values[f"{name}_stride_x"] = place.stride_x if self.count_x > 1 else 0
        return values

    def _span(self, config: Config, place: Place, window: tuple[int, int]) -> Span:
        width = config.rows if place.memory is Memory.ACTIVATION else config.cols
        reach = (self.count_y - 1) * place.stride_y + (self.count_x - 1) * place.stride_x
        reach += sum(
            (count - 1) * stride for count, stride in zip(window, self.window_stride, strict=True)
        )
        words = -(-(place.element + self.chunks * self.lanes) // width)
        return place.memory.value, place.word, place.word + reach + words

    def spans(self, config: Config) -> tuple[list[Span], list[Span]]:
        """What the instruction reads and writes."""
        reads = [self._span(config, self.source, self.window)]
        target = self._span(config, self.destination, (1, 1))
        if self.flags & (ADD_FLAG | MAXIMUM_FLAG):
            reads.append(target)
        if self.flags & REQUANTIZE_FLAG:
            words = 1 if self.flags & UNIFORM_FLAG else self.chunks
            reads.append((Memory.PARAMETER.value, self.parameter, self.parameter + words))
        if self.flags & TABLE_FLAG:
            reads.append((Memory.TABLE.value, 0, 256))
        return reads, [target]
