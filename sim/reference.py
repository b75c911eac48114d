# SPDX-License-Identifier: Apache-2.0
"""Bit-exact NumPy reference of the arithmetic: matrix products, tiles and number wrapping.

The functions say *what* the machine computes, one array expression each; `weft.sim.machine` says
which words of which memory they act on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceError", "matmul", "multiply_exact", "tile_product", "wrap"]

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]

_EXACT_DEPTH = 1 << 38
"""Products of two int8 whose sum float64 still holds exactly (2**14 each, 2**52 together)."""


class ReferenceError(ValueError):  # noqa: A001 - the built-in of this name is about weak references
    """Operands the reference does not define a result for."""


def wrap(values: NDArray[np.int64], width: int) -> Int64Array:
    """Two's complement wrap-around of ``values`` to ``width`` bits, as int64.

    >>> wrap(np.array([127, 128, -129]), 8).tolist()
    [127, -128, 127]
    """
    half = 1 << (width - 1)
    return ((values + half) & ((1 << width) - 1)) - half


def multiply_exact(a: Int8Array, b: Int8Array) -> Int64Array:
    """``a @ b`` in exact integers, computed in float64 where every sum is below 2**53.

    Shapes ``[M, K]`` and ``[K, N]``; float64 matrix products are far faster than NumPy's integer
    ones and, at these magnitudes, give the same integers.
    """
    if a.shape[-1] > _EXACT_DEPTH:
        raise ReferenceError(f"a reduction of {a.shape[-1]} products is too deep to be exact")
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def matmul(a: Int8Array, b: Int8Array) -> Int32Array:
    """The int8 matrix product with int32 result.

    Parameters
    ----------
    a : numpy.ndarray
        int8 ``[M, K]``.
    b : numpy.ndarray
        int8 ``[K, N]``.

    Returns
    -------
    numpy.ndarray
        int32 ``[M, N]``; sums beyond int32 wrap, which takes a reduction of more than 131071.

    >>> matmul(np.array([[1, -2]], np.int8), np.array([[3], [4]], np.int8)).tolist()
    [[-5]]
    """
    if a.dtype != np.int8 or b.dtype != np.int8:
        raise ReferenceError(f"operands must be int8, not {a.dtype} and {b.dtype}")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ReferenceError(f"shapes {a.shape} and {b.shape} have no matrix product")
    return wrap(multiply_exact(a, b), 32).astype(np.int32)


def tile_product(
    activations: Int8Array, weights: Int8Array, initial: Int64Array | None, width: int
) -> Int64Array:
    """What the array adds to accumulator words in one MATMUL block or a run of blocks.

    Parameters
    ----------
    activations : numpy.ndarray
        int8 ``[outputs, reduction]``.
    weights : numpy.ndarray
        int8 ``[reduction, cols]``.
    initial : numpy.ndarray or None
        Accumulator words ``[outputs, cols]`` to add to; None overwrites.
    width : int
        Bits of an accumulator element.

    Returns
    -------
    numpy.ndarray
        int64 ``[outputs, cols]``, wrapped to ``width`` bits.
    """
    result = multiply_exact(activations, weights)
    return wrap(result if initial is None else result + initial, width)
