# SPDX-License-Identifier: Apache-2.0
"""Additions and functions of one element to layers of the vector unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...graph import Graph, ModelError, Operator
from ...operators.elementwise import ADD_LEFT_SHIFT, addition_scales
from ...operators.registry import prepare
from ...operators.rescale import activation_range, multiply
from ...operators.unary import TABLES
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


def _table(mapper: Mapper, operator: Operator) -> NDArray[np.int8]:
    """What the reference kernel makes of every int8."""
    graph = mapper.graph
    tensors = {}
    for tensor in [*graph.operands(operator), *graph.results(operator)]:
        assert tensor is not None
        data = None if tensor.data is None else tensor.data.reshape(1)
        shape = (256,) if data is None else (1,)
        tensors[tensor.name] = replace(tensor, shape=shape, data=data)
    small = Graph("table", tensors, [operator], (), operator.outputs, graph.convention)
    step = prepare(small, operator)
    values = [_VALUES if tensors[name].data is None else tensors[name].data
              for name in operator.inputs if name is not None]
    return step(values)[0].astype(np.int8).reshape(256)


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
    if mapper.graph.convention != "tflite":
        raise Refusal("is added up in float32")
    mapper.require_convention()
    call = mapper.call(operator)
    a, b = call.input(0), call.input(1)
    if b.dtype != np.int8:
        raise Refusal("is not an int8 operator")
    if a.shape != b.shape:
        raise Refusal(f"broadcasts {a.shape} and {b.shape}")
    names = mapper.name(operator, 0), mapper.name(operator, 1)
    scales = addition_scales(call)
    first = Rescaling.fixed_point(-a.zero_point, *scales.first, left=ADD_LEFT_SHIFT)
    multiplier, shift = scales.second
    if operator.kind == "SUB":
        multiplier = -multiplier
    second = Rescaling.fixed_point(-b.zero_point, multiplier, shift, left=ADD_LEFT_SHIFT)
    wide = (_VALUES.astype(np.int64) - b.zero_point) << ADD_LEFT_SHIFT
    wanted = multiply(wide, *scales.second) * (-1 if operator.kind == "SUB" else 1)
    if not np.array_equal(second.apply(_VALUES, "tflite"), wanted):
        raise Refusal("negated rescaling rounds some values differently")
    forms = [mapper.natural(name) for name in names]
    form = forms[0] if forms[0] == forms[1] else form_of(a.shape)
    return Addition(
        operator.name, [operator], names, operator.outputs[0], form, form, a.zero_point,
        call.output.zero_point,
        activation_range(call.attribute("activation", "NONE"), call.output),
        rescalings=(first, second, Rescaling.fixed_point(0, *scales.result)),
    )
