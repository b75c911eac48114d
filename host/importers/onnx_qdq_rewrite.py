# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime changes in a QDQ model before it looks for integer operators.

Source: onnxruntime, ``core/optimizer/qdq_transformer`` (relu_quantizelinear, clip_quantizelinear,
weight_bias_quantization) and what its default session writes as ``optimized_model_filepath``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .onnx_model import Model, Node
from .onnx_qdq_view import View

__all__ = ["drop_redundant_clamps", "quantize_biases"]


def drop_redundant_clamps(model: Model) -> None:
    """Relu and Clip that QuantizeLinear's saturation contains disappear."""
    view = View(model)
    kept = []
    for node in model.nodes:
        quantizer = None
        if node.kind in ("Relu", "Clip") and len(node.outputs) == 1:
            quantizer = view.quantizer(node.outputs[0])
        if quantizer is not None and _redundant(model, node, quantizer):
            quantizer.inputs[0] = node.inputs[0]
            continue
        kept.append(node)
    model.nodes = kept


def _redundant(model: Model, node: Node, quantizer: Node) -> bool:
    """Whether the bounds of a clamp, quantized, lie at or outside the ends of the type."""
    scale = np.float32(model.constants[quantizer.inputs[1]].reshape(-1)[0])
    stored = model.constants[quantizer.inputs[2]]
    zero, limits = int(stored.reshape(-1)[0]), np.iinfo(stored.dtype)
    if node.kind == "Relu":
        return zero == limits.min
    bounds = []
    for index, key, missing in ((1, "min", -np.inf), (2, "max", np.inf)):
        if not node.input(index):
            bounds.append(np.float32(node.attributes.get(key, missing)))
        elif node.inputs[index] in model.constants:
            bounds.append(np.float32(model.constants[node.inputs[index]].reshape(-1)[0]))
        else:
            return False
    with np.errstate(all="ignore"):
        low, high = (np.rint(bound / scale) + zero for bound in bounds)
    return bool(low <= limits.min and high >= limits.max)


def quantize_biases(model: Model) -> None:
    """Constant floating-point biases of quantized convolutions and Gemms become int32.

    Their scale is that of the sums; integers are quotients in float32, rounded half to even.
    """
    view, nodes = View(model), []
    taken = {*model.constants, *view.producers}
    for node in model.nodes:
        bias = _float_bias(view, node)
        if bias is not None:
            name = f"{node.input(2)}_of_{node.outputs[0]}"
            while any(f"{name}_{part}" in taken for part in ("quantized", "scale")):
                name += "_"
            names = [f"{name}_quantized", f"{name}_scale"]
            model.constants.update(zip(names, bias, strict=True))
            nodes.append(Node("DequantizeLinear", names, [f"{name}_dequantized"], {"axis": 0}))
            node.inputs[2] = f"{name}_dequantized"
        nodes.append(node)
    model.nodes = nodes


def _float_bias(view: View, node: Node) -> tuple[NDArray, NDArray] | None:
    """The integers and scale of a bias, if it has to become int32."""
    values = view.model.constants.get(node.input(2))
    if node.kind not in ("Conv", "Gemm") or values is None or len(node.outputs) != 1:
        return None
    x, weights = (view.dequantized(node.input(index)) for index in (0, 1))
    if x is None or weights is None or not view.single(x[1]) or values.dtype != np.float32:
        return None
    if weights[0] not in view.model.constants or values.ndim != 1:
        return None
    with np.errstate(all="ignore"):
        scale = view.sum_scale(x, weights)
        if scale.size not in (1, values.size) or scale.dtype != np.float32:
            return None
        integers = np.rint(values / scale).astype(np.float64)
    limits = np.iinfo(np.int32)
    integers = np.clip(np.nan_to_num(integers), limits.min, limits.max)
    return integers.astype(np.int32), scale if scale.size > 1 else scale.reshape(())
