# SPDX-License-Identifier: Apache-2.0
"""uint8 becomes int8: the top bit flipped and the zero point moved by 128.

The accelerator multiplies int8. Operators that give the same bytes either way, up to that bit, read
and write int8; where a uint8 tensor meets anything else (inputs and outputs of the graph, operators
with computed scales), `ONNX_FLIP_SIGN` stands between them.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..graph import Graph, Operator, Quantization, Tensor

__all__ = ["FLIPPABLE", "to_int8"]

FLIPPABLE = frozenset({
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
    "DEQUANTIZE", "FULLY_CONNECTED", "LEAKY_RELU", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL",
    "ONNX_REINTERPRET", "PADV2", "QUANTIZE", "REDUCE_MAX", "RESHAPE", "SLICE", "SOFTMAX",
    "TRANSPOSE",
})


def to_int8(graph: Graph) -> Graph:
    """The graph with int8 instead of uint8 wherever the operators allow it."""
    result = dataclasses.replace(graph, tensors=dict(graph.tensors), operators=[])
    twins: dict[str, str] = {}
    flippable = [
        operator.kind in FLIPPABLE and operator.unsupported is None
        for operator in graph.operators
    ]
    outside = set(graph.outputs)
    for operator, flip in zip(graph.operators, flippable, strict=True):
        for name in operator.tensors:
            if not flip:
                outside.add(name)
            elif graph.tensors[name].dtype == np.uint8 and name not in twins:
                twins[name] = _twin(result, graph.tensors[name])
    for name in graph.inputs:
        if name in twins:
            _flip(result, name, twins[name])
    for operator, flip in zip(graph.operators, flippable, strict=True):
        inputs, outputs = operator.inputs, operator.outputs
        if flip:
            inputs = tuple(twins.get(name, name) if name else None for name in inputs)
            outputs = tuple(twins.get(name, name) for name in outputs)
        result.operators.append(dataclasses.replace(operator, inputs=inputs, outputs=outputs))
        for name in operator.outputs:
            if name in twins and not flip:
                _flip(result, name, twins[name])
            elif name in twins and name in outside:
                _flip(result, twins[name], name)
    return result


def _twin(graph: Graph, tensor: Tensor) -> str:
    name = f"{tensor.name}_int8"
    while name in graph.tensors:
        name += "_"
    quantization = tensor.quantization
    if quantization is not None:
        quantization = Quantization(
            quantization.scale, quantization.zero_point - 128, quantization.axis
        )
    data = None
    if tensor.data is not None:
        data = (tensor.data ^ np.uint8(128)).view(np.int8)
    graph.tensors[name] = Tensor(name, tensor.shape, np.dtype(np.int8), quantization, data)
    return name


def _flip(graph: Graph, source: str, target: str) -> None:
    graph.operators.append(Operator(
        "ONNX_FLIP_SIGN", (source,), (target,), {},
        f"flip_{len(graph.operators):02d}_{target}",
    ))
