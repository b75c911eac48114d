# SPDX-License-Identifier: Apache-2.0
"""Kernels by operator kind: how one is written, found and prepared.

A kernel has two steps. *Prepare* sees shapes, types, quantization, attributes and constants,
refuses what it cannot compute and works out multipliers and tables; it returns the function of the
second step, which takes the values of the inputs to those of the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError, Operator, Tensor

__all__ = [
    "FLOAT_KERNELS", "KERNELS", "ONNX_KERNELS", "SHARED", "Call", "UnsupportedError",
    "find_kernel", "kernel", "prepare",
]

Values = Sequence[Any]
"""Arrays, one for each input; None where it is absent."""

Step = Callable[[Values], list[NDArray]]


class UnsupportedError(ModelError):
    """A sound operator that no kernel computes; the message is the reason."""


@dataclass(frozen=True)
class Call:
    """One operator with its tensors, as a kernel sees it.

    Parameters
    ----------
    operator : Operator
        For its kind and attributes.
    inputs : list of Tensor or None
        None where an optional operand is absent.
    outputs : list of Tensor
        What is to be computed.
    """

    operator: Operator
    inputs: list[Tensor | None]
    outputs: list[Tensor]

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or ``default`` where the operator does not have it."""
        return self.operator.attributes.get(name, default)

    def malformed(self, reason: str) -> NoReturn:
        """Refuse an operator that contradicts itself."""
        raise ModelError(f"operator {self.operator.name} ({self.operator.kind}): {reason}")

    def unsupported(self, reason: str) -> NoReturn:
        """Refuse an operator that is sound but has no kernel."""
        raise UnsupportedError(reason)

    def count(self, inputs: int | tuple[int, int], outputs: int = 1) -> None:
        """Check the number of operands (a range if optional ones may be left out) and results."""
        low, high = (inputs, inputs) if isinstance(inputs, int) else inputs
        if not low <= len(self.inputs) <= high or len(self.outputs) != outputs:
            self.malformed(f"{len(self.inputs)} inputs and {len(self.outputs)} outputs")
        for index in range(low):
            self.input(index)

    def input(self, index: int) -> Tensor:
        """An operand that must be there."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            self.malformed(f"input {index} is missing")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        """An operand that may be absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        """The first result."""
        return self.outputs[0]

    def constant(self, index: int, what: str) -> NDArray:
        """The contents of an operand that must be known before the graph runs."""
        tensor = self.input(index)
        if tensor.data is None:
            self.unsupported(f"{what} must be constant")
        return tensor.data

    def integers(self, index: int, what: str) -> list[int]:
        """The contents of a constant vector of integers."""
        if len(self.input(index).shape) > 1:
            self.malformed(f"{what} must be a vector, not {self.input(index).shape}")
        return self.integers_of(index, what)

    def integers_of(self, index: int, what: str) -> list[int]:
        """The contents of a constant tensor of integers, in row-major order."""
        values = self.constant(index, what)
        if values.dtype.kind not in "iu":
            self.malformed(f"{what} must be integers, not {values.dtype}")
        if values.size > 1 << 10:
            self.malformed(f"{what} has {values.size} elements")
        return [int(value) for value in values.reshape(-1)]

    def axis(self, value: int, rank: int) -> int:
        """An axis from -rank to rank - 1 as one from 0."""
        if not -rank <= value < rank:
            self.malformed(f"axis {value} of {rank} dimensions")
        return value + rank if value < 0 else value

    def quantized(self, *tensors: Tensor, dtypes: tuple[str, ...] = ("int8",)) -> None:
        """Check that tensors have one of the element types and one scale and zero point."""
        for tensor in tensors:
            if tensor.dtype.name not in dtypes:
                what = "unsupported quantization" if tensor.dtype.kind in "iu" else "not quantized"
                self.unsupported(
                    f"{what}: {self.operator.kind} of {tensor.dtype} is not supported, "
                    f"only {' and '.join(dtypes)}"
                )
            if tensor.quantization is None or tensor.quantization.per_channel:
                self.malformed(f"tensor {tensor.name!r} must be quantized per tensor")

    def same_type(self, *tensors: Tensor, scale: bool = True) -> None:
        """Check that tensors have one element type and, if quantized, one scale and zero point."""
        first = tensors[0]
        for tensor in tensors[1:]:
            if tensor.dtype != first.dtype:
                self.malformed(f"element types {first.dtype} and {tensor.dtype} differ")
            pairs = (first.quantization, tensor.quantization)
            if scale and pairs[0] is not None and pairs[1] is not None and not (
                np.array_equal(pairs[0].scale, pairs[1].scale)
                and np.array_equal(pairs[0].zero_point, pairs[1].zero_point)
            ):
                self.unsupported(
                    f"tensors {first.name!r} and {tensor.name!r} have different scales"
                )

    def shaped(self, shape: Sequence[int], index: int = 0) -> None:
        """Check the shape of a result against what the operands give."""
        if self.outputs[index].shape != tuple(shape):
            self.malformed(
                f"output {self.outputs[index].name!r} has shape {self.outputs[index].shape}, "
                f"the inputs give {tuple(shape)}"
            )


