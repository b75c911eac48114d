# SPDX-License-Identifier: Apache-2.0
"""Which floating-point operators have an integer form, and what it demands of scales."""

from __future__ import annotations

import math

from ..graph import Graph, Operator

__all__ = ["FIXED", "SAME_SCALE", "chosen"]

SAME_SCALE = frozenset({
    "AVERAGE_POOL_2D", "CONCATENATION", "EXPAND_DIMS", "MAX_POOL_2D", "PAD", "REDUCE_MAX",
    "RELU6", "RESHAPE", "SLICE", "SQUEEZE", "TRANSPOSE",
})
"""Kinds whose operands and results share scale and zero point."""

FIXED = {
    "SOFTMAX": ([1 / 256], [-128]), "LOGISTIC": ([1 / 256], [-128]), "TANH": ([1 / 128], [0]),
}
"""Kinds whose result has the scale and zero point that TensorFlow Lite gives it."""

LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
OTHERS = ("ADD", "HARD_SWISH", "LEAKY_RELU", "MEAN", "MUL", "RELU")
ACTIVATIONS = ("NONE", "RELU", "RELU6")


def chosen(graph: Graph, operator: Operator, convention: str) -> bool:
    """Whether an operator of a floating-point graph becomes an integer operator."""
    kind, attributes = operator.kind, operator.attributes
    if operator.unsupported is not None or operator.inputs[:1] in ((), (None,)):
        return False
    tensors = [graph.tensors[name] for name in (operator.inputs[0], *operator.outputs) if name]
    if any(tensor.dtype != "float32" for tensor in tensors):
        return False
    activation = attributes.get("activation", "NONE")
    if activation not in ACTIVATIONS:
        return False
    if kind in LINEAR:
        constants = [graph.tensors[name] for name in operator.inputs[1:] if name is not None]
        return all(tensor.constant for tensor in constants)
    if kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        pads, extent = attributes["pads"], attributes["filter"]
        plain = attributes.get("dilation", (1, 1)) == (1, 1)
        inside = max(pads[0], pads[2]) < extent[0] and max(pads[1], pads[3]) < extent[1]
        return plain and inside and not attributes.get("count_include_pad", False)
    if kind in ("ADD", "MUL"):
        if convention == "onnx" and activation != "NONE":
            return False
        shapes = [graph.tensors[name].shape for name in operator.inputs if name]
        return len(shapes) == 2 and all(math.prod(shape) for shape in shapes)
    if kind == "MEAN":
        return math.prod(tensors[0].shape) > 0
    if kind == "SOFTMAX":
        return attributes.get("beta", 1.0) == 1.0 and bool(tensors[0].shape)
    return kind in SAME_SCALE or kind in FIXED or kind in OTHERS
