# SPDX-License-Identifier: Apache-2.0
"""The activation scratchpad."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..once import Once
from .bank import MemoryBank
from .ports import (
    ReadResponseSignature,
    ReadSignature,
    int8_vector,
    request_layout,
    write_layout,
)

__all__ = ["ActivationScratchpad"]


class ActivationScratchpad(wiring.Component):
    """Words of ``rows`` int8 elements in two banks, the top address bit choosing the bank.

    ::

        write --------+--> [bank 0] --+--> matmul_read.data
        matmul_read --+               |
        read ---------+--> [bank 1] --+--> read_data

    Each bank reads one word a cycle. MATMUL is always served; a request on ``read`` waits while
    MATMUL reads the same bank. Reading a word in the cycle in which it is written gives undefined
    data; programs order the two by semaphores.

    Parameters
    ----------
    rows : int
        Elements of a word.
    depth : int
        Words, a power of two, at least 4.

    Members
    -------
    matmul_read : In(ReadSignature)
        Port of the matmul unit; data come ``read_latency`` cycles after ``enable``.
    read : In(stream of StructLayout(address))
        Requests of the store unit.
    read_data : Out(ReadResponseSignature)
        Answers, ``read_latency`` cycles after each accepted request.
    write : In(stream of StructLayout(address, data=ArrayLayout(signed(8), rows)))
        Always ready; a word can be read from the next cycle on.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from an accepted request to its data."""

    def __init__(self, *, rows: int, depth: int) -> None:
        self.rows = rows
        self.depth = depth
        self.address_width = exact_log2(depth)
        word = int8_vector(rows)
        super().__init__(
            {
                "matmul_read": In(ReadSignature(address_width=self.address_width, shape=word)),
                "read": In(stream.Signature(request_layout(self.address_width))),
                "read_data": Out(ReadResponseSignature(shape=word)),
                "write": In(stream.Signature(write_layout(self.address_width, word))),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_activation_scratchpad"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        matmul, read, write = self.matmul_read, self.read, self.write
        read_bank = read.payload.address[-1]
        m.d.comb += [
            write.ready.eq(1),
            read.ready.eq(~(matmul.enable & (matmul.address[-1] == read_bank))),
        ]
        outputs = []
        for number in range(2):
            bank = Once(MemoryBank(width=8 * self.rows, depth=self.depth // 2))
            m.submodules[f"bank_{number}"] = bank
            matmul_here = Signal(name=f"matmul_in_bank_{number}")
            read_here = Signal(name=f"read_in_bank_{number}")
            m.d.comb += [
                matmul_here.eq(matmul.enable & (matmul.address[-1] == number)),
                read_here.eq(read.valid & read.ready & (read_bank == number)),
                bank.read_enable.eq(matmul_here | read_here),
                bank.read_address.eq(
                    Mux(matmul_here, matmul.address[:-1], read.payload.address[:-1])
                ),
                bank.write_enable.eq(write.valid & (write.payload.address[-1] == number)),
                bank.write_address.eq(write.payload.address[:-1]),
                bank.write_data.eq(write.payload.data.as_value()),
            ]
            outputs.append(bank.read_data)

        # Bank numbers travel with the reads: one bit for each cycle of the read latency.
        matmul_banks = Signal(self.read_latency)
        read_banks = Signal(self.read_latency)
        read_valids = Signal(self.read_latency)
        m.d.sync += [
            matmul_banks.eq((matmul_banks << 1) | matmul.address[-1]),
            read_banks.eq((read_banks << 1) | read_bank),
            read_valids.eq((read_valids << 1) | (read.valid & read.ready)),
        ]
        m.d.comb += [
            matmul.data.eq(Mux(matmul_banks[-1], outputs[1], outputs[0])),
            self.read_data.valid.eq(read_valids[-1]),
            self.read_data.data.eq(Mux(read_banks[-1], outputs[1], outputs[0])),
        ]
        return m
