# SPDX-License-Identifier: Apache-2.0
"""Noise on a serial line."""

from __future__ import annotations

import random

__all__ = ["Noise"]


class Noise:
    """Loses, flips and inserts bytes, each kind a third of the time.

    Parameters
    ----------
    share : float
        Probability for each byte that something happens to it.
    seed : int
        Seed of what happens.
    """

    def __init__(self, share: float, seed: int = 0) -> None:
        if not 0 <= share < 1:
            raise ValueError(f"the share of noise must be at least 0 and below 1, not {share!r}")
        self.share = share
        self.events = 0
        self._random = random.Random(seed)

    def __call__(self, data: bytes) -> bytes:
        """``data`` as it arrives."""
        result = bytearray()
        for byte in data:
            kind = self._random.randrange(3) if self._random.random() < self.share else None
            self.events += kind is not None
            if kind == 0:
                continue
            if kind == 1:
                byte ^= self._random.randrange(1, 256)
            if kind == 2:
                result.append(self._random.randrange(256))
            result.append(byte)
        return bytes(result)
