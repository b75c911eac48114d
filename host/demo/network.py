# SPDX-License-Identifier: Apache-2.0
"""A quantized multilayer perceptron: its parameters, its NumPy evaluation, its graph."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, Operator, Quantization, Tensor
from ..sim.requantize import quantize_multiplier, requantize

__all__ = ["Layer", "Network"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One fully connected layer; a real value is ``scale * (integer - zero_point)``.

    Parameters
    ----------
    weight : array of int8, shape [inputs, outputs]
        Symmetric weights.
    weight_scale : array of float32, shape [outputs]
        Their scale, per output.
    bias : array of int32, shape [outputs]
        In units of ``input_scale * weight_scale``.
    input_scale, output_scale : float32
        Scales of the activations.
    input_zero_point, zero_point : int
        Zero points of input and output.
    rectify : bool
        Whether the output is clamped from below at its zero point.
    """

    weight: NDArray[np.int8]
    weight_scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    input_scale: np.float32
    input_zero_point: int
    output_scale: np.float32
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

    def run(self, activation: NDArray[np.int8]) -> NDArray[np.int8]:
        """The layer in NumPy: integer products, bias, requantization, rectifier.

        Parameters
        ----------
        activation : array of int8, shape [count, inputs]

        Returns
        -------
        array of int8, shape [count, outputs]
        """
        ratios = float(self.input_scale) * self.weight_scale.astype(float) / self.output_scale
        pairs = [quantize_multiplier(ratio) for ratio in ratios.tolist()]
        multiplier, shift = (np.array(values) for values in zip(*pairs, strict=True))
        centred = activation.astype(np.int32) - self.input_zero_point
        return requantize(
            centred @ self.weight.astype(np.int32) + self.bias,
            multiplier,
            shift,
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

    def evaluate(self, images: NDArray[np.uint8]) -> list[NDArray[np.int8]]:
        """The output of every layer in NumPy."""
        outputs = []
        activation = self.encode(images)
        for layer in self.layers:
            activation = layer.run(activation)
            outputs.append(activation)
        return outputs

    def graph(self, count: int, *, only: int | None = None) -> Graph:
        """The network for ``count`` images, as importers make graphs of model files.

        Parameters
        ----------
        count : int
            Rows of the input.
        only : int or None
            Number of the one layer that the graph shall have; None for all.
        """
        layers = self.layers if only is None else self.layers[only : only + 1]
        first = layers[0]
        tensors = [
            Tensor("input", (count, first.inputs), np.dtype(np.int8),
                   Quantization(np.atleast_1d(first.input_scale),
                                np.atleast_1d(first.input_zero_point)))
        ]
        operators = []
        for number, layer in enumerate(layers, 1 if only is None else only + 1):
            zeros = np.zeros(layer.outputs, np.int64)
            bias_scale = layer.input_scale * layer.weight_scale
            source = tensors[-1].name
            tensors += [
                Tensor(f"weight_{number}", (layer.outputs, layer.inputs), np.dtype(np.int8),
                       Quantization(layer.weight_scale, zeros, 0),
                       np.ascontiguousarray(layer.weight.T)),
                Tensor(f"bias_{number}", (layer.outputs,), np.dtype(np.int32),
                       Quantization(bias_scale, zeros, 0), layer.bias),
                Tensor(f"output_{number}", (count, layer.outputs), np.dtype(np.int8),
                       Quantization(np.atleast_1d(layer.output_scale),
                                    np.atleast_1d(layer.zero_point))),
            ]
            operators.append(Operator(
                "FULLY_CONNECTED", (source, f"weight_{number}", f"bias_{number}"),
                (f"output_{number}",), {"activation": "RELU" if layer.rectify else "NONE"},
                f"layer {number}",
            ))
        graph = Graph("digits", {tensor.name: tensor for tensor in tensors}, operators,
                      ("input",), (tensors[-1].name,))
        graph.validate()
        return graph

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
                        weight_scale=arrays[prefix + "weight_scale"],
                        bias=arrays[prefix + "bias"],
                        input_scale=np.float32(arrays[prefix + "input_scale"]),
                        input_zero_point=int(arrays[prefix + "input_zero_point"]),
                        output_scale=np.float32(arrays[prefix + "output_scale"]),
                        zero_point=int(arrays[prefix + "zero_point"]),
                        rectify=bool(arrays[prefix + "rectify"]),
                    )
                )
            return cls(tuple(layers), arrays["pixel_table"], arrays["test_index"])
