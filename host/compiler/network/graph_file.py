# SPDX-License-Identifier: Apache-2.0
"""Graphs as JSON and bytes, for the part of a compiled model that the host runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...graph import Graph, Operator, Quantization, Tensor

__all__ = ["Blobs", "graph_description", "read_graph"]


class Blobs:
    """Pieces of data one after the other."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, content: bytes) -> list[int]:
        """Append a piece; returns its offset and size."""
        place = [len(self.data), len(content)]
        self.data += content
        return place


def _plain(value: Any) -> Any:
    """JSON values for attributes; tuples become lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _attribute(value: Any) -> Any:
    return tuple(_attribute(item) for item in value) if isinstance(value, list) else value


def graph_description(graph: Graph, blobs: Blobs) -> dict[str, Any]:
    """JSON values of a graph; contents of constants go to ``blobs``."""
    tensors = []
    for tensor in graph.tensors.values():
        quantization = tensor.quantization
        tensors.append({
            "name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype.name,
            "quantization": None if quantization is None else {
                "scale": [float(value) for value in quantization.scale],
                "zero_point": [int(value) for value in quantization.zero_point],
                "axis": quantization.axis,
            },
            "data": None if tensor.data is None else blobs.add(
                np.ascontiguousarray(tensor.data).tobytes()
            ),
        })
    return {
        "name": graph.name, "tensors": tensors, "inputs": list(graph.inputs),
        "outputs": list(graph.outputs), "convention": graph.convention,
        "operators": [
            {"kind": item.kind, "inputs": list(item.inputs), "outputs": list(item.outputs),
             "name": item.name,
             "attributes": {key: _plain(value) for key, value in item.attributes.items()}}
            for item in graph.operators
        ],
    }


def read_graph(description: dict[str, Any], piece: Callable[[list[int]], bytes]) -> Graph:
    """The graph of a description; raises `ModelError` or what reading garbage raises."""
    tensors = {}
    for item in description["tensors"]:
        quantization = item["quantization"]
        dtype, shape = np.dtype(item["dtype"]), tuple(item["shape"])
        data = None
        if item["data"] is not None:
            data = np.frombuffer(piece(item["data"]), dtype).reshape(shape)
        tensor = Tensor(
            item["name"], shape, dtype,
            None if quantization is None else Quantization(
                np.array(quantization["scale"], np.float32),
                np.array(quantization["zero_point"], np.int64), quantization["axis"],
            ),
            data,
        )
        tensor.validate()
        tensors[tensor.name] = tensor
    operators = [
        Operator(item["kind"], item["inputs"], item["outputs"],
                 {key: _attribute(value) for key, value in item["attributes"].items()},
                 item["name"])
        for item in description["operators"]
    ]
    return Graph(description["name"], tensors, operators, description["inputs"],
                 description["outputs"], description["convention"])
