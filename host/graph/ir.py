# SPDX-License-Identifier: Apache-2.0
"""Graphs: what importers make, the compiler maps and the interpreter runs.

Kinds of operators carry the names of TensorFlow Lite's builtin operators (``CONV_2D``, ``ADD``,
...), and operands stand in TensorFlow Lite's order and layout:

=====================  ===========================================================================
kind                   inputs (``None`` for an absent one) and attributes
=====================  ===========================================================================
CONV_2D                x NHWC, weights OHWI, bias [O] int32; ``stride``, ``dilation`` (h, w),
                       ``pads`` (top, left, bottom, right), ``activation``
DEPTHWISE_CONV_2D      x NHWC, weights 1HWO (O = C * ``depth_multiplier``), bias; as CONV_2D
FULLY_CONNECTED        x, weights [O, I], bias; ``activation``, ``keep_num_dims``
*_POOL_2D              x; ``filter``, ``stride`` (h, w), ``pads``, ``activation``
ADD, SUB, MUL          a, b (broadcast); ``activation``
MEAN                   x, axes; ``keep_dims``
SOFTMAX                x; ``beta``
CONCATENATION          any number; ``axis``, ``activation``
=====================  ===========================================================================

``activation`` is one of "NONE", "RELU", "RELU6", "RELU_N1_TO_1". Padding is always explicit in
``pads``: importers resolve "SAME" and "VALID" from the static shapes. Other attributes have the
names of TensorFlow Lite's schema in snake case. The importer normalizes negative axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import ModelError
from .tensor import Quantization, Tensor

__all__ = ["CONVENTIONS", "Graph", "ModelError", "Operator", "Quantization", "Tensor"]

CONVENTIONS = ("tflite", "onnx")
"""How a graph's integers are rescaled (design, numeric contract)."""

_PRODUCTS = ("BATCH_MATMUL", "ONNX_MATMUL_INTEGER", "ONNX_QLINEAR_MATMUL")
_WEIGHTS = {
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "BATCH_MATMUL": 1,
    "ONNX_CONV_INTEGER": 1, "ONNX_MATMUL_INTEGER": 1, "ONNX_QLINEAR_CONV": 3,
    "ONNX_QLINEAR_MATMUL": 3,
}
"""Which operand the first one is multiplied with, by kind."""


