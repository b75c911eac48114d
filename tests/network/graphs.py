# SPDX-License-Identifier: Apache-2.0
"""Random quantized graphs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.graph import Graph, Operator, Quantization, Tensor
from weft.importers.tflite_geometry import output_size, same_padding

Shape = tuple[int, ...]


class GraphBuilder:
    """Adds operators to a graph one by one.

    Parameters
    ----------
    seed : int
        Of weights, scales and choices.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.tensors: dict[str, Tensor] = {}
        self.operators: list[Operator] = []
        self.inputs: list[str] = []

    def integer(self, low: int, high: int) -> int:
        """From ``low`` to ``high``."""
        return int(self.random.integers(low, high + 1))

    def tensor(self, shape: Shape, scale: float | None = None, zero: int | None = None) -> str:
        """A new int8 tensor."""
        name = f"t{len(self.tensors)}"
        scale = float(self.random.uniform(0.01, 0.1)) if scale is None else scale
        zero = self.integer(-100, 100) if zero is None else zero
        self.tensors[name] = Tensor(name, shape, np.dtype(np.int8), Quantization(scale, zero))
        return name

    def constant(self, data: NDArray, quantization: Quantization | None = None) -> str:
        """A new constant."""
        name = f"c{len(self.tensors)}"
        self.tensors[name] = Tensor(name, data.shape, data.dtype, quantization, data)
        return name

    def input(self, shape: Shape) -> str:
        """A new input of the graph."""
        name = self.tensor(shape)
        self.inputs.append(name)
        return name

    def shape(self, name: str) -> Shape:
        """Shape of a tensor."""
        return self.tensors[name].shape

    def add(self, kind: str, inputs: tuple[str | None, ...], output: str, **attributes) -> str:
        """A new operator; returns its output."""
        name = f"{len(self.operators):02d}_{kind}"
        self.operators.append(Operator(kind, inputs, (output,), attributes, name))
        return output

    def _weights(self, shape: Shape, axis: int) -> tuple[str, str]:
        count = shape[axis]
        weights = self.random.integers(-127, 128, shape).astype(np.int8)
        scale = self.random.uniform(0.001, 0.01, count).astype(np.float32)
        bias = self.random.integers(-5000, 5000, count).astype(np.int32)
        quantization = Quantization(scale, np.zeros(count), axis if count > 1 else None)
        return self.constant(weights, quantization), self.constant(bias)

    def _activation(self) -> str:
        return str(self.random.choice(["NONE", "RELU", "RELU6"]))

    def _geometry(self, x: str, kernel, stride, dilation, padding) -> tuple[Shape, Shape]:
        sizes = self.shape(x)[1:3]
        out = tuple(output_size(*item, padding) for item in
                    zip(sizes, kernel, stride, dilation, strict=True))
        pads = (0, 0, 0, 0)
        if padding == "SAME":
            (top, bottom), (left, right) = (
                same_padding(*item) for item in zip(sizes, kernel, stride, dilation, strict=True)
            )
            pads = (top, left, bottom, right)
        return out, pads

    def convolution(self, x: str, channels: int, kernel, stride=(1, 1), dilation=(1, 1),
                    padding: str = "SAME", groups: int = 1) -> str:
        """CONV_2D."""
        batch, depth = self.shape(x)[0], self.shape(x)[3]
        out, pads = self._geometry(x, kernel, stride, dilation, padding)
        weights, bias = self._weights((channels, *kernel, depth // groups), 0)
        return self.add("CONV_2D", (x, weights, bias), self.tensor((batch, *out, channels)),
                        stride=stride, dilation=dilation, pads=pads,
                        activation=self._activation())

    def depthwise(self, x: str, kernel, stride=(1, 1), dilation=(1, 1), padding: str = "SAME",
                  times: int = 1) -> str:
        """DEPTHWISE_CONV_2D."""
        batch, depth = self.shape(x)[0], self.shape(x)[3] * times
        out, pads = self._geometry(x, kernel, stride, dilation, padding)
        weights, bias = self._weights((1, *kernel, depth), 3)
        return self.add("DEPTHWISE_CONV_2D", (x, weights, bias),
                        self.tensor((batch, *out, depth)), stride=stride, dilation=dilation,
                        pads=pads, activation=self._activation(), depth_multiplier=times)

    def pool(self, x: str, kind: str, extent, stride, padding: str = "SAME") -> str:
        """AVERAGE_POOL_2D or MAX_POOL_2D."""
        source = self.tensors[x]
        out, pads = self._geometry(x, extent, stride, (1, 1), padding)
        y = self.tensor((source.shape[0], *out, source.shape[3]), source.scale, source.zero_point)
        return self.add(kind, (x,), y, filter=extent, stride=stride, pads=pads,
                        activation=self._activation())

    def sum(self, a: str, b: str, kind: str = "ADD") -> str:
        """ADD or SUB."""
        return self.add(kind, (a, b), self.tensor(self.shape(a)), activation=self._activation())

    def unary(self, x: str, kind: str) -> str:
        """A function of one element."""
        if kind == "LOGISTIC":
            return self.add(kind, (x,), self.tensor(self.shape(x), 1 / 256, -128))
        return self.add(kind, (x,), self.tensor(self.shape(x)))

    def mean(self, x: str) -> str:
        """MEAN over rows and columns."""
        batch, depth = self.shape(x)[0], self.shape(x)[3]
        axes = self.constant(np.array([1, 2], np.int32))
        return self.add("MEAN", (x, axes), self.tensor((batch, depth)), keep_dims=False)

    def pad(self, x: str, before, after) -> str:
        """PAD of rows and columns."""
        source = self.tensors[x]
        batch, height, width, depth = source.shape
        amounts = np.array([[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]],
                           np.int32)
        shape = (batch, height + before[0] + after[0], width + before[1] + after[1], depth)
        return self.add("PAD", (x, self.constant(amounts)),
                        self.tensor(shape, source.scale, source.zero_point))

    def reshape(self, x: str, shape: Shape) -> str:
        """RESHAPE."""
        source = self.tensors[x]
        return self.add("RESHAPE", (x, self.constant(np.array(shape, np.int32))),
                        self.tensor(shape, source.scale, source.zero_point))

    def dense(self, x: str, outputs: int) -> str:
        """FULLY_CONNECTED."""
        shape = self.shape(x)
        weights, bias = self._weights((outputs, shape[-1]), 0)
        return self.add("FULLY_CONNECTED", (x, weights, bias),
                        self.tensor((*shape[:-1], outputs)), activation=self._activation(),
                        keep_num_dims=len(shape) > 2)

    def graph(self, *outputs: str) -> Graph:
        """The graph."""
        result = Graph("random", self.tensors, self.operators, tuple(self.inputs), outputs)
        result.validate()
        return result

    def values(self) -> list[NDArray[np.int8]]:
        """Random inputs."""
        return [self.random.integers(-128, 128, self.shape(name)).astype(np.int8)
                for name in self.inputs]


def random_graph(seed: int, *, size: int = 12, channels: int = 20, length: int = 5):
    """A random graph and its inputs."""
    build = GraphBuilder(seed)
    random = build.random
    x = build.input((int(random.choice([1, 1, 1, 2])), build.integer(1, size),
                     build.integer(1, size), build.integer(1, channels)))
    earlier = [x]
    outputs = []
    for _ in range(build.integer(1, length)):
        kind = random.choice(["conv", "conv", "depthwise", "average", "max", "add", "unary",
                              "pad", "grouped"])
        height, width, depth = build.shape(x)[1:]
        kernel = (build.integer(1, 5), build.integer(1, 5))
        stride = (build.integer(1, 3), build.integer(1, 3))
        dilation = (1, 1) if random.random() < 0.7 else (build.integer(1, 2), build.integer(1, 3))
        padding = "SAME"
        if all((k - 1) * d + 1 <= n for k, d, n in
               zip(kernel, dilation, (height, width), strict=True)) and random.random() < 0.4:
            padding = "VALID"
        small = tuple(min(k, n) for k, n in zip(kernel, (height, width), strict=True))
        if kind == "conv":
            x = build.convolution(x, build.integer(1, channels), kernel, stride, dilation, padding)
        elif kind == "grouped":
            groups = int(random.choice([n for n in range(1, depth + 1) if depth % n == 0]))
            x = build.convolution(x, groups * build.integer(1, 3), kernel, stride, dilation,
                                  padding, groups)
        elif kind == "depthwise":
            x = build.depthwise(x, kernel, stride, dilation, padding, build.integer(1, 2))
        elif kind == "average":
            x = build.pool(x, "AVERAGE_POOL_2D", small, stride, padding)
        elif kind == "max":
            x = build.pool(x, "MAX_POOL_2D", small, stride, padding)
        elif kind == "add":
            same = [name for name in earlier if build.shape(name) == build.shape(x)]
            x = build.sum(x, str(random.choice(same)))
        elif kind == "unary":
            x = build.unary(x, str(random.choice(["LOGISTIC", "RELU", "ELU"])))
        else:
            x = build.pad(x, (build.integer(0, 2), build.integer(0, 2)),
                          (build.integer(0, 2), build.integer(0, 2)))
        earlier.append(x)
        if random.random() < 0.15:
            outputs.append(x)
    end = random.choice(["none", "mean", "dense", "both"])
    if end in ("mean", "both"):
        x = build.mean(x)
    elif end == "dense":
        shape = build.shape(x)
        x = build.reshape(x, (shape[0], int(np.prod(shape[1:]))))
    if end in ("dense", "both"):
        x = build.dense(x, build.integer(1, channels))
    outputs = [name for name in dict.fromkeys([*outputs, x]) if name not in build.inputs] or [x]
    return build.graph(*outputs), build.values()
