# SPDX-License-Identifier: Apache-2.0
"""Floating-point operators: what a partly supported model needs on the host, and calibration.

They follow the definitions of ONNX and TensorFlow Lite in the type of their operands. Sums are in
NumPy's order, so they agree with other implementations to rounding, not bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .convolution import geometry, windows
from .onnx_pooling import pool_windows
from .registry import Call, Step, Values, kernel

__all__ = ["ACTIVATIONS"]

Function = Callable[[NDArray, Call], NDArray]

ACTIVATIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "NONE": lambda x: x,
    "RELU": lambda x: np.maximum(x, x.dtype.type(0)),
    "RELU6": lambda x: np.clip(x, x.dtype.type(0), x.dtype.type(6)),
    "RELU_N1_TO_1": lambda x: np.clip(x, x.dtype.type(-1), x.dtype.type(1)),
}
"""Fused activations."""


def _activation(call: Call) -> Callable[[NDArray], NDArray]:
    name = call.attribute("activation", "NONE")
    if name not in ACTIVATIONS:
        call.unsupported(f"fused activation {name} is not supported")
    return ACTIVATIONS[name]


def _erf(x: NDArray) -> NDArray:
    return np.vectorize(math.erf, otypes=[x.dtype])(x) if x.size else x


def _logistic(x: NDArray) -> NDArray:
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def _gelu(x: NDArray, call: Call) -> NDArray:
    if call.attribute("approximate", False):
        return x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))) / 2
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def _hard_swish(x: NDArray, call: Call) -> NDArray:
    # onnxruntime multiplies by the sixth, TensorFlow Lite divides.
    slope = call.attribute("slope", None)
    return x * np.clip((x / 6 if slope is None else x * slope) + 0.5, 0, 1)


FUNCTIONS: dict[str, Function] = {
    "RELU": lambda x, call: ACTIVATIONS["RELU"](x),
    "RELU6": lambda x, call: ACTIVATIONS["RELU6"](x),
    "RELU_N1_TO_1": lambda x, call: ACTIVATIONS["RELU_N1_TO_1"](x),
    "LOGISTIC": lambda x, call: _logistic(x),
    "TANH": lambda x, call: np.tanh(x),
    "EXP": lambda x, call: np.exp(x),
    "LOG": lambda x, call: np.log(x),
    "SQRT": lambda x, call: np.sqrt(x),
    "NEG": lambda x, call: -x,
    "ABS": lambda x, call: np.abs(x),
    "FLOOR": lambda x, call: np.floor(x),
    "CEIL": lambda x, call: np.ceil(x),
    "ROUND": lambda x, call: np.rint(x),
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": lambda x, call: np.where(x >= 0, x, x * call.attribute("alpha", 0.01)),
    "ELU": lambda x, call: np.where(x > 0, x, call.attribute("alpha", 1.0) * np.expm1(x)),
    "GELU": _gelu,
    "ONNX_CLIP": lambda x, call: np.clip(x, call.attribute("low"), call.attribute("high")),
    "ONNX_ERF": lambda x, call: _erf(x),
    "ONNX_HARD_SIGMOID": lambda x, call: np.clip(
        call.attribute("alpha") * x + call.attribute("beta"), 0, 1
    ),
    "ONNX_RECIPROCAL": lambda x, call: 1 / x,
    "ONNX_SOFTPLUS": lambda x, call: np.logaddexp(x, 0),
}


@kernel(*FUNCTIONS, convention="float")
def unary(call: Call) -> Step:
    """A function of every element."""
    call.count(1)
    call.shaped(call.input(0).shape)
    function, dtype = FUNCTIONS[call.operator.kind], call.output.dtype

    def run(values: Values) -> list[NDArray]:
        with np.errstate(all="ignore"):
            return [np.asarray(function(values[0], call)).astype(dtype)]

    return run


@kernel("ONNX_CAST", convention="float")
@kernel("ONNX_CAST", convention="onnx")
def cast(call: Call) -> Step:
    """To another element type."""
    call.count(1)
    call.shaped(call.input(0).shape)

    def run(values: Values) -> list[NDArray]:
        with np.errstate(all="ignore"):
            return [values[0].astype(call.output.dtype)]

    return run


ARITHMETIC = {
    "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "DIV": np.divide, "POW": np.power,
}


@kernel(*ARITHMETIC, convention="float")
def arithmetic(call: Call) -> Step:
    """Two operands, broadcast."""
    call.count(2)
    a, b = call.input(0), call.input(1)
    call.same_type(a, b, call.output)
    call.shaped(np.broadcast_shapes(a.shape, b.shape))
    function, activation = ARITHMETIC[call.operator.kind], _activation(call)

    def run(values: Values) -> list[NDArray]:
        with np.errstate(all="ignore"):
            return [activation(np.asarray(function(values[0], values[1])))]

    return run


def _same(call: Call) -> None:
    tensors = [tensor for tensor in call.inputs if tensor is not None]
    call.same_type(*tensors, call.output)


@kernel("CONV_2D", convention="float")
def convolution(call: Call) -> Step:
    """CONV_2D, also grouped."""
    call.count((2, 3))
    _same(call)
    x, weights = call.input(0), call.input(1)
    if len(x.shape) != 4 or len(weights.shape) != 4 or min(weights.shape) < 1:
        call.malformed(f"input {x.shape}, weights {weights.shape}")
    channels, height, width, depth = weights.shape
    if x.shape[3] % depth or channels % (x.shape[3] // depth or 1):
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    (rows, columns), pads = geometry(call, channels)
    groups, activation = x.shape[3] // depth, _activation(call)
    stride, dilation = call.attribute("stride"), call.attribute("dilation")
    top, left, bottom, right = pads

    def run(values: Values) -> list[NDArray]:
        full = np.pad(values[0], ((0, 0), (top, bottom), (left, right), (0, 0)))
        view = windows(full, (height, width), stride, dilation, (rows, columns))
        kernels = values[1].reshape(groups, channels // groups, -1)
        parts = [
            view[..., g * depth : (g + 1) * depth].reshape(-1, kernels.shape[2]) @ kernels[g].T
            for g in range(groups)
        ]
        sums = np.concatenate(parts, axis=1).reshape(call.output.shape)
        if len(values) > 2 and values[2] is not None:
            sums = sums + values[2].reshape(-1)
        return [activation(sums)]

    return run


@kernel("DEPTHWISE_CONV_2D", convention="float")
def depthwise_convolution(call: Call) -> Step:
    """DEPTHWISE_CONV_2D."""
    call.count((2, 3))
    _same(call)
    x, weights = call.input(0), call.input(1)
    if len(x.shape) != 4 or len(weights.shape) != 4 or min(weights.shape) < 1:
        call.malformed(f"input {x.shape}, weights {weights.shape}")
    _, height, width, channels = weights.shape
    if weights.shape[0] != 1 or x.shape[3] < 1 or channels % x.shape[3]:
        call.malformed(f"weights {weights.shape} do not fit input {x.shape}")
    times = channels // x.shape[3]
    outputs, (top, left, bottom, right) = geometry(call, channels)
    stride, dilation = call.attribute("stride"), call.attribute("dilation")
    activation = _activation(call)

    def run(values: Values) -> list[NDArray]:
        full = np.pad(values[0], ((0, 0), (top, bottom), (left, right), (0, 0)))
        view = windows(full, (height, width), stride, dilation, outputs)
        sums = np.zeros(call.output.shape, x.dtype)
        for row in range(height):
            for column in range(width):
                tap = np.repeat(view[:, :, :, row, column], times, axis=3)
                sums += tap * values[1][0, row, column]
        if len(values) > 2 and values[2] is not None:
            sums += values[2].reshape(-1)
        return [activation(sums)]

    return run


@kernel("FULLY_CONNECTED", convention="float")
def fully_connected(call: Call) -> Step:
    """FULLY_CONNECTED."""
    call.count((2, 3))
    _same(call)
    weights, activation = call.input(1), _activation(call)
    if len(weights.shape) != 2 or min(weights.shape) < 1 or (
        call.input(0).elements % weights.shape[1]
    ):
        call.malformed(f"weights {weights.shape} do not fit input {call.input(0).shape}")
    if call.output.elements * weights.shape[1] != call.input(0).elements * weights.shape[0]:
        call.malformed(f"output {call.output.shape} does not fit")
    bias = call.optional(2)
    if bias is not None and bias.elements != weights.shape[0]:
        call.malformed(f"bias {bias.shape} for {weights.shape[0]} outputs")

    def run(values: Values) -> list[NDArray]:
        sums = values[0].reshape(-1, weights.shape[1]) @ values[1].T
        if len(values) > 2 and values[2] is not None:
            sums = sums + values[2].reshape(-1)
        return [activation(sums).reshape(call.output.shape)]

    return run


@kernel("BATCH_MATMUL", convention="float")
def batch_matmul(call: Call) -> Step:
    """Matrix products of batches that broadcast."""
    call.count(2)
    _same(call)
    a, b = call.input(0), call.input(1)
    if call.attribute("adj_x", False) or call.attribute("adj_y", False):
        call.unsupported("transposed operands are not supported")
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        call.malformed(f"operands {a.shape} and {b.shape}")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    call.shaped((*batch, a.shape[-2], b.shape[-1]))
    return lambda values: [np.matmul(values[0], values[1])]


@kernel("MAX_POOL_2D", "AVERAGE_POOL_2D", convention="float")
def pool(call: Call) -> Step:
    """Maximum or mean of windows; elements outside the map do not count."""
    call.count(1)
    _same(call)
    x, activation = call.input(0), _activation(call)
    _, taps = pool_windows(call)
    if call.operator.kind == "MAX_POOL_2D":
        return lambda values: [activation(np.maximum.reduce(taps(values[0], -np.inf)))]
    ones = np.ones((1, *x.shape[1:3], 1), x.dtype)
    include = call.attribute("count_include_pad", False)
    count = np.add.reduce(taps(ones, 1 if include else 0))
    return lambda values: [activation(np.add.reduce(taps(values[0], 0)) / count)]


@kernel("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", convention="float")
def reduction(call: Call) -> Step:
    """Reduction over constant axes."""
    call.count(2)
    _same_first(call)
    shape = call.input(0).shape
    axes = tuple(sorted({call.axis(a, len(shape)) for a in call.integers(1, "axes")}))
    keep = bool(call.attribute("keep_dims", False))
    call.shaped([1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes])
    if not all(shape):
        call.malformed("reduction of no elements")
    functions: dict[str, Callable] = {
        "MEAN": np.mean, "SUM": np.sum, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min
    }
    function = functions[call.operator.kind]
    dtype = call.output.dtype
    return lambda values: [np.asarray(function(values[0], axis=axes, keepdims=keep), dtype)]


def _same_first(call: Call) -> None:
    call.same_type(call.input(0), call.output)


@kernel("SOFTMAX", "LOG_SOFTMAX", convention="float")
def softmax(call: Call) -> Step:
    """Softmax and its logarithm along the last axis."""
    call.count(1)
    _same(call)
    x = call.input(0)
    call.shaped(x.shape)
    if not x.shape or not x.elements:
        call.malformed("input is empty or a scalar")
    beta, logarithm = call.attribute("beta", 1.0), call.operator.kind == "LOG_SOFTMAX"

    def run(values: Values) -> list[NDArray]:
        with np.errstate(all="ignore"):
            shifted = (values[0] - values[0].max(axis=-1, keepdims=True)) * x.dtype.type(beta)
            powers = np.exp(shifted)
            total = powers.sum(axis=-1, keepdims=True)
            return [shifted - np.log(total) if logarithm else powers / total]

    return run
