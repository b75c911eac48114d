# SPDX-License-Identifier: Apache-2.0
"""The activation scratchpad."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..once import Once
from .bank import MemoryBank
from .ports import (
    ChunkWrite,
    ReadResponseSignature,
    ReadSignature,
    chunk_layout,
    int8_vector,
    request_layout,
    write_layout,
)

__all__ = ["ActivationScratchpad"]


_HASHED_BITS = 4
"""Low address bits whose parity is a word's bank."""


def bank_of(address: Any) -> Value:
    """The bank of a word: the parity of its low address bits; the bits above the lowest then say
    where it is in the bank."""
    return Value.cast(address)[:_HASHED_BITS].xor()


class ActivationScratchpad(wiring.Component):
    """Words of ``rows`` int8 elements in two banks, chosen by `bank_of`.

    ::

        write --------+--> [bank 0] --+--> matmul_read.data
        matmul_read --+               |
        read ---------+--> [bank 1] --+--> read_data

    Each bank reads one word a cycle. A run of words, or of every second, fourth or eighth one, goes
    to and fro between the banks, so what reads such a run leaves half of the cycles of each bank to
    the others, wherever they read. MATMUL is always served; a request of the vector unit waits
    while MATMUL reads the same bank, one on ``read`` while either does. A load's write waits while
    the vector unit writes to the same bank. Reading a word in the cycle in which it is written
    gives undefined data; programs order the two by semaphores.

    Parameters
    ----------
    rows : int
        Elements of a word.
    depth : int
        Words, a power of two, at least 4.
    lanes : int
        Elements of a chunk of the vector unit, a divisor of ``rows``; 0: there is no such unit.

    Members
    -------
    matmul_read : In(ReadSignature)
        Port of the matmul unit; data come ``read_latency`` cycles after ``enable``.
    read : In(stream of StructLayout(address))
        Requests of the store unit.
    read_data : Out(ReadResponseSignature)
        Answers, ``read_latency`` cycles after each accepted request.
    write : In(stream of StructLayout(address, data=ArrayLayout(signed(8), rows)))
        Writes of the load unit; always ready without a vector unit. A word can be read from the
        next cycle on.
    vector_read, vector_data
        As ``read`` and ``read_data``, of the vector unit.
    vector_write : In(stream of chunk_layout)
        Always ready; the other elements of the word stay as they are.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from an accepted request to its data."""

    def __init__(self, *, rows: int, depth: int, lanes: int = 0) -> None:
        self.rows = rows
        self.depth = depth
        self.lanes = lanes
        self.slots = rows // lanes if lanes else 1
        self.address_width = width = exact_log2(depth)
        word = int8_vector(rows)
        members: dict[str, Any] = {
            "matmul_read": In(ReadSignature(address_width=width, shape=word)),
            "read": In(stream.Signature(request_layout(width))),
            "read_data": Out(ReadResponseSignature(shape=word)),
            "write": In(stream.Signature(write_layout(width, word))),
        }
        if lanes:
            chunk = chunk_layout(width, self.slots, int8_vector(lanes))
            members["vector_read"] = members["read"]
            members["vector_data"] = members["read_data"]
            members["vector_write"] = In(stream.Signature(chunk))
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_activation_scratchpad"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        matmul, write = self.matmul_read, self.write
        readers = [(self.read, self.read_data, "read")]
        chunk = None
        if self.lanes:
            readers.insert(0, (self.vector_read, self.vector_data, "vector"))
            target = self.vector_write.payload.address
            chunk = ChunkWrite(
                self.vector_write, self.vector_write.payload.data.as_value(), self.slots,
                bank=bank_of(target), address=target[1:],
            )
        outputs = []
        for number in range(2):
            bank = Once(
                MemoryBank(width=8 * self.rows, depth=self.depth // 2, parts=self.slots)
            )
            m.submodules[f"bank_{number}"] = bank
            matmul_here = Signal(name=f"matmul_in_bank_{number}")
            m.d.comb += matmul_here.eq(matmul.enable & (bank_of(matmul.address) == number))
            taken, address = matmul_here, matmul.address[1:]
            for port, _, name in readers:
                here = Signal(name=f"{name}_in_bank_{number}")
                mine = bank_of(port.payload.address) == number
                with m.If(mine):
                    m.d.comb += port.ready.eq(~taken)
                m.d.comb += here.eq(port.valid & mine)
                address = Mux(taken, address, port.payload.address[1:])
                taken = taken | here
            load = (
                write.valid & (bank_of(write.payload.address) == number),
                write.payload.address[1:],
                write.payload.data.as_value(),
            )
            m.d.comb += [bank.read_enable.eq(taken), bank.read_address.eq(address)]
            if chunk is not None:
                chunk.attach(m, bank, number, load)
            else:
                m.d.comb += [
                    bank.write_enable.eq(load[0]),
                    bank.write_address.eq(load[1]),
                    bank.write_data.eq(load[2]),
                ]
            outputs.append(bank.read_data)
        m.d.comb += write.ready.eq(1)
        if chunk is not None:
            busy = chunk.write.valid & (chunk.bank == bank_of(write.payload.address))
            m.d.comb += [chunk.write.ready.eq(1), write.ready.eq(~busy)]

        # Bank numbers travel with the reads: one bit for each cycle of the read latency.
        matmul_banks = Signal(self.read_latency)
        m.d.sync += matmul_banks.eq((matmul_banks << 1) | bank_of(matmul.address))
        m.d.comb += matmul.data.eq(Mux(matmul_banks[-1], outputs[1], outputs[0]))
        for port, answer, name in readers:
            banks = Signal(self.read_latency, name=f"{name}_banks")
            valids = Signal(self.read_latency, name=f"{name}_valids")
            m.d.sync += [
                banks.eq((banks << 1) | bank_of(port.payload.address)),
                valids.eq((valids << 1) | (port.valid & port.ready)),
            ]
            m.d.comb += [
                answer.valid.eq(valids[-1]),
                answer.data.eq(Mux(banks[-1], outputs[1], outputs[0])),
            ]
        return m
