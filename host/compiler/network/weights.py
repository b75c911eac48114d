# SPDX-License-Identifier: Apache-2.0
"""Tiles of weights as the array takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...hdl.config import Config
from .forms import ceiling
from .layers import Convolution

__all__ = ["Box", "block_words", "tile_bytes"]


class Box(NamedTuple):
    """A part of a kernel: rows, columns and words of input channels, each (first, end)."""

    y0: int
    y1: int
    x0: int
    x1: int
    w0: int
    w1: int

    @property
    def tiles(self) -> int:
        """Weight tiles of one block of columns."""
        return (self.y1 - self.y0) * (self.x1 - self.x0) * (self.w1 - self.w0)


def block_words(config: Config, layer: Convolution, block: int) -> tuple[int, int]:
    """First and end of the words of input channels that a block of ``cols`` outputs needs."""
    depth = layer.weights.shape[3]
    per_group = layer.outputs // layer.groups
    first, last = block * config.cols, min((block + 1) * config.cols, layer.outputs) - 1
    low, high = first // per_group * depth, (last // per_group + 1) * depth
    return low // config.rows, ceiling(high, config.rows)


def tile_bytes(config: Config, layer: Convolution, block: int, box: Box) -> bytes:
    """Weights of a block of outputs: kernel row, kernel column, word, array row, column."""
    rows, cols = config.rows, config.cols
    depth, per_group = layer.weights.shape[3], layer.outputs // layer.groups
    kernel = (box.y1 - box.y0, box.x1 - box.x0)
    low, high = box.w0 * rows, box.w1 * rows
    result = np.zeros((*kernel, high - low, cols), np.int8)
    first = block * cols
    taps = layer.weights[first : first + cols, box.y0 : box.y1, box.x0 : box.x1]
    for column in range(taps.shape[0]):
        start = (first + column) // per_group * depth
        begin, end = max(start, low), min(start + depth, high)
        if begin < end:
            result[:, :, begin - low : end - low, column] = taps[
                column, :, :, begin - start : end - start
            ]
    return result.tobytes()
