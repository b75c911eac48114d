# SPDX-License-Identifier: Apache-2.0
"""Pictures of digits for a page: one small PNG that holds them all."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["data_uri", "grey_png", "sprite"]

SIDE = 8
LARGEST_PIXEL = 16


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """An 8-bit greyscale PNG (ISO/IEC 15948) of a two-dimensional array."""
    height, width = pixels.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def sprite(images: NDArray[np.uint8]) -> bytes:
    """A PNG with the images side by side in one row, dark ink on white; shape [count, 64]."""
    ink = images.reshape(-1, SIDE, SIDE).astype(np.int64)
    strip = 255 - ink * 255 // LARGEST_PIXEL
    return grey_png(strip.transpose(1, 0, 2).reshape(SIDE, -1).astype(np.uint8))


def data_uri(png: bytes) -> str:
    """A PNG as a URI that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
