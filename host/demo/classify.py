# SPDX-License-Identifier: Apache-2.0
"""Run the digit network on a device, layer by layer, against the NumPy reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .network import Network

__all__ = ["ARRAY_CAUSES", "Classification", "LayerRun", "classify"]

ARRAY_CAUSES: dict[str, str] = {
    "ARRAY_ACTIVE": "array at work",
    "ARRAY_WEIGHTS": "weights not in the array yet",
    "ARRAY_ACTIVATIONS": "activations not there yet",
    "ARRAY_INTERLOCK": "accumulator interlock",
    "ARRAY_SEMAPHORE": "waiting on another unit",
    "ARRAY_IDLE": "no MATMUL at hand",
}
"""What a cycle of the array can be, by counter; the counters sum to the cycles."""


class Multiplier(Protocol):
    """What the demonstration needs of a device."""

    @property
    def last_run(self) -> Any:
        """Facts about the last call: ``cycles`` and ``counters``, where the target has them."""
        ...

    def matmul(self, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
        """The product of two int8 matrices."""
        ...


@dataclass
class LayerRun:
    """What one layer cost on the device, over all batches.

    Parameters
    ----------
    inputs, outputs : int
        Shape of the weights.
    images : int
        Vectors multiplied.
    calls : int
        Calls of ``device.matmul``.
    cycles : int
        Clock cycles from start to interrupt, summed over the calls; 0 where the target has none.
    counters : dict[str, int]
        Performance counters, summed.
    different : int
        Accumulators that differ from the NumPy reference.
    """

    inputs: int
    outputs: int
    images: int = 0
    calls: int = 0
    cycles: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    different: int = 0

    @property
    def products(self) -> int:
        """Multiply-accumulates of the layer's mathematics."""
        return self.images * self.inputs * self.outputs

    def add(self, run: Any) -> None:
        """Count one call that the device describes by its ``last_run``."""
        self.calls += 1
        self.cycles += int(getattr(run, "cycles", 0) or 0)
        counters: Mapping[str, int] = getattr(run, "counters", None) or {}
        for name, value in counters.items():
            key = str(name).upper()
            self.counters[key] = self.counters.get(key, 0) + int(value)


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
    layers : list[LayerRun]
        Cost of each layer.
    accumulators : int
        Accumulators compared with NumPy.
    seconds : float
        Wall time in ``device.matmul``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    reference_predictions: NDArray[np.int64]
    scores: NDArray[np.int8]
    layers: list[LayerRun]
    accumulators: int
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
    def different(self) -> int:
        """Accumulators that differ from the NumPy reference."""
        return sum(layer.different for layer in self.layers)

    @property
    def equal(self) -> bool:
        """Whether every accumulator and every label equals the NumPy reference's."""
        return self.different == 0 and bool(
            (self.predictions == self.reference_predictions).all()
        )

    @property
    def cycles(self) -> int:
        """Clock cycles of all layers."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def products(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.products for layer in self.layers)

    def counters(self) -> dict[str, int]:
        """Performance counters, summed over the layers."""
        total: dict[str, int] = {}
        for layer in self.layers:
            for name, value in layer.counters.items():
                total[name] = total.get(name, 0) + value
        return total


def classify(
    device: Multiplier,
    network: Network,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    batch: int,
    progress: Callable[[int], None] | None = None,
) -> Classification:
    """Classify ``images`` on ``device`` and compare every accumulator with NumPy.

    Parameters
    ----------
    device : Multiplier
        What `weft.open` returns.
    network : Network
        The quantized network.
    images, labels : arrays of uint8, shapes [count, 64] and [count]
        Test images and the truth.
    batch : int
        Images per call of ``device.matmul``.
    progress : callable
        Told the multiply-accumulates that each call has done.
    """
    layers = [LayerRun(layer.inputs, layer.outputs) for layer in network.layers]
    outputs, expected = [], []
    accumulators = 0
    seconds = 0.0
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        reference = network.evaluate(part)
        expected.append(reference[-1])
        activation = network.encode(part)
        for layer, run, wanted in zip(network.layers, layers, reference, strict=True):
            began = time.perf_counter()
            accumulator = device.matmul(activation, layer.weight)
            seconds += time.perf_counter() - began
            run.add(getattr(device, "last_run", None))
            run.images += len(part)
            run.different += int((accumulator != wanted).sum())
            accumulators += wanted.size
            activation = layer.finish(accumulator)
            if progress is not None:
                progress(len(part) * layer.inputs * layer.outputs)
        outputs.append(accumulator)
    last = np.concatenate(outputs)
    return Classification(
        images=images,
        labels=labels.astype(np.int64),
        predictions=network.predict(last),
        reference_predictions=network.predict(np.concatenate(expected)),
        scores=network.layers[-1].finish(last),
        layers=layers,
        accumulators=accumulators,
        seconds=seconds,
    )
