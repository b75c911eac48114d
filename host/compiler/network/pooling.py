# SPDX-License-Identifier: Apache-2.0
"""Emits average and maximum pooling: windows that reach into the padding are cut."""

from __future__ import annotations

from ...hdl.isa import (
    ADD_FLAG,
    MAXIMUM_FLAG,
    REQUANTIZE_FLAG,
    SUM_FLAG,
    UNIFORM_FLAG,
    Memory,
    Opcode,
)
from .emitter import limit
from .forms import View, Window, ceiling, ranges
from .layers import Pooling
from .vector_layers import VectorEmitter
from .vector_loops import Place, VectorLoops

__all__ = ["PoolingEmitter", "Run", "runs"]

_WINDOW = limit(Opcode.VECTOR, "window_y")
_STRIDE_Y = limit(Opcode.VECTOR, "window_stride_y")
_STRIDE_X = limit(Opcode.VECTOR, "window_stride_x")

Run = tuple[int, int, int, int]
"""First and end output, first input, inputs of each window."""


def runs(first: int, end: int, extent: int, stride: int, before: int, size: int) -> list[Run]:
    """Outputs from ``first`` to ``end`` along one axis, grouped by the size of their windows.

    Windows that lie inside the image are one run; each of the others is one of its own.
    """
    result: list[Run] = []
    for output in range(first, end):
        low = output * stride - before
        high = min(low + extent, size)
        low = max(low, 0)
        if result and result[-1][3] == high - low == extent:
            result[-1] = (result[-1][0], output + 1, *result[-1][2:])
        else:
            result.append((output, output + 1, low, high - low))
    return result


class PoolingEmitter(VectorEmitter):
    """Windows of a feature map reduced to their average or maximum."""

    layer: Pooling

    def input_window(self, window: Window) -> Window:
        """Rows and columns that the windows cover, inside the image."""
        layer, source = self.layer, self.layer.source
        low = [first * stride - before for first, stride, before in zip(
            (window.y0, window.x0), layer.stride, layer.before, strict=True)]
        high = [(last - 1) * stride - before + extent for last, stride, before, extent in zip(
            (window.y1, window.x1), layer.stride, layer.before, layer.window, strict=True)]
        return Window(window.image, max(low[0], 0), min(high[0], source.height),
                      max(low[1], 0), min(high[1], source.width))

    def _source_words(self, tile: object) -> int:
        """The largest window of a tile, wherever it lies."""
        sizes = [
            min((count - 1) * stride + extent, size)
            for count, stride, extent, size in zip(
                (tile.height, tile.width), self.layer.stride, self.layer.window,  # type: ignore[attr-defined]
                self.layer.source[1:3], strict=True,
            )
        ]
        return sizes[0] * sizes[1] * tile.words  # type: ignore[attr-defined]

    @property
    def _cut(self) -> bool:
        """Whether a window may need several instructions."""
        return max(self.layer.window) > _WINDOW or any(
            item.view is None or item.view.pitch > _STRIDE_Y or item.view.words > _STRIDE_X
            for item in self.sources
        )

    def accumulator_words(self, words: int) -> int:
        """Partial results, where windows are cut."""
        return ceiling(words * self.config.rows, self.config.cols) if self._cut else 0

    def compute(self, window: Window, words: tuple[int, int], views: list[View],
                result: View) -> None:
        """One pass for each kind of window at the borders."""
        layer, source = self.layer, self.layer.source
        for run_y in runs(window.y0, window.y1, layer.window[0], layer.stride[0],
                          layer.before[0], source.height):
            for run_x in runs(window.x0, window.x1, layer.window[1], layer.stride[1],
                              layer.before[1], source.width):
                self._region(window.image, run_y, run_x, words, views[0], result)

    def _region(self, image: int, run_y: Run, run_x: Run, words: tuple[int, int], view: View,
                result: View) -> None:
        layer = self.layer
        inside = Window(image, run_y[0], run_y[1], run_x[0], run_x[1])
        extent = run_y[3], run_x[3]
        size_y = 1 if view.pitch > _STRIDE_Y else _WINDOW
        size_x = 1 if view.words > _STRIDE_X else _WINDOW
        pieces = [(piece_y, piece_x) for piece_y in ranges(extent[0], size_y)
                  for piece_x in ranges(extent[1], size_x)]
        shape = (self.chunks(words), inside.height, inside.width, self.config.lanes)
        target = self.place(result, inside, words)
        reduction = SUM_FLAG if layer.average else 0
        flags = self.table_flag
        parameter = 0
        if layer.average:
            flags |= REQUANTIZE_FLAG | UNIFORM_FLAG
            count = extent[0] * extent[1]
            parameter = self.uniform(count, layer.rescalings[count])
        last = {"parameter": parameter, "clamp": layer.clamp, "zero_point": layer.zero_point}
        strides = view.pitch, view.words

        def source(piece_y: tuple[int, int], piece_x: tuple[int, int]) -> Place:
            address = view.address(image, run_y[2] + piece_y[0], run_x[2] + piece_x[0], words[0])
            return Place(Memory.ACTIVATION, address, 0, layer.stride[0] * view.pitch,
                         layer.stride[1] * view.words)

        if len(pieces) == 1:
            self.emitter.vector(VectorLoops(
                source(*pieces[0]), target, *shape, extent, strides, flags | reduction,
                **last,  # type: ignore[arg-type]
            ))
            return
        partial = self.accumulators(self.emitter.next_bank(), inside, words)
        again = ADD_FLAG if layer.average else MAXIMUM_FLAG
        for number, (piece_y, piece_x) in enumerate(pieces):
            self.emitter.vector(VectorLoops(
                source(piece_y, piece_x), partial, *shape,
                (piece_y[1] - piece_y[0], piece_x[1] - piece_x[0]), strides,
                reduction | (again if number else 0),
            ))
        self.emitter.vector(VectorLoops(partial, target, *shape, flags=flags,
                                        **last))  # type: ignore[arg-type]
