# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization: floating-point graphs to int8 with calibration data."""

from .calibration import METHODS, Range, calibrate
from .evaluation import Accuracy, accuracy, compare
from .post_training import quantize

__all__ = ["METHODS", "Accuracy", "Range", "accuracy", "calibrate", "compare", "quantize"]
