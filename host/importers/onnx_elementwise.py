# SPDX-License-Identifier: Apache-2.0
"""ONNX operators on elements, and conversions between integers and floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Quantization
from .onnx_builder import FLAT, NHWC, PLAIN, TO_NHWC, Builder, Value, lower
from .onnx_model import Node, element_type

__all__ = ["binary", "quantize_linear", "unary"]

UNARY = {
    "Relu": "RELU", "Sigmoid": "LOGISTIC", "Tanh": "TANH", "HardSwish": "HARD_SWISH",
    "Elu": "ELU", "Gelu": "GELU", "LeakyRelu": "LEAKY_RELU", "Exp": "EXP", "Sqrt": "SQRT",
    "Neg": "NEG", "Abs": "ABS", "HardSigmoid": "ONNX_HARD_SIGMOID", "Erf": "ONNX_ERF",
    "Reciprocal": "ONNX_RECIPROCAL", "Log": "LOG", "Softplus": "ONNX_SOFTPLUS",
    "Floor": "FLOOR", "Ceil": "CEIL", "Round": "ROUND",
}
BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV", "Pow": "POW",
          "Min": "MINIMUM", "Max": "MAXIMUM"}
DEFAULTS = {"LeakyRelu": {"alpha": 0.01}, "Elu": {"alpha": 1.0},
            "HardSigmoid": {"alpha": 0.2, "beta": 0.5}}


def keep(
    builder: Builder, kind: str, x: Value, dtype: Any, attributes: dict[str, Any] | None = None,
    quantization: Quantization | None = None,
) -> None:
    """An operator on each element: the result stands in the layout of the operand."""
    shape = builder.tensor(x).shape
    name = builder.emit(kind, [x.tensor], shape, dtype, attributes, quantization)
    builder.define(name, x.layout, x.shape, x.map_shape)


@lower(*UNARY)
def unary(builder: Builder, node: Node) -> None:
    """Functions of one floating-point element."""
    x = builder.value(0)
    if node.kind == "Relu" and builder.tensor(x).dtype.kind in "iu":
        builder.unsupported("a rectifier of integers without scale")
    attributes = dict(DEFAULTS.get(node.kind, {}))
    attributes.update({
        key: float(value) for key, value in node.attributes.items() if key in attributes
    })
    if node.kind == "HardSwish":
        attributes["slope"] = 1 / 6
    if node.kind == "Gelu":
        attributes["approximate"] = node.attributes.get("approximate", "none") == "tanh"
    keep(builder, UNARY[node.kind], x, builder.tensor(x).dtype, attributes)


@lower("Clip")
def clip(builder: Builder, node: Node) -> None:
    """Clip with constant bounds; 0 to 6 is RELU6."""
    x = builder.value(0)
    bounds = []
    for index, key in ((1, "min"), (2, "max")):
        if node.input(index):
            bounds.append(float(builder.known(index, key).reshape(-1)[0]))
        else:
            bounds.append(float(node.attributes.get(key, -np.inf if key == "min" else np.inf)))
    dtype = builder.tensor(x).dtype
    if dtype.kind != "f":
        builder.unsupported(f"Clip of {dtype}")
    kinds = {(0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, np.inf): "RELU"}
    kind = kinds.get((bounds[0], bounds[1]), "ONNX_CLIP")
    attributes = {"low": bounds[0], "high": bounds[1]} if kind == "ONNX_CLIP" else {}
    keep(builder, kind, x, dtype, attributes)


def file_unsigned(builder: Builder, dtype: np.dtype) -> bool:
    """Whether onnxruntime computes the current node in uint8."""
    return dtype == np.uint8 or bool(builder.node.attributes.get("unsigned", 0))


def aligned(builder: Builder, a: Value, b: Value) -> tuple[str, str, str, tuple[int, ...]]:
    """Tensors of two operands in one layout, that layout, and the broadcast ONNX shape."""
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        builder.fail(f"shapes {a.shape} and {b.shape} do not broadcast")
    if a.layout == b.layout and (a.layout != FLAT or a.map_shape == b.map_shape) and (
        a.layout == PLAIN or a.shape == b.shape
    ):
        return a.tensor, b.tensor, a.layout, shape
    if NHWC in (a.layout, b.layout) and len(shape) == 4:
        names = [_channels_last(builder, item) for item in (a, b)]
        return names[0], names[1], NHWC, shape
    return builder.plain(a), builder.plain(b), PLAIN, shape


def _channels_last(builder: Builder, value: Value) -> str:
    if value.layout == NHWC:
        return value.tensor
    if value.shape in ((), (1,)):
        return value.tensor
    plain = builder.plain(value)
    shape = (1,) * (4 - len(value.shape)) + value.shape
    data = builder.graph.tensors[plain].data
    if data is not None:
        quantization = builder.graph.tensors[plain].quantization
        return builder.store(value.tensor, data.reshape(shape).transpose(TO_NHWC), quantization)
    return builder.transpose(builder.reshape(plain, shape), TO_NHWC)


@lower(*BINARY)
def binary(builder: Builder, node: Node) -> None:
    """Arithmetic of two floating-point operands, broadcast."""
    a, b = builder.value(0), builder.value(1)
    if len(node.inputs) != 2:
        builder.unsupported(f"{len(node.inputs)} operands; only two are supported")
    dtype = builder.tensor(a).dtype
    if dtype.kind != "f" and BINARY[node.kind] not in ("MINIMUM", "MAXIMUM"):
        builder.unsupported(f"{node.kind} of {dtype} elements")
    left, right, layout, shape = aligned(builder, a, b)
    stored = builder.graph.tensors
    physical = np.broadcast_shapes(stored[left].shape, stored[right].shape)
    kind = BINARY[node.kind]
    attributes = {} if kind in ("MINIMUM", "MAXIMUM") else {"activation": "NONE"}
    name = builder.emit(kind, [left, right], physical, dtype, attributes)
    builder.define(name, layout, shape, a.map_shape)


def _single(a: tuple[int, ...], b: tuple[int, ...]) -> int | None:
    """Which operand is broadcast along the last axis that is not of one element, if one is.

    Source: onnxruntime, ``core/providers/cpu/math/element_wise_ops.h`` (BroadcastIterator).
    """
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    for one, other in reversed(list(pairs)):
        if one != other:
            return 0 if one == 1 else 1
        if one != 1:
            return None
    return None


@lower("com.microsoft.QLinearAdd", "com.microsoft.QLinearMul")
def qlinear_binary(builder: Builder, node: Node) -> None:
    """QLinearAdd and QLinearMul. onnxruntime rounds with the zero points of the file's type."""
    a, b = builder.value(0), builder.value(3)
    dtype = builder.tensor(a).dtype
    a = builder.quantized(a, builder.parameters(1, 2, dtype))
    b = builder.quantized(b, builder.parameters(4, 5, builder.tensor(b).dtype))
    if builder.tensor(b).dtype != dtype:
        builder.unsupported(f"operands of {dtype} and {builder.tensor(b).dtype}")
    target = builder.parameters(6, 7, dtype)
    left, right, layout, shape = aligned(builder, a, b)
    stored = builder.graph.tensors
    physical = np.broadcast_shapes(stored[left].shape, stored[right].shape)
    attributes: dict[str, Any] = {
        "activation": "NONE", "unsigned": file_unsigned(builder, dtype)
    }
    kind = "ADD" if node.kind.endswith("Add") else "MUL"
    single = _single(a.shape, b.shape)
    if kind == "ADD" and single is not None:
        attributes["single"] = single
    name = builder.emit(kind, [left, right], physical, dtype, attributes, target)
    builder.define(name, layout, shape, a.map_shape)


