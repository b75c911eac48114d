# SPDX-License-Identifier: Apache-2.0
"""QDQ models: DequantizeLinear -> operator -> QuantizeLinear becomes the integer operator.

The rules are those of onnxruntime's default session (graph optimizations on, x86 CPU), whose
integer kernels are the oracle of convention ``onnx``. Of what it leaves in float32, products whose
integer form is the same function of real numbers become integers all the same, with the reason in
the node's attribute ``differs``: only sums close to halfway between two results can round to the
other one. The rest stays in float32, with the reason in ``float32`` where the bits of a float32
result depend on the order of sums or on an approximation. Source: onnxruntime,
``core/optimizer/qdq_transformer`` (selectors and actions), and its operators in domain
com.microsoft.
"""

from __future__ import annotations

import numpy as np

from .onnx_model import Model, Node
from .onnx_qdq_rewrite import drop_redundant_clamps, quantize_biases
from .onnx_qdq_view import View

__all__ = ["fuse_qdq"]

QLINEAR = "com.microsoft.QLinear"
UNARY = {
    "AveragePool": f"{QLINEAR}AveragePool",
    "GlobalAveragePool": f"{QLINEAR}GlobalAveragePool",
    "LeakyRelu": f"{QLINEAR}LeakyRelu",
    "Sigmoid": f"{QLINEAR}Sigmoid",
    "Softmax": f"{QLINEAR}Softmax",
}
BINARY = {"Add": f"{QLINEAR}Add", "Mul": f"{QLINEAR}Mul"}
MOVEMENT = ("Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
PRODUCTS = ("Conv", "Gemm", "MatMul")
INEXACT = (
    *PRODUCTS, "AveragePool", "Elu", "Erf", "Exp", "Gelu", "GlobalAveragePool", "Log", "LogSoftmax",
    "ReduceMean", "Sigmoid", "Softmax", "Softplus", "Tanh",
)
"""Kinds whose float32 result depends on the order of sums or on an approximation."""

Fused = tuple[Node, list[Node]]
"""The integer node, and the nodes behind it that it contains."""


_KEPT = ("its int8 activations are inputs or outputs of the model, or have several readers, so "
         "that they do not become uint8")


class _KeepFloat(Exception):
    """onnxruntime computes a node with quantized operands in float32; the text says why."""


def fuse_qdq(model: Model) -> None:
    """Replace every pattern in ``model.nodes``; nodes without reader disappear."""
    drop_redundant_clamps(model)
    quantize_biases(model)
    view = View(model)
    replaced: dict[int, Node] = {}
    gone: set[int] = set()
    for node in model.nodes:
        try:
            result = _fuse(view, node)
        except _KeepFloat as reason:
            if node.kind in INEXACT:
                node.attributes["float32"] = str(reason)
            continue
        if result is None:
            continue
        replaced[id(node)] = result[0]
        gone.update(id(item) for item in result[1])
    nodes = [replaced.get(id(node), node) for node in model.nodes if id(node) not in gone]
    model.nodes = _used(nodes, model.outputs)


def _used(nodes: list[Node], outputs: list[str]) -> list[Node]:
    needed = set(outputs)
    result = []
    for node in reversed(nodes):
        if needed & set(node.outputs):
            needed.update(name for name in node.inputs if name)
            result.append(node)
    return result[::-1]


def _fuse(view: View, node: Node) -> Fused | None:
    if len(node.outputs) != 1:
        return None
    if node.kind in PRODUCTS:
        return _fuse_product(view, node)
    quantizer = view.quantizer(node.outputs[0])
    sources = [view.dequantized(name) for name in node.inputs]
    if not sources or sources[0] is None or not view.single(sources[0][1]):
        return None
    first = sources[0]
    if node.kind in MOVEMENT:
        if quantizer is None or not _same_parameters(view.model, first, quantizer):
            return None
        inputs = [first[0], *node.inputs[1:]]
        fused = Node(node.kind, inputs, quantizer.outputs, dict(node.attributes), node.name)
        return fused, [quantizer]
    operands = [item for source in sources if source is not None for item in source]
    known = [source for source in sources if source is not None]
    if node.kind in UNARY:
        kind, known = UNARY[node.kind], [first]
    elif node.kind in BINARY or node.kind == "Concat":
        kind = BINARY.get(node.kind, f"{QLINEAR}Concat")
        if len(known) != len(sources) or not all(view.single(item[1]) for item in known):
            return None
    elif node.kind in INEXACT:
        raise _KeepFloat("it has no integer kernel for it")
    else:
        return None
    if quantizer is None:
        raise _KeepFloat("no QuantizeLinear alone reads its result")
    types = {view.computed_type(item) for item in known} | {_result_type(view, quantizer)}
    result = [quantizer.inputs[1], quantizer.inputs[2]]
    attributes = {**node.attributes, "unsigned": int(types == {"uint8"})}
    if len(types) != 1:
        if node.kind in ("Mul", "Concat") or not _all_int8(view, known, quantizer):
            raise _KeepFloat(_mixed(types))
        attributes["differs"] = _mixed(types)
    if node.kind in UNARY:
        attributes.setdefault("channels_last", 0)
        attributes["opset"] = view.model.opset
        inputs = first + result
    else:
        inputs = result + operands if node.kind == "Concat" else operands + result
    return Node(kind, inputs, quantizer.outputs, attributes, node.name), [quantizer]


def _all_int8(view: View, operands: list[list[str]], quantizer: Node | None) -> bool:
    """Whether operands and result are int8 in the file, which is one function of integers."""
    zeros = [item[2] for item in operands] + ([quantizer.inputs[2]] if quantizer else [])
    return all(zero and view.model.constants[zero].dtype == np.int8 for zero in zeros)


def _mixed(types: set[str]) -> str:
    return (f"its operands and result are of the types {', '.join(sorted(types - {''}))} once int8 "
            "pairs with a single reader are uint8")


def _result_type(view: View, quantizer: Node) -> str:
    """Type of the integers of a QuantizeLinear in onnxruntime's session."""
    name, dtype = quantizer.outputs[0], view.model.constants[quantizer.inputs[2]].dtype.name
    reader = view.sole_reader(name)
    if reader is None or reader.kind != "DequantizeLinear":
        return dtype
    return view.computed_type([name, *quantizer.inputs[1:3]])


def _same_parameters(model: Model, source: list[str], quantizer: Node) -> bool:
    if not source[2]:
        return False
    pairs = ((source[1], quantizer.inputs[1]), (source[2], quantizer.inputs[2]))
    return all(
        model.constants[a].dtype == model.constants[b].dtype
        and np.array_equal(model.constants[a].reshape(-1), model.constants[b].reshape(-1))
        for a, b in pairs
    )


def _behind(view: View, node: Node) -> list[Node]:
    """What a product contains: a QuantizeLinear and the rectifier before it; [] for float32."""
    name = node.outputs[0]
    quantizer = view.quantizer(name)
    if quantizer is not None:
        return [quantizer]
    if any(reader.kind == "QuantizeLinear" for reader in view.readers.get(name, [])):
        raise _KeepFloat("a QuantizeLinear and something else read its result")
    clamp = view.sole_reader(name)
    if clamp is not None and clamp.kind in ("Relu", "Clip"):
        quantizer = view.quantizer(clamp.outputs[0])
        if quantizer is not None and view.uses[name] == 1 and _rectifier(view.model, clamp):
            return [clamp, quantizer]
        if view.sole_reader(clamp.outputs[0]) is not None:
            raise _KeepFloat(f"the {clamp.kind} behind it is not contained in a QuantizeLinear")
    if node.kind == "Conv":
        raise _KeepFloat("no QuantizeLinear alone reads its result")
    return []


def _rectifier(model: Model, clamp: Node) -> str:
    """The activation that a clamp is, "" for none."""
    if clamp.kind == "Relu":
        return "RELU"
    bounds = [
        model.constants[clamp.inputs[index]] if clamp.input(index) in model.constants
        else clamp.attributes.get(key)
        for index, key in ((1, "min"), (2, "max"))
    ]
    return "RELU6" if all(
        item is not None and np.array_equal(np.reshape(item, -1), [bound])
        for item, bound in zip(bounds, (0, 6), strict=True)
    ) else ""


def _fuse_product(view: View, node: Node) -> Fused | None:
    x, weights = (view.dequantized(node.input(index)) for index in (0, 1))
    if x is None or weights is None or not view.single(x[1]):
        return None
    stored = view.dequantized(node.input(2)) if node.input(2) else None
    if node.input(2) and stored is None:
        raise _KeepFloat("its bias is computed in float32")
    if stored is not None and node.kind == "Conv":
        _check_bias(view, x, weights, stored)
    if any(float(node.attributes.get(key, 1.0)) != 1.0 for key in ("alpha", "beta")):
        raise _KeepFloat("it has a factor alpha or beta")
    behind = _behind(view, node)
    quantizer = behind[-1] if behind else None
    attributes = dict(node.attributes)
    differs = [_check_types(view, node, x, weights, quantizer)]
    if len(behind) == 2:
        attributes["activation"] = _rectifier(view.model, behind[0])
        differs.append(f"the {behind[0].kind} behind it is not contained in a QuantizeLinear")
    if any(differs):
        attributes["differs"] = "; ".join(filter(None, differs))
    if not view.single(weights[1]):
        attributes["weight_axis"] = view.producers[node.inputs[1]].attributes.get("axis", 1)
    bias = "" if stored is None else stored[0]
    outputs = quantizer.outputs if quantizer is not None else node.outputs
    result = [quantizer.inputs[1], quantizer.inputs[2]] if quantizer is not None else []
    if node.kind == "Gemm":
        kind, inputs = "com.microsoft.QGemm", [*x, *weights, bias, *result]
    elif node.kind == "Conv":
        kind, inputs = "QLinearConv", [*x, *weights, *result, bias]
    elif result:
        kind, inputs = "QLinearMatMul", [*x, *weights, *result]
    else:
        kind = "com.microsoft.MatMulIntegerToFloat"
        inputs = [x[0], weights[0], x[1], weights[1], x[2], weights[2]]
    return Node(kind, inputs, outputs, attributes, node.name), behind


def _check_bias(view: View, x: list[str], weights: list[str], bias: list[str]) -> None:
    """QLinearConv takes its bias for sums; its scale has to be close to theirs."""
    constants = view.model.constants
    if bias[2] and np.any(constants[bias[2]]):
        raise _KeepFloat("its bias has a zero point other than 0")
    scale, sums = constants[bias[1]].reshape(-1), view.sum_scale(x, weights)
    if scale.size not in (1, sums.size) and sums.size != 1:
        raise _KeepFloat(f"its bias has {scale.size} scales, its weights {sums.size}")
    with np.errstate(all="ignore"):
        if not np.all(np.abs(scale - sums) <= np.float32(1e-6) + np.float32(0.01) * np.abs(sums)):
            raise _KeepFloat("the scale of its bias is not that of its sums")


def _check_types(
    view: View, node: Node, x: list[str], weights: list[str], quantizer: Node | None
) -> str:
    """Why onnxruntime computes int8 operands in float32, "" if it does not.

    Convolutions and MatMul take uint8; Gemm also int8 where all is int8.
    """
    types = {view.computed_type(x)}
    if quantizer is not None:
        types.add(_result_type(view, quantizer))
    if types == {"uint8"}:
        return ""
    integers = _all_int8(view, [x, weights], quantizer)
    if types == {"int8"} and node.kind == "Gemm" and integers:
        return ""
    if not integers or quantizer is None:
        raise _KeepFloat(_mixed(types) if len(types) > 1 else _KEPT)
    return _mixed(types) if len(types) > 1 else _KEPT
