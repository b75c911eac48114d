# SPDX-License-Identifier: Apache-2.0
"""Tensors of a graph: shape, type, quantization and, if constant, contents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError

__all__ = ["DTYPES", "MAXIMUM_BYTES", "MAXIMUM_RANK", "Quantization", "Tensor"]

MAXIMUM_BYTES = 1 << 30
"""Largest tensor that a graph may have; larger ones come from corrupt files or do not fit."""

MAXIMUM_RANK = 8
"""Most dimensions of a tensor."""

DTYPES = tuple(
    np.dtype(name)
    for name in (
        "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
        "float16", "float32", "float64", "bool",
    )
)
"""Element types that a tensor may have."""


@dataclass(frozen=True, eq=False)
class Quantization:
    """How integers stand for real numbers: ``real = scale * (integer - zero_point)``.

    Parameters
    ----------
    scale : array of float32, shape [1] or [channels]
        Positive and finite.
    zero_point : array of int64, same shape
        Integer that stands for 0.0.
    axis : int or None
        Dimension along which scale and zero point vary; None means one pair for the whole tensor.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", np.atleast_1d(np.asarray(self.scale, np.float32)))
        object.__setattr__(self, "zero_point", np.atleast_1d(np.asarray(self.zero_point, np.int64)))
        if self.scale.ndim != 1 or self.scale.shape != self.zero_point.shape:
            raise ModelError(
                f"quantization: scale has shape {self.scale.shape} and zero_point "
                f"{self.zero_point.shape}; both must be vectors of the same length"
            )
        if not self.scale.size:
            raise ModelError("quantization: scale is empty")
        legal = np.isfinite(self.scale) & (self.scale > 0)
        if not legal.all():
            raise ModelError("quantization: scale must be positive and finite everywhere, not "
                             f"{self.scale[~legal][0]}")
        if self.axis is None and self.scale.size != 1:
            raise ModelError(f"quantization: {self.scale.size} scales but no axis")

    @property
    def per_channel(self) -> bool:
        """Whether scale and zero point vary along an axis."""
        return self.axis is not None

    def __str__(self) -> str:
        if self.axis is None:
            return f"scale {float(self.scale[0]):.6g} zero {int(self.zero_point[0])}"
        low, high = float(self.scale.min()), float(self.scale.max())
        return f"{self.scale.size} scales {low:.3g}..{high:.3g} along axis {self.axis}"


@dataclass(eq=False)
class Tensor:
    """One tensor of a graph.

    Parameters
    ----------
    name : str
        Unique in the graph.
    shape : tuple of int
        Static; ``()`` is a scalar. Feature maps are NHWC in every graph.
    dtype : numpy.dtype
        One of `DTYPES`.
    quantization : Quantization or None
        None for plain integers and floating point.
    data : numpy.ndarray or None
        Contents of a constant, of this shape and dtype; None for a tensor that is computed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    quantization: Quantization | None = None
    data: NDArray | None = None

    def __post_init__(self) -> None:
        self.shape = tuple(int(extent) for extent in self.shape)
        self.dtype = np.dtype(self.dtype)

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the plain row-major array."""
        return self.elements * self.dtype.itemsize

    @property
    def constant(self) -> bool:
        """Whether the contents are known before the graph runs."""
        return self.data is not None

    @property
    def scale(self) -> float:
        """The scale as a float (exactly the float32 of the file).

        Raises
        ------
        ModelError
            If the tensor is not quantized, or per channel.
        """
        return float(self._per_tensor().scale[0])

    @property
    def zero_point(self) -> int:
        """The zero point; raises `ModelError` as `scale` does."""
        return int(self._per_tensor().zero_point[0])

    def _per_tensor(self) -> Quantization:
        if self.quantization is None:
            raise ModelError(f"tensor {self.name!r} ({self.dtype}) has no quantization")
        if self.quantization.per_channel:
            raise ModelError(f"tensor {self.name!r} is quantized per channel")
        return self.quantization

    def validate(self) -> None:
        """Check shape, type, quantization and contents against each other.

        Raises
        ------
        ModelError
            Naming the tensor and what is wrong with it.
        """
        where = f"tensor {self.name!r}"
        if self.dtype not in DTYPES:
            raise ModelError(f"{where}: element type {self.dtype} is not supported")
        if len(self.shape) > MAXIMUM_RANK:
            raise ModelError(f"{where}: {len(self.shape)} dimensions, more than {MAXIMUM_RANK}")
        if any(extent < 0 for extent in self.shape):
            raise ModelError(f"{where}: shape {self.shape} has a negative dimension")
        if self.bytes > MAXIMUM_BYTES:
            raise ModelError(
                f"{where}: shape {self.shape} of {self.dtype} takes {self.bytes} bytes, more than "
                f"{MAXIMUM_BYTES}"
            )
        if self.quantization is not None:
            self._validate_quantization(where, self.quantization)
        if self.data is not None and (
            self.data.shape != self.shape or self.data.dtype != self.dtype
        ):
            raise ModelError(
                f"{where}: contents are {self.data.dtype} {self.data.shape}, not {self.dtype} "
                f"{self.shape}"
            )

    def _validate_quantization(self, where: str, quantization: Quantization) -> None:
        if self.dtype.kind not in "iu":
            raise ModelError(f"{where}: {self.dtype} elements cannot be quantized")
        limits = np.iinfo(self.dtype)
        low, high = int(quantization.zero_point.min()), int(quantization.zero_point.max())
        if low < limits.min or high > limits.max:
            raise ModelError(f"{where}: zero point {low if low < limits.min else high} is not "
                             f"a {self.dtype}")
        axis = quantization.axis
        if axis is None:
            return
        if not 0 <= axis < len(self.shape):
            raise ModelError(f"{where}: quantized along axis {axis} of {len(self.shape)}")
        if quantization.scale.size != self.shape[axis]:
            raise ModelError(
                f"{where}: {quantization.scale.size} scales for {self.shape[axis]} channels along "
                f"axis {axis}"
            )

    def __str__(self) -> str:
        shape = "x".join(str(extent) for extent in self.shape) or "scalar"
        parts = [f"{self.dtype}[{shape}]"]
        if self.quantization is not None:
            parts.append(str(self.quantization))
        if self.constant:
            parts.append("constant")
        return f"{self.name}: {', '.join(parts)}"
