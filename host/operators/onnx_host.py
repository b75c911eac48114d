# SPDX-License-Identifier: Apache-2.0
"""Integer ONNX operators whose scales or zero points are computed: on the host, in ONNX's layout.

Source: the ONNX operator definitions; arithmetic as in `onnx_rescale`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sim.requantize import scale_float
from .convolution import windows
from .registry import Call, Step, Values, kernel
from .rescale import wrap32

__all__ = ["broadcast_parameter"]


def broadcast_parameter(values: NDArray, shape: tuple[int, ...], axis: int, block: int) -> NDArray:
    """A scale or zero point in a shape that broadcasts to ``shape``: one, per channel or blocks."""
    if values.size == 1 and not block:
        return values.reshape(())
    rank = len(shape)
    axis += rank if axis < 0 else 0
    if block:
        repeated = np.repeat(values, block, axis=axis)
        return np.take(repeated, np.arange(shape[axis]), axis=axis)
    expanded = [1] * rank
    expanded[axis] = values.size
    return values.reshape(expanded)


def _parameters(call: Call, values: Values) -> tuple[NDArray, Any]:
    axis, block = call.attribute("axis", 1), call.attribute("block_size", 0)
    shape = call.input(0).shape
    scale = broadcast_parameter(values[1], shape, axis, block)
    if len(values) < 3 or values[2] is None:
        return scale, 0
    return scale, broadcast_parameter(values[2], shape, axis, block).astype(np.int64)


def _check(call: Call) -> None:
    call.count((2, 3))
    call.shaped(call.input(0).shape)
    shape, scale = call.input(0).shape, call.input(1)
    axis, block = call.attribute("axis", 1), call.attribute("block_size", 0)
    zero = call.optional(2)
    if scale.dtype.kind != "f" or (zero is not None and zero.shape != scale.shape
                                   and zero.elements != scale.elements):
        call.malformed("scale and zero point do not fit each other")
    if scale.elements == 1 and not block:
        return
    axis = call.axis(axis, len(shape))
    blocks = [-(-n // block) if a == axis else n for a, n in enumerate(shape)] if block else []
    if (block and list(scale.shape) != blocks) or block < 0:
        call.malformed(f"scale of shape {scale.shape} in blocks of {block} for {shape}")
    if not block and (len(scale.shape) != 1 or scale.elements != shape[axis]):
        call.malformed(f"scale of shape {scale.shape} along axis {axis} of {shape}")


@kernel("ONNX_QUANTIZE_LINEAR", convention="onnx")
def quantize_linear(call: Call) -> Step:
    """QuantizeLinear."""
    _check(call)
    dtype = call.output.dtype
    if dtype.kind not in "iu":
        call.unsupported(f"quantization to {dtype}")
    limits = np.iinfo(dtype)

    def run(values: Values) -> list[NDArray]:
        scale, zero = _parameters(call, values)
        with np.errstate(all="ignore"):
            ratio = values[0].astype(np.float32) / scale.astype(np.float32)
            rounded = np.nan_to_num(np.rint(ratio).astype(np.float64), nan=float(limits.min))
        return [np.clip(rounded + zero, limits.min, limits.max).astype(dtype)]

    return run


@kernel("ONNX_DEQUANTIZE_LINEAR", convention="onnx")
def dequantize_linear(call: Call) -> Step:
    """DequantizeLinear."""
    _check(call)
    if call.input(0).dtype.kind not in "iu":
        call.unsupported(f"dequantization of {call.input(0).dtype}")

    def run(values: Values) -> list[NDArray]:
        scale, zero = _parameters(call, values)
        centered = (values[0].astype(np.int64) - zero).astype(np.float32)
        with np.errstate(all="ignore"):
            return [np.asarray(centered * scale.astype(np.float32), np.float32)]

    return run


@kernel("ONNX_DYNAMIC_QUANTIZE_LINEAR", convention="onnx")
def dynamic_quantize_linear(call: Call) -> Step:
    """DynamicQuantizeLinear: the range of the values, with zero, on 0 to 255."""
    call.count(1, 3)
    if call.input(0).dtype != np.float32 or not call.input(0).elements:
        call.unsupported(f"quantization of {call.input(0)}")

    def run(values: Values) -> list[NDArray]:
        x = values[0]
        low, high = np.minimum(x.min(), np.float32(0)), np.maximum(x.max(), np.float32(0))
        with np.errstate(all="ignore"):
            scale = (high - low) / np.float32(255) if high != low else np.float32(1)
            zero = np.clip(np.rint(-low / scale), 0, 255)
            rounded = np.nan_to_num(np.rint(x / scale)) + zero
        return [np.clip(rounded, 0, 255).astype(np.uint8), np.asarray(scale, np.float32),
                np.asarray(zero, np.uint8)]

    return run


def _sizes(call: Call, channels: int, scalars: tuple[int, ...], vectors: tuple[int, ...]) -> None:
    """Check operands that are one element, and those that are one or one for each channel."""
    for index in (*scalars, *vectors):
        tensor = call.optional(index)
        if tensor is None:
            continue
        if tensor.elements != 1 and (index in scalars or tensor.shape != (channels,)):
            call.unsupported(f"operand {index} of shape {tensor.shape} for {channels} channels")


def _types(call: Call, *indices: int) -> None:
    """Check that operands and the result are integers of 8 bits."""
    for tensor in [*(call.input(index) for index in indices), call.output]:
        if tensor.dtype.name not in ("int8", "uint8", "int32"):
            call.unsupported(f"{tensor.dtype} elements")


def _requantized(sums: NDArray, factor: NDArray, zero: NDArray, dtype: np.dtype) -> NDArray:
    limits = np.iinfo(dtype)
    with np.errstate(all="ignore"):
        factor = np.nan_to_num(factor.astype(np.float32))
    scaled = scale_float(wrap32(sums), factor).astype(np.int64) + int(zero.reshape(-1)[0])
    return np.clip(scaled, limits.min, limits.max).astype(dtype)


def _zero(values: Values, index: int) -> Any:
    if index >= len(values) or values[index] is None:
        return 0
    zero = values[index].astype(np.float64)
    return zero.reshape(()) if zero.size == 1 else zero


def _matrices(call: Call, first: int, second: int) -> None:
    _types(call, first, second)
    a, b = call.input(first).shape, call.input(second).shape
    if min(len(a), len(b)) < 2 or a[-1] != b[-2]:
        call.malformed(f"operands {a} and {b}")
    call.shaped((*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]))


@kernel("ONNX_QLINEAR_MATMUL", convention="onnx")
def qlinear_matmul(call: Call) -> Step:
    """QLinearMatMul."""
    call.count(8)
    _matrices(call, 0, 3)
    _sizes(call, call.output.shape[-1], (1, 2, 6, 7), (4, 5))
    dtype = call.output.dtype

    def run(values: Values) -> list[NDArray]:
        a, a_scale, _, b, b_scale, _, y_scale, y_zero = values
        sums = (a.astype(np.float64) - _zero(values, 2)) @ (
            b.astype(np.float64) - _zero(values, 5)
        )
        with np.errstate(all="ignore"):
            factor = a_scale.astype(np.float32) * b_scale.astype(np.float32) / y_scale.astype(
                np.float32
            )
        if factor.size == 1:
            factor = factor.reshape(())
        return [_requantized(sums.astype(np.int64), factor, y_zero, dtype)]

    return run


@kernel("ONNX_MATMUL_INTEGER", convention="onnx")
def matmul_integer(call: Call) -> Step:
    """MatMulInteger; a zero point for each row of the first or column of the second operand."""
    call.count((2, 4))
    _matrices(call, 0, 1)
    _sizes(call, call.output.shape[-1], (), (3,))
    _sizes(call, call.output.shape[-2], (), (2,))

    def run(values: Values) -> list[NDArray]:
        rows = np.asarray(_zero(values, 2))
        left = values[0].astype(np.float64) - (rows[..., None] if rows.ndim == 1 else rows)
        sums = left @ (values[1].astype(np.float64) - _zero(values, 3))
        return [wrap32(np.asarray(sums).astype(np.int64)).astype(np.int32)]

    return run


def _sums(call: Call, x: NDArray, weights: NDArray) -> NDArray[np.int64]:
    """Sums of a convolution of centered NCHW values and OIHW weights."""
    top, left, bottom, right = call.attribute("pads")
    full = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))).transpose(0, 2, 3, 1)
    groups = call.attribute("groups")
    channels, depth = weights.shape[:2]
    extent = (weights.shape[2], weights.shape[3])
    outputs = (call.output.shape[2], call.output.shape[3])
    view = windows(full, extent, call.attribute("stride"), call.attribute("dilation"), outputs)
    kernels = weights.transpose(0, 2, 3, 1).reshape(groups, channels // groups, -1)
    parts = [
        view[..., group * depth : (group + 1) * depth].reshape(-1, kernels.shape[2])
        @ kernels[group].T
        for group in range(groups)
    ]
    sums = np.concatenate(parts, axis=1).astype(np.int64)
    return sums.reshape(x.shape[0], *outputs, channels).transpose(0, 3, 1, 2)


def _centered(values: Values, weights: int, zero: int) -> NDArray[np.float64]:
    points = np.asarray(_zero(values, zero))
    if points.ndim == 1:
        points = points.reshape(-1, 1, 1, 1)
    return values[weights].astype(np.float64) - points


@kernel("ONNX_CONV_INTEGER", convention="onnx")
def conv_integer(call: Call) -> Step:
    """ConvInteger."""
    call.count((2, 4))
    _types(call, 0, 1)
    _sizes(call, call.input(1).shape[0], (2,), (3,))

    def run(values: Values) -> list[NDArray]:
        x = values[0].astype(np.float64) - _zero(values, 2)
        sums = _sums(call, x, _centered(values, 1, 3))
        return [np.ascontiguousarray(wrap32(sums).astype(np.int32))]

    return run


@kernel("ONNX_QLINEAR_CONV", convention="onnx")
def qlinear_conv(call: Call) -> Step:
    """QLinearConv."""
    call.count((8, 9))
    _types(call, 0, 3)
    _sizes(call, call.input(3).shape[0], (1, 2, 6, 7), (4, 5))
    if call.optional(8) is not None and call.input(8).shape != call.input(3).shape[:1]:
        call.malformed(f"bias of shape {call.input(8).shape}")
    dtype = call.output.dtype

    def run(values: Values) -> list[NDArray]:
        x = values[0].astype(np.float64) - _zero(values, 2)
        sums = _sums(call, x, _centered(values, 3, 5))
        if len(values) > 8 and values[8] is not None:
            sums = sums + values[8].astype(np.int64).reshape(-1, 1, 1)
        scales = [values[index].astype(np.float32).reshape(-1) for index in (1, 4, 6)]
        with np.errstate(all="ignore"):
            factor = (scales[0] * scales[1] / scales[2]).reshape(-1, 1, 1)
        return [np.ascontiguousarray(_requantized(sums, factor, values[7], dtype))]

    return run
