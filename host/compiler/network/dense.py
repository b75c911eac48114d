# SPDX-License-Identifier: Apache-2.0
"""First layers with few channels: one word holds all that a kernel row reads.

A tensor that the host writes to DRAM with its padding around it is read in overlapping rows: the
bytes from the first to the last pixel under a kernel row are one run of bytes, and with small
images so are those of several kernel rows. Each run becomes the "channels" of one pixel per
output column, with zero weights where it skips bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from ...hdl.config import Config
from .emitter import ROW_BYTES, ROWS, Emitter
from .forms import Form, View, Window, ceiling, ranges
from .layers import Convolution
from .tiles import Source

__all__ = ["DenseSource", "dense_halo", "make_dense"]


@dataclass
class DenseSource(Source):
    """A padded tensor in DRAM as runs of bytes.

    Parameters
    ----------
    step_y, step_x : int
        Bytes from pixel to pixel of ``form``.
    image : int
        Bytes of an image with its padding.
    """

    step_y: int = 0
    step_x: int = 0
    image: int = 0

    def load(self, emitter: Emitter, window: Window, words: tuple[int, int], base: int) -> View:
        """Copy words of a window's runs; there is no padding, the halo has it."""
        rows = emitter.config.rows
        first, last = words[0] * rows, min(words[1] * rows, self.form.channels)
        view = View(base, words[1] - words[0], window.image, window.y0, window.x0, window.height,
                    window.width, 1, words[0])
        for y0, y1 in ranges(window.height, ROWS):
            offset = window.image * self.image + (window.y0 + y0) * self.step_y
            emitter.load_rows(
                view.address(window.image, window.y0 + y0, window.x0, words[0]), self.tensor,
                offset + window.x0 * self.step_x + first, last - first, window.width, self.step_x,
                y1 - y0, self.step_y, fill=self.fill,
            )
        return view


def _runs(config: Config, layer: Convolution) -> tuple[int, int, tuple[int, int, int, int]]:
    """Kernel rows in a run, its bytes, and the padding around the image, for the fewest passes."""
    form, (kernel_y, kernel_x) = layer.source, layer.kernel
    dilation = layer.dilation[0]
    top, left, bottom, right = layer.padding
    pitch = (left + form.width + right) * form.channels
    span = ((kernel_x - 1) * layer.dilation[1] + 1) * form.channels
    best = None
    for lines in range(1, kernel_y + 1):
        size = (lines - 1) * dilation * pitch + span
        passes = ceiling(kernel_y, lines) * ceiling(size, config.rows)
        if best is None or passes < best[0]:
            last = (layer.result.height - 1) * layer.stride[0] + dilation * (
                ceiling(kernel_y, lines) * lines - 1
            )
            below = max(bottom, last + 1 - form.height - top)
            best = passes, lines, size, (top, left, below, right)
    assert best is not None
    return best[1:]


def dense_halo(config: Config, layer: Convolution) -> tuple[int, int, int, int] | None:
    """The padding that the host must put around the tensor, or None if nothing is gained."""
    form, kernel = layer.source, layer.kernel
    if layer.groups != 1 or layer.result.width > ROWS or 0 in layer.dilation:
        return None
    lines, size, halo = _runs(config, layer)
    runs = ceiling(kernel[0], lines) * ceiling(size, config.rows)
    plain = kernel[0] * kernel[1] * ceiling(form.channels, config.rows)
    return halo if runs < plain and size <= ROW_BYTES else None


def make_dense(
    config: Config, layer: Convolution, source: Source
) -> tuple[Convolution, DenseSource]:
    """The same convolution over runs of bytes; ``source`` has the halo of `dense_halo`."""
    form, (kernel_y, kernel_x) = layer.source, layer.kernel
    lines, size, halo = _runs(config, layer)
    assert halo == source.halo
    dilation = layer.dilation[0]
    top, left, bottom, right = halo
    pitch = (left + form.width + right) * form.channels
    groups = ceiling(kernel_y, lines)
    weights = np.zeros((layer.outputs, groups, 1, size), np.int8)
    for y in range(kernel_y):
        for x in range(kernel_x):
            start = y % lines * dilation * pitch + x * layer.dilation[1] * form.channels
            weights[:, y // lines, 0, start : start + form.channels] = layer.weights[:, y, x]
    step = gcd(layer.stride[0], lines * dilation)
    rows = ((layer.result.height - 1) * layer.stride[0] + (groups - 1) * lines * dilation) // step
    runs = Form(form.batch, rows + 1, layer.result.width, size)
    dense = replace(
        layer, weights=weights, source=runs, stride=(layer.stride[0] // step, 1),
        dilation=(lines * dilation // step, 1), before=(0, 0),
    )
    return dense, DenseSource(
        runs, None, source.tensor, source.fill, halo, step_y=step * pitch,
        step_x=layer.stride[1] * form.channels, image=(top + form.height + bottom) * pitch,
    )
