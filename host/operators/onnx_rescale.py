# SPDX-License-Identifier: Apache-2.0
"""Scales of convention ``onnx``: float32 products, rounded half to even and saturated.

Source: onnxruntime, ``core/mlas/lib/quantize.cpp`` (MlasRequantizeOutput, MlasQuantizeLinear),
``core/providers/cpu/quantization/qlinearconv.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from ..sim.requantize import scale_float
from .registry import Call
from .rescale import wrap32

__all__ = [
    "INTEGERS", "FloatRequantization", "dequantize", "quantize", "requantization", "zero_points",
]

INTEGERS = ("int8", "uint8")


def quantize(values: NDArray, tensor: Tensor) -> NDArray:
    """QuantizeLinear of float32 values to the type, scale and zero point of a tensor."""
    limits = np.iinfo(tensor.dtype)
    with np.errstate(all="ignore"):
        ratio = values.astype(np.float32, copy=False) / np.float32(tensor.scale)
        low, high = limits.min - tensor.zero_point, limits.max - tensor.zero_point
        # A value that is not a number becomes the smallest integer, as x86 instructions have it.
        bounded = np.where(np.isnan(ratio), low, np.clip(ratio, low, high))
    return (np.rint(bounded).astype(np.int64) + tensor.zero_point).astype(tensor.dtype)


def dequantize(values: NDArray, tensor: Tensor) -> NDArray[np.float32]:
    """DequantizeLinear of a tensor that is quantized per tensor: the product in float32."""
    centered = (values.astype(np.int64) - tensor.zero_point).astype(np.float32)
    return centered * np.float32(tensor.scale)


def zero_points(tensor: Tensor, axis: int) -> NDArray[np.int64]:
    """Zero points of a tensor in a shape that broadcasts along ``axis``."""
    quantization = tensor.quantization
    if quantization is None:
        return np.zeros((), np.int64)
    if quantization.axis is None:
        return quantization.zero_point.reshape(())
    shape = [1] * len(tensor.shape)
    shape[axis] = quantization.zero_point.size
    return quantization.zero_point.reshape(shape)


@dataclass(frozen=True)
class FloatRequantization:
    """How int32 sums become integers: one float32 factor for each channel.

    Parameters
    ----------
    scale : array of float32, shape [1] or [channels]
        Factor.
    zero_point : int
        Of the result.
    clamp_low, clamp_high : int
        Smallest and largest result: fused activation and element type.
    dtype : numpy.dtype
        Of the result.
    """

    scale: NDArray[np.float32]
    zero_point: int
    clamp_low: int
    clamp_high: int
    dtype: np.dtype

    def __call__(self, sums: NDArray) -> NDArray:
        """Rescale int32 sums ``[..., channels]``; wider integers wrap first."""
        scaled = scale_float(wrap32(sums), self.scale).astype(np.int64) + self.zero_point
        return np.clip(scaled, self.clamp_low, self.clamp_high).astype(self.dtype)


def requantization(call: Call, factor: NDArray[np.float32] | None = None) -> FloatRequantization:
    """The rescaling of a product of inputs 0 and 1: ``x_scale * w_scale / y_scale`` in float32.

    Parameters
    ----------
    call : Call
        The operator; its ``activation`` becomes a clamp.
    factor : array of float32, optional
        Used instead of the product.
    """
    result = call.output
    if factor is None:
        weights = call.input(1)
        if weights.quantization is None:
            call.malformed(f"weights {weights.name!r} have no quantization")
        with np.errstate(all="ignore"):
            product = np.float32(call.input(0).scale) * weights.quantization.scale
            factor = product / np.float32(result.scale)
    if not np.isfinite(factor).all():
        call.malformed("scale ratio is not finite")
    limits = np.iinfo(result.dtype)
    low, high = int(limits.min), int(limits.max)
    activation = call.attribute("activation", "NONE")
    if activation in ("RELU", "RELU6"):
        low = max(low, result.zero_point)
    elif activation != "NONE":
        call.unsupported(f"fused activation {activation} is not supported")
    if activation == "RELU6":
        high = min(high, int(quantize(np.array([6.0], np.float32), result)[0]))
    return FloatRequantization(factor, result.zero_point, low, high, np.dtype(result.dtype))
