# SPDX-License-Identifier: Apache-2.0
"""What moves through the array while real digits stream in: data for the page's animation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["wavefront"]


def wavefront(
    activations: NDArray[np.int8], weight: NDArray[np.int8], rows: int, cols: int, block: int
) -> dict[str, Any]:
    """Two passes through the array: the same vectors against two tiles of weights.

    Vector number v meets row r and column c in frame ``v + r + c``: activations move east one
    column a cycle, partial sums move south one row a cycle, and the weights of the second tile take
    over with the first vector of the second pass.

    Parameters
    ----------
    activations : array of int8, shape [vectors, inputs]
        Real inputs of a layer.
    weight : array of int8, shape [inputs, outputs]
        Real weights of that layer.
    rows, cols : int
        Size of the array.
    block : int
        Which ``rows`` inputs the first tile covers; the second tile covers the next.

    Returns
    -------
    dict
        ``rows``, ``cols``, ``passes`` (vectors of each pass), ``activations`` [vector][row],
        ``weights`` [tile][row][column], ``partial_sums`` [vector][row][column] after that row, and
        ``frames``, the number of frames until the last result.
    """
    tiles = []
    vectors = []
    for number in (block, block + 1):
        tile = np.zeros((rows, cols), dtype=np.int64)
        part = weight[number * rows : (number + 1) * rows, :cols]
        tile[: part.shape[0], : part.shape[1]] = part
        piece = np.zeros((len(activations), rows), dtype=np.int64)
        columns = activations[:, number * rows : (number + 1) * rows]
        piece[:, : columns.shape[1]] = columns
        tiles.append(tile)
        vectors.append(piece)
    partial_sums = [
        np.cumsum(piece[:, :, None] * tile[None], axis=1)
        for tile, piece in zip(tiles, vectors, strict=True)
    ]
    total = sum(len(piece) for piece in vectors)
    return {
        "rows": rows,
        "cols": cols,
        "passes": [len(piece) for piece in vectors],
        "activations": np.concatenate(vectors).tolist(),
        "weights": [tile.tolist() for tile in tiles],
        "partial_sums": np.concatenate(partial_sums).tolist(),
        "frames": total + rows + cols - 1,
    }