@lower("com.microsoft.QLinearSigmoid", "com.microsoft.QLinearLeakyRelu")
def qlinear_unary(builder: Builder, node: Node) -> None:
    """Functions of one integer: a table of 256 entries."""
    x = builder.value(0)
    dtype = builder.tensor(x).dtype
    x = builder.quantized(x, builder.parameters(1, 2, dtype))
    sigmoid = node.kind.endswith("Sigmoid")
    attributes = {} if sigmoid else {"alpha": float(node.attributes.get("alpha", 0.01))}
    kind = "LOGISTIC" if sigmoid else "LEAKY_RELU"
    keep(builder, kind, x, dtype, attributes, builder.parameters(3, 4, dtype))


@lower("QuantizeLinear")
def quantize_linear(builder: Builder, node: Node) -> None:
    """QuantizeLinear, per tensor or per channel; on the host where parameters are computed."""
    x = builder.value(0)
    scale, zero = builder.constant(node.input(1)), builder.constant(node.input(2))
    dtype: np.dtype = np.dtype(np.uint8)
    if node.input(2):
        dtype = builder.tensor(builder.value(2)).dtype
    elif node.attributes.get("output_dtype"):
        dtype = element_type(int(node.attributes["output_dtype"]), "QuantizeLinear")
    if dtype.kind not in "iu":
        builder.fail(f"quantization to {dtype}")
    computed = scale is None or (bool(node.input(2)) and zero is None)
    if computed or node.attributes.get("block_size") or dtype.itemsize > 1:
        _on_host(builder, "ONNX_QUANTIZE_LINEAR", dtype)
        return
    axis = _axis(builder, x)
    if scale.size > 1:  # type: ignore[union-attr]
        plain = builder.plain(x)
        x = Value(plain, PLAIN, x.shape)
    keep(builder, "QUANTIZE", x, dtype, {}, builder.parameters(1, 2, dtype, axis))


