# SPDX-License-Identifier: Apache-2.0
"""The accumulator: partial results that the array adds to."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..once import Once
from ..tech.technology import TECHNOLOGIES
from .bank import MemoryBank
from .ports import UpdateSignature, int32_vector
from .shared_ports import SharedPorts

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """Words of ``cols`` integers, usually in two banks, the top address bit choosing the bank.

    ::

        update.address ------> [address] x banks    cycle 0    bank chosen
                                 |
                               [bank] x banks       cycle 1    old word addressed
                                 |                  cycle 2    RAM output
                               [old] x banks        cycle 3    register of the bank
                                 |
        update.data, write --> [ + ] x banks        cycle 4    data taken, sum registered
                                 |
                               [bank] x banks       cycle 5    sum written; a read addressed now
                                                               sees it in cycle 6

    Each bank has an adder of its own, behind a register that is zero unless an update accumulates:
    what others write goes through the adder too, so that no multiplexer is as wide as a word but
    those at the adders' inputs, which some families have in the tables of the adder itself.

    Updates are always served, one a cycle. There is no forwarding: two updates of one word, the
    second of which accumulates, must be at least ``hazard_distance`` cycles apart; the matmul unit
    compares four addresses to keep that distance, where forwarding would take a LUT for every bit
    of a word.

    All others read and write a part of a word at a time, one read and one write a cycle, the vector
    unit first. They wait while an update uses the same bank in the same way. Reading a word in the
    cycle in which it is written gives undefined data; programs order the two by semaphores.

    Parameters
    ----------
    cols : int
        Elements of a word.
    width : int
        Bits of an element as it is kept, up to 32. Reads sign-extend it; writes take the low bits.
    depth : int
        Words, a power of two, at least 4.
    banks : int
        1 or 2. With one the others wait while the array works anywhere in the memory.
    data_width : int
        Bits of an element of an update, up to ``width``.
    lanes : int
        Elements of a chunk of the vector unit, a divisor of ``cols``; 0: there is no such unit.
    slots : int
        Equal parts of a word for the load and store units, a divisor of ``cols``.
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`, whose adders are used.

    Members
    -------
    update : In(UpdateSignature)
    read : In(stream of request_layout)
        Requests of the store unit, for one of the ``slots`` of a word.
    read_data : Out(ReadResponseSignature)
        Answers as ArrayLayout(signed(32), cols / slots), ``read_latency`` cycles after each
        accepted request.
    write : In(stream of chunk_layout)
        Writes of the load unit, one of the ``slots``; readable ``write_latency`` cycles later. The
        other elements of the word stay as they are.
    vector_read, vector_data, vector_write
        As the three before, of the vector unit: chunks of ``lanes`` elements.
    busy : Out(banks)
        An update reads this bank: the requests for its words wait.
    """

    read_latency: ClassVar[int] = SharedPorts.read_latency
    """Cycles from an accepted request to its data."""

    data_delay: ClassVar[int] = SharedPorts.read_latency
    """Cycles from ``update.valid`` to the cycle in which ``update.data`` is taken."""

    update_latency: ClassVar[int] = data_delay + 1
    """Cycles from ``update.valid`` to the cycle from which a read sees the new word."""

    write_latency: ClassVar[int] = SharedPorts.write_latency + 1
    """Cycles from an accepted write to the cycle from which a read sees it: a register chooses
    among the users, before the one behind the adders."""

    hazard_distance: ClassVar[int] = update_latency
    """Least number of cycles from an update to an accumulating update of the same word."""

    def __init__(
        self,
        *,
        cols: int,
        width: int,
        depth: int,
        data_width: int,
        banks: int = 2,
        lanes: int = 0,
        slots: int = 1,
        family: str = "generic",
    ) -> None:
        if not 1 <= data_width <= width <= 32:
            raise ValueError(
                f"data_width and width must be in ascending order from 1 to 32, "
                f"not {data_width!r} and {width!r}"
            )
        self.cols = cols
        self.width = width
        self.depth = depth
        self.data_width = data_width
        self.lanes = lanes
        self.slots = slots
        self.technology = TECHNOLOGIES[family]
        self.address_width = exact_log2(depth)
        users = {"vector_": lanes} if lanes else {}
        users[""] = cols // slots
        self.shared = SharedPorts(
            users,
            length=cols,
            width=width,
            vector=int32_vector,
            address_width=self.address_width,
            banks=banks,
        )
        update = UpdateSignature(address_width=self.address_width, cols=cols, width=data_width)
        super().__init__(
            {"update": In(update), "busy": Out(banks), **self.shared.members()}
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_accumulator"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        update = self.update
        width = self.width

        # The update's way through the read: valid and address, a stage a cycle.
        valid, address_updated = update.valid, update.address
        previous = valid, address_updated
        for number in range(1, self.data_delay + 1):
            previous = valid, address_updated
            valid = Signal(name=f"valid_{number}")
            address_updated = Signal(self.address_width, name=f"address_{number}")
            m.d.sync += [valid.eq(previous[0]), address_updated.eq(previous[1])]

        shared = self.shared
        banks = []
        for number in range(shared.banks):
            bank = Once(
                MemoryBank(
                    width=width * self.cols,
                    depth=self.depth // shared.banks,
                    parts=shared.parts,
                    cleared=False,
                )
            )
            m.submodules[f"bank_{number}"] = bank
            banks.append(bank)
        # Users' writes are chosen a cycle before they come to the adders.
        chosen = shared.write(
            m, self, lambda bank: previous[0] & (shared.bank(previous[1]) == bank)
        )
        write, address, mask, values = chosen
        address_written = Signal(self.address_width, name="chosen_address")
        group = Signal(len(values), name="chosen_group")
        m.d.sync += [address_written.eq(address), group.eq(values)]
        word = group.replicate(self.cols * width // len(group))
        reads = update.valid & update.accumulate
        shared.read(m, self, banks, reads, update.address)
        m.d.comb += self.busy.eq(
            Cat(reads & (shared.bank(update.address) == number) for number in range(shared.banks))
        )
        for number, bank in enumerate(banks):
            here = Signal(name=f"update_in_bank_{number}")
            parts = shared.written_parts(m, number, write, address, mask)
            m.d.sync += [
                here.eq(previous[0] & (shared.bank(previous[1]) == number)),
                bank.write_address.eq(
                    Mux(here, shared.place(address_updated), shared.place(address_written))
                ),
            ]
            if bank.parts > 1:
                m.d.comb += bank.write_enable.eq(1)
                m.d.sync += bank.write_mask.eq(parts | here.replicate(bank.parts))
            else:
                m.d.sync += bank.write_enable.eq(parts | here)
            self._add(m, number, bank, here, word)
        return m

    def _add(self, m: Module, number: int, bank: Any, here: Signal, word: Any) -> None:
        """The words written into a bank: sums, or what the users write, plus nothing."""
        update, width = self.update, self.width
        # The reset of all of a word's registers comes from a register, without a gate.
        not_here = Signal(name=f"no_old_in_bank_{number}", init=1)
        reads = Signal(SharedPorts.owner_latency - 1, name=f"reads_bank_{number}")
        old = Signal(width * self.cols, name=f"old_{number}", reset_less=True)
        written = Signal(width * self.cols, name=f"written_{number}", reset_less=True)
        accumulates = update.valid & update.accumulate
        read = accumulates & (self.shared.bank(update.address) == number)
        m.d.sync += [
            reads.eq(Cat(read, reads)),
            not_here.eq(~reads[-1]),
            old.eq(bank.read_data),
        ]
        with m.If(not_here):
            m.d.sync += old.eq(0)
        for column in range(self.cols):
            part = slice(column * width, (column + 1) * width)
            value = update.data[column]
            addend = Cat(value, value[-1].replicate(width - self.data_width))
            choices = (word[part], addend)
            m.d.sync += written[part].eq(
                self.technology.add_chosen(
                    m, f"sum_{number}_{column}", old[part], here, choices, width
                )
            )
        m.d.comb += bank.write_data.eq(written)
