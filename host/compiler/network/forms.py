# SPDX-License-Identifier: Apache-2.0
"""Shapes of tensors as the accelerator walks over them, and where their elements lie on chip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Form", "View", "Window", "ceiling", "form_of", "ranges"]


def ceiling(value: int, divisor: int) -> int:
    """``value / divisor`` rounded up."""
    return -(-value // divisor)


def ranges(total: int, size: int) -> list[tuple[int, int]]:
    """``0 .. total`` cut into ranges (first, end) of ``size``, the last one shorter."""
    return [(first, min(first + size, total)) for first in range(0, total, size)]


class Form(NamedTuple):
    """A tensor as images of pixels of channels; row-major, so the bytes are those of its shape."""

    batch: int
    height: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        """Pixels of all images."""
        return self.batch * self.height * self.width

    @property
    def bytes(self) -> int:
        """Bytes of the int8 tensor."""
        return self.pixels * self.channels


def form_of(shape: Sequence[int]) -> Form:
    """The form of a shape: the last dimension is channels, the two before are rows and columns."""
    extents = [1] * max(0, 4 - len(shape)) + [int(extent) for extent in shape]
    return Form(math.prod(extents[:-3]), *extents[-3:])


class Window(NamedTuple):
    """A box of pixels of one image; may reach beyond the image into its padding."""

    image: int
    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns."""
        return self.x1 - self.x0

    @property
    def pixels(self) -> int:
        """Rows times columns."""
        return self.height * self.width


@dataclass(frozen=True)
class View:
    """Consecutive words of the activation scratchpad that hold a box of pixels.

    Parameters
    ----------
    base : int
        First word.
    words : int
        Words of a pixel.
    image, y, x : int
        Coordinates of the first pixel.
    height, width : int
        Rows and columns of each image in the view.
    images : int
        Images.
    word : int
        Which of a pixel's words is the first one here.
    """

    base: int
    words: int
    image: int
    y: int
    x: int
    height: int
    width: int
    images: int = 1
    word: int = 0

    @property
    def pitch(self) -> int:
        """Words from row to row."""
        return self.width * self.words

    @property
    def size(self) -> int:
        """Words of the view."""
        return self.images * self.height * self.pitch

    def address(self, image: int, y: int, x: int, word: int = 0) -> int:
        """Address of one of a pixel's words."""
        row = (image - self.image) * self.height + y - self.y
        return self.base + row * self.pitch + (x - self.x) * self.words + word - self.word
