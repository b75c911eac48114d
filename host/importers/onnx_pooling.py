# SPDX-License-Identifier: Apache-2.0
"""ONNX pools, reductions and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Quantization
from .onnx_builder import NHWC, PLAIN, Builder, Value, lower
from .onnx_elementwise import file_unsigned
from .onnx_geometry import window
from .onnx_model import Node

__all__ = ["pool", "softmax"]


def _pool(
    builder: Builder, kind: str, x: Value, quantization: Quantization | None,
    attributes: dict[str, Any] | None = None,
) -> None:
    node = builder.node
    if len(x.shape) != 4:
        builder.unsupported(f"{max(len(x.shape) - 2, 0)} spatial dimensions; only two are "
                            "supported")
    if node.attributes.get("channels_last", 0):
        builder.unsupported("channels_last is not supported")
    shape = window(builder, x.shape[2:], tuple(node.attributes.get("kernel_shape", ())))
    if any(pad >= extent for pad, extent in zip(shape.pads, shape.extent * 2, strict=True)):
        builder.unsupported(f"padding {shape.pads} as large as the window {shape.extent}")
    full = {"filter": shape.extent, "stride": shape.stride, "pads": shape.pads,
            "activation": "NONE", **(attributes or {})}
    if shape.dilation != (1, 1):
        full["dilation"] = shape.dilation
    source = builder.nhwc(x)
    name = builder.emit(kind, [source], (x.shape[0], *shape.outputs, x.shape[1]),
                        builder.tensor(x).dtype, full, quantization)
    builder.define(name, NHWC, (*x.shape[:2], *shape.outputs))


@lower("MaxPool")
def pool(builder: Builder, node: Node) -> None:
    """MaxPool of floating-point values or integers, which keep their scale."""
    if any(node.outputs[1:]):
        builder.unsupported("the indices of MaxPool")
    x = builder.value(0)
    _pool(builder, "MAX_POOL_2D", x, builder.tensor(x).quantization)


@lower("AveragePool")
def average_pool(builder: Builder, node: Node) -> None:
    """AveragePool of floating-point values."""
    _pool(builder, "AVERAGE_POOL_2D", builder.value(0), None, _counting(builder))


@lower("com.microsoft.QLinearAveragePool")
def qlinear_average_pool(builder: Builder, node: Node) -> None:
    """QLinearAveragePool. onnxruntime rounds with the zero point of the file's type."""
    x = builder.value(0)
    dtype = builder.tensor(x).dtype
    x = builder.quantized(x, builder.parameters(1, 2, dtype))
    attributes = {**_counting(builder), "unsigned": file_unsigned(builder, dtype)}
    _pool(builder, "AVERAGE_POOL_2D", x, builder.parameters(3, 4, dtype), attributes)


def _counting(builder: Builder) -> dict[str, Any]:
    attributes = builder.node.attributes
    if not attributes.get("count_include_pad", 0):
        return {}
    if attributes.get("ceil_mode", 0):
        builder.unsupported("ceil_mode together with count_include_pad")
    return {"count_include_pad": True}


def _global(builder: Builder, x: Value, kind: str, quantization: Quantization | None) -> None:
    if len(x.shape) != 4:
        builder.unsupported(f"{max(len(x.shape) - 2, 0)} spatial dimensions; only two are "
                            "supported")
    if min(x.shape[2:]) < 1:
        builder.fail(f"shape {x.shape}")
    name = builder.emit(
        kind, [builder.nhwc(x), builder.integers([1, 2])], (x.shape[0], 1, 1, x.shape[1]),
        builder.tensor(x).dtype, {"keep_dims": True}, quantization,
    )
    builder.define(name, NHWC, (*x.shape[:2], 1, 1))


@lower("GlobalAveragePool", "GlobalMaxPool")
def global_pool(builder: Builder, node: Node) -> None:
    """Mean or maximum of every channel."""
    x = builder.value(0)
    kind = "MEAN" if node.kind == "GlobalAveragePool" else "REDUCE_MAX"
    quantization = builder.tensor(x).quantization if kind == "REDUCE_MAX" else None
    _global(builder, x, kind, quantization)


