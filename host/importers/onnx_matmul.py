# SPDX-License-Identifier: Apache-2.0
"""ONNX matrix products: Gemm, MatMul and their integer forms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Quantization
from .onnx_builder import FLAT, PLAIN, Builder, Value, lower
from .onnx_model import Node

__all__ = ["gemm", "matmul"]


def _columns(builder: Builder, x: Value, weights: NDArray) -> NDArray:
    """Weights [outputs, inputs] with their inputs in the order in which ``x`` has them."""
    if x.layout != FLAT:
        return weights
    channels, height, width = x.map_shape
    if weights.shape[1] != channels * height * width:
        builder.fail(f"operand {x.shape} times {weights.shape}")
    maps = weights.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(maps).reshape(weights.shape)


def _connected(
    builder: Builder, x: Value, weights: NDArray, bias: str | None, dtype: Any,
    quantization: Quantization | None = None, result: Quantization | None = None, name: str = "",
) -> str:
    """FULLY_CONNECTED with constant weights [outputs, inputs]; the name of its result."""
    if weights.ndim != 2 or min(weights.shape) < 1 or x.shape[-1] != weights.shape[1]:
        builder.fail(f"operand {x.shape} times {weights.shape[::-1]}")
    source = x.tensor if x.layout == FLAT else builder.plain(x)
    if bias is not None and builder.graph.tensors[bias].shape != (weights.shape[0],):
        builder.fail(f"bias has shape {builder.graph.tensors[bias].shape}")
    stored = builder.store(
        f"{builder.node.outputs[0]}_weights", _columns(builder, x, weights), quantization
    )
    return builder.emit(
        "FULLY_CONNECTED", [source, stored, bias], (*x.shape[:-1], weights.shape[0]), dtype,
        {"activation": builder.node.attributes.get("activation", "NONE"), "keep_num_dims": True},
        result, name,
    )


def _product(
    builder: Builder, a: Value, b: Value, dtype: Any,
    quantization: Quantization | None = None, result: Quantization | None = None,
) -> tuple[str, tuple[int, ...]]:
    """A matrix product of ONNX shapes: FULLY_CONNECTED or BATCH_MATMUL; its tensor and shape."""
    if not a.shape or not b.shape or not all(a.shape) or not all(b.shape):
        builder.fail(f"operands {a.shape} and {b.shape}")
    weights = builder.tensor(b).data
    if weights is not None and len(b.shape) == 2 and len(a.shape) >= 2:
        name = _connected(
            builder, a, builder.tensor(b).data.T, None, dtype,  # type: ignore[union-attr]
            _along_outputs(quantization), result,
        )
        return name, (*a.shape[:-1], b.shape[1])
    if quantization is not None:
        b = builder.quantized(b, quantization)
    left, right = builder.plain(a), builder.plain(b)
    a_shape = a.shape if len(a.shape) > 1 else (1, *a.shape)
    b_shape = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    left, right = builder.reshape(left, a_shape), builder.reshape(right, b_shape)
    if a_shape[-1] != b_shape[-2]:
        builder.fail(f"operands {a.shape} and {b.shape}")
    try:
        batch = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    except ValueError:
        builder.fail(f"operands {a.shape} and {b.shape}")
    name = builder.emit(
        "BATCH_MATMUL", [left, right], (*batch, a_shape[-2], b_shape[-1]), dtype,
        {"adj_x": False, "adj_y": False}, result,
    )
    shape = (*batch, *a_shape[-2 : -1 if len(a.shape) > 1 else -2],
             *b_shape[-1 : None if len(b.shape) > 1 else -1])
    if len(a.shape) == 1:
        shape = (*batch, *b_shape[-1 : None if len(b.shape) > 1 else -1])
    return builder.reshape(name, shape), shape


def _along_outputs(quantization: Quantization | None) -> Quantization | None:
    if quantization is None or not quantization.per_channel:
        return quantization
    return Quantization(quantization.scale, quantization.zero_point, 0)


@lower("MatMul")
def matmul(builder: Builder, node: Node) -> None:
    """MatMul of floating-point values."""
    a, b = builder.value(0), builder.value(1)
    name, shape = _product(builder, a, b, builder.tensor(a).dtype)
    builder.define(name, PLAIN, shape)


@lower("Gemm")
def gemm(builder: Builder, node: Node) -> None:
    """Gemm of floating-point values; constant factors go into weights and bias."""
    a, b = builder.value(0), builder.value(1)
    alpha, beta = (float(node.attributes.get(key, 1.0)) for key in ("alpha", "beta"))
    data = builder.tensor(b).data
    if len(a.shape) != 2 or len(b.shape) != 2:
        builder.fail(f"operands {a.shape} and {b.shape}")
    if node.attributes.get("transA", 0):
        moved = builder.transpose(builder.plain(a), (1, 0))
        a = Value(moved, PLAIN, a.shape[::-1])
    if data is None or data.dtype.kind != "f":
        builder.unsupported("weights must be floating-point constants")
    assert data is not None
    weights = data if node.attributes.get("transB", 0) else data.T
    if alpha != 1.0:
        weights = (weights * np.float32(alpha)).astype(data.dtype)
    bias, late = None, None
    if node.input(2):
        addend = builder.constant(node.inputs[2])
        rows = 1 if addend is None else addend.size // max(addend.shape[-1:] or (1,))
        if addend is None or rows != 1 or addend.size not in (1, weights.shape[0]):
            late = builder.value(2)
            if beta != 1.0:
                builder.unsupported(f"beta {beta} with a bias that is computed or a matrix")
        else:
            vector = np.broadcast_to(addend.reshape(-1), (weights.shape[0],))
            bias = builder.store(node.inputs[2], (vector * np.float32(beta)).astype(data.dtype))
    dtype = builder.tensor(a).dtype
    name = _connected(builder, a, weights, bias, dtype)
    shape = (a.shape[0], weights.shape[0])
    if late is not None:
        name = builder.emit("ADD", [name, builder.plain(late)], shape, dtype,
                            {"activation": "NONE"})
    builder.define(name, PLAIN, shape)


@lower("QLinearMatMul")
def qlinear_matmul(builder: Builder, node: Node) -> None:
    """QLinearMatMul; on the host where scales or zero points are computed."""
    a, b = builder.value(0), builder.value(3)
    result = builder.tensor(builder.value(7)).dtype
    if any(builder.constant(node.input(index)) is None for index in (1, 2, 4, 5, 6, 7)):
        _host(builder, "ONNX_QLINEAR_MATMUL", 8, a, b, result)
        return
    if node.attributes.get("weight_axis", len(b.shape) - 1) not in (-1, len(b.shape) - 1):
        builder.unsupported("weights must be quantized along their columns")
    a = builder.quantized(a, builder.parameters(1, 2, builder.tensor(a).dtype))
    weights = builder.parameters(4, 5, builder.tensor(b).dtype, axis=len(b.shape) - 1)
    target = builder.parameters(6, 7, result)
    name, shape = _product(builder, a, b, result, weights, target)
    builder.define(name, PLAIN, shape)


@lower("MatMulInteger")
def matmul_integer(builder: Builder, node: Node) -> None:
    """MatMulInteger: a matrix product whose result is its sums."""
    a, b = builder.value(0), builder.value(1)
    names = [node.input(2), node.input(3)]
    if any(name and builder.constant(name) is None for name in names):
        _host(builder, "ONNX_MATMUL_INTEGER", 4, a, b, np.dtype(np.int32))
        return
    one = np.ones(1, np.float32)
    zeros = [builder.constant(name) for name in names]
    if zeros[0] is not None and zeros[0].size != 1:
        builder.unsupported("a zero point for each row of the first operand")
    a = builder.quantized(a, builder.quantization(one, zeros[0], builder.tensor(a).dtype, None))
    right = builder.quantization(one, zeros[1], builder.tensor(b).dtype, len(b.shape) - 1)
    name, shape = _product(builder, a, b, np.int32, right)
    builder.define(name, PLAIN, shape)


def _host(
    builder: Builder, kind: str, operands: int, a: Value, b: Value, result: np.dtype
) -> None:
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        builder.unsupported(f"operands {a.shape} and {b.shape}")
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        builder.fail(f"operands {a.shape} and {b.shape}")
    shape = (*batch, a.shape[-2], b.shape[-1])
    inputs = [
        builder.plain(builder.value(index)) if builder.node.input(index) else None
        for index in range(operands)
    ]
    builder.define(builder.emit(kind, inputs, shape, result), PLAIN, shape)


@lower("com.microsoft.MatMulIntegerToFloat")
def matmul_integer_to_float(builder: Builder, node: Node) -> None:
    """A matrix product of integers with a float32 result: sums, then DEQUANTIZE."""
    a, b = builder.value(0), builder.value(1)
    left = builder.parameters(2, 4, builder.tensor(a).dtype)
    right = builder.parameters(3, 5, builder.tensor(b).dtype, axis=len(b.shape) - 1)
    last = len(b.shape) - 1
    if node.attributes.get("weight_axis", last) not in (-1, last) or node.input(6):
        builder.unsupported("weights must be quantized along their columns, without bias")
    a = builder.quantized(a, left)
    sums = _sums(left, right, max(len(a.shape), len(b.shape)) - 1)
    name, shape = _product(builder, a, b, np.int32, right, sums)
    builder.define(builder.emit("DEQUANTIZE", [name], shape, np.float32), PLAIN, shape)


def _sums(left: Quantization, right: Quantization, axis: int) -> Quantization:
    """What the sums of a product stand for: scales multiplied in float32."""
    scale = left.scale[0] * right.scale
    per_channel = axis if right.per_channel else None
    return Quantization(scale, np.zeros(scale.shape, np.int64), per_channel)


@lower("com.microsoft.QGemm")
def qgemm(builder: Builder, node: Node) -> None:
    """QGemm: with scale and zero point for the result integers, else float32."""
    a, b = builder.value(0), builder.value(3)
    data = builder.tensor(b).data
    if data is None or data.ndim != 2 or len(a.shape) != 2:
        builder.unsupported("weights must be a constant matrix")
    assert data is not None
    if float(node.attributes.get("alpha", 1.0)) != 1.0 or node.attributes.get("transA", 0):
        builder.unsupported("alpha and transA are not supported")
    transposed = bool(node.attributes.get("transB", 0))
    if node.attributes.get("weight_axis", 0 if transposed else 1) % 2 != (0 if transposed else 1):
        builder.unsupported("weights must be quantized along their output channels")
    left = builder.parameters(1, 2, builder.tensor(a).dtype)
    right = builder.parameters(4, 5, data.dtype, axis=0)
    a = builder.quantized(a, left)
    weights = data if transposed else data.T
    bias = None
    if node.input(6):
        vector = builder.known(6, "bias")
        if vector.dtype != np.int32 or vector.size != weights.shape[0]:
            builder.unsupported("the bias must be one int32 for each output")
        bias = builder.store(node.inputs[6], vector.reshape(-1))
    shape = (a.shape[0], weights.shape[0])
    if node.input(7):
        result = builder.tensor(builder.value(8)).dtype
        target = builder.parameters(7, 8, result)
        name = _connected(builder, a, weights, bias, result, right, target)
    else:
        sums = _sums(left, right, 1)
        name = _connected(builder, a, weights, bias, np.int32, right, sums)
        name = builder.emit("DEQUANTIZE", [name], shape, np.float32)
    builder.define(name, PLAIN, shape)
