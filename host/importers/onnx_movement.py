# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that put elements elsewhere: Reshape, Flatten, Transpose, Concat, Pad, Slice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Quantization
from .onnx_builder import FLAT, NHWC, PLAIN, Builder, Value, lower
from .onnx_model import Node

__all__ = ["concat", "reshape"]

NHWC_AXIS = (0, 3, 1, 2)
"""Where an axis of NCHW stands in NHWC."""


def _reshaped(builder: Builder, x: Value, shape: tuple[int, ...]) -> None:
    if math.prod(shape) != math.prod(x.shape):
        builder.fail(f"shape {x.shape} cannot become {shape}")
    if x.layout == NHWC and len(shape) == 2 and shape[0] == x.shape[0] and 1 not in (
        x.shape[1], x.shape[2] * x.shape[3]
    ):
        name = builder.reshape(x.tensor, shape)
        builder.define(name, FLAT, shape, (x.shape[1], x.shape[2], x.shape[3]))
        return
    if x.layout == FLAT and shape == x.shape:
        builder.define(x.tensor, FLAT, shape, x.map_shape)
        return
    builder.define(builder.reshape(builder.plain(x), shape), PLAIN, shape)


@lower("Reshape")
def reshape(builder: Builder, node: Node) -> None:
    """Reshape to a constant shape; 0 keeps a dimension, -1 is worked out."""
    x = builder.value(0)
    wanted = node.attributes.get("shape")
    if wanted is None:
        wanted = builder.known(1, "shape").reshape(-1)
    shape = [int(n) for n in wanted]
    if len(shape) > 8 or min(shape, default=0) < -1 or shape.count(-1) > 1:
        builder.fail(f"shape {shape}")
    if not node.attributes.get("allowzero", 0):
        for axis, extent in enumerate(shape):
            if extent == 0:
                if axis >= len(x.shape):
                    builder.fail(f"shape {shape} of {x.shape}")
                shape[axis] = x.shape[axis]
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        if not rest or math.prod(x.shape) % rest:
            builder.fail(f"shape {x.shape} cannot become {shape}")
        shape[shape.index(-1)] = math.prod(x.shape) // rest
    _reshaped(builder, x, tuple(shape))


