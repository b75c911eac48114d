# SPDX-License-Identifier: Apache-2.0
"""Operators that put elements elsewhere: PAD, CONCATENATION, SPLIT, TRANSPOSE and slices.

They take any element type. Source: TensorFlow Lite Micro kernels of the same names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .registry import Call, Step, Values, kernel

__all__ = ["pad_pairs"]


def pad_pairs(call: Call, index: int, rank: int) -> list[tuple[int, int]]:
    """A constant ``[rank, 2]`` tensor of non-negative amounts before and after each axis."""
    tensor = call.input(index)
    values = call.integers_of(index, "padding")
    if tensor.shape != (rank, 2) or min(values, default=0) < 0:
        call.malformed(f"padding of shape {tensor.shape} for {rank} dimensions, or negative")
    return [(values[2 * axis], values[2 * axis + 1]) for axis in range(rank)]


@kernel("PAD", "PADV2")
def pad(call: Call) -> Step:
    """Zeros (their integer, if quantized) or a given constant around a tensor."""
    call.count(2 if call.operator.kind == "PAD" else 3)
    x = call.input(0)
    call.same_type(x, call.output)
    pairs = pad_pairs(call, 1, len(x.shape))
    call.shaped([n + before + after for n, (before, after) in zip(x.shape, pairs, strict=True)])
    fill = call.output.zero_point if call.output.quantization is not None else 0
    if call.operator.kind == "PADV2":
        call.same_type(x, call.input(2))
        if call.input(2).elements != 1:
            call.malformed("the value of PADV2 must be one element")

    def run(values: Values) -> list[NDArray]:
        value = values[2].reshape(()) if len(values) > 2 else fill
        return [np.pad(values[0], pairs, constant_values=value)]

    return run


@kernel("MIRROR_PAD")
def mirror_pad(call: Call) -> Step:
    """Mirror images of the borders, with or without the outermost element."""
    call.count(2)
    x = call.input(0)
    call.same_type(x, call.output)
    pairs = pad_pairs(call, 1, len(x.shape))
    mode = call.attribute("mode", "REFLECT")
    inner = 1 if mode == "REFLECT" else 0
    for extent, pair in zip(x.shape, pairs, strict=True):
        if max(pair) > extent - inner:
            call.malformed(f"padding {pair} of {extent} elements")
    call.shaped([n + before + after for n, (before, after) in zip(x.shape, pairs, strict=True)])
    numpy_mode = "reflect" if mode == "REFLECT" else "symmetric"
    return lambda values: [np.pad(values[0], pairs, mode=numpy_mode)]  # type: ignore[call-overload]


@kernel("CONCATENATION")
def concatenation(call: Call) -> Step:
    """Tensors of one scale along an axis."""
    call.count((1, 1 << 10))
    inputs = [call.input(index) for index in range(len(call.inputs))]
    call.same_type(*inputs, call.output)
    if call.attribute("activation", "NONE") != "NONE":
        call.unsupported("a fused activation is not supported")
    axis = call.axis(call.attribute("axis"), len(inputs[0].shape))
    rest = {tensor.shape[:axis] + tensor.shape[axis + 1 :] for tensor in inputs}
    if len(rest) != 1 or len({len(tensor.shape) for tensor in inputs}) != 1:
        call.malformed(f"shapes {[tensor.shape for tensor in inputs]} along axis {axis}")
    total = sum(tensor.shape[axis] for tensor in inputs)
    call.shaped((*inputs[0].shape[:axis], total, *inputs[0].shape[axis + 1 :]))
    return lambda values: [np.concatenate(list(values), axis=axis)]


@kernel("PACK")
def pack(call: Call) -> Step:
    """Tensors of one shape along a new axis."""
    call.count((1, 1 << 10))
    inputs = [call.input(index) for index in range(len(call.inputs))]
    call.same_type(*inputs, call.output)
    shape = inputs[0].shape
    if any(tensor.shape != shape for tensor in inputs):
        call.malformed(f"shapes {[tensor.shape for tensor in inputs]} differ")
    axis = call.axis(call.attribute("axis", 0), len(shape) + 1)
    call.shaped((*shape[:axis], len(inputs), *shape[axis:]))
    return lambda values: [np.stack(list(values), axis=axis)]


@kernel("UNPACK")
def unpack(call: Call) -> Step:
    """The slices of an axis, without the axis."""
    shape = call.input(0).shape
    axis = call.axis(call.attribute("axis", 0), len(shape))
    call.count(1, shape[axis])
    call.same_type(call.input(0), *call.outputs, scale=False)
    for index in range(shape[axis]):
        call.shaped(shape[:axis] + shape[axis + 1 :], index)
    return lambda values: list(np.moveaxis(values[0], axis, 0))


@kernel("SPLIT", "SPLIT_V")
def split(call: Call) -> Step:
    """Consecutive parts of an axis, equal or of given sizes."""
    equal = call.operator.kind == "SPLIT"
    call.count(2 if equal else 3, len(call.outputs))
    x = call.input(1 if equal else 0)
    axes = call.integers(0 if equal else 2, "axis")
    if len(axes) != 1 or not call.outputs:
        call.malformed(f"{len(axes)} axes, {len(call.outputs)} parts")
    axis = call.axis(axes[0], len(x.shape))
    call.same_type(x, *call.outputs, scale=False)
    start, bounds = 0, []
    for index, tensor in enumerate(call.outputs):
        extent = tensor.shape[axis] if axis < len(tensor.shape) else -1
        call.shaped((*x.shape[:axis], extent, *x.shape[axis + 1 :]), index)
        start += extent
        bounds.append(start)
    if start != x.shape[axis] or (equal and len({t.shape for t in call.outputs}) != 1):
        call.malformed(f"parts do not make up {x.shape}")
    source = 1 if equal else 0
    return lambda values: np.split(values[source], bounds[:-1], axis=axis)


@kernel("TRANSPOSE")
def transpose(call: Call) -> Step:
    """Axes in another order."""
    call.count(2)
    x = call.input(0)
    call.same_type(x, call.output, scale=False)
    order = [call.axis(axis, len(x.shape)) for axis in call.integers(1, "permutation")]
    if sorted(order) != list(range(len(x.shape))):
        call.malformed(f"{order} is no permutation of {len(x.shape)} axes")
    call.shaped([x.shape[axis] for axis in order])
    return lambda values: [np.ascontiguousarray(values[0].transpose(order))]


@kernel("SLICE")
def slice_(call: Call) -> Step:
    """A box given by its corner and its size (-1: up to the end)."""
    call.count(3)
    x = call.input(0)
    call.same_type(x, call.output, scale=False)
    begin, size = call.integers(1, "begin"), call.integers(2, "size")
    if not len(begin) == len(size) == len(x.shape):
        call.malformed(f"begin {begin} and size {size} for shape {x.shape}")
    box = []
    for extent, first, count in zip(x.shape, begin, size, strict=True):
        last = extent if count == -1 else first + count
        if not 0 <= first <= last <= extent:
            call.malformed(f"begin {begin} and size {size} for shape {x.shape}")
        box.append(slice(first, last))
    call.shaped([item.stop - item.start for item in box])
    return lambda values: [values[0][tuple(box)].copy()]


@kernel("STRIDED_SLICE")
def strided_slice(call: Call) -> Step:
    """Begin, end and stride on each axis, with masks."""
    call.count(4)
    x = call.input(0)
    call.same_type(x, call.output, scale=False)
    if call.attribute("ellipsis_mask", 0) or call.attribute("new_axis_mask", 0):
        call.unsupported("ellipsis and new axes are not supported")
    begin, end, step = (
        call.integers(index, what) for index, what in ((1, "begin"), (2, "end"), (3, "strides"))
    )
    if not len(begin) == len(end) == len(step) <= len(x.shape) or 0 in step:
        call.malformed(f"begin {begin}, end {end}, strides {step} for shape {x.shape}")
    index: list[slice | int] = []
    for axis, (first, last, stride) in enumerate(zip(begin, end, step, strict=True)):
        extent, bit = x.shape[axis], 1 << axis
        lowest, highest = (0, extent) if stride > 0 else (-1, extent - 1)
        start = min(max(first + extent if first < 0 else first, lowest), highest)
        if call.attribute("begin_mask", 0) & bit:
            start = lowest if stride > 0 else highest
        if call.attribute("shrink_axis_mask", 0) & bit:
            if not 0 <= start < extent:
                call.malformed(f"index {first} of {extent}")
            index.append(start)
            continue
        if call.attribute("offset", False):
            last += start
        stop = min(max(last + extent if last < 0 else last, lowest), highest)
        if call.attribute("end_mask", 0) & bit:
            stop = highest if stride > 0 else lowest
        if not range(start, stop, stride):
            start, stop = 0, 0
        index.append(slice(start, None if stop < 0 else stop, stride))
    view = np.broadcast_to(np.zeros((), np.int8), x.shape)[tuple(index)]
    call.shaped(view.shape)
    return lambda values: [np.array(values[0][tuple(index)])]


@kernel("GATHER")
def gather(call: Call) -> Step:
    """Slices of an axis by constant indices."""
    call.count(2)
    x, indices = call.input(0), call.input(1)
    call.same_type(x, call.output, scale=False)
    if call.attribute("batch_dims", 0):
        call.unsupported("batch dimensions are not supported")
    axis = call.axis(call.attribute("axis", 0), len(x.shape))
    which = call.constant(1, "indices")
    if which.dtype.kind not in "iu":
        call.malformed(f"indices are {which.dtype}")
    if which.size and (which.min() < 0 or which.max() >= x.shape[axis]):
        call.malformed(f"indices beyond the {x.shape[axis]} elements of axis {axis}")
    call.shaped((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
    return lambda values: [np.take(values[0], which, axis=axis)]
