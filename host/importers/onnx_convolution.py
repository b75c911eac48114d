# SPDX-License-Identifier: Apache-2.0
"""ONNX convolutions: Conv, QLinearConv and ConvInteger."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..graph import Quantization
from .onnx_builder import NHWC, PLAIN, Builder, Value, lower
from .onnx_geometry import Window, window
from .onnx_model import Node

__all__ = ["conv"]


def _shape(builder: Builder, x: Value, weights: Value) -> tuple[Window, int, int]:
    """Window, groups and output channels of the current node."""
    if len(x.shape) < 3 or len(weights.shape) != len(x.shape):
        builder.fail(f"input {x.shape}, weights {weights.shape}")
    if len(x.shape) != 4:
        builder.unsupported(f"{len(x.shape) - 2} spatial dimensions; only two are supported")
    groups = int(builder.node.attributes.get("group", 1))
    channels, depth = weights.shape[:2]
    if min(weights.shape) < 1 or groups < 1 or x.shape[1] != groups * depth or channels % groups:
        builder.fail(f"input {x.shape}, weights {weights.shape}, {groups} groups")
    return window(builder, x.shape[2:], weights.shape[2:]), groups, channels


def _weights(
    builder: Builder, weights: Value, depthwise: bool, quantization: Quantization | None
) -> str:
    """The weights as a graph has them: OHWI, or 1HWO for a depthwise convolution."""
    order, axis = ((1, 2, 3, 0), 3) if depthwise else ((0, 2, 3, 1), 0)
    if quantization is not None and quantization.per_channel:
        quantization = dataclasses.replace(quantization, axis=axis)
    data = builder.tensor(weights).data
    if data is None:
        name = builder.transpose(builder.plain(weights), order)
        if quantization is not None:
            moved = builder.quantized(
                Value(name, PLAIN, builder.graph.tensors[name].shape), quantization
            )
            return moved.tensor
        return name
    return builder.store(weights.tensor, data.transpose(order), quantization)


def _emit(
    builder: Builder, x: Value, weights: Value, bias: str | None, dtype: Any,
    source: Quantization | None = None, kernel: Quantization | None = None,
    result: Quantization | None = None,
) -> None:
    shape, groups, channels = _shape(builder, x, weights)
    depthwise = groups > 1 and groups == x.shape[1] and weights.shape[1] == 1
    if source is not None:
        x = builder.quantized(x, source)
    operand = builder.nhwc(x)
    attributes: dict[str, Any] = {
        "stride": shape.stride, "dilation": shape.dilation, "pads": shape.pads,
        "activation": builder.node.attributes.get("activation", "NONE"),
    }
    if depthwise:
        attributes["depth_multiplier"] = channels // groups
    if bias is not None and builder.graph.tensors[bias].shape != (channels,):
        builder.fail(f"bias has shape {builder.graph.tensors[bias].shape}, not ({channels},)")
    name = builder.emit(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [operand, _weights(builder, weights, depthwise, kernel), bias],
        (x.shape[0], *shape.outputs, channels), dtype, attributes, result,
    )
    builder.define(name, NHWC, (x.shape[0], channels, *shape.outputs))


@lower("Conv")
def conv(builder: Builder, node: Node) -> None:
    """Conv of floating-point values."""
    x, weights = builder.value(0), builder.value(1)
    bias = builder.value(2).tensor if node.input(2) else None
    _emit(builder, x, weights, bias, builder.tensor(x).dtype)


def host(builder: Builder, kind: str, operands: int, result: np.dtype) -> None:
    """A convolution whose parameters are computed: on the host, in ONNX's layout."""
    x = builder.value(0)
    weights = builder.value(1 if kind == "ONNX_CONV_INTEGER" else 3)
    shape, groups, channels = _shape(builder, x, weights)
    inputs = [
        builder.plain(builder.value(index)) if builder.node.input(index) else None
        for index in range(operands)
    ]
    attributes = {
        "stride": shape.stride, "dilation": shape.dilation, "pads": shape.pads, "groups": groups
    }
    full = (x.shape[0], channels, *shape.outputs)
    builder.define(builder.emit(kind, inputs, full, result, attributes), PLAIN, full)


@lower("QLinearConv")
def qlinear_conv(builder: Builder, node: Node) -> None:
    """QLinearConv; on the host where scales, zero points or bias are computed."""
    x, weights = builder.value(0), builder.value(3)
    x_type, w_type = builder.tensor(x).dtype, builder.tensor(weights).dtype
    result = builder.tensor(builder.value(7)).dtype
    parameters = [node.input(index) for index in (1, 2, 4, 5, 6, 7, 8)]
    if any(name and builder.constant(name) is None for name in parameters):
        host(builder, "ONNX_QLINEAR_CONV", 9, result)
        return
    if node.attributes.get("weight_axis", 0) not in (0, -4):
        builder.unsupported("weights must be quantized along their output channels")
    source = builder.parameters(1, 2, x_type)
    kernel = builder.parameters(4, 5, w_type, axis=0)
    target = builder.parameters(6, 7, result)
    bias = builder.value(8).tensor if node.input(8) else None
    _emit(builder, x, weights, bias, result, source, kernel, target)


@lower("ConvInteger")
def conv_integer(builder: Builder, node: Node) -> None:
    """ConvInteger: a convolution whose result is its sums; on the host with computed zeros."""
    x, weights = builder.value(0), builder.value(1)
    names = [node.input(2), node.input(3)]
    if any(name and builder.constant(name) is None for name in names):
        host(builder, "ONNX_CONV_INTEGER", 4, np.dtype(np.int32))
        return
    one = np.ones(1, np.float32)
    quantizations = []
    for name, value, axis in ((names[0], x, None), (names[1], weights, 0)):
        zero = builder.constant(name)
        dtype = builder.tensor(value).dtype
        quantizations.append(builder.quantization(one, zero, dtype, axis))
    _emit(builder, x, weights, None, np.int32, *quantizations)
