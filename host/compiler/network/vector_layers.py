# SPDX-License-Identifier: Apache-2.0
"""Emits layers that only the vector unit computes: additions, pooling, functions of one element."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...hdl.config import Config
from ...hdl.isa import (
    ADD_FLAG,
    REQUANTIZE_FLAG,
    TABLE_FLAG,
    UNIFORM_FLAG,
    Memory,
    Opcode,
)
from .emitter import Emitter, limit
from .forms import View, Window, ceiling, ranges
from .layers import Addition, Layer
from .rescaling import Rescaling
from .tiles import NoSpaceError, Slots, Source, Target, store_window
from .vector_loops import Place, VectorLoops

__all__ = ["AdditionEmitter", "UnaryEmitter", "VectorEmitter", "VectorTile"]

CHUNKS = limit(Opcode.VECTOR, "chunks")


@dataclass(frozen=True)
class VectorTile:
    """Sizes of a tile: output rows and columns, words of channels, and buffers.

    Parameters
    ----------
    slots : int
        Buffers for each tensor in DRAM.
    """

    height: int
    width: int
    words: int
    slots: int = 1


class VectorEmitter:
    """Emits one layer in tiles.

    Parameters
    ----------
    emitter : Emitter
        Takes the operations.
    layer : Layer
        What to compute.
    sources : sequence of Source
        Its inputs.
    target : Target
        Its output.
    base, room : int
        First word and number of words for tensors in DRAM.
    rows : int or None
        Output rows of a tile, to keep step with the layer before.
    """

    def __init__(self, emitter: Emitter, layer: Layer, sources: Sequence[Source], target: Target,
                 base: int, room: int, rows: int | None = None) -> None:
        self.emitter = emitter
        self.config: Config = emitter.config
        self.layer = layer
        self.sources = sources
        self.target = target
        self.tile = self._choose(room, rows)
        sizes = [self._source_words(self.tile) if item.in_dram else 0 for item in sources]
        sizes.append(self._result_words(self.tile) if target.view is None else 0)
        self.slots: list[Slots] = []
        for size in sizes:
            self.slots.append(Slots(base, size, self.tile.slots))
            base += size * self.tile.slots

    # What a layer says about itself.

    def input_window(self, window: Window) -> Window:
        """The input pixels that a window of outputs needs."""
        return window

    def accumulator_words(self, words: int) -> int:
        """Accumulator words of an output pixel with ``words`` activation words."""
        return 0

    @abstractmethod
    def compute(self, window: Window, words: tuple[int, int], views: list[View],
                result: View) -> None:
        """Emit a tile."""

    # Tiles.

    def _source_words(self, tile: VectorTile) -> int:
        window = self.input_window(Window(0, 0, tile.height, 0, tile.width))
        return window.pixels * tile.words

    def _result_words(self, tile: VectorTile) -> int:
        return tile.height * tile.width * tile.words

    def _choose(self, room: int, rows: int | None) -> VectorTile:
        """The largest tile that fits, but at least four for an image."""
        form, half = self.layer.result, self.config.accumulator_depth // 2
        total = ceiling(form.channels, self.config.rows)
        words = min(total, CHUNKS * self.config.lanes // self.config.rows)
        words = max(1, words)
        while words > 1 and self.accumulator_words(words) > half:
            words = ceiling(words, 2)
        height, width = rows or ceiling(form.height, 4), form.width
        while True:
            fits = height * width * self.accumulator_words(words) <= half
            for slots in (2, 1):
                tile = VectorTile(height, width, words, slots)
                buffers = sum(self._source_words(tile) for item in self.sources
                              if item.in_dram)
                buffers += self._result_words(tile) if self.target.view is None else 0
                if fits and slots * buffers <= room:
                    return tile
            if height > 1:
                height = ceiling(height, 2)
            elif width > 1:
                width = ceiling(width, 2)
            elif words > 1:
                words = ceiling(words, 2)
            else:
                raise NoSpaceError(f"no tile of {self.layer.name} fits {room} words")

    @property
    def words(self) -> list[tuple[int, int]]:
        """The words of a pixel, tile by tile."""
        return ranges(ceiling(self.layer.result.channels, self.config.rows), self.tile.words)

    def run(self) -> Iterator[int]:
        """Emit tile by tile; yields, before a row of tiles, the input rows that it needs."""
        form, source = self.layer.result, self.layer.source
        for image in range(form.batch):
            for y0, y1 in ranges(form.height, self.tile.height):
                needed = self.input_window(Window(image, y0, y1, 0, form.width))
                yield image * source.height + min(needed.y1, source.height)
                for x0, x1 in ranges(form.width, self.tile.width):
                    window = Window(image, y0, y1, x0, x1)
                    for words in self.words:
                        self._emit(window, words)
                    self.target.finish(self.emitter, window)

    def _emit(self, window: Window, words: tuple[int, int]) -> None:
        emitter, rows, target = self.emitter, self.config.rows, self.target
        needed = self.input_window(window)
        views = []
        for source, slots in zip(self.sources, self.slots, strict=False):
            view = source.view if source.passing is None else source.passing.passed
            views.append(view or source.load(emitter, needed, words, slots.next()))
        result = target.view
        if result is None:
            result = View(self.slots[-1].next(), words[1] - words[0], window.image, window.y0,
                          window.x0, window.height, window.width, 1, words[0])
        target.prepare(emitter, partial=False)
        self.compute(window, words, views, result)
        if target.view is None:
            assert target.tensor is not None
            channels = words[0] * rows, min(words[1] * rows, target.form.channels)
            store_window(emitter, target.tensor, target.form, result, window, channels)

    # Helpers.

    def place(self, view: View, window: Window, words: tuple[int, int]) -> Place:
        """Where a window's words lie in a view."""
        address = view.address(window.image, window.y0, window.x0, words[0])
        return Place(Memory.ACTIVATION, address, 0, view.pitch, view.words)

    def accumulators(self, bank: int, window: Window, words: tuple[int, int]) -> Place:
        """Where the int32 of a window lie in the accumulator."""
        size = self.accumulator_words(words[1] - words[0])
        return Place(Memory.ACCUMULATOR, bank, 0, window.width * size, size)

    def chunks(self, words: tuple[int, int]) -> int:
        """Chunks in words of a pixel."""
        return (words[1] - words[0]) * self.config.rows // self.config.lanes

    def uniform(self, key: object, rescaling: Rescaling) -> int:
        """The parameter word that holds one rescaling for all lanes."""
        return self.emitter.parameters(
            (self.layer.name, key), 1, lambda: rescaling.uniform(self.config.lanes)
        )

    @property
    def table_flag(self) -> int:
        """TABLE if the layer has one, which is then loaded."""
        self.emitter.table(self.layer.table)
        return TABLE_FLAG if self.layer.table is not None else 0


