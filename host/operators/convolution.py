# SPDX-License-Identifier: Apache-2.0
"""CONV_2D and DEPTHWISE_CONV_2D in int8, as TensorFlow Lite Micro's reference kernels.

Source: TensorFlow Lite, ``kernels/internal/reference/integer_ops/{conv,depthwise_conv}.h``. The
sums are exact float64 matrix products of windows that are views of the padded input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..graph import Tensor
from .registry import Call, Step, Values, kernel
from .rescale import activation_range, channel_multipliers, multiply, wrap32

__all__ = ["Requantization", "bias_values", "requantization", "windows"]


@dataclass(frozen=True)
class Requantization:
    """How the int32 sums of a layer become int8.

    Parameters
    ----------
    multiplier, shift : arrays of int64, shape [channels]
        Q31 multiplier and power of two, positive to the left.
    zero_point : int
        Of the result.
    clamp_low, clamp_high : int
        Smallest and largest result: fused activation and int8.
    """

    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    zero_point: int
    clamp_low: int
    clamp_high: int

    def __call__(self, sums: NDArray) -> NDArray[np.int8]:
        """Rescale int32 sums ``[..., channels]``; wider integers wrap first."""
        scaled = multiply(wrap32(sums), self.multiplier, self.shift) + self.zero_point
        return np.clip(scaled, self.clamp_low, self.clamp_high).astype(np.int8)


def requantization(call: Call, channels: int) -> Requantization:
    """The rescaling of a convolution (float64 products, per channel or per tensor)."""
    multiplier, shift = channel_multipliers(call.input(0), call.input(1), call.output, channels)
    low, high = activation_range(call.attribute("activation", "NONE"), call.output)
    return Requantization(multiplier, shift, call.output.zero_point, low, high)


def windows(
    x: NDArray, extent: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int],
    outputs: tuple[int, int],
) -> NDArray:
    """A view ``[batch, out_h, out_w, kernel_h, kernel_w, channels]`` of a padded NHWC array."""
    batch, row, column, channel = x.strides
    return as_strided(
        x,
        (x.shape[0], *outputs, *extent, x.shape[3]),
        (
            batch, row * stride[0], column * stride[1], row * dilation[0], column * dilation[1],
            channel,
        ),
        writeable=False,
    )


def geometry(call: Call, channels: int) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """Output rows and columns, and the padding of rows and columns.

    The padding is cut to what the windows reach: ``SAME`` never needs more, and explicit padding
    may leave rows that no window covers.
    """
    x, weights = call.input(0), call.input(1)
    top, left, bottom, right = call.attribute("pads")
    sizes = []
    for axis, before, after in ((0, top, bottom), (1, left, right)):
        extent = (weights.shape[1 + axis] - 1) * call.attribute("dilation")[axis] + 1
        padded = x.shape[1 + axis] + before + after
        if padded < extent:
            call.malformed(f"window of {extent} is larger than the padded input ({padded})")
        sizes.append((padded - extent) // call.attribute("stride")[axis] + 1)
    call.shaped((x.shape[0], *sizes, channels))
    return (sizes[0], sizes[1]), (top, left, bottom, right)


def check_operands(call: Call, channels: int, channel_axis: int) -> None:
    """Types, quantization and bias of a convolution."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    call.quantized(x, call.output)
    if weights.dtype != np.int8:
        call.unsupported(f"unsupported quantization: {weights.dtype} weights, only int8")
    symmetric(call, weights, channel_axis)
    bias = call.optional(2)
    if bias is not None:
        if bias.dtype != np.int32:
            call.unsupported(f"unsupported quantization: {bias.dtype} bias, only int32")
        if bias.elements != channels:
            call.malformed(f"bias has {bias.elements} elements for {channels} channels")


