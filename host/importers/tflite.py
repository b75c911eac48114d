# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite models (``.tflite``) to graphs.

The schema comes from PyPI ``tflite``. Only the first subgraph is read; operators that need others
(IF, WHILE, ...) are listed as unsupported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from ..graph import Graph, ModelError, Operator, Quantization, Tensor
from ..operators.checks import check_graph
from ..operators.folding import fold_constants
from .flatbuffer import guarded, numbers, tables, text
from .tflite_attributes import ELEMENT_TYPES, read_attributes
from .tflite_geometry import resolve

__all__ = ["load_tflite", "parse_tflite"]

MAXIMUM_FILE_BYTES = 1 << 30
MAXIMUM_OPERATORS = 1 << 16
MAXIMUM_TENSORS = 1 << 17
MAXIMUM_OPERANDS = 1 << 10
SCHEMA_VERSION = 3
CUSTOM = 32
PLACEHOLDER = 127
"""Operator codes above this one do not fit in the schema's old, 8-bit field."""

_ELEMENT_NAMES = {
    value: name for name, value in vars(tflite.TensorType).items() if not name.startswith("_")
}


def load_tflite(path: str | os.PathLike[str]) -> Graph:
    """Read a ``.tflite`` file.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    ModelError
        If the file cannot be read, is malformed or uses an unsupported quantization. Operators
        that cannot run are no error: they carry the reason in `Operator.unsupported`.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAXIMUM_FILE_BYTES:
            raise ModelError(f"{file}: {size} bytes, more than {MAXIMUM_FILE_BYTES}")
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror or error}") from error
    try:
        return parse_tflite(data, file.stem)
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error


def parse_tflite(data: bytes, name: str = "model") -> Graph:
    """Read a model from the bytes of a ``.tflite`` file; `load_tflite` says what it raises."""
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ModelError("not a TensorFlow Lite model (identifier TFL3 is missing)")
    with guarded("model"):
        reader = _Reader(data)
        graph = reader.graph(name)
    graph.validate()
    check_graph(graph)
    return fold_constants(graph)


class _Reader:
    """One pass over the flatbuffer of a model."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAs(data, 0)
        if self.model.Version() != SCHEMA_VERSION:
            raise ModelError(
                f"schema version {self.model.Version()}; only {SCHEMA_VERSION} is supported"
            )
        subgraphs = tables(self.model, "Subgraphs", 1 << 10)
        if not subgraphs:
            raise ModelError("model has no subgraph")
        self.subgraph = subgraphs[0]
        self.buffers = tables(self.model, "Buffers", MAXIMUM_TENSORS)
        self.kinds = [self._kind(code) for code in tables(self.model, "OperatorCodes", 1 << 12)]
        self.stored = tables(self.subgraph, "Tensors", MAXIMUM_TENSORS)
        self.tensors: dict[int, Tensor] = {}
        self.names: set[str] = set()

    def graph(self, name: str) -> Graph:
        inputs = self._tensor_names(numbers(self.subgraph, "Inputs", "<i4", MAXIMUM_OPERANDS))
        outputs = self._tensor_names(numbers(self.subgraph, "Outputs", "<i4", MAXIMUM_OPERANDS))
        stored = tables(self.subgraph, "Operators", MAXIMUM_OPERATORS)
        operators = [self._operator(index, item) for index, item in enumerate(stored)]
        computed = {name for operator in operators for name in operator.outputs} | set(inputs)
        for tensor in self.tensors.values():
            if not tensor.elements and not tensor.constant and tensor.name not in computed:
                tensor.data = np.zeros(tensor.shape, tensor.dtype)
        graph = Graph(
            name, {tensor.name: tensor for tensor in self.tensors.values()}, operators,
            inputs, outputs,
        )
        for operator in operators:
            resolve(graph, operator)
        return graph

    @staticmethod
    def _kind(code: Any) -> str:
        old, new = code.DeprecatedBuiltinCode(), code.BuiltinCode()
        number = max(old, new) if old != PLACEHOLDER else new
        if number == CUSTOM:
            return f"CUSTOM {text(code.CustomCode(), 64)}".rstrip()
        try:
            return tflite.opcode2name(number)
        except ValueError as error:
            raise ModelError(f"operator code {number} does not exist") from error

    def _tensor_names(self, indices: np.ndarray) -> tuple[str, ...]:
        return tuple(self._tensor(int(index)).name for index in indices)

    def _operator(self, index: int, stored: Any) -> Operator:
        number = stored.OpcodeIndex()
        if number >= len(self.kinds):
            raise ModelError(f"operator {index} has code {number} of {len(self.kinds)}")
        kind = self.kinds[number]
        with guarded(f"operator {index} ({kind})"):
            inputs = numbers(stored, "Inputs", "<i4", MAXIMUM_OPERANDS)
            outputs = numbers(stored, "Outputs", "<i4", MAXIMUM_OPERANDS)
            return Operator(
                kind,
                tuple(None if i == -1 else self._tensor(int(i)).name for i in inputs),
                self._tensor_names(outputs),
                read_attributes(kind, stored),
                f"{index:02d}_{kind}",
            )

    def _tensor(self, index: int) -> Tensor:
        if index not in self.tensors:
            if not 0 <= index < len(self.stored):
                raise ModelError(f"there is no tensor {index} ({len(self.stored)} tensors)")
            with guarded(f"tensor {index}"):
                self.tensors[index] = self._read_tensor(index, self.stored[index])
        return self.tensors[index]

    def _read_tensor(self, index: int, stored: Any) -> Tensor:
        name = text(stored.Name()) or f"tensor_{index}"
        if name in self.names:
            name = f"{name}#{index}"
        self.names.add(name)
        code = stored.Type()
        if code not in ELEMENT_TYPES:
            label = _ELEMENT_NAMES.get(code, str(code))
            raise ModelError(
                f"tensor {name!r}: unsupported quantization or element type {label}"
            )
        dtype = np.dtype(ELEMENT_TYPES[code])
        shape = tuple(numbers(stored, "Shape", "<i4", limit=64).tolist())
        if stored.IsVariable():
            raise ModelError(f"tensor {name!r} keeps state between runs, which is not supported")
        if stored.Sparsity() is not None:
            raise ModelError(f"tensor {name!r}: sparse tensors are not supported")
        tensor = Tensor(name, shape, dtype, self._quantization(name, stored, dtype))
        tensor.validate()
        tensor.data = self._contents(tensor, stored.Buffer())
        return tensor

    @staticmethod
    def _quantization(name: str, stored: Any, dtype: np.dtype) -> Quantization | None:
        table = stored.Quantization()
        if table is None or dtype.kind not in "iu":
            return None
        scale = numbers(table, "Scale", "<f4")
        zero_point = numbers(table, "ZeroPoint", "<i8")
        if table.DetailsType():
            raise ModelError(f"tensor {name!r}: unsupported quantization (custom)")
        if not scale.size or not (scale != 0).any():
            return None
        if not zero_point.size:
            zero_point = np.zeros(scale.size, np.int64)
        elif zero_point.size == 1:
            zero_point = np.broadcast_to(zero_point, scale.shape)
        axis = int(table.QuantizedDimension()) if scale.size > 1 else None
        try:
            return Quantization(scale, zero_point, axis)
        except ModelError as error:
            raise ModelError(f"tensor {name!r}: {error}") from error

    def _contents(self, tensor: Tensor, index: int) -> np.ndarray | None:
        if not 0 <= index < len(self.buffers):
            raise ModelError(
                f"tensor {tensor.name!r} has buffer {index} of {len(self.buffers)}"
            )
        buffer = self.buffers[index]
        if buffer.Offset() > 1:
            raise ModelError(f"tensor {tensor.name!r} lies outside the flatbuffer")
        data = numbers(buffer, "Data", "<u1")
        if not data.size:
            return None
        if data.size != tensor.bytes:
            raise ModelError(
                f"tensor {tensor.name!r} needs {tensor.bytes} bytes, its buffer has {data.size}"
            )
        if tensor.dtype == np.bool_:
            values = data != 0
        else:
            values = data.view(tensor.dtype.newbyteorder("<")).astype(tensor.dtype, copy=False)
        values = values.reshape(tensor.shape)
        values.flags.writeable = False
        return values
