# SPDX-License-Identifier: Apache-2.0
"""What programs read and never write: weights, parameters and tables, each stored once."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Constants"]

_ALIGNMENT = 64
_LIMIT = 1 << 32


class Constants:
    """A segment that grows as programs name its pieces; contents are made at the end."""

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}
        self._pieces: list[tuple[int, int, Callable[[], bytes]]] = []
        self.size = 0

    def place(self, key: Hashable, size: int, contents: Callable[[], bytes]) -> int:
        """The offset of a piece, placed when its key is first seen."""
        if key not in self._places:
            offset = -(-self.size // _ALIGNMENT) * _ALIGNMENT
            if offset + size >= _LIMIT:
                raise ValueError(f"weights take more than {_LIMIT} bytes")
            self._places[key] = offset
            self._pieces.append((offset, size, contents))
            self.size = offset + size
        return self._places[key]

    def contents(self) -> NDArray[np.uint8]:
        """All bytes."""
        result = np.zeros(self.size, np.uint8)
        for offset, size, contents in self._pieces:
            piece = np.frombuffer(contents(), np.uint8)
            assert len(piece) == size
            result[offset : offset + size] = piece
        return result
