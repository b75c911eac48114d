# SPDX-License-Identifier: Apache-2.0
"""Builds a graph from ONNX values: layouts, quantization and names.

ONNX feature maps are NCHW, those of a graph NHWC. Every ONNX value remembers in which layout its
tensor stands; a layout change is inserted only where an operator needs another one, and constants
are transposed here instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..graph import Graph, ModelError, Operator, Quantization, Tensor
from ..operators.registry import UnsupportedError
from .onnx_fold import fold_constants
from .onnx_model import Model, Node

__all__ = ["LOWER", "Builder", "Value", "lower"]

PLAIN, NHWC, FLAT = "plain", "nhwc", "flat"
"""As ONNX has it; channels last; a matrix whose rows are channels-last feature maps."""

TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)


@dataclass(frozen=True)
class Value:
    """An ONNX value: its tensor, the layout of the tensor, the shape that ONNX gives it.

    ``map_shape`` is (channels, height, width) of the feature maps in layout `FLAT`.
    """

    tensor: str
    layout: str
    shape: tuple[int, ...]
    map_shape: tuple[int, int, int] = (0, 0, 0)


Lower = Callable[["Builder", Node], None]
LOWER: dict[str, Lower] = {}
"""Per ONNX kind: the function that adds its operators to the graph."""


def lower(*kinds: str) -> Callable[[Lower], Lower]:
    """Register the decorated function for ONNX kinds."""

    def register(function: Lower) -> Lower:
        for kind in kinds:
            LOWER[kind] = function
        return function

    return register


class Builder:
    """One graph under construction.

    Parameters
    ----------
    model : Model
        Where constants come from; folding adds to them.
    name : str
        Name of the graph.
    """

    def __init__(self, model: Model, name: str) -> None:
        self.model = model
        self.graph = Graph(name, {}, [], (), (), "onnx")
        self.values: dict[str, Value] = {}
        self._converted: dict[tuple[str, str], str] = {}
        self.node = Node("", [], [])

    # Names, constants and operands

    def unique(self, name: str) -> str:
        """A tensor name that is not taken."""
        result, count = name or "value", 1
        while result in self.graph.tensors:
            count += 1
            result = f"{name}#{count}"
        return result

    def fail(self, reason: str) -> Any:
        """Refuse the current node as malformed."""
        raise ModelError(f"node {self.node.name or self.node.outputs} ({self.node.kind}): {reason}")

    def unsupported(self, reason: str) -> Any:
        """Leave the current node out of what can be run."""
        raise UnsupportedError(reason)

    def constant(self, name: str) -> NDArray | None:
        """Contents of an ONNX value that is known, else None."""
        return self.model.constants.get(name) if name else None

    def known(self, index: int, what: str) -> NDArray:
        """Contents of an operand of the current node that must be constant."""
        value = self.constant(self.node.input(index))
        if value is None:
            self.unsupported(f"{what} must be constant")
        assert value is not None
        return value

    def value(self, index: int) -> Value:
        """An operand of the current node; constants become tensors."""
        return self.named(self.node.input(index))

    def named(self, name: str) -> Value:
        """An ONNX value by its name."""
        if name not in self.values:
            data = self.constant(name)
            if data is None:
                self.fail(f"there is no value {name!r}")
            assert data is not None
            self.values[name] = Value(self.store(name, data), PLAIN, data.shape)
        return self.values[name]

    def tensor(self, value: Value) -> Tensor:
        """The tensor of a value."""
        return self.graph.tensors[value.tensor]

    def store(
        self, name: str, data: NDArray, quantization: Quantization | None = None
    ) -> str:
        """A constant tensor; returns its name."""
        unique = self.unique(name)
        contents = np.asarray(data, order="C")
        self.graph.tensors[unique] = Tensor(
            unique, contents.shape, contents.dtype, quantization, contents
        )
        return unique

    def integers(self, values: ArrayLike) -> str:
        """A constant vector of int32, as operators take axes and shapes."""
        return self.store(f"{self.node.outputs[0]}_parameters", np.asarray(values, np.int32))

    # Operators

    def emit(
        self, kind: str, inputs: Sequence[str | None], shape: Sequence[int], dtype: Any,
        attributes: dict[str, Any] | None = None, quantization: Quantization | None = None,
        name: str = "",
    ) -> str:
        """Add an operator with one result; returns the name of the result."""
        result = self.unique(name or self.node.outputs[0])
        self.graph.tensors[result] = Tensor(result, tuple(shape), dtype, quantization)
        self.graph.operators.append(Operator(
            kind, tuple(inputs), (result,), attributes or {},
            f"{len(self.graph.operators):02d}_{kind}",
        ))
        return result

    def define(
        self, tensor: str, layout: str, shape: Sequence[int], map_shape: tuple = (0, 0, 0),
        output: int = 0,
    ) -> None:
        """State which tensor holds a result of the current node."""
        name = self.node.outputs[output]
        if name in self.values or name in self.model.constants:
            self.fail(f"value {name!r} is computed twice")
        self.values[name] = Value(tensor, layout, tuple(int(n) for n in shape), map_shape)

    # Layouts

    def plain(self, value: Value) -> str:
        """Name of a tensor that holds a value as ONNX has it."""
        if value.layout == PLAIN:
            return value.tensor
        return self._convert(value, PLAIN)

    def nhwc(self, value: Value) -> str:
        """Name of a tensor that holds a feature map with its channels last."""
        if value.layout == NHWC:
            return value.tensor
        if len(value.shape) != 4:
            self.fail(f"operand has shape {value.shape}, not four dimensions")
        return self._convert(value, NHWC)

    def _convert(self, value: Value, layout: str) -> str:
        key = (value.tensor, layout)
        if key not in self._converted:
            self._converted[key] = self._conversion(value, layout)
        return self._converted[key]

    def _conversion(self, value: Value, layout: str) -> str:
        source = self.tensor(value)
        if value.layout == FLAT:
            channels, height, width = value.map_shape
            rows = value.shape[0]
            maps = self.reshape(value.tensor, (rows, height, width, channels))
            ordered = self.transpose(maps, TO_NCHW)
            return self.reshape(ordered, value.shape)
        if source.data is not None:
            order = TO_NHWC if layout == NHWC else TO_NCHW
            return self.store(value.tensor, source.data.transpose(order), source.quantization)
        return self.transpose(value.tensor, TO_NHWC if layout == NHWC else TO_NCHW)

    def reshape(self, tensor: str, shape: Sequence[int]) -> str:
        """The elements of a tensor in another shape."""
        source = self.graph.tensors[tensor]
        if source.shape == tuple(shape):
            return tensor
        if math.prod(shape) != source.elements:
            self.fail(f"shape {source.shape} cannot become {tuple(shape)}")
        return self.emit(
            "RESHAPE", [tensor, self.integers(shape)], shape, source.dtype, {},
            source.quantization, f"{tensor}_reshaped",
        )

    def transpose(self, tensor: str, order: Sequence[int]) -> str:
        """A tensor with its axes in another order; a reshape where no element moves."""
        source = self.graph.tensors[tensor]
        shape = tuple(source.shape[axis] for axis in order)
        long = [axis for axis in order if source.shape[axis] != 1]
        if long == sorted(long):
            return self.reshape(tensor, shape)
        return self.emit(
            "TRANSPOSE", [tensor, self.integers(order)], shape, source.dtype, {},
            source.quantization, f"{tensor}_transposed",
        )

    # Quantization

    def quantized(self, value: Value, quantization: Quantization) -> Value:
        """A value whose tensor has a given scale and zero point.

        Integers in an ONNX file carry no scale; the operators that read them do. Two that
        disagree get a tensor each.
        """
        tensor = self.tensor(value)
        if tensor.quantization is None:
            tensor.quantization = quantization
        elif not same(tensor.quantization, quantization):
            key = (value.tensor, f"{quantization.scale}{quantization.zero_point}")
            if key not in self._converted:
                if tensor.data is not None:
                    self._converted[key] = self.store(value.tensor, tensor.data, quantization)
                else:
                    self._converted[key] = self.emit(
                        "ONNX_REINTERPRET", [value.tensor], tensor.shape, tensor.dtype, {},
                        quantization, value.tensor,
                    )
            return replace(value, tensor=self._converted[key])
        return value

    def parameters(
        self, scale: int, zero_point: int, dtype: np.dtype, axis: int | None = None
    ) -> Quantization:
        """Scale and zero point from operands of the current node; both must be constant."""
        values = self.known(scale, "scale")
        zero = self.known(zero_point, "zero point") if self.node.input(zero_point) else None
        try:
            return self.quantization(values, zero, dtype, axis)
        except ModelError as error:
            raise ModelError(f"tensor {self.node.input(scale)!r}: {error}") from error

    def quantization(
        self, scale: NDArray, zero_point: NDArray | None, dtype: np.dtype, axis: int | None
    ) -> Quantization:
        """The quantization of a tensor, checked."""
        if scale.dtype not in (np.float32, np.float16):
            self.fail(f"scale of type {scale.dtype}")
        zero = np.zeros(1, dtype) if zero_point is None else zero_point
        if zero.dtype != dtype:
            self.fail(f"zero point of type {zero.dtype} for {dtype} elements")
        if scale.size == 1 and zero.size == 1:
            axis = None
        elif axis is None or scale.ndim > 1 or zero.ndim > 1:
            self.unsupported(
                f"scale of shape {scale.shape} and zero point of shape {zero.shape}"
            )
        count = max(scale.size, zero.size)
        flat = [np.broadcast_to(item.reshape(-1), (count,)) for item in (scale, zero)]
        return Quantization(flat[0].astype(np.float32), flat[1].astype(np.int64), axis)

    # Folding

    def fold(self, node: Node) -> bool:
        """Whether the node's result is now a constant of the model."""
        shape = None
        if node.kind == "Shape" and node.input(0):
            data = self.constant(node.inputs[0])
            known = self.values.get(node.inputs[0])
            shape = data.shape if data is not None else known.shape if known else None
        return fold_constants(self.model, node, shape)


def same(a: Quantization, b: Quantization) -> bool:
    """Whether two quantizations are equal."""
    return (
        np.array_equal(a.scale, b.scale) and np.array_equal(a.zero_point, b.zero_point)
        and a.axis == b.axis
    )
