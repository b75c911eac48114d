# SPDX-License-Identifier: Apache-2.0
"""DynamicQuantizeLinear: scale and zero point come from the values, so it runs on the host."""

from __future__ import annotations

import numpy as np

from ..graph import Operator, Tensor
from .onnx_builder import PLAIN, Builder

__all__ = ["dynamic_quantize_linear"]


def dynamic_quantize_linear(builder: Builder) -> None:
    """Integers, scale and zero point of the current node."""
    x, node = builder.value(0), builder.node
    names = []
    results = ((x.shape, np.uint8), ((), np.float32), ((), np.uint8))
    if len(node.outputs) != 3:
        builder.fail(f"{len(node.outputs)} results")
    source = builder.plain(x)
    for index, (shape, dtype) in enumerate(results):
        name = builder.unique(node.outputs[index] or f"{node.outputs[0]}_{index}")
        builder.graph.tensors[name] = Tensor(name, shape, np.dtype(dtype))
        if node.outputs[index]:
            builder.define(name, PLAIN, shape, output=index)
        names.append(name)
    builder.graph.operators.append(Operator(
        "ONNX_DYNAMIC_QUANTIZE_LINEAR", (source,), tuple(names), {},
        f"{len(builder.graph.operators):02d}_ONNX_DYNAMIC_QUANTIZE_LINEAR",
    ))
