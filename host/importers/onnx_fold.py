# SPDX-License-Identifier: Apache-2.0
"""Constant folding of ONNX nodes: shape arithmetic of exporters, and quantized constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import MAXIMUM_BYTES, ModelError
from .onnx_model import Model, Node, element_type

__all__ = ["fold_constants", "quantize_values"]

Values = list[Any]


def quantize_values(x: NDArray, scale: NDArray, zero_point: NDArray) -> NDArray:
    """QuantizeLinear: the quotient in float32, rounded half to even, saturated."""
    limits = np.iinfo(zero_point.dtype)
    with np.errstate(all="ignore"):
        ratio = np.rint(x.astype(np.float32) / scale.astype(np.float32)).astype(np.float64)
    ratio = np.nan_to_num(ratio + zero_point, nan=0.0, posinf=limits.max, neginf=limits.min)
    return np.clip(ratio, limits.min, limits.max).astype(zero_point.dtype)


def along(values: NDArray, axis: int, rank: int) -> NDArray:
    """Scale or zero point per channel in a shape that broadcasts along ``axis``."""
    if values.size == 1:
        return values.reshape(())
    if values.ndim != 1 or not -rank <= axis < rank:
        raise ModelError(f"quantization parameters of shape {values.shape} for axis {axis}")
    shape = [1] * rank
    shape[axis] = values.size
    return values.reshape(shape)


def _constant(node: Node, values: Values) -> NDArray:
    for name, dtype in (
        ("value_int", np.int64), ("value_ints", np.int64), ("value_float", np.float32),
        ("value_floats", np.float32),
    ):
        if name in node.attributes:
            return np.array(node.attributes[name], dtype)
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise ModelError("Constant without a tensor")
    return value


def _quantize(node: Node, values: Values) -> NDArray:
    zero = values[2] if len(values) > 2 and values[2] is not None else np.uint8(0)
    rank, axis = values[0].ndim, int(node.attributes.get("axis", 1))
    return quantize_values(
        values[0], along(np.asarray(values[1]), axis, rank), along(np.asarray(zero), axis, rank)
    )


def _dequantize(node: Node, values: Values) -> NDArray:
    rank, axis = values[0].ndim, int(node.attributes.get("axis", 1))
    zero = values[2] if len(values) > 2 and values[2] is not None else np.zeros((), np.int64)
    centered = values[0].astype(np.int64) - along(np.asarray(zero), axis, rank)
    with np.errstate(all="ignore"):
        return centered.astype(np.float32) * along(np.asarray(values[1]), axis, rank)


def _gather(node: Node, values: Values) -> NDArray:
    return np.take(values[0], values[1].astype(np.int64), axis=int(node.attributes.get("axis", 0)))


def _unsqueeze(node: Node, values: Values) -> NDArray:
    axes = node.attributes.get("axes")
    return np.expand_dims(values[0], tuple(int(a) for a in (values[1] if axes is None else axes)))


def _squeeze(node: Node, values: Values) -> NDArray:
    axes = node.attributes.get("axes", values[1] if len(values) > 1 else None)
    return np.squeeze(values[0], None if axes is None else tuple(int(a) for a in axes))


def _cast(node: Node, values: Values) -> NDArray:
    with np.errstate(all="ignore"):
        return values[0].astype(element_type(int(node.attributes.get("to", 0)), "Cast"))


def _slice(node: Node, values: Values) -> NDArray:
    if "starts" in node.attributes:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes"), None
    else:
        starts, ends = values[1], values[2]
        axes = values[3] if len(values) > 3 else None
        steps = values[4] if len(values) > 4 else None
    index: list[slice] = [slice(None)] * values[0].ndim
    for position, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = int(axes[position]) if axes is not None else position
        step = int(steps[position]) if steps is not None else 1
        stop: int | None = int(end)
        if step < 0 and int(end) < -values[0].shape[axis]:
            stop = None
        index[axis] = slice(int(start), stop, step)
    return values[0][tuple(index)]


def _filled(node: Node, values: Values) -> NDArray:
    shape = [int(extent) for extent in values[0]]
    fill = node.attributes.get("value", np.zeros(1, np.float32))
    if min(shape, default=0) < 0 or math.prod(shape) * 8 > MAXIMUM_BYTES:
        raise ModelError(f"ConstantOfShape {shape}")
    return np.full(shape, np.asarray(fill).reshape(-1)[0])


def _reshape(node: Node, values: Values) -> NDArray:
    shape = [int(n) or values[0].shape[i] for i, n in enumerate(values[1])]
    return values[0].reshape(shape)


def _divide(node: Node, values: Values) -> NDArray:
    if values[0].dtype.kind in "iu":
        return np.trunc(values[0] / values[1]).astype(values[0].dtype)
    return values[0] / values[1]


FOLD: dict[str, Callable[[Node, Values], Any]] = {
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "Gather": _gather,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Cast": _cast,
    "Slice": _slice,
    "Reshape": _reshape,
    "Identity": lambda node, values: values[0],
    "Concat": lambda node, values: np.concatenate(values, axis=int(node.attributes["axis"])),
    "Transpose": lambda node, values: np.transpose(values[0], node.attributes.get("perm")),
    "Add": lambda node, values: values[0] + values[1],
    "Sub": lambda node, values: values[0] - values[1],
    "Mul": lambda node, values: values[0] * values[1],
    "Div": _divide,
}
SMALL = frozenset({"Add", "Sub", "Mul", "Div", "Concat", "Gather", "Slice"})
"""Kinds that are folded for integers only: shape arithmetic. Float arithmetic is left to run."""


def fold_constants(model: Model, node: Node, shape: tuple[int, ...] | None = None) -> bool:
    """Compute a node whose operands are all constant; its result joins the constants.

    Parameters
    ----------
    model : Model
        Its ``constants`` gain the result.
    node : Node
        To compute.
    shape : tuple of int or None
        Shape of the operand of a ``Shape`` node, which need not be constant.

    Returns
    -------
    bool
        Whether the node is done.
    """
    if len(node.outputs) != 1 or node.outputs[0] in model.constants:
        return False
    if node.kind == "Shape" and shape is not None:
        bounds = slice(node.attributes.get("start"), node.attributes.get("end"))
        model.constants[node.outputs[0]] = np.array(shape, np.int64)[bounds]
        return True
    if node.attributes.get("block_size"):
        return False
    if node.kind not in FOLD or any(name and name not in model.constants for name in node.inputs):
        return False
    values = [model.constants[name] if name else None for name in node.inputs]
    if node.kind in SMALL and any(v is None or v.dtype.kind not in "iu" for v in values):
        return False
    try:
        result = np.ascontiguousarray(FOLD[node.kind](node, values)) + 0
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - NumPy raises many kinds on operands of a bad file
        raise ModelError(f"node {node.name!r} ({node.kind}): {error}") from error
    if result.nbytes > MAXIMUM_BYTES or result.ndim > 8:
        raise ModelError(f"node {node.name!r} ({node.kind}): result of shape {result.shape}")
    dtype = np.asarray(values[0]).dtype if values else result.dtype
    shape_of = np.asarray(FOLD[node.kind](node, values)).shape
    if node.kind in SMALL:
        result = result.astype(dtype)
    model.constants[node.outputs[0]] = result.reshape(shape_of)
    return True
