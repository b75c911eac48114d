# SPDX-License-Identifier: Apache-2.0
"""Convolutions and matrix products of integers under convention ``onnx``.

An int32 result is the sums themselves (ConvInteger, MatMulInteger). The sums are exact float64
products. Source: onnxruntime, ``core/providers/cpu/quantization/{qlinearconv,conv_integer,
quantize_linear_matmul,matmul_integer}.cc`` and ``contrib_ops/cpu/quantization/quant_gemm.cc``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .convolution import bias_values, geometry, windows
from .onnx_rescale import INTEGERS, requantization, zero_points
from .registry import Call, Step, Values, kernel
from .rescale import wrap32

__all__ = ["batch_matmul", "convolution", "depthwise_convolution", "fully_connected"]


def _finish(call: Call) -> Callable[[NDArray], NDArray]:
    """From float64 sums to the result: requantized, or int32 as they are."""
    if call.output.dtype == np.int32:
        if call.attribute("activation", "NONE") != "NONE":
            call.unsupported("a fused activation on sums")
        return lambda sums: wrap32(sums).astype(np.int32)
    return requantization(call)


def _check(call: Call, channels: int, axis: int) -> None:
    x, weights = call.input(0), call.input(1)
    call.quantized(x, dtypes=INTEGERS)
    if weights.dtype.name not in INTEGERS:
        call.unsupported(f"{weights.dtype} weights are not supported")
    if weights.quantization is None or weights.quantization.axis not in (None, axis):
        call.unsupported(f"weights must be quantized per tensor or along axis {axis}")
    if call.output.dtype != np.int32:
        call.quantized(call.output, dtypes=INTEGERS)
    bias = call.optional(2)
    if bias is not None and (bias.dtype != np.int32 or bias.elements != channels):
        call.unsupported(f"bias {bias} is not one int32 for each of {channels} channels")


def padded(x: NDArray, pads: tuple[int, int, int, int], zero_point: int) -> NDArray[np.float64]:
    """A feature map without zero point, with zeros around it."""
    top, left, bottom, right = pads
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(x.astype(np.float64) - zero_point, around)


@kernel("CONV_2D", convention="onnx")
def convolution(call: Call) -> Step:
    """QLinearConv and ConvInteger, also grouped."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    if len(x.shape) != 4 or len(weights.shape) != 4:
        call.malformed("input and weights must have four dimensions")
    channels, height, width, depth = weights.shape
    if min(weights.shape) < 1 or x.shape[3] % depth or channels % (x.shape[3] // depth or 1):
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    _check(call, channels, 0)
    outputs, pads = geometry(call, channels)
    stride, dilation = call.attribute("stride"), call.attribute("dilation")
    groups, zero_point = x.shape[3] // depth, x.zero_point
    zeros, finish = zero_points(weights, 0), _finish(call)

    def run(values: Values) -> list[NDArray]:
        view = windows(
            padded(values[0], pads, zero_point), (height, width), stride, dilation, outputs
        )
        centered = values[1].astype(np.float64) - zeros
        kernels = centered.reshape(groups, channels // groups, -1)
        parts = []
        for group in range(groups):
            part = view[..., group * depth : (group + 1) * depth]
            parts.append(part.reshape(-1, height * width * depth) @ kernels[group].T)
        sums = np.concatenate(parts, axis=1).astype(np.int64) + bias_values(values)
        return [finish(sums).reshape(call.output.shape)]

    return run


@kernel("DEPTHWISE_CONV_2D", convention="onnx")
def depthwise_convolution(call: Call) -> Step:
    """QLinearConv and ConvInteger with one input channel a group."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    if len(x.shape) != 4 or len(weights.shape) != 4:
        call.malformed("input and weights must have four dimensions")
    one, height, width, channels = weights.shape
    if one != 1 or min(weights.shape) < 1 or x.shape[3] < 1 or channels % x.shape[3]:
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    times = channels // x.shape[3]
    _check(call, channels, 3)
    outputs, pads = geometry(call, channels)
    stride, dilation = call.attribute("stride"), call.attribute("dilation")
    zeros, finish, zero_point = zero_points(weights, 3), _finish(call), x.zero_point

    def run(values: Values) -> list[NDArray]:
        full = padded(values[0], pads, zero_point)
        view = windows(full, (height, width), stride, dilation, outputs)
        kernels = (values[1].astype(np.float64) - zeros).reshape(height, width, channels)
        sums = np.zeros((x.shape[0], *outputs, channels))
        for row in range(height):
            for column in range(width):
                tap = view[:, :, :, row, column]
                sums += (np.repeat(tap, times, axis=3) if times > 1 else tap) * kernels[row, column]
        return [finish(sums.astype(np.int64) + bias_values(values))]

    return run


@kernel("FULLY_CONNECTED", convention="onnx")
def fully_connected(call: Call) -> Step:
    """QLinearMatMul, MatMulInteger and QGemm with constant weights [outputs, inputs]."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    if len(weights.shape) != 2 or min(weights.shape) < 1:
        call.malformed(f"weights have shape {weights.shape}, not (outputs, inputs)")
    channels, depth = weights.shape
    if not x.shape or x.elements % depth:
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    _check(call, channels, 0)
    rows = x.elements // depth
    if call.output.elements != rows * channels or call.output.shape[-1:] != (channels,):
        call.malformed(f"output {call.output.shape} does not hold {rows} x {channels} elements")
    zeros, finish, zero_point = zero_points(weights, 0), _finish(call), x.zero_point

    def run(values: Values) -> list[NDArray]:
        left = values[0].reshape(rows, depth).astype(np.float64) - zero_point
        sums = left @ (values[1].astype(np.float64) - zeros).T
        result = finish(sums.astype(np.int64) + bias_values(values))
        return [result.reshape(call.output.shape)]

    return run


@kernel("BATCH_MATMUL", convention="onnx")
def batch_matmul(call: Call) -> Step:
    """QLinearMatMul and MatMulInteger of two matrices, or batches that broadcast."""
    call.count(2)
    a, b = call.input(0), call.input(1)
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        call.malformed(f"operands {a.shape} and {b.shape}")
    if call.attribute("adj_x", False) or call.attribute("adj_y", False):
        call.unsupported("transposed operands are not supported")
    _check(call, b.shape[-1], len(b.shape) - 1)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    call.shaped((*batch, a.shape[-2], b.shape[-1]))
    zeros, finish = zero_points(b, len(b.shape) - 1), _finish(call)
    zero_point = a.zero_point

    def run(values: Values) -> list[NDArray]:
        left = values[0].astype(np.float64) - zero_point
        sums = left @ (values[1].astype(np.float64) - zeros)
        return [finish(sums.astype(np.int64))]

    return run
