# SPDX-License-Identifier: Apache-2.0
"""Random matrix products: sizes near edges, operands at the ends of their range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import Config

__all__ = ["choose", "random_operands", "random_shape"]


def choose(random: np.random.Generator, *values: int) -> int:
    """One of ``values``."""
    return int(random.choice(values))


def random_shape(config: Config, seed: int, *, largest: int = 48) -> tuple[int, int, int]:
    """Sizes (m, n, k) near the edges of the array and the tiles as often as not."""
    random = np.random.default_rng(seed)

    def size(unit: int) -> int:
        edge = unit * int(random.integers(1, 4)) + int(random.integers(-1, 2))
        return int(np.clip(choose(random, 1, 2, edge, int(random.integers(1, largest + 1))), 1,
                           largest))

    return size(config.rows), size(config.cols), min(size(config.rows), config.max_reduction_depth)


def random_operands(
    m: int, n: int, k: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Operands int8 ``[m, k]`` and ``[k, n]``: random, or at the ends of the range."""
    random = np.random.default_rng(seed)

    def operand(shape: tuple[int, int]) -> NDArray[np.int8]:
        style = choose(random, 0, 0, 0, 1, 2, 3, 4)
        if style == 1:
            return np.full(shape, -128, np.int8)
        if style == 2:
            return np.full(shape, 127, np.int8)
        if style == 3:
            signs = np.indices(shape).sum(0) % 2
            return np.where(signs == 0, -128, 127).astype(np.int8)
        if style == 4:
            return random.choice(np.array([-128, 0, 0, 1, 127], np.int8), shape)
        return random.integers(-128, 128, shape, dtype=np.int8)

    return operand((m, k)), operand((k, n))
