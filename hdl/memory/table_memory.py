# SPDX-License-Identifier: Apache-2.0
"""The memory of the vector unit's table."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from ..once import Once
from .bank import MemoryBank
from .ports import ReadSignature, chunk_layout, int8_vector

__all__ = ["TABLE_DEPTH", "TableMemory"]

TABLE_DEPTH = 256
"""Words of the table, one for each int8."""


class TableMemory(wiring.Component):
    """The function of every int8, in a copy for each lane. LOAD writes all copies at once.

    Word ``v + 128`` holds the function of ``v``.

    Parameters
    ----------
    lanes : int
        Lanes of the vector unit.

    Members
    -------
    lane_<number> : In(ReadSignature)
        Its address is the argument as it is, not 128 more; the data come ``read_latency`` cycles
        after ``enable``.
    write : In(stream of StructLayout(address, data=ArrayLayout(signed(8), 1)))
        Always ready; a word can be read from the next cycle on.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from a request to its data."""

    def __init__(self, *, lanes: int) -> None:
        self.lanes = lanes
        port = ReadSignature(address_width=8, shape=signed(8))
        super().__init__(
            {
                **{f"lane_{lane}": In(port) for lane in range(lanes)},
                "write": In(stream.Signature(chunk_layout(8, 1, int8_vector(1)))),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_table_memory"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.d.comb += self.write.ready.eq(1)
        for lane in range(self.lanes):
            port = getattr(self, f"lane_{lane}")
            bank = Once(MemoryBank(width=8, depth=TABLE_DEPTH))
            m.submodules[f"copy_{lane}"] = bank
            m.d.comb += [
                bank.read_enable.eq(port.enable),
                bank.read_address.eq(Cat(port.address[:7], ~port.address[7])),
                port.data.eq(bank.read_data),
                bank.write_enable.eq(self.write.valid),
                bank.write_address.eq(self.write.payload.address),
                bank.write_data.eq(self.write.payload.data.as_value()),
            ]
        return m
