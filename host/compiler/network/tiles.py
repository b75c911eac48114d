# SPDX-License-Identifier: Apache-2.0
"""Where layers read and write: tensors on chip, or windows of tensors in DRAM."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from .emitter import PADDING, ROW_BYTES, ROWS, Emitter
from .forms import Form, View, Window, ranges

__all__ = ["NoSpaceError", "Slots", "Source", "Target", "load_window", "store_window"]


class NoSpaceError(Exception):
    """The scratchpad has no room for the smallest tile beside the tensors that it holds."""


@dataclass
class Source:
    """A tensor that a layer reads.

    Parameters
    ----------
    form : Form
        The tensor's.
    view : View or None
        Where it lies on chip, all words of its pixels.
    tensor : str
        Its name in DRAM, read if ``view`` is None.
    fill : int
        Value of padding.
    halo : tuple of int
        Pixels around each image in DRAM: top, left, bottom, right.
    passing : Target or None
        The layer before, if the tensor is handed over tile by tile.
    """

    form: Form
    view: View | None
    tensor: str
    fill: int
    halo: tuple[int, int, int, int] = (0, 0, 0, 0)
    passing: Target | None = None

    @property
    def in_dram(self) -> bool:
        """Whether windows have to be loaded."""
        return self.view is None and self.passing is None

    def load(self, emitter: Emitter, window: Window, words: tuple[int, int], base: int) -> View:
        """Copy words of a window's pixels from DRAM."""
        return load_window(emitter, self, window, words, base)


@dataclass
class Target:
    """A tensor that a layer writes.

    Parameters
    ----------
    form : Form
        The tensor's.
    view : View or None
        Where it is to lie on chip.
    tensor : str or None
        Its name in DRAM if it must be there.
    fill : int
        Value of padding: the zero point.
    padded : bool
        Whether the view has padding.
    passed : View or None
        The tile last computed, of a tensor that is only handed over tile by tile: without view
        and without place in DRAM.
    """

    form: Form
    view: View | None
    tensor: str | None
    fill: int
    padded: bool = False
    passed: View | None = field(default=None, init=False)
    _filled: bool = field(default=False, init=False)

    @property
    def passing(self) -> bool:
        """Whether tiles are only handed over to the next layer."""
        return self.view is None and self.tensor is None

    def prepare(self, emitter: Emitter, *, partial: bool) -> None:
        """Fill the view before the first write if padding or some elements are never written."""
        if self.view is not None and not self._filled and (self.padded or partial):
            emitter.fill(self.view.base, self.view.size, self.fill)
        self._filled = True

    def finish(self, emitter: Emitter, window: Window) -> None:
        """Copy a finished window of the view to DRAM if it must be there."""
        if self.view is not None and self.tensor is not None:
            store_window(emitter, self.tensor, self.form, self.view, window,
                         (0, self.form.channels))


class Slots:
    """Buffers of one size, used in turn; a window that is still in one is not loaded again.

    Parameters
    ----------
    base, size, count : int
        First word, words of a slot, slots.
    """

    def __init__(self, base: int, size: int, count: int) -> None:
        self.base = base
        self.size = size
        self.keys: list[tuple[Hashable, View] | None] = [None] * count
        self.turn = 0

    def find(self, key: Hashable) -> View | None:
        """The view of a window that is still there."""
        return next((item[1] for item in self.keys if item is not None and item[0] == key), None)

    def next(self) -> int:
        """First word of the slot to use now."""
        self.turn = (self.turn + 1) % len(self.keys)
        return self.base + self.turn * self.size

    def keep(self, key: Hashable, view: View) -> View:
        """Remember what the slot just taken holds."""
        self.keys[self.turn] = (key, view)
        return view


