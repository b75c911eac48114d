# SPDX-License-Identifier: Apache-2.0
"""QDQ models: DequantizeLinear -> operator -> QuantizeLinear becomes the integer operator.

The rules are those of onnxruntime's default session (graph optimizations on, CPU), whose integer
kernels are the oracle of convention ``onnx``. Source: onnxruntime, ``core/optimizer/
qdq_transformer`` (selectors and actions), and its operators in domain com.microsoft.

One rule goes further: a rectifier between a convolution or matrix product and its QuantizeLinear
becomes the lower clamp of the integer operator, whatever the zero point. onnxruntime does that only
where the zero point is the smallest integer, and otherwise computes in float32.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from .onnx_model import Model, Node

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


class _Fusion:
    """The state of one pass."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.producers = {name: node for node in model.nodes for name in node.outputs if name}
        self.uses = Counter(name for node in model.nodes for name in node.inputs if name)
        self.uses.update(model.outputs)
        self.consumers: dict[str, Node] = {}
        for node in model.nodes:
            for name in node.inputs:
                self.consumers[name] = node

    def dequantized(self, name: str) -> list[str] | None:
        """Value, scale and zero point that a DequantizeLinear makes ``name`` of."""
        node = self.producers.get(name)
        if node is None or node.kind != "DequantizeLinear" or node.attributes.get("block_size"):
            return None
        if node.input(1) not in self.model.constants:
            return None
        zero = node.input(2)
        if zero and zero not in self.model.constants:
            return None
        return [node.inputs[0], node.inputs[1], zero]

    def single(self, name: str) -> bool:
        """Whether a scale is one number."""
        return self.model.constants[name].size == 1

    def quantizer(self, name: str) -> Node | None:
        """The only reader of a value, if it is a QuantizeLinear with constant parameters."""
        if self.uses[name] != 1:
            return None
        node = self.consumers.get(name)
        if node is None or node.kind != "QuantizeLinear" or node.attributes.get("block_size"):
            return None
        parameters = [node.input(1), node.input(2)]
        if any(item not in self.model.constants or not self.single(item) for item in parameters):
            return None
        if self.model.constants[node.inputs[2]].dtype.name not in ("int8", "uint8"):
            return None
        return node

    def target(self, node: Node) -> tuple[Node | None, Node | None]:
        """QuantizeLinear behind a node and a rectifier between them."""
        quantizer = self.quantizer(node.outputs[0])
        if quantizer is not None:
            return quantizer, None
        relu = self.consumers.get(node.outputs[0])
        if relu is None or relu.kind != "Relu" or self.uses[node.outputs[0]] != 1:
            return None, None
        quantizer = self.quantizer(relu.outputs[0])
        return (quantizer, relu) if quantizer is not None else (None, None)


def fuse_qdq(model: Model) -> None:
    """Replace every pattern in ``model.nodes``; nodes without reader disappear."""
    _drop_redundant_rectifiers(model)
    fusion = _Fusion(model)
    replaced: dict[int, Node] = {}
    gone: set[int] = set()
    for node in model.nodes:
        result = _fuse(fusion, node)
        if result is None:
            continue
        new, removed = result
        replaced[id(node)] = new
        gone.update(id(item) for item in removed)
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


def _drop_redundant_rectifiers(model: Model) -> None:
    """Relu before a QuantizeLinear whose smallest integer stands for zero changes nothing."""
    fusion = _Fusion(model)
    kept = []
    for node in model.nodes:
        quantizer = fusion.quantizer(node.outputs[0]) if node.kind == "Relu" else None
        if quantizer is not None:
            zero = model.constants[quantizer.inputs[2]]
            if int(zero.reshape(-1)[0]) == np.iinfo(zero.dtype).min:
                quantizer.inputs[0] = node.inputs[0]
                continue
        kept.append(node)
    model.nodes = kept


def _fuse(fusion: _Fusion, node: Node) -> tuple[Node, list[Node]] | None:
    if len(node.outputs) != 1:
        return None
    if node.kind in ("Conv", "Gemm", "MatMul"):
        return _fuse_product(fusion, node)
    quantizer = fusion.quantizer(node.outputs[0])
    sources = [fusion.dequantized(name) for name in node.inputs]
    if quantizer is None or not sources or sources[0] is None:
        return None
    first = sources[0]
    if not fusion.single(first[1]):
        return None
    result = [quantizer.inputs[1], quantizer.inputs[2]]
    # onnxruntime computes a QDQ model's int8 activations as uint8 on x86 (QDQS8ToU8Transformer).
    attributes, outputs = {**node.attributes, "unsigned": 1}, quantizer.outputs
    if node.kind in UNARY:
        attributes.setdefault("channels_last", 0)
        attributes["opset"] = fusion.model.opset
        return Node(UNARY[node.kind], first + result, outputs, attributes, node.name), [quantizer]
    if node.kind in BINARY or node.kind == "Concat":
        if any(source is None or not fusion.single(source[1]) for source in sources):
            return None
        operands = [item for source in sources if source is not None for item in source]
        if node.kind == "Concat":
            return Node(f"{QLINEAR}Concat", result + operands, outputs, attributes, node.name), [
                quantizer
            ]
        return Node(BINARY[node.kind], operands + result, outputs, attributes, node.name), [
            quantizer
        ]
    if node.kind in MOVEMENT and _same_parameters(fusion.model, first, quantizer):
        inputs = [first[0], *node.inputs[1:]]
        return Node(node.kind, inputs, outputs, dict(node.attributes), node.name), [quantizer]
    return None


def _same_parameters(model: Model, source: list[str], quantizer: Node) -> bool:
    if not source[2]:
        return False
    pairs = ((source[1], quantizer.inputs[1]), (source[2], quantizer.inputs[2]))
    return all(
        model.constants[a].dtype == model.constants[b].dtype
        and np.array_equal(model.constants[a].reshape(-1), model.constants[b].reshape(-1))
        for a, b in pairs
    )


def _fuse_product(fusion: _Fusion, node: Node) -> tuple[Node, list[Node]] | None:
    x, weights = (fusion.dequantized(node.input(index)) for index in (0, 1))
    if x is None or weights is None or not fusion.single(x[1]):
        return None
    bias = ""
    if node.input(2):
        stored = fusion.dequantized(node.input(2))
        if stored is None:
            return None
        bias = stored[0]
    quantizer, relu = fusion.target(node)
    if quantizer is None and node.kind == "Conv":
        return None
    attributes = dict(node.attributes)
    if not fusion.single(weights[1]):
        attributes["weight_axis"] = fusion.producers[node.inputs[1]].attributes.get("axis", 1)
    if relu is not None:
        attributes["activation"] = "RELU"
    removed = [item for item in (quantizer, relu) if item is not None]
    outputs = quantizer.outputs if quantizer is not None else node.outputs
    result = [quantizer.inputs[1], quantizer.inputs[2]] if quantizer is not None else []
    if node.kind == "Gemm":
        inputs = [*x, *weights, bias, *result]
        return Node("com.microsoft.QGemm", inputs, outputs, attributes, node.name), removed
    if node.kind == "MatMul":
        kind = "QLinearMatMul" if result else "com.microsoft.MatMulIntegerToFloat"
        inputs = [*x, *weights, *result]
        if not result:
            inputs = [x[0], weights[0], x[1], weights[1], x[2], weights[2]]
        return Node(kind, inputs, outputs, attributes, node.name), removed
    inputs = [*x, *weights, *result, bias]
    return Node("QLinearConv", inputs, outputs, attributes, node.name), removed
