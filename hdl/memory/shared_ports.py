# SPDX-License-Identifier: Apache-2.0
"""The ports through which several users share the two banks of a memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import gcd
from operator import or_
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .bank import MemoryBank
from .ports import ReadResponseSignature, chunk_layout, request_layout

__all__ = ["SharedPorts"]


class SharedPorts:
    """Users that read and write parts of words, one read and one write a cycle between them.

    ::

        owner, users --> [address] x banks --> [bank] x banks --> [part] x parts --> or --> users

    Of several the first in the list goes first; all wait where an owner of the memory, who is
    always served, uses the same bank in the same way. A register holds what each bank is to read:
    the choice among the users and the way to its block RAMs have a cycle each. What the users read
    is the OR of registers that are zero but for the part that was asked for.

    Parameters
    ----------
    users : dict of str to int
        Prefix of a user's ports and elements of its parts, divisors of ``length``; the most urgent
        user first. The ports are ``<prefix>read``, ``<prefix>data`` (``read_data`` without a
        prefix) and ``<prefix>write``.
    length : int
        Elements of a word.
    width : int
        Bits of an element as it is kept.
    vector : callable
        The layout of a number of elements at the ports.
    address_width : int
        Bits of an address.
    banks : int
        Banks, 1 or 2; the top bit of an address chooses between two.
    """

    owner_latency: ClassVar[int] = 1 + MemoryBank.latency
    """Cycles from the owner's address to the banks' ``read_data``."""

    read_latency: ClassVar[int] = owner_latency + 1
    """Cycles from an accepted request to its data."""

    write_latency: ClassVar[int] = 1
    """Cycles from an accepted write to the cycle from which a read sees it. The memory has a
    register between the ports and the banks, as reads have."""

    def __init__(
        self,
        users: dict[str, int],
        *,
        length: int,
        width: int,
        vector: Callable[[int], data.ArrayLayout],
        address_width: int,
        banks: int = 2,
    ) -> None:
        if banks not in (1, 2):
            raise ValueError(f"banks must be 1 or 2, not {banks!r}")
        self.banks = banks
        self.users = users
        self.length = length
        self.width = width
        self.vector = vector
        self.address_width = address_width
        self.smallest = gcd(*users.values())

    def bank(self, address: Any) -> Value:
        """The number of the bank that an address is in."""
        return Const(0, 1) if self.banks == 1 else address[-1]

    def place(self, address: Any) -> Value:
        """The address in the bank."""
        return address if self.banks == 1 else address[:-1]

    @property
    def parts(self) -> int:
        """Parts of a word that the banks must be able to write alone."""
        return self.length // self.smallest

    @property
    def group(self) -> int:
        """Elements that the users' writes have in common: the largest part, or a word."""
        smallest, largest = min(self.users.values()), max(self.users.values())
        ratio = largest // smallest
        power_of_two = ratio & (ratio - 1) == 0
        return largest if largest == smallest * ratio and power_of_two else self.length

    def members(self) -> dict[str, Any]:
        """The ports of all users."""
        members: dict[str, Any] = {}
        for user, elements in self.users.items():
            part, parts = self.vector(elements), self.length // elements
            request = request_layout(self.address_width, parts)
            write = chunk_layout(self.address_width, parts, part)
            members[f"{user}read"] = In(stream.Signature(request))
            members[f"{user or 'read_'}data"] = Out(ReadResponseSignature(shape=part))
            members[f"{user}write"] = In(stream.Signature(write))
        return members

    def write(self, m: Module, component: Any, taken: Any) -> tuple[Value, Value, Value, Value]:
        """The most urgent user's write: whether there is one, address, mask in parts, and a group,
        which is to be repeated for a word.

        ``taken`` is a function of the bank, whether the owner writes there.
        """
        result: Any = None
        for user, elements in reversed(self.users.items()):
            port = getattr(component, f"{user}write")
            payload = port.payload
            values = Cat(payload.data[number][: self.width] for number in range(elements))
            chosen = self._mask(user, payload.slot)
            group = values.replicate(self.group // elements)
            if result is None:
                result = port.valid, payload.address, chosen, group
            else:
                choices = zip((payload.address, chosen, group), result[1:], strict=True)
                result = (
                    port.valid | result[0],
                    *(Mux(port.valid, mine, other) for mine, other in choices),
                )
        valid, address, mask, group = result
        urgent: Any = Const(0, 1)
        for user in self.users:
            port = getattr(component, f"{user}write")
            m.d.comb += port.ready.eq(~taken(self.bank(port.payload.address)) & ~urgent)
            urgent = urgent | port.valid
        return valid, address, mask, group

    def written_parts(
        self, m: Module, number: int, write: Value, address: Value, mask: Value
    ) -> Signal:
        """A register with the parts of a word that the users write into bank ``number``, from what
        :meth:`write` returns."""
        parts = Signal(self.parts, name=f"written_in_bank_{number}")
        m.d.sync += parts.eq(0)
        with m.If(write & (self.bank(address) == number)):
            m.d.sync += parts.eq(mask)
        return parts

    def read(
        self, m: Module, component: Any, banks: list[Any], taken: Value, owner: Value
    ) -> None:
        """Connect the banks' read ports: the owner's address if ``taken``, then the users."""
        users = [getattr(component, f"{user}read") for user in self.users]
        # What nobody asks for is read, too, and cleared below.
        chosen = users[-1].payload.address
        for port in reversed(users[:-1]):
            chosen = Mux(port.valid, port.payload.address, chosen)
        address = Signal(self.address_width, name="shared_address")
        m.d.comb += address.eq(chosen)
        wanted = Signal(self.parts, name="shared_parts")
        urgent: Any = Const(0, 1)
        for user, port in zip(self.users, users, strict=True):
            with m.If(port.valid & ~urgent):
                m.d.comb += wanted.eq(self._mask(user, port.payload.slot))
            owner_there = taken & (self.bank(owner) == self.bank(port.payload.address))
            m.d.comb += port.ready.eq(~owner_there & ~urgent)
            urgent = urgent | port.valid
        for number, bank in enumerate(banks):
            owner_here = Signal(name=f"owner_in_bank_{number}")
            m.d.comb += owner_here.eq(taken & (self.bank(owner) == number))
            m.d.sync += bank.read_address.eq(
                Mux(owner_here, self.place(owner), self.place(address))
            )

        # Every part of each bank has a register behind the bank that is cleared unless the part was
        # asked for. What they hold together is then an OR, without multiplexers.
        size = self.smallest * self.width
        held: list[Any] = [Const(0, size)] * self.parts
        for number, bank in enumerate(banks):
            # A part's reset comes from a register, without a gate.
            unwanted: Any = ~Mux(self.bank(address) == number, wanted, 0)
            for cycle in range(1, self.owner_latency + 1):
                later = Signal(self.parts, name=f"shared_unwanted_{number}_{cycle}", init=-1)
                m.d.sync += later.eq(unwanted)
                unwanted = later
            for part in range(self.parts):
                register = Signal(size, name=f"shared_{number}_{part}", reset_less=True)
                m.d.sync += register.eq(bank.read_data[part * size : (part + 1) * size])
                with m.If(unwanted[part]):
                    m.d.sync += register.eq(0)
                held[part] = held[part] | register
        self._answer(m, component, held)

    def _mask(self, user: str, slot: Value) -> Value:
        """The smallest parts that one of a user's parts consists of."""
        elements = self.users[user]
        slots = self.length // elements
        return Cat(
            (slot == number if slots > 1 else Const(1, 1)).replicate(elements // self.smallest)
            for number in range(slots)
        )

    def _answer(self, m: Module, component: Any, held: list[Any]) -> None:
        """Each user's part of the word, the others being zero."""
        for user, elements in self.users.items():
            request = getattr(component, f"{user}read")
            answer = getattr(component, f"{user or 'read_'}data")
            valid: Any = request.valid & request.ready
            for number in range(1, self.read_latency + 1):
                before = valid
                valid = Signal(name=f"{user}answer_valid_{number}")
                m.d.sync += valid.eq(before)
            m.d.comb += answer.valid.eq(valid)
            in_part = elements // self.smallest
            part = Cat(
                reduce(or_, held[number::in_part]) for number in range(in_part)
            )
            for number in range(elements):
                value = part[number * self.width : (number + 1) * self.width]
                m.d.comb += answer.data[number].eq(value.as_signed())
