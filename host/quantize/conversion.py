# SPDX-License-Identifier: Apache-2.0
"""From a floating-point graph and the scales of its tensors to the graph with integers."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError, Operator, Quantization, Tensor
from ..operators.onnx_rescale import quantize as quantize_values

__all__ = ["Conversion", "quantize_weights"]

CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
LARGEST = 127


def quantize_weights(
    weights: NDArray, axis: int | None
) -> tuple[NDArray[np.int8], Quantization]:
    """Weights as int8 from -127 to 127, and their scales (zero point 0).

    Parameters
    ----------
    weights : array of float32
        Finite.
    axis : int or None
        Output channels, each with a scale; None for one scale.
    """
    if not np.isfinite(weights).all():
        raise ModelError("weights are not finite")
    others = tuple(n for n in range(weights.ndim) if n != axis)
    largest = np.abs(weights).max(axis=None if axis is None else others, initial=0.0)
    scale = np.atleast_1d(np.where(largest > 1e-30, largest / LARGEST, 1.0)).astype(np.float32)
    shape = [1] * weights.ndim
    if axis is not None:
        shape[axis] = -1
    integers = np.rint(weights / scale.reshape(shape if axis is not None else (1,)))
    zero = np.zeros(scale.shape, np.int64)
    return np.clip(integers, -LARGEST, LARGEST).astype(np.int8), Quantization(scale, zero, axis)


class Conversion:
    """One conversion.

    Parameters
    ----------
    graph : Graph
        Floating point, fused.
    convention : str
        Of the result.
    quantizations : dict of str to Quantization
        For each activation that becomes int8.
    per_channel : bool
        One weight scale for each output channel.
    """

    def __init__(
        self, graph: Graph, convention: str, quantizations: dict[str, Quantization],
        per_channel: bool,
    ) -> None:
        self.graph, self.per_channel = graph, per_channel
        self.quantizations = quantizations
        self.result = Graph(graph.name, dict(graph.tensors), [], (), (), convention)
        self.twins: dict[str, str] = {}
        self.real: set[str] = set(graph.inputs)
        self.integer: set[str] = set()

    def run(self, chosen: set[int], integer_interface: bool) -> Graph:
        """The quantized graph.

        Parameters
        ----------
        chosen : set of int
            ``id`` of the operators that become integer operators.
        integer_interface : bool
            Whether inputs and outputs become int8 where they can.
        """
        inputs = list(self.graph.inputs)
        if integer_interface:
            readers = {
                name: [id(o) in chosen for o in self.graph.consumers(name)] for name in inputs
            }
            for index, name in enumerate(inputs):
                if readers[name] and all(readers[name]):
                    inputs[index] = self._twin(name)
                    self.integer.add(name)
                    self.real.discard(name)
        for operator in self.graph.operators:
            if id(operator) in chosen:
                self._integer_operator(operator)
            else:
                names = tuple(None if n is None else self._as_real(n) for n in operator.inputs)
                self._append(dataclasses.replace(operator, inputs=names))
                self.real.update(operator.outputs)
        outputs = []
        for name in self.graph.outputs:
            keep = integer_interface and name in self.integer and name not in self.real
            outputs.append(self._twin(name) if keep else self._as_real(name))
        self.result.inputs, self.result.outputs = tuple(inputs), tuple(outputs)
        used = {name for operator in self.result.operators for name in operator.tensors}
        used.update(inputs, outputs)
        self.result.tensors = {n: t for n, t in self.result.tensors.items() if n in used}
        return self.result

    def _append(self, operator: Operator) -> None:
        name = f"{len(self.result.operators):02d}_{operator.kind}"
        self.result.operators.append(dataclasses.replace(operator, name=name))

    def _twin(self, name: str) -> str:
        """Name of the int8 tensor that stands for a floating-point one."""
        if name not in self.twins:
            twin = f"{name}_int8"
            while twin in self.result.tensors:
                twin += "_"
            tensor, quantization = self.graph.tensors[name], self.quantizations[name]
            result = Tensor(twin, tensor.shape, np.dtype(np.int8), quantization)
            if tensor.data is not None:
                result.data = quantize_values(tensor.data, result)
            self.result.tensors[twin] = result
            self.twins[name] = twin
        return self.twins[name]

    def _as_integer(self, name: str) -> str:
        twin = self._twin(name)
        if name not in self.integer and not self.graph.tensors[name].constant:
            self._append(Operator("QUANTIZE", (name,), (twin,)))
            self.integer.add(name)
        return twin

    def _as_real(self, name: str) -> str:
        if name in self.integer and name not in self.real:
            self._append(Operator("DEQUANTIZE", (self._twin(name),), (name,)))
            self.real.add(name)
        return name

    def _integer_operator(self, operator: Operator) -> None:
        first = operator.inputs[0] or ""
        inputs: list[str | None] = [self._as_integer(first)]
        if operator.kind in CHANNEL_AXIS:
            inputs += self._parameters(operator)
        else:
            for name in operator.inputs[1:]:
                floating = name is not None and self.graph.tensors[name].dtype.kind == "f"
                inputs.append(self._as_integer(name) if floating and name else name)
        outputs = tuple(self._twin(name) for name in operator.outputs)
        self._append(dataclasses.replace(operator, inputs=tuple(inputs), outputs=outputs))
        self.integer.update(operator.outputs)

    def _parameters(self, operator: Operator) -> list[str | None]:
        """Names of the integer weights and bias."""
        weights = self.graph.tensors[operator.inputs[1] or ""]
        assert weights.data is not None
        # TensorFlow Lite gives fully connected layers one scale.
        one = not self.per_channel or (
            operator.kind == "FULLY_CONNECTED" and self.result.convention == "tflite"
        )
        axis = None if one else CHANNEL_AXIS[operator.kind]
        integers, quantization = quantize_weights(weights.data, axis)
        names: list[str | None] = [self._store(f"{operator.outputs[0]}_weights", integers,
                                               quantization)]
        bias_name = operator.inputs[2] if len(operator.inputs) > 2 else None
        if bias_name is not None:
            bias = self.graph.tensors[bias_name].data
            assert bias is not None
            source = self.quantizations[operator.inputs[0] or ""].scale.astype(np.float64)[0]
            scale = source * quantization.scale.astype(np.float64)
            limits = np.iinfo(np.int32)
            values = np.clip(np.rint(bias.reshape(-1) / scale), limits.min, limits.max)
            names.append(self._store(f"{operator.outputs[0]}_bias", values.astype(np.int32), None))
        return names

    def _store(self, name: str, data: NDArray, quantization: Quantization | None) -> str:
        while name in self.result.tensors:
            name += "_"
        self.result.tensors[name] = Tensor(name, data.shape, data.dtype, quantization, data)
        return name