@dataclass(eq=False)
class Operator:
    """One operator of a graph.

    Parameters
    ----------
    kind : str
        Name of the operation, upper case.
    inputs : tuple of str or None
        Names of tensors; None where an optional operand is absent.
    outputs : tuple of str
        Names of tensors that this operator computes.
    attributes : dict
        Parameters that are not tensors.
    name : str
        Unique in the graph, for reports.
    unsupported : str or None
        Why this operator cannot be run; None if it can.
    """

    kind: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    unsupported: str | None = None

    def __post_init__(self) -> None:
        self.inputs = tuple(self.inputs)
        self.outputs = tuple(self.outputs)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all present operands, inputs first."""
        return tuple(name for name in self.inputs if name is not None) + self.outputs

    def __str__(self) -> str:
        attributes = ", ".join(f"{key}={value}" for key, value in self.attributes.items())
        inputs = ", ".join("-" if name is None else name for name in self.inputs)
        text = f"{', '.join(self.outputs)} = {self.kind}({inputs})"
        if attributes:
            text += f" [{attributes}]"
        return text if self.unsupported is None else f"{text} UNSUPPORTED: {self.unsupported}"


@dataclass(eq=False)
class Graph:
    """Operators in execution order and the tensors between them.

    Parameters
    ----------
    name : str
        For reports.
    tensors : dict of str to Tensor
        Every tensor, by its name.
    operators : list of Operator
        In an order in which they can run.
    inputs, outputs : tuple of str
        Names of the tensors that the caller provides and gets.
    convention : str
        One of `CONVENTIONS`.
    notes : list of str
        What the user should know about the import; not part of what is computed.

    >>> import numpy as np
    >>> eighth = Quantization(np.float32(0.125), 0)
    >>> graph = Graph("rectifier", {
    ...     "x": Tensor("x", (1, 4), np.int8, eighth), "y": Tensor("y", (1, 4), np.int8, eighth),
    ... }, [Operator("RELU", ("x",), ("y",), name="relu")], ("x",), ("y",))
    >>> graph.validate()
    >>> print(graph)
    graph rectifier (tflite)
      input  x: int8[1x4], scale 0.125 zero 0
      0 relu: y = RELU(x)
             -> y: int8[1x4], scale 0.125 zero 0
      output y
    """

    name: str
    tensors: dict[str, Tensor]
    operators: list[Operator]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    convention: str = "tflite"
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = tuple(self.inputs)
        self.outputs = tuple(self.outputs)

    def operands(self, operator: Operator) -> list[Tensor | None]:
        """The input tensors of an operator, None where one is absent."""
        return [None if name is None else self.tensors[name] for name in operator.inputs]

    def results(self, operator: Operator) -> list[Tensor]:
        """The output tensors of an operator."""
        return [self.tensors[name] for name in operator.outputs]

    def producer(self, name: str) -> Operator | None:
        """The operator that computes a tensor; None for inputs and constants."""
        for operator in self.operators:
            if name in operator.outputs:
                return operator
        return None

    def consumers(self, name: str) -> list[Operator]:
        """The operators that read a tensor, in execution order."""
        return [operator for operator in self.operators if name in operator.inputs]

    def unsupported(self) -> Iterator[Operator]:
        """The operators that cannot be run, in execution order."""
        return (operator for operator in self.operators if operator.unsupported is not None)

    def last_uses(self) -> dict[str, int]:
        """Index of the last operator that reads each tensor.

        A tensor that nothing reads has the index of its producer, an output of the graph
        ``len(operators)``.
        """
        uses: dict[str, int] = {}
        for index, operator in enumerate(self.operators):
            for name in operator.tensors:
                uses[name] = index
        uses.update((name, len(self.operators)) for name in self.outputs)
        return uses

    def multiply_accumulates(self, operator: Operator) -> int:
        """Multiplications of a convolution, fully connected layer or matrix product, else 0."""
        operands, results = self.operands(operator), self.results(operator)
        place = _WEIGHTS.get(operator.kind)
        if place is None or len(operands) <= place or not results:
            return 0
        weights = operands[place]
        if weights is None or not weights.shape:
            return 0
        if operator.kind in _PRODUCTS:
            a = operands[0]
            if a is None or not a.shape:
                return 0
            transposed = operator.attributes.get("adj_x", False) and len(a.shape) > 1
            return results[0].elements * a.shape[-2 if transposed else -1]
        if operator.kind == "DEPTHWISE_CONV_2D":
            return results[0].elements * math.prod(weights.shape[1:3])
        return results[0].elements * math.prod(weights.shape[1:])

    def validate(self) -> None:
        """Check every tensor, every name and the order of execution.

        Raises
        ------
        ModelError
            If a name is unknown or not unique, a tensor is inconsistent, computed twice, or read
            before it is computed.
        """
        if self.convention not in CONVENTIONS:
            raise ModelError(
                f"convention must be one of {', '.join(CONVENTIONS)}, not {self.convention!r}"
            )
        for name, tensor in self.tensors.items():
            if tensor.name != name:
                raise ModelError(f"tensor {tensor.name!r} is entered as {name!r}")
            tensor.validate()
        known = {name for name, tensor in self.tensors.items() if tensor.constant}
        for name in self.inputs:
            self._define(known, name, "input of the graph")
        names: set[str] = set()
        for index, operator in enumerate(self.operators):
            where = f"operator {index} ({operator.kind} {operator.name!r})"
            if operator.name in names:
                raise ModelError(f"{where}: two operators have this name")
            names.add(operator.name)
            for operand in operator.inputs:
                if operand is not None:
                    self._require(known, operand, where)
            for name in operator.outputs:
                self._define(known, name, where)
        for name in self.outputs:
            self._require(known, name, "output of the graph")

    def _require(self, known: set[str], name: str, where: str) -> None:
        if name not in self.tensors:
            raise ModelError(f"{where}: there is no tensor {name!r}")
        if name not in known:
            raise ModelError(f"{where}: tensor {name!r} is read before it is computed")

    def _define(self, known: set[str], name: str, where: str) -> None:
        if name not in self.tensors:
            raise ModelError(f"{where}: there is no tensor {name!r}")
        if name in known:
            raise ModelError(
                f"{where}: tensor {name!r} already has a value "
                "(constant, input of the graph or result of another operator)"
            )
        known.add(name)

    def __str__(self) -> str:
        lines = [f"graph {self.name} ({self.convention})"]
        lines += [f"  input  {self.tensors[name]}" for name in self.inputs]
        for index, operator in enumerate(self.operators):
            lines.append(f"  {index} {operator.name}: {operator}")
            lines += [f"         -> {tensor}" for tensor in self.results(operator)]
        lines += [f"  output {name}" for name in self.outputs]
        return "\n".join(lines)