class AdditionEmitter(VectorEmitter):
    """Both operands to int32 at a common scale in the accumulator, then their sum to int8."""

    layer: Addition

    def accumulator_words(self, words: int) -> int:
        """As many elements as the words have."""
        return ceiling(words * self.config.rows, self.config.cols)

    def compute(self, window: Window, words: tuple[int, int], views: list[View],
                result: View) -> None:
        """Three passes."""
        place = self.accumulators(self.emitter.next_bank(), window, words)
        shape = (self.chunks(words), window.height, window.width, self.config.lanes)
        for number, view in enumerate(views):
            self.emitter.vector(VectorLoops(
                self.place(view, window, words), place, *shape,
                flags=REQUANTIZE_FLAG | UNIFORM_FLAG | (ADD_FLAG if number else 0),
                parameter=self.uniform(number, self.layer.rescalings[number]),
            ))
        self.emitter.vector(VectorLoops(
            place, self.place(result, window, words), *shape,
            flags=REQUANTIZE_FLAG | UNIFORM_FLAG | self.table_flag,
            parameter=self.uniform(2, self.layer.rescalings[2]),
            zero_point=self.layer.zero_point, clamp=self.layer.clamp,
        ))


class UnaryEmitter(VectorEmitter):
    """A look-up of every element."""

    def compute(self, window: Window, words: tuple[int, int], views: list[View],
                result: View) -> None:
        """One pass."""
        self.emitter.vector(VectorLoops(
            self.place(views[0], window, words), self.place(result, window, words),
            self.chunks(words), window.height, window.width, self.config.lanes,
            flags=self.table_flag, clamp=self.layer.clamp,
        ))
