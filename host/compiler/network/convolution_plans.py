# SPDX-License-Identifier: Apache-2.0
"""Candidates for cutting a convolution into tiles; the estimator chooses."""

from __future__ import annotations

from collections.abc import Iterator

from ...hdl.config import Config
from ...hdl.isa import Opcode
from .convolution import ConvolutionPlan, input_window
from .emitter import limit
from .forms import Window, ceiling
from .layers import Convolution
from .tiles import Source, Target
from .weights import Box, block_words

__all__ = ["convolution_plans"]

_STRIDES = {
    name: limit(Opcode.MATMUL, name)
    for name in ("activation_stride_y", "activation_stride_x", "accumulator_stride_y",
                 "accumulator_stride_x", "output_y", "output_x")
}


def _halves(size: int) -> list[int]:
    """``size``, half of it, ... and 1."""
    result = [size]
    while size > 1:
        size = ceiling(size, 2)
        result.append(size)
    return result


def _shapes(config: Config, layer: Convolution) -> Iterator[tuple[int, int, int]]:
    """(height, width, blocks) of tiles that fit half the accumulator."""
    half = config.accumulator_depth // 2
    form = layer.result
    blocks = ceiling(layer.outputs, config.cols)
    seen = set()
    pixels = config.rows
    goals = []
    while pixels < half:
        goals.append(pixels)
        pixels *= 2
    goals += [half, max(1, half // blocks), max(1, half // blocks // 2), 1]
    for goal in sorted(set(goals), reverse=True):
        width = min(form.width, goal, _STRIDES["output_x"])
        width = ceiling(form.width, ceiling(form.width, width))
        height = max(1, min(form.height, goal // width, _STRIDES["output_y"]))
        height = ceiling(form.height, ceiling(form.height, height))
        group = min(blocks, half // (height * width), _STRIDES["accumulator_stride_x"])
        if group < 1:
            continue
        group = ceiling(blocks, ceiling(blocks, group))
        if width * group > _STRIDES["accumulator_stride_y"]:
            height = 1
        if (height, width, group) not in seen:
            seen.add((height, width, group))
            yield height, width, group


def _parts(config: Config, layer: Convolution, blocks: int) -> Iterator[tuple[int, int, int]]:
    """Parts of a kernel whose windows are loaded at one time, the largest first."""
    total = ceiling(layer.outputs, config.cols)
    words = 1
    for first in range(0, total, blocks):
        spans = [block_words(config, layer, block)
                 for block in range(first, min(first + blocks, total))]
        words = max(words, max(end for _, end in spans) - min(low for low, _ in spans))
    kernel_y, kernel_x = layer.kernel
    for size in _halves(words):
        yield kernel_y, kernel_x, size
    for size in _halves(kernel_y)[1:]:
        yield size, kernel_x, 1
    for size in _halves(kernel_x)[1:]:
        yield 1, size, 1


def convolution_plans(
    config: Config, layer: Convolution, source: Source, target: Target, room: int
) -> Iterator[ConvolutionPlan]:
    """Every plan worth a look that fits.

    Parameters
    ----------
    room : int
        Activation words free for buffers.
    """
    total = ceiling(layer.outputs, config.cols)
    for height, width, blocks in _shapes(config, layer):
        if source.view is not None:
            if layer.stride[1] * source.view.words > _STRIDES["activation_stride_x"]:
                width = 1
            if layer.stride[0] * source.view.pitch > _STRIDES["activation_stride_y"]:
                height = 1
        for group in dict.fromkeys(_halves(blocks)):
            target_slot = 0
            if target.view is None:
                channels = min(group * config.cols, layer.outputs)
                target_slot = height * width * ceiling(channels, config.rows)
            buffers = _buffers(config, layer, source, room, (height, width, group), target_slot)
            if buffers is not None:
                break
        else:
            continue
        part, source_slot, slots = buffers
        if target.passing and (group < total or width < layer.result.width):
            continue
        plan = ConvolutionPlan(height, width, group, False, part, source_slot, target_slot, slots)
        yield plan
        tiles = ceiling(layer.result.height, height) * ceiling(layer.result.width, width)
        if total > group and tiles * layer.result.batch > 1:
            yield ConvolutionPlan(height, width, group, True, part, source_slot, target_slot,
                                  slots)


def _buffers(
    config: Config, layer: Convolution, source: Source, room: int,
    shape: tuple[int, int, int], target_slot: int,
) -> tuple[tuple[int, int, int], int, int] | None:
    """(part, words of a source slot, slots) that fit ``room``."""
    height, width, blocks = shape
    if source.view is not None:
        for slots in (2, 1):
            if slots * target_slot <= room:
                return (1, 1, 1), 0, slots
        return None
    for slots in (2, 1):
        for part in _parts(config, layer, blocks):
            box = Box(0, part[0], 0, part[1], 0, part[2])
            window = input_window(layer, Window(0, 0, height, 0, width), box)
            strides = (layer.stride[0] * window.width * part[2], layer.stride[1] * part[2])
            if height > 1 and strides[0] > _STRIDES["activation_stride_y"]:
                continue
            if width > 1 and strides[1] > _STRIDES["activation_stride_x"]:
                continue
            size = window.pixels * part[2]
            if slots * (size + target_slot) <= room:
                return part, size, slots
    return None
