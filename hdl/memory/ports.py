# SPDX-License-Identifier: Apache-2.0
"""Signatures of memory ports: reads with a fixed latency, and updates of the accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

__all__ = [
    "ChunkWrite",
    "ReadResponseSignature",
    "ReadSignature",
    "UpdateSignature",
    "chunk_layout",
    "int32_vector",
    "int8_vector",
    "request_layout",
    "write_layout",
]


def int8_vector(length: int) -> data.ArrayLayout:
    """A vector of ``length`` int8 elements, element 0 in the low bits."""
    return data.ArrayLayout(signed(8), length)


def int32_vector(length: int) -> data.ArrayLayout:
    """A vector of ``length`` int32 elements, element 0 in the low bits."""
    return data.ArrayLayout(signed(32), length)


def request_layout(address_width: int) -> data.StructLayout:
    """Payload of a stream of read requests."""
    return data.StructLayout({"address": unsigned(address_width)})


def write_layout(address_width: int, shape: Any) -> data.StructLayout:
    """Payload of a stream of whole-word writes."""
    return data.StructLayout({"address": unsigned(address_width), "data": shape})


def chunk_layout(address_width: int, slots: int, shape: Any) -> data.StructLayout:
    """Payload of a stream of writes of a chunk of elements, one of the ``slots`` of a word."""
    return data.StructLayout(
        {"address": unsigned(address_width), "slot": range(slots), "data": shape}
    )


class ChunkWrite:
    """A write of a chunk, as each bank of a memory sees it.

    Parameters
    ----------
    write : stream
        Stream of `chunk_layout`.
    chunk : ValueLike
        Its data as the memory keeps them.
    slots : int
        Chunks of a word.
    bank, address : ValueLike
        Where its word lies.
    """

    def __init__(self, write: Any, chunk: Any, slots: int, *, bank: Any, address: Any) -> None:
        self.write = write
        self.chunk = Value.cast(chunk)
        self.slots = slots
        self.bank = bank
        self.address = address

    def attach(self, m: Module, bank: Any, number: int, other: Any) -> None:
        """Drive the write port of ``bank``: the chunk if it goes there, else what ``other``, of
        enable, address and data, says."""
        payload = self.write.payload
        here = Signal(name=f"chunk_in_bank_{number}")
        enable, address, word = other
        m.d.comb += [
            here.eq(self.write.valid & self.write.ready & (self.bank == number)),
            bank.write_enable.eq(here | enable),
            bank.write_address.eq(Mux(here, self.address, address)),
            bank.write_data.eq(Mux(here, self.chunk.replicate(self.slots), word)),
        ]
        if self.slots > 1:
            every = (1 << self.slots) - 1
            chosen = Cat(payload.slot == slot for slot in range(self.slots))
            m.d.comb += bank.write_mask.eq(Mux(here, chosen, every))


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