@lower("Flatten")
def flatten(builder: Builder, node: Node) -> None:
    """Two dimensions, split at an axis."""
    x = builder.value(0)
    axis, rank = int(node.attributes.get("axis", 1)), len(x.shape)
    if not -rank <= axis <= rank:
        builder.fail(f"axis {axis} of {rank} dimensions")
    axis += rank if axis < 0 else 0
    _reshaped(builder, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@lower("Squeeze", "Unsqueeze")
def squeeze(builder: Builder, node: Node) -> None:
    """Dimensions of one element left out or put in."""
    x = builder.value(0)
    axes: Any = node.attributes.get("axes")
    if axes is None and node.input(1):
        axes = builder.known(1, "axes").reshape(-1)
    if node.kind == "Squeeze":
        if axes is None:
            axes = [axis for axis, n in enumerate(x.shape) if n == 1]
        rank = len(x.shape)
        chosen = {int(a) + rank if int(a) < 0 else int(a) for a in axes}
        if any(not 0 <= a < rank or x.shape[a] != 1 for a in chosen):
            builder.fail(f"axes {sorted(chosen)} of {x.shape}")
        _reshaped(builder, x, tuple(n for a, n in enumerate(x.shape) if a not in chosen))
        return
    if axes is None:
        builder.fail("axes are missing")
    rank = len(x.shape) + len(list(axes))
    chosen = {int(a) + rank if int(a) < 0 else int(a) for a in axes}
    if len(chosen) != rank - len(x.shape) or any(not 0 <= a < rank for a in chosen) or rank > 8:
        builder.fail(f"axes {sorted(chosen)} of {rank} dimensions")
    rest = iter(x.shape)
    _reshaped(builder, x, tuple(1 if a in chosen else next(rest) for a in range(rank)))


@lower("Transpose")
def transpose(builder: Builder, node: Node) -> None:
    """Axes in another order."""
    x = builder.value(0)
    rank = len(x.shape)
    order = [int(a) for a in node.attributes.get("perm", range(rank)[::-1])]
    if sorted(order) != list(range(rank)):
        builder.fail(f"{order} is no permutation of {rank} axes")
    shape = tuple(x.shape[axis] for axis in order)
    if x.layout == NHWC and order == [0, 2, 3, 1]:
        builder.define(x.tensor, PLAIN, shape)
    else:
        builder.define(builder.transpose(builder.plain(x), order), PLAIN, shape)


def _joined(
    builder: Builder, parts: list[Value], axis: int, quantization: Quantization | None
) -> None:
    rank = len(parts[0].shape)
    if not -rank <= axis < rank or any(len(part.shape) != rank for part in parts):
        builder.fail(f"axis {axis} of shapes {[part.shape for part in parts]}")
    axis += rank if axis < 0 else 0
    if len({part.shape[:axis] + part.shape[axis + 1 :] for part in parts}) != 1:
        builder.fail(f"axis {axis} of shapes {[part.shape for part in parts]}")
    last = rank == 4 and any(part.layout == NHWC for part in parts)
    names = [builder.nhwc(part) if last else builder.plain(part) for part in parts]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    dtype = builder.tensor(parts[0]).dtype
    physical = [shape[a] for a in (0, 2, 3, 1)] if last else shape
    name = builder.emit(
        "CONCATENATION", names, physical, dtype,
        {"axis": NHWC_AXIS[axis] if last else axis, "activation": "NONE"}, quantization,
    )
    builder.define(name, NHWC if last else PLAIN, shape)


@lower("Concat")
def concat(builder: Builder, node: Node) -> None:
    """Tensors one after the other along an axis."""
    parts = [builder.value(index) for index in range(len(node.inputs))]
    if not parts:
        builder.fail("no operands")
    quantization = builder.tensor(parts[0]).quantization
    _joined(builder, parts, int(node.attributes.get("axis", 0)), quantization)


@lower("com.microsoft.QLinearConcat")
def qlinear_concat(builder: Builder, node: Node) -> None:
    """Operands are requantized to the scale of the result where theirs differs, then joined."""
    if len(node.inputs) < 5 or len(node.inputs) % 3 != 2:
        builder.fail(f"{len(node.inputs)} operands")
    dtype = builder.tensor(builder.value(1)).dtype
    target = builder.parameters(0, 1, dtype)
    parts = []
    for index in range(2, len(node.inputs), 3):
        x = builder.value(index)
        own = builder.parameters(index + 1, index + 2, builder.tensor(x).dtype)
        x = builder.quantized(x, own)
        if own.scale[0] != target.scale[0] or own.zero_point[0] != target.zero_point[0]:
            name = builder.emit("QUANTIZE", [x.tensor], builder.tensor(x).shape, dtype, {}, target,
                                f"{x.tensor}_requantized")
            x = Value(name, x.layout, x.shape, x.map_shape)
        parts.append(x)
    _joined(builder, parts, int(node.attributes.get("axis", 0)), target)


@lower("Pad")
def pad(builder: Builder, node: Node) -> None:
    """Constant padding."""
    x = builder.value(0)
    rank = len(x.shape)
    if node.attributes.get("mode", "constant") != "constant" or node.input(3):
        builder.unsupported("only constant padding of all axes is supported")
    pads = node.attributes.get("pads")
    amounts = [int(n) for n in (builder.known(1, "pads").reshape(-1) if pads is None else pads)]
    if len(amounts) != 2 * rank or min(amounts, default=0) < 0 or max(amounts, default=0) > 1 << 20:
        builder.unsupported(f"padding {amounts} of {rank} dimensions")
    tensor = builder.tensor(x)
    fill = np.asarray(node.attributes.get("value", 0.0))
    if node.input(2):
        fill = builder.known(2, "value").reshape(-1)[:1]
    last = rank == 4 and x.layout == NHWC
    source = x.tensor if last else builder.plain(x)
    pairs = [(amounts[a], amounts[rank + a]) for a in range(rank)]
    shape = tuple(n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True))
    physical = shape
    if last:
        pairs = [pairs[a] for a in (0, 2, 3, 1)]
        physical = tuple(shape[a] for a in (0, 2, 3, 1))
    value = builder.store(f"{node.outputs[0]}_fill", fill.astype(tensor.dtype).reshape(1),
                          tensor.quantization)
    amounts_name = builder.store(f"{node.outputs[0]}_pads",
                                 np.array(pairs, np.int32).reshape(rank, 2))
    name = builder.emit("PADV2", [source, amounts_name, value], physical, tensor.dtype, {},
                        tensor.quantization)
    builder.define(name, NHWC if last else PLAIN, shape)


@lower("Slice")
def cut(builder: Builder, node: Node) -> None:
    """Slice with constant bounds and positive steps of one."""
    x = builder.value(0)
    bounds: list[Any] = [node.attributes.get(key) for key in ("starts", "ends", "axes")]
    for index in range(3):
        if bounds[index] is None and node.input(index + 1):
            bounds[index] = builder.known(index + 1, "bounds").reshape(-1)
    if bounds[0] is None or bounds[1] is None:
        builder.fail("bounds are missing")
    if node.input(4) and any(int(n) != 1 for n in builder.known(4, "steps").reshape(-1)):
        builder.unsupported("steps other than 1")
    axes = range(len(bounds[0])) if bounds[2] is None else bounds[2]
    begin, size = [0] * len(x.shape), list(x.shape)
    for start, end, axis in zip(bounds[0], bounds[1], axes, strict=True):
        if not -len(x.shape) <= int(axis) < len(x.shape):
            builder.fail(f"axis {axis} of {x.shape}")
        first, last, _ = slice(int(start), int(end)).indices(x.shape[int(axis)])
        begin[int(axis)], size[int(axis)] = first, max(last - first, 0)
    tensor = builder.tensor(x)
    source = builder.plain(x)
    inputs = [source, builder.integers(begin), builder.integers(size)]
    name = builder.emit("SLICE", inputs, size, tensor.dtype, {}, tensor.quantization)
    builder.define(name, PLAIN, size)
