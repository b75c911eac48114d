# SPDX-License-Identifier: Apache-2.0
"""Signatures of memory ports: reads with a fixed latency, and updates of the accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

__all__ = [
    "ReadResponseSignature",
    "ReadSignature",
    "UpdateSignature",
    "chunk_layout",
    "int32_vector",
    "int8_vector",
    "request_layout",
]


def int8_vector(length: int) -> data.ArrayLayout:
    """A vector of ``length`` int8 elements, element 0 in the low bits."""
    return data.ArrayLayout(signed(8), length)


def int32_vector(length: int) -> data.ArrayLayout:
    """A vector of ``length`` int32 elements, element 0 in the low bits."""
    return data.ArrayLayout(signed(32), length)


def request_layout(address_width: int, slots: int = 1) -> data.StructLayout:
    """Payload of a stream of read requests: a word, or one of its ``slots``."""
    return data.StructLayout({"address": unsigned(address_width), "slot": range(slots)})


def chunk_layout(address_width: int, slots: int, shape: Any) -> data.StructLayout:
    """Payload of a stream of writes of a chunk of elements, one of the ``slots`` of a word."""
    return data.StructLayout(
        {"address": unsigned(address_width), "slot": range(slots), "data": shape}
    )


class ReadSignature(Signature):
    """A read port that is always served, as its user sees it.

    Members
    -------
    enable : Out(1)
    address : Out(address_width)
    data : In(shape)
        The memory's ``read_latency`` cycles after ``enable``.
    """

    def __init__(self, *, address_width: int, shape: Any) -> None:
        super().__init__({"enable": Out(1), "address": Out(address_width), "data": In(shape)})


class ReadResponseSignature(Signature):
    """Answers to a stream of read requests, as the memory sees it.

    Members
    -------
    valid : Out(1)
        High exactly ``read_latency`` cycles after each accepted request.
    data : Out(shape)
    """

    def __init__(self, *, shape: Any) -> None:
        super().__init__({"valid": Out(1), "data": Out(shape)})


class UpdateSignature(Signature):
    """Read-modify-write of accumulator words, one a cycle, always served, as its user sees it.

    Members
    -------
    valid : Out(1)
    address : Out(address_width)
    accumulate : Out(1)
        Add to the word instead of overwriting it.
    data : Out(ArrayLayout(signed(width), cols))
        Taken ``Accumulator.data_delay`` cycles after ``valid``, so that the old word is read while
        the new data are still in the array.
    """

    def __init__(self, *, address_width: int, cols: int, width: int) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "address": Out(address_width),
                "accumulate": Out(1),
                "data": Out(data.ArrayLayout(signed(width), cols)),
            }
        )
