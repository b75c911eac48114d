# SPDX-License-Identifier: Apache-2.0
"""Element by element and table operators of integers, and conversions, under convention ``onnx``.

Source: onnxruntime, ``core/mlas/lib/{qladd,qlmul}.cpp`` and ``intrinsics/avx2/qladd_avx2.cpp``,
``contrib_ops/cpu/quantization/{qlinear_lookup_table,qlinear_unary_op}.cc``,
``core/mlas/lib/quantize.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from .onnx_rescale import INTEGERS, dequantize, quantize
from .registry import Call, Step, Values, kernel

__all__ = ["lookup_table"]


def _broadcast(call: Call) -> None:
    call.count(2)
    a, b = call.input(0), call.input(1)
    call.quantized(a, b, call.output, dtypes=INTEGERS)
    if call.attribute("activation", "NONE") != "NONE":
        call.unsupported("a fused activation is not supported")
    call.shaped(np.broadcast_shapes(a.shape, b.shape))


def file_offset(call: Call, tensor: Tensor) -> int:
    """What the file's integers are above those of the graph: 128 for uint8 read as int8.

    onnxruntime's sums of float32 values contain the zero points, so their last bit depends on it.
    """
    return 128 if call.attribute("unsigned", False) and tensor.dtype == np.int8 else 0


@kernel("ADD", convention="onnx")
def add(call: Call) -> Step:
    """QLinearAdd: fused multiply-adds in float32, one operand and then the other.

    onnxruntime works through runs of elements. An operand that is a single element throughout each
    run comes first (attribute ``single``, 0 or 1), else the second one does. The sum of the
    constants holds a fused multiply-add as well: compilers make one of its source.
    """
    _broadcast(call)
    result, offset = call.output, file_offset(call, call.output)
    order = (1, 0) if call.attribute("single") == 0 else (0, 1)
    late, early = (call.input(index) for index in order)
    # Products of a byte and 24 bits are exact in float64: one rounding, as an FMA has.
    wide = [np.float64(np.float32(t.scale) / np.float32(result.scale)) for t in (late, early)]
    zeros = [np.float64(t.zero_point + offset) for t in (late, early, result)]
    with np.errstate(all="ignore"):
        product = (wide[1] * zeros[1]).astype(np.float32)
        constants = (wide[0] * zeros[0] + product).astype(np.float32)
        fixed = (zeros[2] - constants).astype(np.float32)
    limits = np.iinfo(result.dtype)

    def run(values: Values) -> list[NDArray]:
        last, first = (values[index].astype(np.float64) + offset for index in order)
        with np.errstate(all="ignore"):
            partial = (first * wide[1] + fixed).astype(np.float32)
            total = (last * wide[0] + partial).astype(np.float32)
        rounded = np.rint(np.nan_to_num(total)).astype(np.float64) - offset
        return [np.clip(rounded, limits.min, limits.max).astype(result.dtype)]

    return run


@kernel("MUL", convention="onnx")
def mul(call: Call) -> Step:
    """QLinearMul: the exact product of integers times one float32 factor, plus the zero point.

    Product and sum are rounded to float32 one after the other, before the sum is rounded to an
    integer: close to halfway between two results the file's zero point decides.
    """
    _broadcast(call)
    a, b, result = call.input(0), call.input(1), call.output
    offset = file_offset(call, result)
    zero = np.float32(result.zero_point + offset)
    with np.errstate(all="ignore"):
        factor = np.float32(a.scale) * np.float32(b.scale) / np.float32(result.scale)
    limits = np.iinfo(result.dtype)

    def run(values: Values) -> list[NDArray]:
        left = values[0].astype(np.int64) - a.zero_point
        product = left * (values[1].astype(np.int64) - b.zero_point)
        with np.errstate(all="ignore"):
            total = product.astype(np.float32) * factor + zero
        rounded = np.rint(np.nan_to_num(total)).astype(np.float64) - offset
        return [np.clip(rounded, limits.min, limits.max).astype(result.dtype)]

    return run


def _sigmoid(x: NDArray, call: Call) -> NDArray:
    return 1.0 / (1.0 + np.exp(-x.astype(np.float64)))


def _leaky(x: NDArray, call: Call) -> NDArray:
    return np.where(x >= 0, x, x * np.float32(call.attribute("alpha", 0.01)))


FUNCTIONS: dict[str, Callable[[NDArray, Call], NDArray]] = {
    "LOGISTIC": _sigmoid,
    "LEAKY_RELU": _leaky,
    "TANH": lambda x, call: np.tanh(x.astype(np.float64)),
    "RELU": lambda x, call: np.maximum(x, np.float32(0)),
    "RELU6": lambda x, call: np.clip(x, np.float32(0), np.float32(6)),
    "HARD_SWISH": lambda x, call: x * np.clip(x / np.float32(6) + np.float32(0.5), 0, 1),
}


def lookup_table(call: Call) -> NDArray:
    """What a function of one element makes of every integer, in the order of their bytes.

    Returns
    -------
    array of the result's type, shape [256]
        Entry ``value & 255`` is the result for ``value``.
    """
    x = call.input(0)
    codes = np.arange(256, dtype=np.uint8).view(x.dtype)
    values = dequantize(codes, x)
    if call.operator.kind == "QUANTIZE":
        return quantize(values, call.output)
    return quantize(FUNCTIONS[call.operator.kind](values, call), call.output)


@kernel("LOGISTIC", "LEAKY_RELU", "TANH", "RELU", "RELU6", "HARD_SWISH", convention="onnx")
def unary(call: Call) -> Step:
    """Dequantized, computed in float32 and quantized again: a table."""
    call.count(1)
    call.quantized(call.input(0), call.output, dtypes=INTEGERS)
    call.shaped(call.input(0).shape)
    table = lookup_table(call)
    return lambda values: [table[values[0].view(np.uint8)]]


@kernel("QUANTIZE", convention="onnx")
def quantize_linear(call: Call) -> Step:
    """QuantizeLinear, and DequantizeLinear followed by QuantizeLinear as one table."""
    call.count(1)
    x, result = call.input(0), call.output
    call.shaped(x.shape)
    if x.dtype.kind in "iu":
        call.quantized(x, result, dtypes=INTEGERS)
        table = lookup_table(call)
        return lambda values: [table[values[0].view(np.uint8)]]
    if result.dtype.name not in INTEGERS or result.quantization is None:
        call.unsupported(f"quantization to {result}")
    if result.quantization.axis is None:
        return lambda values: [quantize(values[0], result)]
    axis, parameters = result.quantization.axis, result.quantization
    channels = [
        Tensor("channel", (), result.dtype, type(parameters)(scale, zero))
        for scale, zero in zip(parameters.scale, parameters.zero_point, strict=True)
    ]

    def run(values: Values) -> list[NDArray]:
        moved = np.moveaxis(values[0], axis, 0)
        parts = [quantize(part, item) for part, item in zip(moved, channels, strict=True)]
        if not parts:
            return [np.zeros(result.shape, result.dtype)]
        return [np.ascontiguousarray(np.moveaxis(np.stack(parts), 0, axis))]

    return run


@kernel("DEQUANTIZE", convention="onnx")
def dequantize_linear(call: Call) -> Step:
    """DequantizeLinear, per tensor or per channel: the product in float32."""
    call.count(1)
    x = call.input(0)
    call.shaped(x.shape)
    if x.quantization is None or x.dtype.name not in (*INTEGERS, "int32"):
        call.unsupported(f"dequantization of {x}")
    if call.output.dtype != np.float32:
        call.unsupported(f"result of type {call.output.dtype} is not supported, only float32")
    shape = [1] * len(x.shape)
    if x.quantization.axis is not None:
        shape[x.quantization.axis] = x.quantization.scale.size
    scale = x.quantization.scale.reshape(shape if x.quantization.per_channel else ())
    zero = x.quantization.zero_point.reshape(shape if x.quantization.per_channel else ())

    def run(values: Values) -> list[NDArray]:
        centered = (values[0].astype(np.int64) - zero).astype(np.float32)
        with np.errstate(over="ignore"):
            return [np.asarray(centered * scale, np.float32)]

    return run


@kernel("ONNX_FLIP_SIGN", convention="onnx")
def flip_sign(call: Call) -> Step:
    """uint8 to int8 or back: the top bit flipped."""
    call.count(1)
    call.shaped(call.input(0).shape)
    if {call.input(0).dtype.name, call.output.dtype.name} != set(INTEGERS):
        call.malformed("operand and result must be int8 and uint8")
    return lambda values: [
        (values[0].view(np.uint8) ^ np.uint8(128)).view(call.output.dtype)
    ]


@kernel("ONNX_REINTERPRET", convention="onnx")
def reinterpret(call: Call) -> Step:
    """The same integers, read with another scale and zero point."""
    call.count(1)
    call.shaped(call.input(0).shape)
    call.same_type(call.input(0), call.output, scale=False)
    return lambda values: [values[0]]
