# SPDX-License-Identifier: Apache-2.0
"""ONNX models to graphs: QOperator, QDQ and floating-point models.

Graphs have convention ``onnx``: their integers are those of onnxruntime's default session (graph
optimizations on, CPU). Inputs and outputs keep ONNX's names, types and NCHW layout; inside, feature
maps are NHWC and integers int8. Operators that cannot be run stay, with the reason in
`Operator.unsupported`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike

from ..graph import Graph, ModelError, Operator, Tensor
from ..operators.checks import check_graph
from ..operators.folding import fold_constants
from ..operators.registry import UnsupportedError
from . import (  # noqa: F401 - each registers the ONNX kinds that it lowers
    onnx_convolution,
    onnx_elementwise,
    onnx_matmul,
    onnx_movement,
    onnx_pooling,
)
from .flatbuffer import guarded
from .onnx_builder import LOWER, PLAIN, Builder
from .onnx_dynamic import dynamic_quantize_linear
from .onnx_model import Declaration, Model, Node, parse_model
from .onnx_qdq import fuse_qdq
from .onnx_signs import to_int8

__all__ = ["load_onnx", "parse_onnx"]

MAXIMUM_FILE_BYTES = 1 << 30


def load_onnx(
    path: str | os.PathLike[str], constants: Mapping[str, ArrayLike] | None = None,
    dimensions: Mapping[str, int] | None = None,
) -> Graph:
    """Read an ``.onnx`` file.

    Parameters
    ----------
    path : path
        The file.
    constants : mapping of str to array, optional
        Inputs that are known from now on: scales, zero points or weights that a file leaves open.
    dimensions : mapping of str to int, optional
        Values of symbolic dimensions; those that are not named are 1.

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
        return parse_onnx(data, file.stem, constants, dimensions)
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error


def parse_onnx(
    data: bytes, name: str = "model", constants: Mapping[str, ArrayLike] | None = None,
    dimensions: Mapping[str, int] | None = None,
) -> Graph:
    """Read a model from the bytes of an ``.onnx`` file; `load_onnx` says the rest."""
    model = parse_model(data, dimensions or {})
    with guarded("model"):
        _bind(model, constants or {})
        for node in list(model.nodes):
            if node.kind == "QuantizeLinear":
                Builder(model, name).fold(node)
        fuse_qdq(model)
        graph = _lower_all(model, name)
    graph.notes = [*model.symbolic, *_float_notes(graph)]
    graph.validate()
    check_graph(graph)
    graph = fold_constants(to_int8(graph))
    graph.validate()
    check_graph(graph)
    return graph


def _float_notes(graph: Graph) -> list[str]:
    """Where results can differ from onnxruntime's by rounding, and why."""
    notes = []
    for item in graph.operators:
        name = f"{item.outputs[0]} ({item.kind})"
        if "float32" in item.attributes:
            notes.append(
                f"warning: onnxruntime computes {name} in float32, and so does the host: "
                f"{item.attributes['float32']}; sums in another order can make a result differ by "
                "one"
            )
        elif "differs" in item.attributes:
            notes.append(
                f"warning: onnxruntime computes {name} in float32, Weft in integers: "
                f"{item.attributes['differs']}; sums close to halfway between two results can "
                "differ by one"
            )
    return notes


def _bind(model: Model, constants: Mapping[str, ArrayLike]) -> None:
    known = {item.name: item for item in model.inputs}
    for name, values in constants.items():
        if name not in known:
            raise ModelError(f"the model has no input {name!r} that could be a constant")
        array, item = np.asarray(values), known[name]
        if array.dtype != item.dtype or (item.shape is not None and array.shape != item.shape):
            raise ModelError(f"constant {name!r} must be {item.dtype} {item.shape}, not "
                             f"{array.dtype} {array.shape}")
        model.constants[name] = array
    model.inputs = [item for item in model.inputs if item.name not in constants]


def _lower_all(model: Model, name: str) -> Graph:
    builder = Builder(model, name)
    graph = builder.graph
    for item in model.inputs:
        if item.shape is None:
            raise ModelError(f"input {item.name!r} has no shape")
        if item.name in graph.tensors:
            raise ModelError(f"input {item.name!r} is there twice")
        graph.tensors[item.name] = Tensor(item.name, item.shape, item.dtype)
        builder.node = Node("input", [], [item.name])
        builder.define(item.name, PLAIN, item.shape)
    graph.inputs = tuple(item.name for item in model.inputs)
    for node in model.nodes:
        builder.node = node
        if not node.outputs or not builder.fold(node):
            _lower(builder, node)
    _outputs(builder)
    return _prune(graph)