Prepare = Callable[[Call], Step]

KERNELS: dict[str, Prepare] = {}
"""The integer kernels of convention ``tflite``, by operator kind."""

ONNX_KERNELS: dict[str, Prepare] = {}
"""The integer kernels of convention ``onnx``."""

FLOAT_KERNELS: dict[str, Prepare] = {}
"""The kernels for floating-point operands and results, under both conventions."""

SHARED = frozenset({
    "ARG_MAX", "ARG_MIN", "CONCATENATION", "EXPAND_DIMS", "GATHER", "MAXIMUM", "MINIMUM",
    "MIRROR_PAD", "PACK", "PAD", "PADV2", "RESHAPE", "SHAPE", "SLICE", "SPLIT", "SPLIT_V",
    "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
})
"""Kinds that only move or compare elements: one kernel for every convention and type."""

_TABLES = {"tflite": KERNELS, "onnx": ONNX_KERNELS, "float": FLOAT_KERNELS}


def kernel(*kinds: str, convention: str = "tflite") -> Callable[[Prepare], Prepare]:
    """Register the decorated function as the kernel of operator kinds.

    Parameters
    ----------
    kinds : str
        Operator kinds.
    convention : str
        "tflite" or "onnx" for integers, "float" for floating point under either.
    """

    def register(function: Prepare) -> Prepare:
        for kind in kinds:
            _TABLES[convention][kind] = function
        return function

    return register


def find_kernel(graph: Graph, operator: Operator) -> Prepare | None:
    """The kernel for an operator by the graph's convention and the types of its tensors."""
    kind = operator.kind
    floating = [
        tensor.dtype.kind == "f"
        for tensor in (*graph.operands(operator)[:1], *graph.results(operator)[:1])
        if tensor is not None
    ]
    if kind in FLOAT_KERNELS and floating and all(floating):
        return FLOAT_KERNELS[kind]
    table = _TABLES[graph.convention]
    if kind not in table and kind in SHARED:
        table = KERNELS
    return table.get(kind)


def prepare(graph: Graph, operator: Operator) -> Step:
    """The function that computes an operator.

    Raises
    ------
    UnsupportedError
        If there is no kernel for it; the message is the reason.
    ModelError
        If its tensors and attributes contradict each other.
    """
    function = find_kernel(graph, operator)
    if function is None:
        raise UnsupportedError("not implemented")
    call = Call(operator, graph.operands(operator), graph.results(operator))
    try:
        return function(call)
    except ModelError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:
        # Values out of the range of an arithmetic helper: a scale ratio beyond 2**30, and the like.
        raise ModelError(f"operator {operator.name} ({operator.kind}): {error}") from error
