# SPDX-License-Identifier: Apache-2.0
"""ONNX files to plain Python values: nodes, constants, inputs and outputs, all checked.

The protobuf schema comes from PyPI ``onnx``. Nothing that a corrupt file says is believed: sizes
are compared with the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from ..graph import DTYPES, MAXIMUM_BYTES, ModelError
from .flatbuffer import guarded

__all__ = ["Declaration", "Model", "Node", "parse_model"]

MAXIMUM_NODES = 1 << 16
MAXIMUM_OPERANDS = 1 << 10
MAXIMUM_RANK = 8
MAXIMUM_EXTENT = 1 << 30
NEWEST_OPSET = 25
"""The newest operator set whose definitions this importer follows."""

_TYPES = onnx.TensorProto.DataType
_NUMPY: dict[int, np.dtype] = {
    getattr(_TYPES, name.upper() if name != "float32" else "FLOAT"): np.dtype(name)
    for name in (
        "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "bool", "float16",
        "uint32", "uint64",
    )
}
_NUMPY[_TYPES.Value("DOUBLE")] = np.dtype("float64")


def element_type(code: int, what: str) -> np.dtype:
    """The NumPy type of an ONNX element type.

    Raises
    ------
    ModelError
        For types that no tensor of a graph has: int4, float8, bfloat16, strings, ...
    """
    if code in _NUMPY:
        return _NUMPY[code]
    try:
        name = _TYPES.Name(code)
    except ValueError:
        name = str(code)
    raise ModelError(f"{what}: unsupported quantization or element type {name.lower()}")


@dataclass
class Node:
    """One node: ``kind`` with its domain in front unless it is ONNX's own."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def input(self, index: int) -> str:
        """Name of an operand, "" if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True)
class Declaration:
    """Name, element type and shape of an input, an output or an intermediate value."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...] | None


@dataclass
class Model:
    """A model as the file has it.

    ``declared`` holds shapes that the file states for values in between, ``symbolic`` which
    dimensions of inputs the file leaves open, and what they are taken as.
    """

    nodes: list[Node]
    constants: dict[str, NDArray]
    inputs: list[Declaration]
    outputs: list[str]
    opset: int
    declared: dict[str, Declaration]
    proto: Any = None
    symbolic: list[str] = field(default_factory=list)


def parse_model(data: bytes, dimensions: Mapping[str, int]) -> Model:
    """Read a serialized model.

    Parameters
    ----------
    data : bytes
        Contents of the file.
    dimensions : mapping of str to int
        Values of symbolic dimensions; those that are not named here are 1.

    Raises
    ------
    ModelError
        If the bytes are no model, or use what this importer cannot represent.
    """
    with guarded("model"):
        proto = onnx.load_model_from_string(data)
    graph = proto.graph
    if not graph.node and not graph.output:
        raise ModelError("model has no graph")
    with guarded("model"):
        return _read(proto, dimensions)


def _read(proto: Any, dimensions: Mapping[str, int]) -> Model:
    graph = proto.graph
    if len(graph.node) > MAXIMUM_NODES or len(graph.initializer) > MAXIMUM_NODES:
        raise ModelError(f"model has more than {MAXIMUM_NODES} nodes or constants")
    if proto.functions:
        raise ModelError("model has functions of its own, which are not supported")
    if graph.sparse_initializer:
        raise ModelError("sparse constants are not supported")
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    opset = int(opsets.get("", opsets.get("ai.onnx", 0)))
    if not 1 <= opset <= NEWEST_OPSET:
        raise ModelError(f"operator set {opset}; only 1 to {NEWEST_OPSET} are supported")
    constants: dict[str, NDArray] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise ModelError(f"constant {tensor.name!r} is there twice")
        constants[tensor.name] = read_tensor(tensor, f"constant {tensor.name!r}")
    inputs = [_declaration(item, dimensions) for item in graph.input if item.name not in constants]
    declared = {}
    for item in list(graph.value_info) + list(graph.output):
        try:
            declared[item.name] = _declaration(item, dimensions)
        except ModelError:
            continue
    for item in graph.output:
        if item.type.HasField("tensor_type"):
            element_type(item.type.tensor_type.elem_type, f"output {item.name!r}")
    nodes = [_node(index, item) for index, item in enumerate(graph.node)]
    outputs = [item.name for item in graph.output]
    symbolic = [text for item in graph.input if item.name not in constants
                for text in _open_dimensions(item, dimensions)]
    return Model(nodes, constants, inputs, outputs, opset, declared, proto, symbolic)


