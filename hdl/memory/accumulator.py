# SPDX-License-Identifier: Apache-2.0
"""The accumulator: partial results that the array adds to."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ..once import Once
from .bank import MemoryBank
from .ports import UpdateSignature, int32_vector
from .shared_ports import SharedPorts

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """Words of ``cols`` integers in two banks, the top address bit choosing the bank.

    ::

        update.address --> [bank 0] [bank 1]        cycle 0    old word addressed
                               |       |            cycle 1    RAM output
        update.data ------> [ + ] <-- mux           cycle 2    data taken, sum registered
                               |                    cycle 3    sum written
                            [banks]                 cycle 4    readable

    Updates are always served, one a cycle. There is no forwarding: two updates of one word, the
    second of which accumulates, must be at least ``hazard_distance`` cycles apart; the matmul unit
    compares three addresses to keep that distance, where forwarding would take a LUT for every bit
    of a word.

    All others read and write a part of a word at a time, one read and one write a cycle, the vector
    unit first. They wait while an update uses the same bank in the same way. What they read comes
    through one multiplexer, no wider than the widest part. Reading a word in the cycle in which it
    is written gives undefined data; programs order the two by semaphores.

    Parameters
    ----------
    cols : int
        Elements of a word.
    width : int
        Bits of an element as it is kept, up to 32. Reads sign-extend it; writes take the low bits.
    depth : int
        Words, a power of two, at least 4.
    data_width : int
        Bits of an element of an update, up to ``width``.
    lanes : int
        Elements of a chunk of the vector unit, a divisor of ``cols``; 0: there is no such unit.
    slots : int
        Equal parts of a word for the load and store units, a divisor of ``cols``.

    Members
    -------
    update : In(UpdateSignature)
    read : In(stream of request_layout)
        Requests of the store unit, for one of the ``slots`` of a word.
    read_data : Out(ReadResponseSignature)
        Answers as ArrayLayout(signed(32), cols / slots), ``read_latency`` cycles after each
        accepted request.
    write : In(stream of chunk_layout)
        Writes of the load unit, one of the ``slots``; readable from the next cycle on. The other
        elements of the word stay as they are.
    vector_read, vector_data, vector_write
        As the three before, of the vector unit: chunks of ``lanes`` elements.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from an accepted request to its data."""

    data_delay: ClassVar[int] = MemoryBank.latency
    """Cycles from ``update.valid`` to the cycle in which ``update.data`` is taken."""

    update_latency: ClassVar[int] = data_delay + 2
    """Cycles from ``update.valid`` to the cycle from which a read sees the new word."""

    hazard_distance: ClassVar[int] = update_latency
    """Least number of cycles from an update to an accumulating update of the same word."""

    def __init__(
        self,
        *,
        cols: int,
        width: int,
        depth: int,
        data_width: int,
        lanes: int = 0,
        slots: int = 1,
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
        self.address_width = exact_log2(depth)
        users = {"vector_": lanes} if lanes else {}
        users[""] = cols // slots
        self.shared = SharedPorts(
            users,
            length=cols,
            width=width,
            vector=int32_vector,
            address_width=self.address_width,
        )
        update = UpdateSignature(address_width=self.address_width, cols=cols, width=data_width)
        super().__init__({"update": In(update), **self.shared.members()})

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_accumulator"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        update = self.update
        width = self.width

        # The update's way through the read: valid, accumulate and address, a stage a cycle.
        valid = update.valid
        accumulate = update.accumulate
        address = update.address
        for number in range(1, self.data_delay + 1):
            previous = valid, accumulate, address
            valid = Signal(name=f"valid_{number}")
            accumulate = Signal(name=f"accumulate_{number}")
            address = Signal(self.address_width, name=f"address_{number}")
            m.d.sync += [valid.eq(previous[0]), accumulate.eq(previous[1])]
            m.d.sync += address.eq(previous[2])
        sum_valid = Signal()
        sum_address = Signal(self.address_width)
        sums = Signal(width * self.cols, reset_less=True)
        m.d.sync += [sum_valid.eq(valid), sum_address.eq(address)]

        banks = []
        for number in range(2):
            bank = Once(
                MemoryBank(
                    width=width * self.cols, depth=self.depth // 2, parts=self.shared.parts
                )
            )
            m.submodules[f"bank_{number}"] = bank
            banks.append(bank)
        write, address_written, mask, word = self.shared.write(
            m, self, lambda bank: sum_valid & (sum_address[-1] == bank)
        )
        for number, bank in enumerate(banks):
            sum_here = Signal(name=f"sum_in_bank_{number}")
            m.d.comb += [
                sum_here.eq(sum_valid & (sum_address[-1] == number)),
                bank.write_enable.eq(sum_here | (write & (address_written[-1] == number))),
                bank.write_address.eq(Mux(sum_here, sum_address[:-1], address_written[:-1])),
                bank.write_data.eq(Mux(sum_here, sums, word)),
            ]
            if bank.parts > 1:
                m.d.comb += bank.write_mask.eq(mask | sum_here.replicate(bank.parts))
        self.shared.read(m, self, banks, update.valid & update.accumulate, update.address)

        outputs = [bank.read_data for bank in banks]
        old = Mux(address[-1], outputs[1], outputs[0])
        for column in range(self.cols):
            part = slice(column * width, (column + 1) * width)
            addend = Mux(accumulate, old[part], 0).as_signed()
            m.d.sync += sums[part].eq(addend + update.data[column])
        return m
