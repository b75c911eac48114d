# SPDX-License-Identifier: Apache-2.0
"""Operators that move pixels: blocks to channels or batches, repetition and resizing.

They take any element type. Sources: TensorFlow Lite Micro kernels of the same names, and
TensorFlow Lite, ``kernels/internal/reference/resize_nearest_neighbor.h``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .movement import pad_pairs
from .registry import Call, Step, kernel
from .rescale import round_half_away

__all__ = ["nearest_rows"]


@kernel("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def blocks(call: Call) -> Step:
    """Square blocks of pixels to channels, and back."""
    call.count(1)
    x, size = call.input(0), call.attribute("block_size")
    call.same_type(x, call.output, scale=False)
    if len(x.shape) != 4 or size < 1:
        call.malformed(f"blocks of {size} in shape {x.shape}")
    n, h, w, c = x.shape
    if call.operator.kind == "SPACE_TO_DEPTH":
        if h % size or w % size:
            call.malformed(f"blocks of {size} in shape {x.shape}")
        inner = (n, h // size, size, w // size, size, c)
        call.shaped((n, h // size, w // size, c * size * size))
    else:
        if c % (size * size):
            call.malformed(f"blocks of {size} in shape {x.shape}")
        inner = (n, h, w, size, size, c // (size * size))
        call.shaped((n, h * size, w * size, c // (size * size)))
    order = (0, 1, 3, 2, 4, 5)
    return lambda values: [
        values[0].reshape(inner).transpose(order).reshape(call.output.shape)
    ]


@kernel("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
def batches(call: Call) -> Step:
    """Blocks of pixels to batches after padding, and back before cropping (NHWC).

    Padding is the zero point, as in TensorFlow Lite; TensorFlow Lite Micro pads with memory that it
    never initializes (``kernels/space_to_batch_nd_common.cc`` leaves ``output_offset`` unset).
    """
    call.count(3)
    x, y = call.input(0), call.output
    call.same_type(x, y, scale=False)
    block, pairs = call.integers(1, "block shape"), pad_pairs(call, 2, 2)
    if len(x.shape) != 4 or len(block) != 2 or min(block) < 1:
        call.malformed(f"blocks {block} in shape {x.shape}")
    (n, h, w, c), (p, q) = x.shape, block
    order = (2, 4, 0, 1, 3, 5)
    if call.operator.kind == "SPACE_TO_BATCH_ND":
        height, width = h + sum(pairs[0]), w + sum(pairs[1])
        if height % p or width % q:
            call.malformed(f"blocks {block} in padded shape {(height, width)}")
        call.shaped((n * p * q, height // p, width // q, c))
        fill = y.zero_point if y.quantization is not None else 0
        padding = ((0, 0), *pairs, (0, 0))
        inner = (n, height // p, p, width // q, q, c)
        return lambda values: [
            np.pad(values[0], padding, constant_values=fill)
            .reshape(inner).transpose(order).reshape(y.shape)
        ]
    if n % (p * q):
        call.malformed(f"{n} batches for blocks {block}")
    whole = (n // (p * q), h * p, w * q, c)
    crops = tuple(slice(before, whole[1 + axis] - after)
                  for axis, (before, after) in enumerate(pairs))
    call.shaped((whole[0], *(max(item.stop - item.start, 0) for item in crops), c))
    inner = (p, q, n // (p * q), h, w, c)
    return lambda values: [
        values[0].reshape(inner).transpose(2, 3, 0, 4, 1, 5).reshape(whole)[:, crops[0], crops[1]]
        .copy()
    ]


@kernel("BROADCAST_TO")
def broadcast_to(call: Call) -> Step:
    """Repetition along axes of extent one."""
    call.count(2)
    x = call.input(0)
    call.same_type(x, call.output, scale=False)
    shape = call.output.shape
    call.shaped(np.broadcast_shapes(x.shape, shape))
    return lambda values: [np.broadcast_to(values[0], shape).copy()]


def nearest_rows(size: int, outputs: int, align_corners: bool, centers: bool) -> NDArray[np.int64]:
    """Source index of each output along one axis of RESIZE_NEAREST_NEIGHBOR, in float32."""
    offset = np.float32(0.5 if centers else 0.0)
    if align_corners and outputs > 1:
        scale = np.float32(size - 1) / np.float32(outputs - 1)
    else:
        scale = np.float32(size) / np.float32(outputs)
    where = (np.arange(outputs, dtype=np.float32) + offset) * scale
    whole = round_half_away(where) if align_corners else np.floor(where)
    return np.clip(whole.astype(np.int64), 0, size - 1)


@kernel("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest_neighbor(call: Call) -> Step:
    """Rows and columns repeated or dropped."""
    call.count(2)
    x = call.input(0)
    call.same_type(x, call.output, scale=False)
    size = call.integers(1, "size")
    if len(x.shape) != 4 or len(size) != 2 or min(*size, *x.shape[1:3]) < 1:
        call.malformed(f"size {size} for shape {x.shape}")
    call.shaped((x.shape[0], *size, x.shape[3]))
    options = (call.attribute("align_corners", False), call.attribute("half_pixel_centers", False))
    rows = nearest_rows(x.shape[1], size[0], *options)
    columns = nearest_rows(x.shape[2], size[1], *options)
    return lambda values: [values[0][:, rows][:, :, columns]]
