# SPDX-License-Identifier: Apache-2.0
"""Runs models on devices: programs on the accelerator, the other operators on the host."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import importers
from ..compiler.network import AcceleratorStep, CompiledModel
from ..graph import Graph, ModelError
from ..operators.interpreter import Interpreter, check_inputs, run_operator
from .driver import Outcome
from .errors import OperandError, TargetError

if TYPE_CHECKING:
    from .device import ProgramDevice

__all__ = [
    "Inputs", "LayerResult", "Model", "Result", "load_model", "run_compiled",
    "run_reference",
]

Model = str | os.PathLike[str] | Graph | CompiledModel
Inputs = Mapping[str, ArrayLike] | Sequence[ArrayLike] | NDArray


@dataclass(frozen=True)
class LayerResult:
    """One layer of a run.

    Parameters
    ----------
    name, kind : str
        Of its first operator.
    where : str
        ``"accelerator"``, ``"host"`` or ``"none"`` (nothing to do).
    macs : int
        Multiply-accumulates.
    cycles : int or None
        Where the layer had a program of its own and the target has a clock.
    utilization : float or None
        MACs per processing element and cycle, where cycles are known.
    operators : tuple of str
        Operators that it computes.
    """

    name: str
    kind: str
    where: str
    macs: int
    cycles: int | None = None
    utilization: float | None = None
    operators: tuple[str, ...] = ()


@dataclass
class Result:
    """What a run of a model gave.

    Parameters
    ----------
    outputs : list of numpy.ndarray
        In the order of the graph's outputs.
    cycles : int or None
        Of all programs, each from start to interrupt; None where there is no clock.
    utilization : float or None
        MACs of the accelerator's layers per processing element and cycle.
    layers : list of LayerResult
        All layers in order.
    host_operators : list of dict
        Name, kind and reason of each operator that ran on the host.
    macs, bytes_read, bytes_written, instructions : int
        Of the accelerator.
    counters : dict of str to int
        Performance counters, summed over programs; empty where there is no clock.
    """

    outputs: list[NDArray]
    cycles: int | None
    utilization: float | None
    layers: list[LayerResult]
    host_operators: list[dict[str, str]]
    macs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    instructions: int = 0
    counters: dict[str, int] = field(default_factory=dict)


def load_model(path: str | os.PathLike[str]) -> Graph | CompiledModel:
    """Read a model by the suffix of its file.

    Parameters
    ----------
    path : path
        ``.tflite``, ``.onnx`` or ``.weft`` (compiled).

    Raises
    ------
    ModelError, ProgramError
        If the file cannot be read.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".weft", *importers.FORMATS):
        raise ModelError(f"{path}: the name must end with {', '.join(importers.FORMATS)} or .weft")
    if suffix == ".weft":
        return CompiledModel.load(path)
    return importers.load_model(path)


def checked_inputs(graph: Graph, inputs: Inputs) -> dict[str, NDArray]:
    """Inputs by name; raises `OperandError`."""
    try:
        return check_inputs(graph, inputs)
    except ModelError as error:
        raise OperandError(str(error)) from error


def run_reference(graph: Graph | CompiledModel, inputs: Inputs) -> Result:
    """Run a graph with the reference kernels."""
    if isinstance(graph, CompiledModel):
        raise TargetError(
            "a compiled model holds programs, and the reference target runs none; give it the "
            "model file, or open 'simulator'"
        )
    values = Interpreter(graph).run(checked_inputs(graph, inputs))
    layers = [
        LayerResult(item.name, item.kind, "host", graph.multiply_accumulates(item),
                    operators=(f"{item.name} ({item.kind})",))
        for item in graph.operators
    ]
    return Result([values[name] for name in graph.outputs], None, None, layers, [
        {"name": item.name, "kind": item.kind, "reason": "the reference target is NumPy"}
        for item in graph.operators
    ])


