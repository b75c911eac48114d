# SPDX-License-Identifier: Apache-2.0
"""Emits convolutions tile by tile: LOAD of what is missing, MATMULs, VECTOR, STORE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...hdl.config import Config
from ...hdl.isa import REQUANTIZE_FLAG, TABLE_FLAG, Memory, Opcode
from .emitter import Emitter, limit
from .forms import View, Window, ceiling, ranges
from .layers import Convolution
from .tiles import Slots, Source, Target, store_window
from .vector_loops import Place, VectorLoops
from .weights import Box, block_words, tile_bytes

__all__ = ["ConvolutionEmitter", "ConvolutionPlan"]

_KERNEL = 16
_CHANNELS = 1024
_STRIDE_KERNEL_Y = limit(Opcode.MATMUL, "activation_stride_kernel_y")
_STRIDE_KERNEL_X = limit(Opcode.MATMUL, "activation_stride_kernel_x")
_CHUNKS = limit(Opcode.VECTOR, "chunks")


@dataclass(frozen=True)
class ConvolutionPlan:
    """How a convolution is cut.

    Parameters
    ----------
    height, width : int
        Output pixels of a tile.
    blocks : int
        Blocks of ``cols`` output channels computed together.
    weights_outer : bool
        Whether tiles are the inner loop, so that weights stay.
    part : tuple of int
        Kernel rows, kernel columns and channel words of a window loaded at once from DRAM.
    source_slot, target_slot, slots : int
        Words and number of buffers for tensors in DRAM.
    """

    height: int
    width: int
    blocks: int
    weights_outer: bool
    part: tuple[int, int, int]
    source_slot: int = 0
    target_slot: int = 0
    slots: int = 1


def input_window(layer: Convolution, window: Window, box: Box) -> Window:
    """The input pixels that a part of the kernel reads for a window of outputs."""
    low = [
        (first * stride - before + tap * dilation)
        for first, stride, before, tap, dilation in zip(
            (window.y0, window.x0), layer.stride, layer.before, (box.y0, box.x0),
            layer.dilation, strict=True,
        )
    ]
    extent = [
        (size - 1) * stride + (taps - 1) * dilation + 1
        for size, stride, taps, dilation in zip(
            (window.height, window.width), layer.stride,
            (box.y1 - box.y0, box.x1 - box.x0), layer.dilation, strict=True,
        )
    ]
    return Window(window.image, low[0], low[0] + extent[0], low[1], low[1] + extent[1])


class ConvolutionEmitter:
    """Emits one convolution.

    Parameters
    ----------
    emitter : Emitter
        Takes the operations.
    layer : Convolution
        What to compute.
    source, target : Source, Target
        Where from and where to.
    plan : ConvolutionPlan
        How.
    base : int
        First word of the buffers for tensors in DRAM.
    """

    def __init__(self, emitter: Emitter, layer: Convolution, source: Source, target: Target,
                 plan: ConvolutionPlan, base: int) -> None:
        self.emitter = emitter
        self.config: Config = emitter.config
        self.layer = layer
        self.source = source
        self.target = target
        self.plan = plan
        self.blocks = ceiling(layer.outputs, self.config.cols)
        self.words = [block_words(self.config, layer, block) for block in range(self.blocks)]
        self.windows = Slots(base, plan.source_slot, plan.slots)
        self.results = Slots(base + plan.slots * plan.source_slot, plan.target_slot, plan.slots)

    def run(self) -> Iterator[int]:
        """Emit tile by tile; yields how many rows of all images are complete."""
        groups = ranges(self.blocks, self.plan.blocks)
        if self.plan.weights_outer:
            for number, group in enumerate(groups):
                for window in self._windows():
                    self._tile(window, group)
                    if number == len(groups) - 1:
                        yield self._finish(window)
            return
        for window in self._windows():
            for group in groups:
                self._tile(window, group)
            yield self._finish(window)

    def _windows(self) -> Iterator[Window]:
        form = self.layer.result
        for image in range(form.batch):
            for y0, y1 in ranges(form.height, self.plan.height):
                for x0, x1 in ranges(form.width, self.plan.width):
                    yield Window(image, y0, y1, x0, x1)

    def _finish(self, window: Window) -> int:
        self.target.finish(self.emitter, window)
        form = self.layer.result
        return window.image * form.height + (window.y1 if window.x1 == form.width else window.y0)

    def _tile(self, window: Window, group: tuple[int, int]) -> None:
        bank = self.emitter.next_bank()
        started: set[int] = set()
        for part in self._parts(group):
            view = self._view(window, part)
            for block in range(*group):
                low, high = max(part.w0, self.words[block][0]), min(part.w1, self.words[block][1])
                if low >= high:
                    continue
                for box in self._boxes(part._replace(w0=low, w1=high), view):
                    self._matmul(window, group, block, box, view, bank, block in started)
                    started.add(block)
        self._requantize(window, group, bank)

    def _parts(self, group: tuple[int, int]) -> Iterator[Box]:
        """Parts of the kernel whose windows are on chip at one time."""
        words = self.words[group[0] : group[1]]
        low, high = min(first for first, _ in words), max(end for _, end in words)
        kernel = self.layer.kernel
        size = kernel + (high - low,) if self.source.view is not None else self.plan.part
        for w0, w1 in ranges(high - low, size[2]):
            for y0, y1 in ranges(kernel[0], size[0]):
                for x0, x1 in ranges(kernel[1], size[1]):
                    yield Box(y0, y1, x0, x1, low + w0, low + w1)

    def _view(self, window: Window, part: Box) -> View:
        """The view that holds the window of a part of the kernel, loaded if it must be."""
        if self.source.view is not None:
            return self.source.view
        found = self.windows.find((window, part))
        if found is not None:
            return found
        base = self.windows.next()
        view = self.source.load(self.emitter, input_window(self.layer, window, part),
                                (part.w0, part.w1), base)
        return self.windows.keep((window, part), view)

    def _boxes(self, part: Box, view: View) -> Iterator[Box]:
        """The part of a kernel cut for the weight scratchpad and the instruction's fields."""
        room = max(1, self.config.weight_depth // 2 // self.config.rows)
        words = min(part.w1 - part.w0, room, _CHANNELS)
        columns = min(part.x1 - part.x0, _KERNEL, max(1, room // words))
        if self.layer.dilation[1] * view.words > _STRIDE_KERNEL_X:
            columns = 1
        lines = min(part.y1 - part.y0, _KERNEL, max(1, room // (words * columns)))
        if self.layer.dilation[0] * view.pitch > _STRIDE_KERNEL_Y:
            lines = 1
        for w0, w1 in ranges(part.w1 - part.w0, words):
            for y0, y1 in ranges(part.y1 - part.y0, lines):
                for x0, x1 in ranges(part.x1 - part.x0, columns):
                    yield Box(part.y0 + y0, part.y0 + y1, part.x0 + x0, part.x0 + x1,
                              part.w0 + w0, part.w0 + w1)

    def _matmul(self, window: Window, group: tuple[int, int], block: int, box: Box, view: View,
                bank: int, accumulate: bool) -> None:
        layer, config, emitter = self.layer, self.config, self.emitter
        words = box.tiles * config.rows
        weight = emitter.weights((layer.name, block, box), words,
                                 lambda: tile_bytes(config, layer, block, box))
        place = input_window(layer, window, box)
        width = group[1] - group[0]

        def stride(count: int, value: int) -> int:
            return value if count > 1 else 0

        values = {
            "activation_address": view.address(window.image, place.y0, place.x0, box.w0),
            "weight_address": weight,
            "accumulator_address": bank + block - group[0],
            "kernel_y": box.y1 - box.y0,
            "kernel_x": box.x1 - box.x0,
            "channel_blocks": box.w1 - box.w0,
            "output_y": window.height,
            "output_x": window.width,
            "activation_stride_kernel_y": stride(box.y1 - box.y0, layer.dilation[0] * view.pitch),
            "activation_stride_kernel_x": stride(box.x1 - box.x0, layer.dilation[1] * view.words),
            "activation_stride_channel": stride(box.w1 - box.w0, 1),
            "activation_stride_y": stride(window.height, layer.stride[0] * view.pitch),
            "activation_stride_x": stride(window.width, layer.stride[1] * view.words),
            "weight_stride_row": 1,
            "weight_stride_block": config.rows,
            "accumulator_stride_y": stride(window.height, window.width * width),
            "accumulator_stride_x": stride(window.width, width),
        }
        emitter.matmul(values, words, accumulate=accumulate)

    def _requantize(self, window: Window, group: tuple[int, int], bank: int) -> None:
        layer, config, emitter, target = self.layer, self.config, self.emitter, self.target
        cols, rows, lanes = config.cols, config.rows, config.lanes
        first, width = group[0] * cols, group[1] - group[0]
        channels = min(group[1] * cols, layer.outputs) - first
        covered = ceiling(layer.outputs, rows) * rows
        if target.view is not None:
            end = min(group[1] * cols, covered)
            target.prepare(emitter, partial=self.blocks * cols < covered)
            view = target.view
            word, element = first // rows, first % rows
        else:
            end = first + ceiling(channels, rows if target.passing else lanes) * (
                rows if target.passing else lanes
            )
            view = View(self.results.next(), ceiling(channels, rows), window.image, window.y0,
                        window.x0, window.height, window.width)
            word = element = 0
        emitter.table(layer.table)
        flags = REQUANTIZE_FLAG | (TABLE_FLAG if layer.table is not None else 0)
        piece = min(_CHUNKS, max(1, config.parameter_depth // 2))
        address = view.address(window.image, window.y0, window.x0, word)
        for low, high in ranges((end - first) // lanes, piece):
            parameter = emitter.parameters(
                (layer.name, first + low * lanes, first + high * lanes), high - low,
                lambda low=low, high=high: layer.rescaling.words(  # type: ignore[misc]
                    first + low * lanes, first + high * lanes
                ),
            )
            offset = element + low * lanes
            emitter.vector(VectorLoops(
                Place(Memory.ACCUMULATOR, bank + low * lanes // cols, low * lanes % cols,
                      window.width * width, width),
                Place(Memory.ACTIVATION, address + offset // rows, offset % rows, view.pitch,
                      view.words),
                high - low, window.height, window.width, lanes, flags=flags, parameter=parameter,
                zero_point=layer.zero_point, clamp=layer.clamp,
            ))
        if target.passing:
            target.passed = view
        elif target.view is None:
            assert target.tensor is not None
            store_window(emitter, target.tensor, target.form, view, window,
                         (first, first + channels))
