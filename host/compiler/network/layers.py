# SPDX-License-Identifier: Apache-2.0
"""Layers: what the accelerator runs as one piece, after operators have been fused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...graph import Operator
from .forms import Form
from .rescaling import Rescaling

__all__ = ["Addition", "Alias", "Convolution", "HostOperator", "Layer", "Pooling", "Unary"]


@dataclass(eq=False)
class Layer:
    """A layer of the accelerator.

    Parameters
    ----------
    name : str
        Name of its first operator.
    operators : list of Operator
        What it computes, in order.
    inputs : tuple of str
        Tensors it reads.
    output : str
        Tensor it writes.
    source, result : Form
        How it walks over its inputs and its output.
    fill : int
        Value of padding around its inputs: the zero point.
    zero_point : int
        Of the output.
    clamp : tuple of int
        Smallest and largest result.
    table : bytes or None
        256 results by value + 128, applied last.
    macs : int
        Multiply-accumulates of the problem.
    """

    name: str
    operators: list[Operator]
    inputs: tuple[str, ...]
    output: str
    source: Form
    result: Form
    fill: int
    zero_point: int
    clamp: tuple[int, int]
    table: bytes | None = None
    macs: int = 0

    @property
    def kind(self) -> str:
        """Kind of its first operator."""
        return self.operators[0].kind

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Pixels around its inputs (top, left, bottom, right) that it reads."""
        return (0, 0, 0, 0)


@dataclass(eq=False)
class Convolution(Layer):
    """Convolutions of all kinds and fully connected layers.

    Parameters
    ----------
    weights : array of int8, shape [outputs, kernel_y, kernel_x, channels / groups]
        As TensorFlow Lite has them; those of depthwise convolutions have one channel.
    groups : int
        Groups of channels.
    rescaling : Rescaling
        Bias, multipliers and shifts of every output channel.
    stride, dilation : tuple of int
        Rows, columns. A dilation of 0 puts all taps of a row on one pixel.
    before : tuple of int
        Padding rows above and columns to the left.
    """

    weights: NDArray[np.int8] = field(default_factory=lambda: np.zeros((1, 1, 1, 1), np.int8))
    groups: int = 1
    rescaling: Rescaling = field(default_factory=Rescaling.nothing)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel rows and columns."""
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.weights.shape[0]

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Pixels around its input that its windows reach."""
        after = [
            (outputs - 1) * stride + (extent - 1) * dilation + 1 - before - size
            for outputs, stride, extent, dilation, before, size in zip(
                self.result[1:3], self.stride, self.kernel, self.dilation, self.before,
                self.source[1:3], strict=True,
            )
        ]
        return (*self.before, max(after[0], 0), max(after[1], 0))


@dataclass(eq=False)
class Addition(Layer):
    """ADD or SUB of two tensors of one form; three rescalings: both operands and their sum."""

    rescalings: tuple[Rescaling, Rescaling, Rescaling] = ()  # type: ignore[assignment]


@dataclass(eq=False)
class Pooling(Layer):
    """Average or maximum of windows; padding does not count.

    Parameters
    ----------
    rescalings : dict of int to Rescaling
        For averages: by the number of elements in a window.
    """

    average: bool = False
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    rescalings: dict[int, Rescaling] = field(default_factory=dict)


@dataclass(eq=False)
class Unary(Layer):
    """A function of one int8 element, all in ``table``."""


@dataclass(eq=False)
class HostOperator:
    """An operator that runs on the host, and why."""

    operator: Operator
    reason: str


@dataclass(eq=False)
class Alias:
    """An operator that only renames its input's bytes."""

    operator: Operator
