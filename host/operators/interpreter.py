# SPDX-License-Identifier: Apache-2.0
"""Runs a graph with the reference kernels, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..graph import Graph, ModelError, Operator
from . import kernels
from .registry import Step, prepare

__all__ = ["Interpreter", "kernels", "run", "run_operator"]

Inputs = Mapping[str, ArrayLike] | Sequence[ArrayLike] | NDArray


class Interpreter:
    """A graph with its operators prepared once.

    Parameters
    ----------
    graph : Graph
        Valid, without unsupported operators.

    Raises
    ------
    ModelError
        If an operator cannot be run; all of them are named.
    """

    def __init__(self, graph: Graph) -> None:
        missing = [f"{item.name}: {item.unsupported}" for item in graph.unsupported()]
        if missing:
            raise ModelError("the model has operators without kernel:\n  " + "\n  ".join(missing))
        self.graph = graph
        self._steps = [(operator, prepare(graph, operator)) for operator in graph.operators]

    def run(self, inputs: Inputs) -> dict[str, NDArray]:
        """Compute every tensor.

        Parameters
        ----------
        inputs : mapping of name to array, list of arrays, or array
            One array for each input of the graph, of its exact type and shape; a list is in the
            order of `Graph.inputs`, and a lone array is for a graph with one input.

        Returns
        -------
        dict of str to numpy.ndarray
            All tensors by name, constants and inputs included.

        Raises
        ------
        ModelError
            If an input is missing, unknown, or of another type or shape.
        """
        values = {
            name: tensor.data for name, tensor in self.graph.tensors.items()
            if tensor.data is not None
        }
        values.update(check_inputs(self.graph, inputs))
        for operator, step in self._steps:
            _store(self.graph, operator, step, values)
        return values


def run(graph: Graph, inputs: Inputs) -> dict[str, NDArray]:
    """Compute every tensor of a graph; `Interpreter.run` says more."""
    return Interpreter(graph).run(inputs)


def run_operator(graph: Graph, operator: Operator, values: dict[str, NDArray]) -> None:
    """Compute the results of one operator from ``values`` and put them there."""
    _store(graph, operator, prepare(graph, operator), values)


def _store(graph: Graph, operator: Operator, step: Step, values: dict[str, NDArray]) -> None:
    operands = [None if name is None else values[name] for name in operator.inputs]
    for tensor, value in zip(graph.results(operator), step(operands), strict=True):
        if value.shape != tensor.shape or value.dtype != tensor.dtype:
            raise ModelError(
                f"operator {operator.name}: result {tensor.name!r} is {value.dtype} {value.shape}, "
                f"not {tensor.dtype} {tensor.shape}"
            )
        values[tensor.name] = value


def check_inputs(graph: Graph, inputs: Inputs) -> dict[str, NDArray]:
    """The inputs of a graph by name, checked; `Interpreter.run` says what they may be."""
    if isinstance(inputs, Mapping):
        given = dict(inputs)
    else:
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        if len(inputs) != len(graph.inputs):
            raise ModelError(f"the graph has {len(graph.inputs)} inputs, {len(inputs)} are given")
        given = dict(zip(graph.inputs, inputs, strict=True))
    unknown = sorted(set(given) - set(graph.inputs))
    if unknown:
        raise ModelError(
            f"the graph has no input {unknown[0]!r}; its inputs are {', '.join(graph.inputs)}"
        )
    checked = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        if name not in given:
            raise ModelError(f"input {name!r} ({tensor}) is missing")
        value = np.asarray(given[name])
        if value.dtype != tensor.dtype or value.shape != tensor.shape:
            raise ModelError(
                f"input {name!r} must be {tensor.dtype} {tensor.shape}, "
                f"not {value.dtype} {value.shape}"
            )
        checked[name] = value
    return checked
