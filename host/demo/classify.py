# SPDX-License-Identifier: Apache-2.0
"""Run the digit network on a device, as a whole and layer by layer, against NumPy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph
from .network import Network

__all__ = ["ARRAY_CAUSES", "Classification", "Cost", "Runner", "classify"]

ARRAY_CAUSES: dict[str, str] = {
    "ARRAY_ACTIVE": "array at work",
    "ARRAY_WEIGHTS": "weights not in the array yet",
    "ARRAY_ACTIVATIONS": "activations not there yet",
    "ARRAY_INTERLOCK": "accumulator interlock",
    "ARRAY_SEMAPHORE": "waiting on another unit",
    "ARRAY_IDLE": "no MATMUL at hand",
}
"""What a cycle of the array can be, by counter; the counters sum to the cycles."""


class Runner(Protocol):
    """What the demonstration needs of a device."""

    def run(self, model: Graph, inputs: Sequence[NDArray[np.int8]]) -> Any:
        """A result with ``outputs``, ``cycles`` (None without a clock) and ``counters``."""
        ...


@dataclass
class Cost:
    """What a program cost on the device, and whether it was right.

    Parameters
    ----------
    inputs, outputs : int
        Lengths of its input and output vectors.
    images : int
        Input vectors.
    products : int
        Multiply-accumulates of its mathematics.
    cycles : int
        Clock cycles from start to interrupt; 0 where the target has no clock.
    counters : dict[str, int]
        Performance counters.
    values, different : int
        Output values compared with NumPy, and how many differ.
    """

    inputs: int
    outputs: int
    images: int
    products: int
    cycles: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    values: int = 0
    different: int = 0

    def add(self, result: Any, expected: NDArray[np.int8]) -> None:
        """Take over what a run gave, and compare its output."""
        self.cycles = int(result.cycles or 0)
        counters: Mapping[str, int] = result.counters or {}
        self.counters = {str(name): int(value) for name, value in counters.items()}
        self.values = expected.size
        self.different = int((result.outputs[0] != expected).sum())


@dataclass
class Classification:
    """The result of a demonstration run.

    Parameters
    ----------
    images : array of uint8, shape [count, 64]
        Pixels 0 to 16.
    labels, predictions, reference_predictions : array of int, shape [count]
        The truth, the device's answer, NumPy's answer.
    scores : array of int8, shape [count, 10]
        The network's output on the device.
    network : Cost
        Of the whole network as one program.
    layers : list[Cost]
        Of each layer as a program of its own.
    seconds : float
        Wall time in ``device.run``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    reference_predictions: NDArray[np.int64]
    scores: NDArray[np.int8]
    network: Cost
    layers: list[Cost]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of images the device labels correctly."""
        return float((self.predictions == self.labels).mean())

    @property
    def reference_accuracy(self) -> float:
        """Share of images the NumPy reference labels correctly."""
        return float((self.reference_predictions == self.labels).mean())

    @property
    def values(self) -> int:
        """Int8 values compared with NumPy."""
        return sum(cost.values for cost in [self.network, *self.layers])

    @property
    def different(self) -> int:
        """Of these, how many differ."""
        return sum(cost.different for cost in [self.network, *self.layers])

    @property
    def equal(self) -> bool:
        """Whether every value and every label equals the NumPy reference's."""
        return self.different == 0 and bool(
            (self.predictions == self.reference_predictions).all()
        )


def classify(
    device: Runner,
    network: Network,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    progress: Callable[[int], None] | None = None,
) -> Classification:
    """Classify ``images`` on ``device`` and compare every output of every layer with NumPy.

    The whole network runs as one program, then each layer as a program of its own, on what the
    device made of the layer before.

    Parameters
    ----------
    device : Runner
        What `weft.open` returns.
    network : Network
        The quantized network.
    images, labels : arrays of uint8, shapes [count, 64] and [count]
        Test images and the truth.
    progress : callable
        Told the multiply-accumulates that each run has done.
    """
    count = len(images)
    expected = network.evaluate(images)
    encoded = network.encode(images)
    seconds = 0.0

    def run(graph: Graph, activation: NDArray[np.int8], cost: Cost, wanted: NDArray) -> Any:
        nonlocal seconds
        began = time.perf_counter()
        result = device.run(graph, [activation])
        seconds += time.perf_counter() - began
        cost.add(result, wanted)
        if progress is not None:
            progress(cost.products)
        return result.outputs[0]

    whole = Cost(network.sizes[0], network.sizes[-1], count, count * network.products)
    scores = run(network.graph(count), encoded, whole, expected[-1])
    layers = []
    activation = encoded
    for number, (layer, wanted) in enumerate(zip(network.layers, expected, strict=True)):
        cost = Cost(layer.inputs, layer.outputs, count, count * layer.weight.size)
        activation = run(network.graph(count, only=number), activation, cost, wanted)
        layers.append(cost)
    return Classification(
        images=images,
        labels=labels.astype(np.int64),
        predictions=scores.argmax(axis=1),
        reference_predictions=expected[-1].argmax(axis=1),
        scores=scores,
        network=whole,
        layers=layers,
        seconds=seconds,
    )
