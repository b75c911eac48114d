# SPDX-License-Identifier: Apache-2.0
"""From a register's address to what the hardware does with it, derived from `REGISTERS`."""

from __future__ import annotations

from amaranth.hdl import Module, unsigned
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..config import Config
from ..registers import (
    ADDRESS_WIDTH,
    COUNTER_BASE,
    COUNTERS,
    REGISTERS,
    Access,
    Register,
)

__all__ = ["Kind", "RegisterMap", "field_mask", "stored_bits"]


class Kind(enum.Enum, shape=unsigned(3)):
    """Ways in which a register is built."""

    NONE = 0
    CONSTANT = 1
    STORED = 2
    CONTROL = 3
    EVENTS = 4
    STATUS = 5
    COUNTER = 6


def field_mask(item: Register) -> int:
    """The bits of a register that carry a field; all of them where none is named."""
    if not item.fields:
        return 0xFFFF_FFFF
    return sum(((1 << field.width) - 1) << field.low for field in item.fields)


def stored_bits(item: Register, config: Config) -> int:
    """The writable bits of a register; the others read as zero."""
    if item.name == "PROGRAM_ADDRESS_LOW":
        return ((1 << config.axi_address_width) - 1) & 0xFFFF_FFFF
    if item.name == "PROGRAM_ADDRESS_HIGH":
        return (1 << config.axi_address_width) - 1 >> 32
    if item.name == "PROGRAM_LENGTH":
        return 0x00FF_FFFF
    if item.name.startswith("SEGMENT") and item.name.endswith(("_BASE_LOW", "_BASE_HIGH")):
        address = (1 << config.axi_address_width) - 1
        return address >> 32 if item.name.endswith("HIGH") else address & 0xFFFF_FFFF
    return field_mask(item)


class RegisterMap(wiring.Component):
    """Looks up an address. Results are registered: they belong to the address a cycle before.

    Parameters
    ----------
    config : Config
        Decides the writable bits.

    Members
    -------
    address : In(10)
        Word address.
    kind : Out(Kind)
        How the register is built; NONE where there is none.
    bits : Out(32)
        A stored register's writable bits.
    locked : Out(1)
        Not writable while a program runs.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "address": In(ADDRESS_WIDTH - 2),
                "kind": Out(Kind),
                "bits": Out(32),
                "locked": Out(1),
            }
        )

    @staticmethod
    def kind_of(item: Register) -> Kind:
        """How a register is built."""
        if item.constant:
            return Kind.CONSTANT
        if COUNTER_BASE <= item.offset < COUNTER_BASE + 4 * len(COUNTERS):
            return Kind.COUNTER
        return {
            Access.READ_WRITE: Kind.STORED,
            Access.WRITE_ONE_TO_ACT: Kind.CONTROL,
            Access.WRITE_ONE_TO_CLEAR: Kind.EVENTS,
            Access.READ_ONLY: Kind.STATUS,
        }[item.access]

    @classmethod
    def of_kind(cls, kind: Kind) -> tuple[Register, ...]:
        """The registers of one kind, in address order."""
        return tuple(item for item in REGISTERS if cls.kind_of(item) is kind)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += [self.kind.eq(Kind.NONE), self.bits.eq(0), self.locked.eq(0)]
        with m.Switch(self.address):
            for kind in Kind:
                for item in self.of_kind(kind):
                    with m.Case(item.offset // 4):
                        m.d.sync += [self.kind.eq(kind), self.locked.eq(item.locked)]
                        if kind is Kind.STORED:
                            m.d.sync += self.bits.eq(stored_bits(item, self.config))
        return m
