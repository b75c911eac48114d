# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED in int8, as TensorFlow Lite Micro's reference kernel (double rounding).

Source: TensorFlow Lite Micro, ``kernels/fully_connected_common.cc`` and
``kernels/kernel_util.cc`` (GetQuantizedConvolutionMultipler).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .convolution import Requantization, bias_values, check_operands
from .registry import Call, Step, Values, kernel
from .rescale import activation_range, channel_multipliers, quantize_multiplier

__all__ = ["fully_connected_requantization"]


def fully_connected_requantization(call: Call) -> Requantization:
    """The rescaling of a fully connected layer.

    One scale for all weights is multiplied with the input's in float32 before the division in
    float64; scales per channel are multiplied in float64 as those of convolutions are.
    """
    x, weights = call.input(0), call.input(1)
    channels = weights.shape[0]
    if weights.quantization is not None and weights.quantization.scale.size > 1:
        multiplier, shift = channel_multipliers(x, weights, call.output, channels)
    else:
        with np.errstate(over="ignore", under="ignore"):
            product = float(np.float32(x.scale) * np.float32(weights.scale))
        pair = quantize_multiplier(product / call.output.scale)
        multiplier, shift = (np.full(channels, value, np.int64) for value in pair)
    low, high = activation_range(call.attribute("activation", "NONE"), call.output)
    return Requantization(multiplier, shift, call.output.zero_point, low, high)


@kernel("FULLY_CONNECTED")
def fully_connected(call: Call) -> Step:
    """int8 FULLY_CONNECTED; the input counts as rows of as many elements as the weights have."""
    call.count((2, 3))
    x, weights = call.input(0), call.input(1)
    if len(weights.shape) != 2 or min(weights.shape) < 1:
        call.malformed(f"weights have shape {weights.shape}, not (outputs, inputs)")
    if call.attribute("weights_format", 0):
        call.unsupported("shuffled weights are not supported")
    channels, depth = weights.shape
    if x.elements % depth or not x.shape:
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    check_operands(call, channels, 0)
    rows = x.elements // depth
    if call.output.elements != rows * channels:
        call.malformed(f"output {call.output.shape} does not hold {rows} x {channels} elements")
    if call.output.shape and call.output.shape[-1] != channels:
        call.malformed(f"output {call.output.shape} does not end with {channels} channels")
    rescale = fully_connected_requantization(call)
    zero_point = x.zero_point

    def run(values: Values) -> list[NDArray]:
        rows_of_input = values[0].reshape(rows, depth).astype(np.float64) - zero_point
        sums = rows_of_input @ values[1].astype(np.float64).T
        result = rescale(sums.astype(np.int64) + bias_values(values))
        return [result.reshape(call.output.shape)]

    return run
