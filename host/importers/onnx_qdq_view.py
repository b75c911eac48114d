# SPDX-License-Identifier: Apache-2.0
"""Who makes and who reads the values of a QDQ model, seen as onnxruntime sees them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from .onnx_model import Model, Node

__all__ = ["View"]


class View:
    """Producers and readers of the values of a model as it stands.

    Parameters
    ----------
    model : Model
        Must not change while the view is in use, apart from its constants.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.producers = {name: node for node in model.nodes for name in node.outputs if name}
        self.edges = Counter(name for node in model.nodes for name in node.inputs if name)
        self.uses = self.edges + Counter(model.outputs)
        self.readers: dict[str, list[Node]] = {}
        for node in model.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)

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

    def sum_scale(self, x: list[str], weights: list[str]) -> NDArray:
        """Scale of the sums of products of two dequantized values, in float32."""
        scale = self.model.constants[weights[1]].reshape(-1)
        return np.asarray(self.model.constants[x[1]].reshape(-1)[:1] * scale)

    def sole_reader(self, name: str) -> Node | None:
        """The node that reads a value, if one does, once. The model's outputs do not count."""
        return self.readers[name][0] if self.edges[name] == 1 else None

    def quantizer(self, name: str) -> Node | None:
        """The only reader of a value, if it is a QuantizeLinear with constant parameters."""
        node = self.sole_reader(name)
        if self.uses[name] != 1 or node is None or node.kind != "QuantizeLinear":
            return None
        parameters = [node.input(1), node.input(2)]
        if node.attributes.get("block_size") or any(
            item not in self.model.constants or not self.single(item) for item in parameters
        ):
            return None
        if self.model.constants[node.inputs[2]].dtype.name not in ("int8", "uint8"):
            return None
        return node

    def computed_type(self, source: list[str]) -> str:
        """Type in which onnxruntime computes with dequantized integers, "" if that is unknown.

        On x86 a pair of QuantizeLinear and DequantizeLinear of int8 becomes one of uint8 if nothing
        else reads the integers. Before that, each reader of a DequantizeLinear gets one of its own,
        so a value that two nodes read stays int8. Source: onnxruntime, ``qdq_s8_to_u8.cc`` and
        ``ensure_unique_dq_for_node_unit.cc``.
        """
        if not source[2]:
            return ""
        dtype = self.model.constants[source[2]].dtype.name
        producer = self.producers.get(source[0])
        if dtype != "int8" or producer is None or producer.kind != "QuantizeLinear":
            return dtype
        reader = self.sole_reader(source[0])
        if reader is None or reader.kind != "DequantizeLinear":
            return dtype
        alone = self.uses[source[0]] == 1 and self.uses[reader.outputs[0]] == 1
        return "uint8" if alone else dtype
