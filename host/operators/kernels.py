# SPDX-License-Identifier: Apache-2.0
"""Imports every module that registers kernels."""

from . import (
    conversion,
    convolution,
    elementwise,
    fully_connected,
    movement,
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
    "fully_connected",
    "movement",
    "pixels",
    "pooling",
    "reduction",
    "shaping",
    "softmax",
    "unary",
]
