# SPDX-License-Identifier: Apache-2.0
"""Convolutions and fully connected layers to layers of the accelerator."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...graph import Operator
from ...operators.convolution import Requantization, requantization
from ...operators.fully_connected import fully_connected_requantization
from ...operators.onnx_rescale import FloatRequantization, zero_points
from ...operators.onnx_rescale import requantization as onnx_requantization
from ...operators.registry import Call
from .forms import Form, ceiling, form_of
from .layers import Convolution
from .mapper import Mapper, Refusal
from .rescaling import Rescaling, wrap

__all__ = ["map_convolution", "map_depthwise", "map_fully_connected"]


Scale = Requantization | FloatRequantization


def _rescaling(call: Call, scale: Scale, weights: NDArray) -> Rescaling:
    """Parameters, with the input's zero point folded into the bias."""
    bias = call.optional(2)
    values = np.zeros(len(weights), np.int64)
    if bias is not None:
        if bias.data is None:
            raise Refusal("its bias is not constant")
        values += bias.data.reshape(-1)
    sums = weights.reshape(len(weights), -1).astype(np.int64).sum(axis=1)
    folded = wrap(values - call.input(0).zero_point * sums)
    if isinstance(scale, FloatRequantization):
        return Rescaling.float_scale(folded, scale.scale)
    return Rescaling.fixed_point(folded, scale.multiplier, scale.shift)


def _weights(call: Call) -> NDArray[np.int16]:
    """Constant weights without their zero point, from -255 to 255."""
    weights = call.input(1)
    if weights.data is None:
        raise Refusal("its weights are not constant")
    if weights.dtype != np.int8:
        raise Refusal(f"its weights are {weights.dtype}")
    data = weights.data.astype(np.int16)
    if weights.quantization is not None:
        data -= zero_points(weights, weights.quantization.axis or 0).astype(np.int16)
    return data


def _parts(weights: NDArray[np.int16]) -> NDArray[np.int8]:
    """Weights OHWI of a 1x1 kernel as int8 that add up to them: further taps on the same pixel."""
    parts = [np.clip(weights, -128, 127)]
    while (rest := weights - sum(parts)).any():
        parts.append(np.clip(rest, -128, 127))
    return np.concatenate(parts, axis=2).astype(np.int8)


def _taps(
    weights: NDArray[np.int16], dilation: tuple[int, int]
) -> tuple[NDArray[np.int8], tuple[int, int]]:
    """Weights OHWI as int8, and the dilation of their kernel."""
    if weights.size and -128 <= weights.min() and weights.max() <= 127:
        return weights.astype(np.int8), dilation
    if weights.shape[1:3] != (1, 1):
        raise Refusal("its weights without their zero point do not fit int8")
    return _parts(weights), (1, 0)


def _build(mapper: Mapper, operator: Operator, weights: NDArray[np.int16],
           groups: int) -> Convolution:
    """A convolution from weights in OHWI order."""
    mapper.require_convention()
    call = mapper.call(operator)
    scale: Scale = (
        onnx_requantization(call) if mapper.graph.convention == "onnx"
        else requantization(call, len(weights))
    )
    name, operators = mapper.name(operator, 0), [operator]
    pads = call.attribute("pads")
    before = (pads[0], pads[1])
    if name in mapper.padded:
        padding, amounts = mapper.padded[name]
        operators.append(padding)
        before = (pads[0] + amounts[0], pads[1] + amounts[1])
        name = mapper.name(padding, 0)
    stored, dilation = _taps(weights, tuple(call.attribute("dilation")))
    return Convolution(
        operator.name, operators, (name,), operator.outputs[0],
        form_of(mapper.graph.tensors[name].shape), form_of(call.output.shape),
        call.input(0).zero_point, scale.zero_point, (scale.clamp_low, scale.clamp_high),
        macs=mapper.graph.multiply_accumulates(operator), weights=stored, groups=groups,
        rescaling=_rescaling(call, scale, weights), stride=tuple(call.attribute("stride")),
        dilation=dilation, before=before,
    )


def map_convolution(mapper: Mapper, operator: Operator) -> Convolution:
    """CONV_2D, also grouped."""
    call = mapper.call(operator)
    weights = _weights(call)
    return _build(mapper, operator, weights, call.input(0).shape[3] // weights.shape[3])


def map_depthwise(mapper: Mapper, operator: Operator) -> Convolution:
    """DEPTHWISE_CONV_2D: as many groups as input channels."""
    call = mapper.call(operator)
    weights = np.ascontiguousarray(_weights(call).transpose(3, 1, 2, 0))
    return _build(mapper, operator, weights, call.input(0).shape[3])


def map_fully_connected(mapper: Mapper, operator: Operator) -> Convolution:
    """FULLY_CONNECTED as a 1x1 convolution, or one as large as the feature map that it flattens."""
    mapper.require_convention()
    call = mapper.call(operator)
    weights = _weights(call)
    scale: Scale = (
        onnx_requantization(call) if mapper.graph.convention == "onnx"
        else fully_connected_requantization(call)
    )
    outputs, depth = weights.shape
    name = mapper.name(operator, 0)
    lines = math.prod(mapper.graph.tensors[name].shape) // depth
    wide = weights.size > 0 and (weights.min() < -128 or weights.max() > 127)
    kernel, source, result = _geometry(mapper, name, lines, depth, outputs, flat=wide)
    shaped, dilation = _taps(np.ascontiguousarray(weights).reshape(outputs, *kernel, -1), (1, 1))
    return Convolution(
        operator.name, [operator], (name,), operator.outputs[0], source, result,
        call.input(0).zero_point, scale.zero_point, (scale.clamp_low, scale.clamp_high),
        macs=mapper.graph.multiply_accumulates(operator), weights=shaped,
        rescaling=_rescaling(call, scale, weights), dilation=dilation,
    )


def _geometry(mapper: Mapper, name: str, lines: int, depth: int, outputs: int, *,
              flat: bool) -> tuple[tuple[int, int], Form, Form]:
    """Kernel, form of the input and form of the output.

    Where the input is a feature map that the accelerator computes, its form is kept, unless few
    channels would leave most of the array empty, or the kernel has to be 1x1 (``flat``).
    """
    rows = mapper.config.rows
    natural = mapper.forms.get(mapper.root(name))
    if natural is not None:
        if natural.channels == depth and natural.pixels == lines:
            return (1, 1), natural, natural._replace(channels=outputs)
        size = natural.height * natural.width
        if not flat and natural.batch == lines and size * natural.channels == depth:
            if size * ceiling(natural.channels, rows) <= 2 * ceiling(depth, rows):
                kernel = natural.height, natural.width
                return kernel, natural, Form(natural.batch, 1, 1, outputs)
    return (1, 1), Form(1, 1, lines, depth), Form(1, 1, lines, outputs)