def symmetric(call: Call, weights: Tensor, channel_axis: int) -> None:
    """Check that weights are quantized without zero point, along their output channels."""
    quantization = weights.quantization
    if quantization is None:
        call.malformed(f"weights {weights.name!r} have no quantization")
    if quantization.zero_point.any():
        call.malformed("unsupported quantization: weights must have zero point 0")
    if quantization.axis not in (None, channel_axis):
        call.malformed(
            f"unsupported quantization: weights are quantized along axis {quantization.axis}, "
            f"not {channel_axis}"
        )


def bias_values(values: Values) -> NDArray[np.int64] | int:
    """The bias among the values of an operator's inputs, or 0."""
    return 0 if len(values) < 3 or values[2] is None else values[2].reshape(-1).astype(np.int64)


def _padded(
    x: NDArray, pads: tuple[int, int, int, int], zero_point: int
) -> NDArray[np.float64]:
    top, left, bottom, right = pads
    batch, height, width, channels = x.shape
    padded = np.zeros((batch, height + top + bottom, width + left + right, channels))
    padded[:, top : top + height, left : left + width] = x
    padded[:, top : top + height, left : left + width] -= zero_point
    return padded


@kernel("CONV_2D")
def convolution(call: Call) -> Step:
    """int8 CONV_2D, also grouped: input channels a multiple of those of the weights."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    if len(x.shape) != 4 or len(weights.shape) != 4:
        call.malformed("input and weights must have four dimensions")
    channels, height, width, depth = weights.shape
    if min(weights.shape) < 1 or x.shape[3] % depth or channels % (x.shape[3] // depth or 1):
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    check_operands(call, channels, 0)
    outputs, pads = geometry(call, channels)
    stride, dilation = call.attribute("stride"), call.attribute("dilation")
    rescale = requantization(call, channels)
    groups, zero_point = x.shape[3] // depth, x.zero_point

    def run(values: Values) -> list[NDArray]:
        view = windows(
            _padded(values[0], pads, zero_point), (height, width), stride, dilation, outputs
        )
        kernels = values[1].reshape(groups, channels // groups, -1).astype(np.float64)
        parts = []
        for group in range(groups):
            part = view[..., group * depth : (group + 1) * depth]
            parts.append(part.reshape(-1, height * width * depth) @ kernels[group].T)
        sums = np.concatenate(parts, axis=1) if groups > 1 else parts[0]
        result = rescale(sums.astype(np.int64) + bias_values(values))
        return [result.reshape(call.output.shape)]

    return run


@kernel("DEPTHWISE_CONV_2D")
def depthwise_convolution(call: Call) -> Step:
    """int8 DEPTHWISE_CONV_2D; output channel ``c * depth_multiplier + m`` reads channel ``c``."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    if len(x.shape) != 4 or len(weights.shape) != 4:
        call.malformed("input and weights must have four dimensions")
    one, height, width, channels = weights.shape
    if one != 1 or min(weights.shape) < 1 or x.shape[3] < 1 or channels % x.shape[3]:
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    times = channels // x.shape[3]
    if call.attribute("depth_multiplier", 0) not in (0, times):
        call.malformed(f"depth multiplier {call.attribute('depth_multiplier')}, not {times}")
    check_operands(call, channels, 3)
    outputs, pads = geometry(call, channels)
    stride, dilation = call.attribute("stride"), call.attribute("dilation")
    rescale = requantization(call, channels)
    zero_point = x.zero_point

    def run(values: Values) -> list[NDArray]:
        padded = _padded(values[0], pads, zero_point)
        view = windows(padded, (height, width), stride, dilation, outputs)
        kernels = values[1].reshape(height, width, channels).astype(np.float64)
        sums = np.zeros((x.shape[0], *outputs, channels))
        for row in range(height):
            for column in range(width):
                tap = view[:, :, :, row, column]
                sums += (np.repeat(tap, times, axis=3) if times > 1 else tap) * kernels[row, column]
        return [rescale(sums.astype(np.int64) + bias_values(values))]

    return run