def _lower(builder: Builder, node: Node) -> None:
    if not node.outputs or not node.outputs[0]:
        builder.fail("no result")
    graph = builder.graph
    tensors, count = set(graph.tensors), len(graph.operators)
    try:
        if node.kind == "DynamicQuantizeLinear":
            dynamic_quantize_linear(builder)
        elif node.kind in LOWER:
            LOWER[node.kind](builder, node)
            for key in {"float32", "differs"} & node.attributes.keys():
                for operator in graph.operators[count:]:
                    if operator.kind not in ("RESHAPE", "TRANSPOSE"):
                        operator.attributes[key] = node.attributes[key]
        else:
            builder.unsupported("not implemented")
    except UnsupportedError as reason:
        del graph.operators[count:]
        for item in set(graph.tensors) - tensors:
            del graph.tensors[item]
        builder.values = {
            key: value for key, value in builder.values.items() if value.tensor in graph.tensors
        }
        builder._converted = {
            key: item for key, item in builder._converted.items() if item in graph.tensors
        }
        _unsupported(builder, node, str(reason))


def _unsupported(builder: Builder, node: Node, reason: str) -> None:
    """Leave a node in the graph under its ONNX name, with the reason why it cannot run."""
    results = []
    for index, name in enumerate(node.outputs):
        if not name:
            continue
        item = _declared(builder, name)
        if item is None or item.shape is None:
            raise ModelError(
                f"node {node.name!r} ({node.kind}) cannot be run ({reason}), and the file does not "
                f"say the shape of its result {name!r}"
            )
        results.append((index, item))
    inputs = [builder.plain(builder.named(item)) if item else None for item in node.inputs]
    names = []
    for index, item in results:
        tensor = builder.unique(item.name)
        builder.graph.tensors[tensor] = Tensor(tensor, item.shape or (), item.dtype)
        builder.define(tensor, PLAIN, item.shape or (), output=index)
        names.append(tensor)
    kind = "ONNX_" + "".join(c if c.isalnum() else "_" for c in node.kind).upper()
    builder.graph.operators.append(Operator(
        kind, tuple(inputs), tuple(names), {},
        f"{len(builder.graph.operators):02d}_{kind}", reason,
    ))


def _declared(builder: Builder, name: str) -> Declaration | None:
    model: Any = builder.model
    if name not in model.declared and model.proto is not None:
        try:
            inferred = onnx.shape_inference.infer_shapes(model.proto)
            again = parse_model(inferred.SerializeToString(), {})
            model.declared = {**again.declared, **model.declared}
        except Exception:  # noqa: BLE001 - best effort: the caller refuses what stays unknown
            pass
        model.proto = None
    return model.declared.get(name)


def _outputs(builder: Builder) -> None:
    """Give the tensors of the graph's outputs the names that ONNX gives them."""
    graph, names = builder.graph, []
    for name in builder.model.outputs:
        builder.node = Node("output", [name], [name])
        if name in names:
            builder.fail("output is there twice")
        tensor = builder.plain(builder.named(name))
        if tensor != name:
            taken = graph.tensors[tensor]
            if taken.constant or tensor in graph.inputs or tensor in names:
                source, shape = tensor, taken.shape
                tensor = builder.emit("RESHAPE", [source, builder.integers(shape)], shape,
                                      taken.dtype, {}, taken.quantization)
            if tensor != name:
                if name in graph.tensors:
                    _rename(builder, name, builder.unique(f"{name}_inner"))
                _rename(builder, tensor, name)
        elif graph.tensors[tensor].constant or tensor in graph.inputs:
            pass
        names.append(name)
    graph.outputs = tuple(names)


def _rename(builder: Builder, old: str, new: str) -> None:
    graph = builder.graph
    if old in graph.inputs:
        raise ModelError(f"{old!r} is an input and an output")
    tensor = graph.tensors.pop(old)
    tensor.name = new
    graph.tensors[new] = tensor
    for operator in graph.operators:
        operator.inputs = tuple(new if name == old else name for name in operator.inputs)
        operator.outputs = tuple(new if name == old else name for name in operator.outputs)
    builder.values = {
        key: value if value.tensor != old else type(value)(
            new, value.layout, value.shape, value.map_shape
        ) for key, value in builder.values.items()
    }
    builder._converted = {
        (new if key[0] == old else key[0], key[1]): new if item == old else item
        for key, item in builder._converted.items()
    }


def _prune(graph: Graph) -> Graph:
    """The graph without operators and tensors that no output needs."""
    needed, kept = set(graph.outputs), []
    for operator in reversed(graph.operators):
        if needed & set(operator.outputs):
            needed.update(operator.tensors)
            kept.append(operator)
    graph.operators = kept[::-1]
    needed.update(graph.inputs)
    graph.tensors = {name: tensor for name, tensor in graph.tensors.items() if name in needed}
    return graph
