# SPDX-License-Identifier: Apache-2.0
"""Imports every module that registers kernels."""

from . import (
    conversion,
    convolution,
    elementwise,
    floating,
    fully_connected,
    movement,
    onnx_elementwise,
    onnx_host,
    onnx_linear,
    onnx_pooling,
    pixels,
    pooling,
    reduction,
    shaping,
    softmax,
    unary,
)

__all__ = [
    "conversion",
    "convolution",
    "elementwise",
    "floating",
    "fully_connected",
    "movement",
    "onnx_elementwise",
    "onnx_host",
    "onnx_linear",
    "onnx_pooling",
    "pixels",
    "pooling",
    "reduction",
    "shaping",
    "softmax",
    "unary",
]
