# SPDX-License-Identifier: Apache-2.0
"""Brings an SDRAM controller up after reset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterWrite", "SDRAMStart"]


class RegisterWrite(NamedTuple):
    """A write to the controller's registers, and the cycles to wait after it.

    Attributes
    ----------
    address : int
        Byte address, a multiple of 4.
    value : int
        The data.
    wait : int
        Cycles.
    """

    address: int
    value: int
    wait: int


class SDRAMStart(wiring.Component):
    """Writes a fixed sequence to a Wishbone port, then says that the memory can be used.

    Parameters
    ----------
    writes : sequence of RegisterWrite
        In their order.

    Members
    -------
    cyc : Out(1)
        Also STB and WE.
    adr : Out(30)
        Word address.
    dat_w : Out(32)
    ack : In(1)
    done : Out(1)
        Stays 1.
    """

    def __init__(self, *, writes: Sequence[RegisterWrite]) -> None:
        self.writes = tuple(writes)
        super().__init__(
            {"cyc": Out(1), "adr": Out(30), "dat_w": Out(32), "ack": In(1), "done": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        """Describe the hardware."""
        m = Module()
        longest = max(write.wait for write in self.writes)
        index = Signal(range(len(self.writes) + 1))
        left = Signal(range(longest + 1))
        widths = [
            max(number.bit_length() for number in column) or 1
            for column in zip(*self.writes, strict=True)
        ]
        table = Array(
            Cat(*(Const(number, width) for number, width in zip(write, widths, strict=True)))
            for write in self.writes
        )
        present = Signal(sum(widths))
        address, value = present[: widths[0]], present[widths[0] : widths[0] + widths[1]]
        m.d.comb += [
            present.eq(table[index]),
            self.adr.eq(address[2:]),
            self.dat_w.eq(value),
            self.done.eq((index == len(self.writes)) & (left == 0)),
        ]
        with m.If(self.cyc):
            with m.If(self.ack):
                m.d.sync += [
                    self.cyc.eq(0), left.eq(present[sum(widths[:2]) :]), index.eq(index + 1)
                ]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Elif(index != len(self.writes)):
            m.d.sync += self.cyc.eq(1)
        return m
