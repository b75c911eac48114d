# SPDX-License-Identifier: Apache-2.0
"""Constant folding: operators whose results are known before the graph runs disappear."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..graph import Graph
from . import kernels
from .registry import prepare

__all__ = ["FOLDABLE", "fold_constants", "kernels"]

FOLDABLE = frozenset({
    "CAST", "CONCATENATION", "EXPAND_DIMS", "GATHER", "PACK", "RESHAPE", "SHAPE", "SLICE",
    "SPLIT", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
})
"""Kinds that move data or read shapes. Arithmetic on constants is left to run."""

MAXIMUM_BYTES = 1 << 26
"""Most bytes that folding may compute for one graph; what would pass it is left to run."""


def fold_constants(graph: Graph) -> Graph:
    """A graph without the operators that only move constants; ``graph`` stays as it is.

    An operator that computes an output of the graph stays. Tensors that nothing uses any more are
    left out.
    """
    tensors = dict(graph.tensors)
    result = dataclasses.replace(graph, tensors=tensors, operators=[])
    left = MAXIMUM_BYTES
    for operator in graph.operators:
        operands = [tensors[name] for name in operator.inputs if name is not None]
        known = operator.kind == "SHAPE" or all(tensor.constant for tensor in operands)
        size = sum(tensor.bytes for tensor in result.results(operator))
        if (
            operator.kind not in FOLDABLE or operator.unsupported is not None or not known
            or set(operator.outputs) & set(graph.outputs) or size > left
        ):
            result.operators.append(operator)
            continue
        left -= size
        values = [None if name is None else tensors[name].data for name in operator.inputs]
        for name, value in zip(operator.outputs, prepare(result, operator)(values), strict=True):
            contents = np.ascontiguousarray(value).reshape(tensors[name].shape)
            tensors[name] = dataclasses.replace(tensors[name], data=contents)
    used = {name for operator in result.operators for name in operator.tensors}
    used.update(graph.inputs, graph.outputs)
    result.tensors = {name: tensor for name, tensor in tensors.items() if name in used}
    return result