class _Run:
    """One run of a compiled model."""

    def __init__(self, device: ProgramDevice, model: CompiledModel, inputs: Inputs) -> None:
        self.device = device
        self.model = model
        self.memory = np.zeros(model.tensor_bytes, np.uint8)
        self.constants = np.zeros(max(len(model.constants), 64), np.uint8)
        self.constants[: len(model.constants)] = model.constants
        graph = model.graph
        self.values: dict[str, NDArray] = {
            name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None
        }
        self.values.update(checked_inputs(graph, inputs))
        self.in_dram: set[str] = set()
        self.computed: dict[str, NDArray[np.int8]] = {}
        self.outcomes: list[tuple[AcceleratorStep, Outcome]] = []

    def root(self, name: str) -> str:
        return self.model.aliases.get(name, name)

    def value(self, name: str) -> NDArray:
        """A tensor, from the host or from DRAM."""
        if name not in self.values:
            root = self.root(name)
            known = next((self.values[other] for other in self._names(root)
                          if other in self.values), None)
            value = self.computed[root] if known is None else known
            self.values[name] = value.reshape(self.model.graph.tensors[name].shape)
        return self.values[name]

    def step(self, step: AcceleratorStep) -> None:
        """Run a program."""
        for root in step.inputs:
            if root not in self.in_dram:
                value = next(self.values[name] for name in self._names(root)
                             if name in self.values)
                self.model.placements[root].write(self.memory, value)
                self.in_dram.add(root)
        outcome = self.device.driver.run(
            step.program, {0: self.constants, 1: self.memory}
        )
        self.memory = outcome.segments[1].copy()
        for root in step.outputs:
            self.in_dram.add(root)
            self.computed[root] = self.model.placements[root].read(self.memory)
        self.outcomes.append((step, outcome))

    def _names(self, root: str) -> list[str]:
        return [root, *(name for name, other in self.model.aliases.items() if other == root)]

    def host(self, name: str) -> None:
        """Run an operator of the host."""
        operator = self.model.operator(name)
        if operator.unsupported is not None:
            raise ModelError(f"operator {name} ({operator.kind}): {operator.unsupported}")
        for operand in operator.inputs:
            if operand is not None:
                self.value(operand)
        run_operator(self.model.graph, operator, self.values)

    def result(self) -> Result:
        """Everything about the run."""
        model, device = self.model, self.device
        peak = model.config.rows * model.config.cols
        cycles = None
        counters: dict[str, int] = {}
        if device.has_clock:
            cycles = sum(outcome.counters["CYCLES"] for _, outcome in self.outcomes)
            for _, outcome in self.outcomes:
                for name, count in outcome.counters.items():
                    counters[name] = counters.get(name, 0) + count
        macs = sum(int(step.program.info["macs"]) for step, _ in self.outcomes)
        beat = model.config.axi_bytes
        return Result(
            [np.asarray(self.value(name), order="C") for name in model.graph.outputs],
            cycles, macs / (peak * cycles) if cycles else None, self._layers(peak),
            [{key: entry[key] for key in ("name", "kind", "reason")}
             for entry in model.host_operators],
            macs,
            sum(outcome.counters["READ_BEATS"] for _, outcome in self.outcomes) * beat,
            sum(outcome.counters["WRITE_BEATS"] for _, outcome in self.outcomes) * beat,
            sum(len(step.program) for step, _ in self.outcomes), counters,
        )

    def _layers(self, peak: int) -> list[LayerResult]:
        own = {
            step.layers[0]: outcome.counters["CYCLES"] for step, outcome in self.outcomes
            if len(step.layers) == 1 and self.device.has_clock
        }
        layers = []
        for number, entry in enumerate(self.model.manifest):
            cycles, macs = own.get(number), entry["macs"]
            layers.append(LayerResult(
                entry["name"], entry["kind"], entry["where"], macs, cycles,
                macs / (peak * cycles) if cycles else None, tuple(entry["operators"]),
            ))
        return layers


def run_compiled(device: ProgramDevice, model: CompiledModel, inputs: Inputs) -> Result:
    """Run a compiled model on a device that runs programs.

    Raises
    ------
    TargetError
        If the model was compiled for another configuration.
    OperandError
        If the inputs do not fit the model.
    DeviceError
        If a program fails.
    """
    if model.config != device.config:
        raise TargetError(
            "the model was compiled for another configuration than the device has; compile it "
            "again"
        )
    run = _Run(device, model, inputs)
    for step in model.steps:
        if isinstance(step, AcceleratorStep):
            run.step(step)
        else:
            run.host(step.operator)
    return run.result()
