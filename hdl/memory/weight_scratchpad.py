# SPDX-License-Identifier: Apache-2.0
"""The weight scratchpad."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ..once import Once
from .bank import MemoryBank
from .ports import ReadSignature, chunk_layout, int8_vector

__all__ = ["WeightScratchpad"]


class WeightScratchpad(wiring.Component):
    """Words of ``cols`` int8 elements, written by LOAD, read by MATMUL, both every cycle if the
    memory has two ports.

    Reading a word in the cycle in which it is written gives undefined data; programs order the two
    by semaphores.

    Parameters
    ----------
    cols : int
        Elements of a word.
    depth : int
        Words, a power of two.
    single_port : bool
        LOAD waits while MATMUL reads.

    Members
    -------
    matmul_read : In(ReadSignature)
        Port of the matmul unit; data come ``read_latency`` cycles after ``enable``, and are zero
        that long after a cycle without it.
    write : In(stream of StructLayout(address, data=ArrayLayout(signed(8), cols)))
        Always ready but in the cycles of reads from a single port; a word can be read from the next
        cycle on.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from a request to its data."""

    def __init__(self, *, cols: int, depth: int, single_port: bool = False) -> None:
        self.cols = cols
        self.depth = depth
        self.single_port = single_port
        self.address_width = exact_log2(depth)
        word = int8_vector(cols)
        super().__init__(
            {
                "matmul_read": In(ReadSignature(address_width=self.address_width, shape=word)),
                "write": In(stream.Signature(chunk_layout(self.address_width, 1, word))),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_weight_scratchpad"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.bank = bank = Once(
            MemoryBank(width=8 * self.cols, depth=self.depth, single_port=self.single_port)
        )
        m.d.comb += [
            bank.read_enable.eq(self.matmul_read.enable),
            bank.read_address.eq(self.matmul_read.address),
            self.matmul_read.data.eq(bank.read_data),
            self.write.ready.eq(~self.matmul_read.enable if self.single_port else 1),
            bank.write_enable.eq(self.write.valid & self.write.ready),
            bank.write_address.eq(self.write.payload.address),
            bank.write_data.eq(self.write.payload.data.as_value()),
        ]
        return m
