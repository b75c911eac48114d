# SPDX-License-Identifier: Apache-2.0
"""The segment table, as LOAD and STORE each keep it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..config import SEGMENT_COUNT
from ..select import choose
from .transfer import limit_width

__all__ = ["SEGMENT_WRITE_LAYOUT", "SegmentTable"]

SEGMENT_WRITE_LAYOUT = data.StructLayout(
    {
        "base_low": unsigned(1),
        "base_high": unsigned(1),
        "limit": unsigned(1),
        "number": range(SEGMENT_COUNT),
        "data": unsigned(32),
    }
)
"""A write into the tables: which part of segment ``number`` becomes ``data``, if any; a limit is at
most the size of the address space."""


class SegmentTable(wiring.Component):
    """Base and limit of every segment, in memory.

    A unit looks at one segment at a time, so a copy in memory for each unit takes the place of
    eight pairs of registers and a multiplexer as wide as an address. Below 32 bits of address only
    the limit that is all of the address space has a bit more than a base; that bit is in
    flip-flops, since block RAM for it would stay all but empty.

    Parameters
    ----------
    address_width : int
        Bits of a DRAM address.

    Members
    -------
    write : In(SEGMENT_WRITE_LAYOUT)
        Written at the end of the next cycle. Contents survive a reset and are undefined before
        the first write.
    read : In(1)
        Look up a segment.
    number : In(range(8))
        Which.
    base : Out(address_width)
    limit : Out(limit_width)
        Those of segment ``number``, from the cycle after ``read`` to the next ``read``.
    """

    def __init__(self, *, address_width: int) -> None:
        self.address_width = address_width
        super().__init__(
            {
                "write": In(SEGMENT_WRITE_LAYOUT),
                "read": In(1),
                "number": In(range(SEGMENT_COUNT)),
                "base": Out(address_width),
                "limit": Out(limit_width(address_width)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        arrived = Signal(SEGMENT_WRITE_LAYOUT, reset_less=True)
        m.d.sync += arrived.eq(self.write)
        parts = [("base_low", self.base[:32]), ("limit", self.limit[: self.address_width])]
        if self.address_width < 32:
            whole = Signal(SEGMENT_COUNT, reset_less=True)
            is_whole = Signal(reset_less=True)
            for number in range(SEGMENT_COUNT):
                with m.If(arrived.limit & (arrived.number == number)):
                    m.d.sync += whole[number].eq(arrived.data[self.address_width])
            with m.If(self.read):
                m.d.sync += is_whole.eq(choose(list(whole), self.number))
            m.d.comb += self.limit[-1].eq(is_whole)
        if self.address_width > 32:
            parts.append(("base_high", self.base[32:]))
        for name, output in parts:
            storage = memory.Memory(
                shape=len(output),
                depth=SEGMENT_COUNT,
                init=[],
                attrs={"no_rw_check": 1},  # Segments are written while no program runs.
            )
            m.submodules[name] = storage
            write, read = storage.write_port(), storage.read_port()
            m.d.comb += [
                write.en.eq(arrived[name]),
                write.addr.eq(arrived.number),
                write.data.eq(arrived.data),
                read.en.eq(self.read),
                read.addr.eq(self.number),
                output.eq(read.data),
            ]
        return m
