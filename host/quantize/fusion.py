# SPDX-License-Identifier: Apache-2.0
"""Before quantization: batch normalization goes into weights, rectifiers into the operator before.

Both leave what a floating-point graph computes unchanged, up to rounding.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..graph import Graph, Operator, Tensor

__all__ = ["fuse"]

LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
RECTIFIERS = ("RELU", "RELU6", "RELU_N1_TO_1")


def fuse(graph: Graph) -> Graph:
    """A graph with factors, offsets and rectifiers folded; ``graph`` stays as it is."""
    result = dataclasses.replace(
        graph, tensors={name: dataclasses.replace(t) for name, t in graph.tensors.items()},
        operators=[dataclasses.replace(o, attributes=dict(o.attributes)) for o in graph.operators],
    )
    changed = True
    while changed:
        changed = _rectify_before_pool(result) or any(
            _fold(result, operator) for operator in list(result.operators)
        )
    used = {name for operator in result.operators for name in operator.tensors}
    used.update(result.inputs, result.outputs)
    result.tensors = {name: t for name, t in result.tensors.items() if name in used}
    return result


def _only_consumer(graph: Graph, name: str) -> Operator | None:
    consumers = graph.consumers(name)
    return consumers[0] if len(consumers) == 1 and name not in graph.outputs else None


def _rectify_before_pool(graph: Graph) -> bool:
    """MAX_POOL_2D then a rectifier is the rectifier then MAX_POOL_2D: both are monotone."""
    for index, pool in enumerate(graph.operators):
        if pool.kind != "MAX_POOL_2D" or pool.inputs[0] is None:
            continue
        relu = _only_consumer(graph, pool.outputs[0])
        if relu is None or relu.kind not in RECTIFIERS:
            continue
        middle = dataclasses.replace(
            graph.tensors[pool.inputs[0]], name=f"{pool.inputs[0]}_rectified", data=None
        )
        if middle.name in graph.tensors:
            continue
        graph.tensors[middle.name] = middle
        first = dataclasses.replace(relu, inputs=pool.inputs[:1], outputs=(middle.name,))
        second = dataclasses.replace(pool, inputs=(middle.name,), outputs=relu.outputs)
        graph.operators.remove(relu)
        graph.operators[index : index + 1] = [first, second]
        return True
    return False


def _fold(graph: Graph, operator: Operator) -> bool:
    if operator.kind not in (*LINEAR, "ADD"):
        return False
    fused = operator.attributes.get("activation", "NONE")
    if graph.tensors[operator.outputs[0]].dtype.kind != "f":
        return False
    after = _only_consumer(graph, operator.outputs[0])
    if after is None:
        return False
    if fused != "NONE":
        if fused != "RELU" or after.kind not in ("RELU", "RELU6"):
            return False
        operator.attributes["activation"] = after.kind
    elif after.kind in RECTIFIERS:
        operator.attributes["activation"] = after.kind
    elif operator.kind == "ADD" or after.kind not in ("MUL", "ADD"):
        return False
    elif not _fold_constant(graph, operator, after):
        return False
    operator.outputs = after.outputs
    graph.operators.remove(after)
    return True


def _fold_constant(graph: Graph, operator: Operator, after: Operator) -> bool:
    """Fold a factor or offset for each channel into weights and bias."""
    constants = [name for name in after.inputs if name and graph.tensors[name].constant]
    weights = graph.tensors[operator.inputs[1] or ""]
    if len(constants) != 1 or weights.data is None or (
        after.attributes.get("activation", "NONE") != "NONE"
    ):
        return False
    axis = CHANNEL_AXIS[operator.kind]
    channels = weights.shape[axis]
    values = graph.tensors[constants[0]].data
    assert values is not None
    if values.size not in (1, channels) or (values.ndim and values.shape[-1] != values.size):
        return False
    vector = np.broadcast_to(values.reshape(-1), (channels,))
    bias_name = operator.inputs[2] if len(operator.inputs) > 2 else None
    if bias_name is not None and graph.tensors[bias_name].data is None:
        return False
    bias = np.zeros(channels, weights.dtype)
    if bias_name is not None:
        bias = np.asarray(graph.tensors[bias_name].data).reshape(-1)
    factor = weights.data
    if after.kind == "MUL":
        shape = [1] * factor.ndim
        shape[axis] = channels
        factor, bias = factor * vector.reshape(shape), bias * vector
    else:
        bias = bias + vector
    names = []
    for label, array in (("weights", factor), ("bias", bias)):
        name = f"{after.outputs[0]}_folded_{label}"
        contents = array.astype(weights.dtype)
        graph.tensors[name] = Tensor(name, contents.shape, contents.dtype, None, contents)
        names.append(name)
    operator.inputs = (operator.inputs[0], *names)
    return True
