# SPDX-License-Identifier: Apache-2.0
"""A quantized multilayer perceptron: its parameters, and its evaluation on any multiplier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..sim.requantize import requantize

__all__ = ["Layer", "Network", "int32_matmul"]

Multiply = Callable[[NDArray[np.int8], NDArray[np.int8]], NDArray[np.int32]]


def int32_matmul(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
    """The product of two int8 matrices in NumPy integers, the reference of every layer."""
    return np.asarray(a.astype(np.int32) @ b.astype(np.int32))


@dataclass(frozen=True, eq=False)
class Layer:
    """One fully connected layer.

    Parameters
    ----------
    weight : array of int8, shape [inputs, outputs]
        Symmetric weights.
    bias : array of int32, shape [outputs]
        Bias, with the input's zero point folded in: ``b - input_zero_point * weight.sum(0)``.
    multiplier, shift : array of int32, shape [outputs]
        Scale of the output per channel, as `weft.sim.requantize.requantize` takes it.
    zero_point : int
        Zero point of the output.
    rectify : bool
        Whether the output is clamped from below at its zero point.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]
    zero_point: int
    rectify: bool

    @property
    def inputs(self) -> int:
        """Length of an input vector."""
        return int(self.weight.shape[0])

    @property
    def outputs(self) -> int:
        """Length of an output vector."""
        return int(self.weight.shape[1])

    def finish(self, accumulator: NDArray[np.int32]) -> NDArray[np.int8]:
        """Bias, requantization and clamp: from sums of products to the layer's int8 output."""
        return requantize(
            accumulator + self.bias,
            self.multiplier,
            self.shift,
            self.zero_point,
            clamp_low=self.zero_point if self.rectify else -128,
        )


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in order, and how a pixel becomes an int8 input.

    Parameters
    ----------
    layers : tuple[Layer, ...]
        First to last.
    pixel_table : array of int8, shape [17]
        Input value of each pixel value 0 to 16.
    test_index : array of int16
        Which images of the data set were kept out of training.
    """

    layers: tuple[Layer, ...]
    pixel_table: NDArray[np.int8]
    test_index: NDArray[np.int16]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Vector lengths from the input to the output."""
        return (self.layers[0].inputs, *(layer.outputs for layer in self.layers))

    @property
    def products(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.inputs * layer.outputs for layer in self.layers)

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.int8]:
        """Pixels 0 to 16, shape [count, 64], as int8 inputs."""
        return np.asarray(self.pixel_table[images])

    def evaluate(
        self, images: NDArray[np.uint8], multiply: Multiply = int32_matmul
    ) -> list[NDArray[np.int32]]:
        """The accumulators of every layer, with ``multiply`` doing the matrix products."""
        activation = self.encode(images)
        accumulators = []
        for layer in self.layers:
            accumulators.append(multiply(activation, layer.weight))
            activation = layer.finish(accumulators[-1])
        return accumulators

    def predict(self, accumulator: NDArray[np.int32]) -> NDArray[np.int64]:
        """Labels from the last layer's accumulators; the lowest label wins a tie."""
        return np.asarray(self.layers[-1].finish(accumulator).argmax(axis=1))

    def save(self, path: Path) -> None:
        """Write the network as a compressed .npz file."""
        arrays: dict[str, NDArray[np.generic]] = {
            "pixel_table": self.pixel_table, "test_index": self.test_index
        }
        for number, layer in enumerate(self.layers):
            for item in fields(Layer):
                arrays[f"layer{number}_{item.name}"] = np.asarray(getattr(layer, item.name))
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Network:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            layers: list[Layer] = []
            while f"layer{len(layers)}_weight" in arrays:
                prefix = f"layer{len(layers)}_"
                layers.append(
                    Layer(
                        weight=arrays[prefix + "weight"],
                        bias=arrays[prefix + "bias"],
                        multiplier=arrays[prefix + "multiplier"],
                        shift=arrays[prefix + "shift"],
                        zero_point=int(arrays[prefix + "zero_point"]),
                        rectify=bool(arrays[prefix + "rectify"]),
                    )
                )
            return cls(tuple(layers), arrays["pixel_table"], arrays["test_index"])