def load_window(emitter: Emitter, source: Source, window: Window, words: tuple[int, int],
                base: int) -> View:
    """LOAD words ``words`` of the pixels of a window; what lies outside the image is fill.

    Parameters
    ----------
    window : Window
        May reach beyond the image.
    words : tuple of int
        First and end of a pixel's words.
    base : int
        First activation word.
    """
    form, rows = source.form, emitter.config.rows
    first, last = words[0] * rows, min(words[1] * rows, form.channels)
    count, size = words[1] - words[0], last - first
    view = View(base, count, window.image, window.y0, window.x0, window.height, window.width, 1,
                words[0])
    y0, y1 = max(window.y0, 0), min(window.y1, form.height)
    x0, x1 = max(window.x0, 0), min(window.x1, form.width)
    if y1 <= y0 or x1 <= x0:
        emitter.fill(base, view.size, source.fill)
        return view
    before, after = (x0 - window.x0) * count, (window.x1 - x1) * count
    top, left, bottom, right = source.halo
    pitch = (form.width + left + right) * form.channels
    image = window.image * (form.height + top + bottom) * pitch

    def offset(y: int, x: int) -> int:
        return image + (y + top) * pitch + (x + left) * form.channels + first

    whole = size == form.channels and size % rows == 0 and (x1 - x0) * size <= ROW_BYTES
    simple = before <= PADDING and after <= PADDING and (whole or x1 - x0 <= ROWS)
    if not simple and (before or after):
        emitter.fill(base, view.size, source.fill)
    elif y0 > window.y0:
        emitter.fill(base, (y0 - window.y0) * view.pitch, source.fill)
    if simple:
        for low, high in ranges(y1 - y0, ROWS):
            emitter.load_rows(
                view.address(window.image, y0 + low, window.x0, words[0]), source.tensor,
                offset(y0 + low, x0), (x1 - x0) * size if whole else size,
                1 if whole else x1 - x0, 0 if whole else form.channels, high - low, pitch,
                before=before, after=after, fill=source.fill,
            )
        if window.y1 > y1:
            emitter.fill(view.address(window.image, y1, window.x0, words[0]),
                         (window.y1 - y1) * view.pitch, source.fill)
        return view
    if not (before or after) and window.y1 > y1:
        emitter.fill(view.address(window.image, y1, window.x0, words[0]),
                     (window.y1 - y1) * view.pitch, source.fill)
    for y in range(y0, y1):
        for low, high in ranges(x1 - x0, ROWS):
            emitter.load_rows(
                view.address(window.image, y, x0 + low, words[0]), source.tensor,
                offset(y, x0 + low), size, high - low, form.channels, 1, 0, fill=source.fill,
            )
    return view


def store_window(emitter: Emitter, tensor: str, form: Form, view: View, window: Window,
                 channels: tuple[int, int]) -> None:
    """STORE channels (first, end) of a window's pixels, which start the words of ``view``."""
    first, end = channels
    size, rows = end - first, emitter.config.rows
    pitch = form.width * form.channels
    offset = ((window.image * form.height + window.y0) * form.width + window.x0)
    offset = offset * form.channels + first
    joined = view.width == window.width
    whole = size == form.channels and size == view.words * rows
    steps = ranges(window.height, ROWS) if joined else ranges(window.height, 1)
    for low, high in steps:
        row = ROW_BYTES // max(1, size) if whole else ROWS
        for left, right in ranges(window.width, row if whole or window.width > ROWS else
                                  window.width):
            if right - left < window.width:
                for y in range(low, high):
                    _store_row(emitter, tensor, form, view, window, (y, left, right), size,
                               offset, whole)
                continue
            emitter.store_rows(
                view.address(window.image, window.y0 + low, window.x0, view.word), tensor,
                offset + low * pitch, window.width * size if whole else size,
                1 if whole else window.width, 0 if whole else form.channels, high - low,
                pitch if high - low > 1 else 0,
            )


def _store_row(emitter: Emitter, tensor: str, form: Form, view: View, window: Window,
               place: tuple[int, int, int], size: int, offset: int, whole: bool) -> None:
    """STORE a part of a row that is too long for one."""
    y, left, right = place
    emitter.store_rows(
        view.address(window.image, window.y0 + y, window.x0 + left, view.word), tensor,
        offset + y * form.width * form.channels + left * form.channels,
        (right - left) * size if whole else size, 1 if whole else right - left,
        0 if whole else form.channels, 1, 0,
    )