@lower("com.microsoft.QLinearGlobalAveragePool")
def qlinear_global_average_pool(builder: Builder, node: Node) -> None:
    """Mean of every channel, requantized."""
    if node.attributes.get("channels_last", 0):
        builder.unsupported("channels_last is not supported")
    x = builder.value(0)
    dtype = builder.tensor(x).dtype
    x = builder.quantized(x, builder.parameters(1, 2, dtype))
    _global(builder, x, "MEAN", builder.parameters(3, 4, dtype))


@lower("ReduceMean")
def reduce_mean(builder: Builder, node: Node) -> None:
    """Mean over constant axes of floating-point values."""
    x = builder.value(0)
    axes = node.attributes.get("axes")
    if axes is None:
        axes = builder.known(1, "axes") if node.input(1) else range(len(x.shape))
    rank = len(x.shape)
    chosen = sorted({int(axis) + rank if int(axis) < 0 else int(axis) for axis in axes})
    if any(not 0 <= axis < rank for axis in chosen):
        builder.fail(f"axes {chosen} of {rank} dimensions")
    if node.attributes.get("noop_with_empty_axes", 0) and not chosen:
        builder.unsupported("no axes")
    dtype, keep = builder.tensor(x).dtype, bool(node.attributes.get("keepdims", 1))
    if chosen == [2, 3] and rank == 4 and x.layout == NHWC:
        _mean_of_map(builder, x, keep)
        return
    shape = tuple(
        1 if axis in chosen else n for axis, n in enumerate(x.shape) if keep or axis not in chosen
    )
    name = builder.emit("MEAN", [builder.plain(x), builder.integers(chosen)], shape, dtype,
                        {"keep_dims": keep})
    builder.define(name, PLAIN, shape)


def _mean_of_map(builder: Builder, x: Value, keep: bool) -> None:
    shape = (x.shape[0], 1, 1, x.shape[1]) if keep else x.shape[:2]
    name = builder.emit("MEAN", [builder.nhwc(x), builder.integers([1, 2])], shape,
                        builder.tensor(x).dtype, {"keep_dims": keep})
    if keep:
        builder.define(name, NHWC, (*x.shape[:2], 1, 1))
    else:
        builder.define(name, PLAIN, x.shape[:2])


@lower("Softmax", "LogSoftmax", "com.microsoft.QLinearSoftmax")
def softmax(builder: Builder, node: Node) -> None:
    """Softmax along an axis; before operator set 13 over all axes from the given one."""
    x = builder.value(0)
    integer = node.kind.startswith("com.")
    dtype, target = builder.tensor(x).dtype, None
    opset = int(node.attributes.get("opset", builder.model.opset))
    if integer:
        x = builder.quantized(x, builder.parameters(1, 2, dtype))
        target = builder.parameters(3, 4, dtype)
    rank = len(x.shape)
    axis = int(node.attributes.get("axis", -1 if opset >= 13 else 1))
    axis += rank if axis < 0 else 0
    if not 0 <= axis < max(rank, 1) or not rank:
        builder.fail(f"axis {axis} of {rank} dimensions")
    kind = "LOG_SOFTMAX" if node.kind == "LogSoftmax" else "SOFTMAX"
    attributes: dict[str, Any] = {} if kind == "LOG_SOFTMAX" else {"beta": 1.0}
    if integer:
        attributes["unsigned"] = file_unsigned(builder, dtype)
    source = builder.plain(x)
    if opset < 13:
        rows = int(np.prod(x.shape[:axis]))
        source = builder.reshape(source, (rows, int(np.prod(x.shape[axis:]))))
        order = None
    else:
        order = [n for n in range(rank) if n != axis] + [axis]
        source = builder.transpose(source, order)
    shape = builder.graph.tensors[source].shape
    name = builder.emit(kind, [source], shape, dtype, attributes, target)
    if order is not None:
        name = builder.transpose(name, np.argsort(order).tolist())
    builder.define(builder.reshape(name, x.shape), PLAIN, x.shape)
