# SPDX-License-Identifier: Apache-2.0
"""Imports every module that registers kernels."""

from . import convolution, elementwise, fully_connected, pooling, shaping, softmax

__all__ = ["convolution", "elementwise", "fully_connected", "pooling", "shaping", "softmax"]
