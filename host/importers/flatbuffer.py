# SPDX-License-Identifier: Apache-2.0
"""Careful reading of flatbuffers: nothing that a corrupt file says is believed.

The generated readers of a schema follow every offset and trust every length. The functions here
bound each vector by the size of the file before anything walks over it, and `guarded` turns
whatever the readers raise on garbage into `ModelError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import ModelError

__all__ = ["guarded", "numbers", "tables", "text", "vector_length"]


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn every failure of the statements inside into `ModelError`.

    Readers of flatbuffers raise ``struct.error``, ``IndexError``, ``TypeError``,
    ``UnicodeDecodeError``, ``MemoryError`` and more on corrupt offsets, so all of them are caught.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise ModelError(f"{what} is corrupt ({type(error).__name__}: {error})") from error


def vector_length(table: Any, field: str, element_bytes: int = 4) -> int:
    """Length of a vector, refused if the file cannot hold it.

    Parameters
    ----------
    table : generated reader
        With the method ``<field>Length``.
    field : str
        Name of the vector in the generated reader.
    element_bytes : int
        Size of an element: 4 for offsets to tables.
    """
    length = int(getattr(table, f"{field}Length")())
    if length * element_bytes > len(table._tab.Bytes):
        raise ModelError(f"vector {field} has {length} elements, more than the file can hold")
    return length


def tables(table: Any, field: str, limit: int) -> list[Any]:
    """All tables of a vector of tables, at most ``limit``."""
    length = vector_length(table, field)
    if length > limit:
        raise ModelError(f"vector {field} has {length} elements, more than {limit}")
    return [getattr(table, field)(index) for index in range(length)]


def numbers(table: Any, field: str, dtype: str, limit: int | None = None) -> NDArray:
    """A copy of a vector of scalars in the machine's byte order; empty if it is absent.

    Parameters
    ----------
    table : generated reader
        With the methods ``<field>Length`` and ``<field>AsNumpy``.
    field : str
        Name of the vector in the generated reader.
    dtype : str
        Element type in the file, with byte order: ``"<i4"``.
    limit : int or None
        Most elements.
    """
    element = np.dtype(dtype)
    length = vector_length(table, field, element.itemsize)
    if limit is not None and length > limit:
        raise ModelError(f"vector {field} has {length} elements, more than {limit}")
    if not length:
        return np.zeros(0, element.newbyteorder("="))
    values = np.asarray(getattr(table, f"{field}AsNumpy")())
    if values.dtype.itemsize != element.itemsize or values.shape != (length,):
        raise ModelError(f"vector {field} is not {length} elements of {element.itemsize} bytes")
    return values.view(element).astype(element.newbyteorder("="))


def text(value: bytes | None, limit: int = 4096) -> str:
    """A string of the file; empty if it is absent, never longer than ``limit`` characters."""
    return (value or b"")[:limit].decode("utf-8", errors="replace")
