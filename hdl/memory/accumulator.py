# SPDX-License-Identifier: Apache-2.0
"""The accumulator: partial results that the array adds to."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..once import Once
from .bank import MemoryBank
from .ports import (
    ChunkWrite,
    ReadResponseSignature,
    UpdateSignature,
    chunk_layout,
    int32_vector,
    request_layout,
    write_layout,
)

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
    of a word. ``read`` waits while an accumulating update reads the same bank, ``write`` while an
    update writes to it; the vector unit's ports come after updates and before these two. Reading
    a word in the cycle in which it is written gives undefined data; programs order the two by
    semaphores.

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

    Members
    -------
    update : In(UpdateSignature)
    read : In(stream of StructLayout(address))
        Requests of the store unit.
    read_data : Out(ReadResponseSignature)
        Answers as ArrayLayout(signed(32), cols), ``read_latency`` cycles after each accepted
        request.
    write : In(stream of StructLayout(address, data=ArrayLayout(signed(32), cols)))
        Writes of the load unit; a word can be read from the next cycle on.
    vector_read, vector_data
        As ``read`` and ``read_data``, of the vector unit.
    vector_write : In(stream of chunk_layout)
        The other elements of the word stay as they are.
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
        self, *, cols: int, width: int, depth: int, data_width: int, lanes: int = 0
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
        self.slots = cols // lanes if lanes else 1
        self.address_width = exact_log2(depth)
        word = int32_vector(cols)
        members: dict[str, Any] = {
            "update": In(
                UpdateSignature(address_width=self.address_width, cols=cols, width=data_width)
            ),
            "read": In(stream.Signature(request_layout(self.address_width))),
            "read_data": Out(ReadResponseSignature(shape=word)),
            "write": In(stream.Signature(write_layout(self.address_width, word))),
        }
        if lanes:
            chunk = chunk_layout(self.address_width, self.slots, int32_vector(lanes))
            members["vector_read"] = members["read"]
            members["vector_data"] = members["read_data"]
            members["vector_write"] = In(stream.Signature(chunk))
        super().__init__(members)

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

        outputs = self._banks(m, sum_valid, sum_address, sums)
        old = Mux(address[-1], outputs[1], outputs[0])
        for column in range(self.cols):
            part = slice(column * width, (column + 1) * width)
            addend = Mux(accumulate, old[part], 0).as_signed()
            m.d.sync += sums[part].eq(addend + update.data[column])
        return m

    def _banks(self, m: Module, sum_valid: Value, sum_address: Value, sums: Value) -> list[Value]:
        """The banks and who uses their ports; returns what they read."""
        update, write, width = self.update, self.write, self.width
        readers = [(self.read, self.read_data, "read")]
        chunk = None
        if self.lanes:
            readers.insert(0, (self.vector_read, self.vector_data, "vector"))
            parts, target = self.vector_write.payload.data, self.vector_write.payload.address
            chunk = ChunkWrite(
                self.vector_write, Cat(parts[lane][:width] for lane in range(self.lanes)),
                self.slots, bank=target[-1], address=target[:-1],
            )
        update_reads = update.valid & update.accumulate
        written = Cat(write.payload.data[column][:width] for column in range(self.cols))
        write_bank = write.payload.address[-1]
        outputs: list[Value] = []
        for number in range(2):
            bank = Once(
                MemoryBank(width=width * self.cols, depth=self.depth // 2, parts=self.slots)
            )
            m.submodules[f"bank_{number}"] = bank
            update_here = Signal(name=f"update_in_bank_{number}")
            sum_here = Signal(name=f"sum_in_bank_{number}")
            write_here = Signal(name=f"write_in_bank_{number}")
            m.d.comb += [
                update_here.eq(update_reads & (update.address[-1] == number)),
                sum_here.eq(sum_valid & (sum_address[-1] == number)),
                write_here.eq(write.valid & write.ready & (write_bank == number)),
            ]
            taken, address = update_here, update.address[:-1]
            for port, _, name in readers:
                here = Signal(name=f"{name}_in_bank_{number}")
                mine = port.payload.address[-1] == number
                with m.If(mine):
                    m.d.comb += port.ready.eq(~taken)
                m.d.comb += here.eq(port.valid & mine)
                address = Mux(taken, address, port.payload.address[:-1])
                taken = taken | here
            other = (
                sum_here | write_here,
                Mux(sum_here, sum_address[:-1], write.payload.address[:-1]),
                Mux(sum_here, sums, written),
            )
            m.d.comb += [bank.read_enable.eq(taken), bank.read_address.eq(address)]
            if chunk is not None:
                chunk.attach(m, bank, number, other)
            else:
                m.d.comb += [
                    bank.write_enable.eq(other[0]),
                    bank.write_address.eq(other[1]),
                    bank.write_data.eq(other[2]),
                ]
            outputs.append(bank.read_data)

        blocked = sum_valid & (sum_address[-1] == write_bank)
        if chunk is not None:
            m.d.comb += chunk.write.ready.eq(~(sum_valid & (sum_address[-1] == chunk.bank)))
            blocked = blocked | (chunk.write.valid & (chunk.bank == write_bank))
        m.d.comb += write.ready.eq(~blocked)

        for port, answer, name in readers:
            banks = Signal(self.read_latency, name=f"{name}_banks")
            valids = Signal(self.read_latency, name=f"{name}_valids")
            m.d.sync += [
                banks.eq((banks << 1) | port.payload.address[-1]),
                valids.eq((valids << 1) | (port.valid & port.ready)),
            ]
            shown = Mux(banks[-1], outputs[1], outputs[0])
            m.d.comb += answer.valid.eq(valids[-1])
            for column in range(self.cols):
                part = slice(column * width, (column + 1) * width)
                m.d.comb += answer.data[column].eq(shown[part].as_signed())
        return outputs
