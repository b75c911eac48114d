# SPDX-License-Identifier: Apache-2.0
"""The ports through which several users share the two banks of a memory."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..select import choose
from .bank import MemoryBank
from .ports import ReadResponseSignature, chunk_layout, request_layout

__all__ = ["SharedPorts"]


class SharedPorts:
    """Users that read and write parts of words, one read and one write a cycle between them.

    Of several the first in the list goes first; all wait where an owner of the memory, who is
    always served, uses the same bank in the same way. What they read comes through one multiplexer,
    no wider than the widest part.

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

    write_latency: ClassVar[int] = 2
    """Cycles from an accepted write to the cycle from which a read sees it. The memory has a
    register between the ports and the banks."""

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
        """Elements that the users' multiplexers have in common: the largest part, or a word."""
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
            payload, parts = port.payload, self.length // elements
            values = Cat(payload.data[number][: self.width] for number in range(elements))
            chosen = Cat(
                (payload.slot == slot if parts > 1 else Const(1, 1)).replicate(
                    elements // self.smallest
                )
                for slot in range(parts)
            )
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

    def read(
        self, m: Module, component: Any, banks: list[Any], taken: Value, owner: Value
    ) -> None:
        """Connect the banks' read ports: the owner's address if ``taken``, then the users."""
        groups = self.length // self.group
        address = Signal(self.address_width, name="shared_address")
        group = Signal(range(groups), name="shared_group")
        asked = Signal(name="shared_asked")
        urgent: Any = Const(0, 1)
        for user, elements in self.users.items():
            port = getattr(component, f"{user}read")
            with m.If(port.valid & ~urgent):
                m.d.comb += [address.eq(port.payload.address), asked.eq(1)]
                if groups > 1:
                    m.d.comb += group.eq(port.payload.slot[exact_log2(self.group // elements) :])
            owner_there = taken & (self.bank(owner) == self.bank(port.payload.address))
            m.d.comb += port.ready.eq(~owner_there & ~urgent)
            urgent = urgent | port.valid
        for number, bank in enumerate(banks):
            owner_here = Signal(name=f"owner_in_bank_{number}")
            m.d.comb += [
                owner_here.eq(taken & (self.bank(owner) == number)),
                bank.read_enable.eq(owner_here | (asked & (self.bank(address) == number))),
                bank.read_address.eq(Mux(owner_here, self.place(owner), self.place(address))),
            ]

        # Every group of each bank has a register behind the RAM that is cleared unless the group
        # was asked for. What they hold together is then an OR, without multiplexers.
        stride = 1 << (groups - 1).bit_length()
        selects = Signal(self.banks * stride, name="shared_selects")
        m.d.sync += selects.eq(1 << Cat(group, self.bank(address)))
        size = self.group * self.width
        shown: Any = Const(0, size)
        for number, bank in enumerate(banks):
            for item in range(groups):
                held = Signal(size, name=f"shared_{number}_{item}")
                m.d.sync += held.eq(0)
                with m.If(selects[number * stride + item]):
                    m.d.sync += held.eq(bank.ram_data[item * size : (item + 1) * size])
                shown = shown | held
        self._answer(m, component, shown)

    def _answer(self, m: Module, component: Any, shown: Value) -> None:
        """Each user's part of the group that was read."""
        for user, elements in self.users.items():
            request = getattr(component, f"{user}read")
            answer = getattr(component, f"{user or 'read_'}data")
            in_group = self.group // elements
            valid, slot = request.valid & request.ready, request.payload.slot
            for number in range(1, MemoryBank.latency + 1):
                before = valid, slot
                valid = Signal(name=f"{user}answer_valid_{number}")
                slot = Signal(len(slot), name=f"{user}answer_slot_{number}")
                m.d.sync += [valid.eq(before[0]), slot.eq(before[1])]
            size = elements * self.width
            parts = [shown[number * size : (number + 1) * size] for number in range(in_group)]
            part = choose(parts, slot[: (in_group - 1).bit_length()])
            m.d.comb += answer.valid.eq(valid)
            for number in range(elements):
                value = part[number * self.width : (number + 1) * self.width]
                m.d.comb += answer.data[number].eq(value.as_signed())
