# SPDX-License-Identifier: Apache-2.0
"""Additions and functions of one element to layers of the vector unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...graph import Graph, ModelError, Operator
from ...operators.elementwise import ADD_LEFT_SHIFT, addition_scales
from ...operators.registry import Call, Step, prepare
from ...operators.rescale import activation_range, multiply
from ...operators.unary import TABLES
from .float_rescaling import find_sum
from .forms import form_of
from .layers import Addition, Layer, Unary
from .mapper import Mapper, Refusal
from .rescaling import Rescaling

__all__ = ["fuse_unary", "is_unary", "map_addition", "map_unary"]

_BINARY = ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM", "PRELU")
_VALUES = np.arange(-128, 128, dtype=np.int8)


def is_unary(mapper: Mapper, operator: Operator) -> bool:
    """Whether an operator is a function of one int8 element."""
    if len(operator.outputs) != 1:
        return False
    operands, result = mapper.graph.operands(operator), mapper.graph.results(operator)[0]
    if any(item is None or item.dtype != np.int8 for item in operands) or result.dtype != np.int8:
        return False
    if operator.kind in TABLES or operator.kind == "QUANTIZE":
        return len(operands) == 1
    if operator.kind not in _BINARY or len(operands) != 2:
        return False
    constant = [item.constant and item.elements == 1 for item in operands]  # type: ignore[union-attr]
    varying = [item for item, fixed in zip(operands, constant, strict=True) if not fixed]
    return sum(constant) == 1 and varying[0].shape == result.shape  # type: ignore[union-attr]


def _sampled(mapper: Mapper, operator: Operator, shape: tuple[int, ...]) -> Step:
    """The reference kernel of an operator whose computed tensors have another shape."""
    graph = mapper.graph
    tensors = {}
    for tensor in [*graph.operands(operator), *graph.results(operator)]:
        assert tensor is not None
        data = None if tensor.data is None else tensor.data.reshape(1)
        tensors[tensor.name] = replace(tensor, shape=shape if data is None else (1,), data=data)
    small = Graph("sampled", tensors, [operator], (), operator.outputs, graph.convention)
    return prepare(small, operator)


def _table(mapper: Mapper, operator: Operator) -> NDArray[np.int8]:
    """What the reference kernel makes of every int8."""
    tensors = mapper.graph.operands(operator)
    values = [_VALUES if item is None or item.data is None else item.data.reshape(1)
              for item in tensors]
    return _sampled(mapper, operator, (256,))(values)[0].astype(np.int8).reshape(256)


def _varying(mapper: Mapper, operator: Operator) -> str:
    """The operand of a unary operator that is computed."""
    return next(name for name in operator.inputs
                if name is not None and not mapper.graph.tensors[name].constant)


def map_unary(mapper: Mapper, operator: Operator) -> Unary:
    """Any function of one element, as a table."""
    name = _varying(mapper, operator)
    x, y = mapper.graph.tensors[name], mapper.graph.results(operator)[0]
    form = mapper.natural(name)
    return Unary(
        operator.name, [operator], (name,), operator.outputs[0], form, form,
        0 if x.quantization is None else x.zero_point,
        0 if y.quantization is None else y.zero_point, (-128, 127),
        _table(mapper, operator).tobytes(),
    )


def fuse_unary(mapper: Mapper, layer: Layer) -> set[Operator]:
    """Let a layer do the functions of one element that follow it; returns their operators."""
    graph = mapper.graph
    fused: set[Operator] = set()
    while layer.output not in graph.outputs:
        users = graph.consumers(layer.output)
        if len(users) != 1 or not is_unary(mapper, users[0]):
            break
        operator = users[0]
        if operator.unsupported is not None:
            break
        try:
            table = _table(mapper, operator)
        except ModelError:
            break
        before = _VALUES if layer.table is None else np.frombuffer(layer.table, np.int8)
        layer.table = table[before.astype(np.int64) + 128].tobytes()
        layer.operators.append(operator)
        layer.output = operator.outputs[0]
        fused.add(operator)
    return fused


def map_addition(mapper: Mapper, operator: Operator) -> Addition:
    """ADD and SUB of two tensors of one shape."""
    mapper.require_convention()
    call = mapper.call(operator)
    a, b = call.input(0), call.input(1)
    if b.dtype != np.int8:
        raise Refusal(f"has {b.dtype} where the accelerator's layers have int8")
    if a.shape != b.shape:
        raise Refusal(f"broadcasts {a.shape} and {b.shape}")
    names = mapper.name(operator, 0), mapper.name(operator, 1)
    forms = [mapper.natural(name) for name in names]
    form = forms[0] if forms[0] == forms[1] else form_of(a.shape)
    clamp = (-128, 127)
    if mapper.graph.convention == "onnx":
        rescalings = _float_addition(mapper, operator)
    else:
        rescalings = _fixed_addition(call)
        clamp = activation_range(call.attribute("activation", "NONE"), call.output)
    return Addition(
        operator.name, [operator], names, operator.outputs[0], form, form, a.zero_point,
        call.output.zero_point, clamp, rescalings=rescalings,
    )


def _fixed_addition(call: Call) -> tuple[Rescaling, Rescaling, Rescaling]:
    """Of both operands and of their sum, as TensorFlow Lite rescales them."""
    a, b = call.input(0), call.input(1)
    scales = addition_scales(call)
    first = Rescaling.fixed_point(-a.zero_point, *scales.first, left=ADD_LEFT_SHIFT)
    multiplier, shift = scales.second
    subtract = call.operator.kind == "SUB"
    if subtract:
        multiplier = -multiplier
    second = Rescaling.fixed_point(-b.zero_point, multiplier, shift, left=ADD_LEFT_SHIFT)
    wide = (_VALUES.astype(np.int64) - b.zero_point) << ADD_LEFT_SHIFT
    wanted = multiply(wide, *scales.second) * (-1 if subtract else 1)
    if not np.array_equal(second.apply(_VALUES, "tflite"), wanted):
        raise Refusal("negated rescaling rounds some values differently")
    return first, second, Rescaling.fixed_point(0, *scales.result)


def _float_addition(mapper: Mapper, operator: Operator) -> tuple[Rescaling, Rescaling, Rescaling]:
    """Of both operands and of their sum, as float32 adds them up."""
    call = mapper.call(operator)
    tensors = [call.input(0), call.input(1), call.output]
    if operator.kind != "ADD" or tensors[0].elements == 1:
        raise Refusal("the accelerator has no such operation")
    pairs = [np.repeat(_VALUES, 256), np.tile(_VALUES, 256)]
    wanted = _sampled(mapper, operator, (pairs[0].size,))(pairs)[0].reshape(256, 256)
    result = np.float32(call.output.scale)
    ratios = [float(np.float32(item.scale) / result) for item in tensors[:2]]
    zeros = [item.zero_point for item in tensors]
    found = find_sum(wanted, (ratios[0], ratios[1]), (zeros[0], zeros[1], zeros[2]))
    if found is None:
        raise Refusal("no rescalings add all 65,536 pairs as float32 does")
    return found
