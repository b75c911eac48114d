# SPDX-License-Identifier: Apache-2.0
"""A simple dual-port block RAM with an output register."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = ["MemoryBank"]


class MemoryBank(wiring.Component):
    """One write port, one read port, both synchronous, each of them used every cycle.

    ::

        write --> [ RAM ] --> [register] --> read_data
        read  -->

    A bank that is not ``cleared`` reads in every cycle and has no reset: synthesis can take the
    register that block RAMs have of their own, with little delay behind it.

    A read in the cycle in which the same word is written gives data without meaning. Nothing here
    relies on such reads, and the memory says so to synthesis by its attribute ``no_rw_check``:
    without it Yosys keeps the order "old data first" on families whose block RAM does not define
    it, by a bypass of one LUT and two flip-flops a bit.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words, a power of two, at least 2.
    parts : int
        Equal parts of a word that can be written alone, a divisor of ``width``.
    cleared : bool
        ``read_data`` is zero ``latency`` cycles after a cycle without ``read_enable``. Else there
        is no such signal.
    single_port : bool
        Never read and written in one cycle: both take the same port of the RAM. The large memories
        of iCE40 UltraPlus have no other.

    Members
    -------
    read_enable : In(1)
        Only if ``cleared``.
    read_address : In(log2(depth))
    read_data : Out(width)
        ``latency`` cycles after ``read_address``.
    write_enable : In(1)
    write_address : In(log2(depth))
    write_data : In(width)
        Readable by a read in the next cycle.
    write_mask : In(parts)
        Parts to write; only if there are several.
    """

    latency: ClassVar[int] = 2
    """Cycles from ``read_address`` to ``read_data``."""

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        parts: int = 1,
        cleared: bool = True,
        single_port: bool = False,
    ) -> None:
        self.width = width
        self.depth = depth
        self.parts = parts
        self.cleared = cleared
        self.single_port = single_port
        address_width = exact_log2(depth)
        members: dict[str, Any] = {
            "read_address": In(address_width),
            "read_data": Out(width),
            "write_enable": In(1),
            "write_address": In(address_width),
            "write_data": In(width),
        }
        if cleared:
            members["read_enable"] = In(1)
        if parts > 1:
            members["write_mask"] = In(parts)
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        parts = f"_by_{self.parts}" if self.parts > 1 else ""
        port = "_single_port" if self.single_port else ""
        kept = "" if self.cleared else "_kept"
        return f"weft_memory_bank_{self.width}x{self.depth}{parts}{port}{kept}"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.ram = ram = memory.Memory(
            shape=unsigned(self.width), depth=self.depth, init=[], attrs={"no_rw_check": 1}
        )
        enable: Any = self.write_enable
        if self.parts > 1:
            write_port = ram.write_port(granularity=self.width // self.parts)
            enable = Mux(self.write_enable, self.write_mask, 0)
        else:
            write_port = ram.write_port()
        read_port = ram.read_port(domain="sync")
        output = Signal(self.width, reset_less=True)
        write_address: Any = self.write_address
        read_address: Any = self.read_address
        if self.single_port:
            # One signal for both: that is how synthesis sees that one port serves them.
            address = Signal.like(self.read_address)
            m.d.comb += address.eq(Mux(self.write_enable, write_address, read_address))
            write_address = read_address = address
        m.d.comb += [
            write_port.en.eq(enable),
            write_port.addr.eq(write_address),
            write_port.data.eq(self.write_data),
            read_port.en.eq(self.read_enable if self.cleared else 1),
            read_port.addr.eq(read_address),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(read_port.data)
        if self.cleared:
            # The output's reset comes from a register, without a gate.
            unasked = Signal(init=1)
            m.d.sync += unasked.eq(~self.read_enable)
            with m.If(unasked):
                m.d.sync += output.eq(0)
        return m
