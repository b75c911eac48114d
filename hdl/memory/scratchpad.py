# SPDX-License-Identifier: Apache-2.0
"""The activation scratchpad."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ..once import Once
from .bank import MemoryBank
from .ports import ReadSignature, int8_vector
from .shared_ports import SharedPorts

__all__ = ["ActivationScratchpad"]


class ActivationScratchpad(wiring.Component):
    """Words of ``rows`` int8 elements in two banks, the top address bit choosing the bank.

    ::

        write --[register]----------------+--> [bank 0] --+-------------> matmul_read.data
        matmul_read --+                   |               |
        read ---------+--[register]-------+--> [bank 1] --+--[register]-> read_data

    MATMUL is always served. All others read and write a part of a word at a time, one read and one
    write a cycle, the vector unit first; a read waits while MATMUL reads the same bank. Reading a
    word in the cycle in which it is written gives undefined data; programs order the two by
    semaphores.

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
        Port of the matmul unit; data come ``matmul_latency`` cycles after ``enable``.
    read : In(stream of request_layout)
        Requests of the store unit.
    read_data : Out(ReadResponseSignature)
        Answers, ``read_latency`` cycles after each accepted request.
    write : In(stream of chunk_layout)
        Writes of the load unit. A word can be read ``write_latency`` cycles later.
    vector_read, vector_data, vector_write
        As the three before, of the vector unit: chunks of ``lanes`` elements; the other elements of
        the word stay as they are.
    """

    read_latency: ClassVar[int] = SharedPorts.read_latency
    """Cycles from an accepted request to its data."""

    matmul_latency: ClassVar[int] = SharedPorts.owner_latency
    """Cycles from ``matmul_read.enable`` to its data."""

    write_latency: ClassVar[int] = SharedPorts.write_latency
    """Cycles from an accepted write to the cycle from which a read sees it."""

    def __init__(self, *, rows: int, depth: int, lanes: int = 0) -> None:
        self.rows = rows
        self.depth = depth
        self.lanes = lanes
        self.address_width = width = exact_log2(depth)
        users = {"vector_": lanes} if lanes else {}
        users[""] = rows
        self.shared = SharedPorts(
            users, length=rows, width=8, vector=int8_vector, address_width=width
        )
        matmul = ReadSignature(address_width=width, shape=int8_vector(rows))
        super().__init__({"matmul_read": In(matmul), **self.shared.members()})

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_activation_scratchpad"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        matmul = self.matmul_read
        banks = []
        write, address, mask, group = self.shared.write(m, self, lambda bank: Const(0, 1))
        word = group.replicate(self.rows // self.shared.group)
        written = Signal(
            data.StructLayout(
                {"address": unsigned(self.address_width), "word": unsigned(8 * self.rows)}
            )
        )
        m.d.sync += [written.address.eq(address), written.word.eq(word)]
        for number in range(2):
            bank = Once(
                MemoryBank(
                    width=8 * self.rows,
                    depth=self.depth // 2,
                    parts=self.shared.parts,
                    cleared=False,
                )
            )
            m.submodules[f"bank_{number}"] = bank
            banks.append(bank)
            parts = self.shared.written_parts(m, number, write, address, mask)
            m.d.comb += [
                bank.write_address.eq(written.address[:-1]),
                bank.write_data.eq(written.word),
            ]
            if bank.parts > 1:
                m.d.comb += [bank.write_enable.eq(1), bank.write_mask.eq(parts)]
            else:
                m.d.comb += bank.write_enable.eq(parts)
        self.shared.read(m, self, banks, matmul.enable, matmul.address)

        # Bank numbers travel with the reads: one bit for each cycle of the latency.
        matmul_banks = Signal(self.matmul_latency)
        m.d.sync += matmul_banks.eq((matmul_banks << 1) | matmul.address[-1])
        m.d.comb += matmul.data.eq(
            Mux(matmul_banks[-1], banks[1].read_data, banks[0].read_data)
        )
        return m