def _open_dimensions(item: Any, dimensions: Mapping[str, int]) -> list[str]:
    """Each dimension of an input that is no number in the file, and its value."""
    result = []
    for position, dimension in enumerate(item.type.tensor_type.shape.dim):
        if dimension.HasField("dim_value"):
            continue
        name = dimension.dim_param
        what = "the batch" if position == 0 else f"dimension {position}"
        called = f" ({name!r})" if name else ""
        result.append(f"{what} of input {item.name!r} is open in the file{called} and is taken as "
                      f"{dimensions.get(name, 1)}")
    return result


def _declaration(item: Any, dimensions: Mapping[str, int]) -> Declaration:
    where = f"value {item.name!r}"
    if not item.type.HasField("tensor_type"):
        raise ModelError(f"{where} is not a tensor")
    stored = item.type.tensor_type
    dtype = element_type(stored.elem_type, where)
    if not stored.HasField("shape"):
        return Declaration(item.name, dtype, None)
    shape = []
    for dimension in stored.shape.dim:
        if dimension.HasField("dim_value"):
            extent = int(dimension.dim_value)
        else:
            extent = int(dimensions.get(dimension.dim_param, 1))
        if not 0 <= extent <= MAXIMUM_EXTENT:
            raise ModelError(f"{where} has a dimension of {extent}")
        shape.append(extent)
    if len(shape) > MAXIMUM_RANK:
        raise ModelError(f"{where} has {len(shape)} dimensions, more than {MAXIMUM_RANK}")
    return Declaration(item.name, dtype, tuple(shape))


def read_tensor(tensor: Any, where: str) -> NDArray:
    """The contents of a stored tensor."""
    dtype = element_type(tensor.data_type, where)
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"{where} is stored in another file, which is not supported")
    shape = tuple(int(extent) for extent in tensor.dims)
    if len(shape) > MAXIMUM_RANK or any(not 0 <= n <= MAXIMUM_EXTENT for n in shape):
        raise ModelError(f"{where} has shape {shape}")
    count = math.prod(shape)
    if count * dtype.itemsize > MAXIMUM_BYTES:
        raise ModelError(f"{where} takes more than {MAXIMUM_BYTES} bytes")
    if tensor.HasField("raw_data") and len(tensor.raw_data) != count * dtype.itemsize:
        raise ModelError(
            f"{where} needs {count * dtype.itemsize} bytes, the file has {len(tensor.raw_data)}"
        )
    with guarded(where):
        values = np.array(numpy_helper.to_array(tensor), order="C")
    if values.shape != shape or values.dtype != dtype or dtype not in DTYPES:
        raise ModelError(f"{where}: contents do not fit {dtype} {shape}")
    return values


def _node(index: int, item: Any) -> Node:
    domain = "" if item.domain in ("", "ai.onnx") else f"{item.domain}."
    kind = f"{domain}{item.op_type}"[:256]
    where = f"node {index} ({kind})"
    if len(item.input) > MAXIMUM_OPERANDS or len(item.output) > MAXIMUM_OPERANDS:
        raise ModelError(f"{where} has more than {MAXIMUM_OPERANDS} operands")
    attributes = {}
    for attribute in item.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            value: Any = read_tensor(attribute.t, f"{where}, attribute {attribute.name!r}")
        else:
            with guarded(where):
                value = onnx.helper.get_attribute_value(attribute)
            if isinstance(value, bytes):
                value = value.decode("utf-8", errors="replace")
            elif attribute.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS):
                value = list(value)
        attributes[attribute.name] = value
    return Node(kind, list(item.input), list(item.output), attributes, item.name)