@lower("DequantizeLinear")
def dequantize_linear(builder: Builder, node: Node) -> None:
    """DequantizeLinear, as QuantizeLinear."""
    x = builder.value(0)
    scale, zero = builder.constant(node.input(1)), builder.constant(node.input(2))
    tensor = builder.tensor(x)
    computed = scale is None or (bool(node.input(2)) and zero is None)
    if computed or node.attributes.get("block_size") or tensor.dtype.itemsize == 2:
        _on_host(builder, "ONNX_DEQUANTIZE_LINEAR", np.dtype(np.float32))
        return
    axis = _axis(builder, x)
    if scale.size > 1:  # type: ignore[union-attr]
        x = Value(builder.plain(x), PLAIN, x.shape)
    x = builder.quantized(x, builder.parameters(1, 2, tensor.dtype, axis))
    keep(builder, "DEQUANTIZE", x, np.float32)


def _axis(builder: Builder, x: Value) -> int:
    axis, rank = int(builder.node.attributes.get("axis", 1)), len(x.shape)
    return axis + rank if axis < 0 else axis


def _on_host(builder: Builder, kind: str, dtype: np.dtype) -> None:
    """A conversion with computed or blocked parameters, in ONNX's layout."""
    inputs = [
        builder.plain(builder.value(index)) if builder.node.input(index) else None
        for index in range(3)
    ]
    attributes = {
        "axis": int(builder.node.attributes.get("axis", 1)),
        "block_size": int(builder.node.attributes.get("block_size", 0)),
    }
    shape = builder.value(0).shape
    builder.define(builder.emit(kind, inputs, shape, dtype, attributes), PLAIN, shape)


@lower("Identity", "Dropout")
def identity(builder: Builder, node: Node) -> None:
    """The operand itself; Dropout does nothing outside training."""
    if any(node.outputs[1:]):
        builder.unsupported("the mask of Dropout")
    x = builder.value(0)
    builder.define(x.tensor, x.layout, x.shape, x.map_shape)


@lower("Cast")
def cast(builder: Builder, node: Node) -> None:
    """Cast between element types."""
    x = builder.value(0)
    keep(builder, "ONNX_CAST", x, element_type(int(node.attributes.get("to", 0)), "Cast"))


@lower("BatchNormalization")
def batch_normalization(builder: Builder, node: Node) -> None:
    """BatchNormalization with constant statistics: MUL and ADD for each channel."""
    x = builder.value(0)
    if any(node.outputs[1:]) or node.attributes.get("training_mode", 0):
        builder.unsupported("training")
    scale, bias, mean, variance = (
        builder.known(index, "statistics").astype(np.float64).reshape(-1) for index in range(1, 5)
    )
    count = x.shape[1] if len(x.shape) > 1 else 0
    if any(item.size != count for item in (scale, bias, mean, variance)) or not count:
        builder.fail(f"statistics do not fit {x.shape}")
    dtype = builder.tensor(x).dtype
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
    offset = bias - mean * factor
    if len(x.shape) == 4:
        current, layout = builder.nhwc(x), NHWC
    else:
        current, layout = builder.plain(x), PLAIN
    ones = 0 if layout == NHWC else len(x.shape) - 2
    shape = (count, *(1,) * ones)
    for kind, values in (("MUL", factor), ("ADD", offset)):
        constant = builder.store(f"{node.outputs[0]}_{kind.lower()}",
                                 values.astype(dtype).reshape(shape))
        current = builder.emit(kind, [current, constant], builder.graph.tensors[current].shape,
                               dtype, {"activation": "NONE"})
    builder.define(current, layout, x.shape)
