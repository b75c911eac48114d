# SPDX-License-Identifier: Apache-2.0
"""The activation scratchpad and the accumulator where nothing happens at the same time."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..memory.ports import (
    ReadResponseSignature,
    ReadSignature,
    UpdateSignature,
    chunk_layout,
    int8_vector,
    int32_vector,
    request_layout,
)
from ..select import choose

__all__ = ["AccumulatorMemory", "ActivationMemory"]


class ActivationMemory(wiring.Component):
    """Words of ``rows`` int8 elements in one bank.

    ::

        read, matmul_read --> [address] --> [RAM] --> read_data, matmul_read.data

    One user at a time: a request of ``read`` waits while MATMUL reads. The register is in front of
    the memory, where it is narrow, and what has been read stands until the next read. Writing a
    word in the cycle after a request for it gives undefined data.

    Parameters
    ----------
    rows : int
        Elements of a word.
    depth : int
        Words, a power of two.

    Members
    -------
    matmul_read : In(ReadSignature)
    read : In(stream of request_layout)
    read_data : Out(ReadResponseSignature)
        Both ``read_latency`` cycles after the request.
    write : In(stream of chunk_layout), always ready
        A word can be read from the next cycle on.
    """

    read_latency: ClassVar[int] = 2
    """Cycles from a request to its data."""

    def __init__(self, *, rows: int, depth: int) -> None:
        self.rows = rows
        self.depth = depth
        width = exact_log2(depth)
        word = int8_vector(rows)
        super().__init__(
            {
                "matmul_read": In(ReadSignature(address_width=width, shape=word)),
                "read": In(stream.Signature(request_layout(width))),
                "read_data": Out(ReadResponseSignature(shape=word)),
                "write": In(stream.Signature(chunk_layout(width, 1, word))),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_activation_memory"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.ram = ram = memory.Memory(
            shape=unsigned(8 * self.rows), depth=self.depth, init=[], attrs={"no_rw_check": 1}
        )
        write, read = ram.write_port(), ram.read_port()
        matmul = self.matmul_read
        address = Signal.like(read.addr)
        asked, wanted = Signal(), Signal(self.read_latency)
        m.d.comb += [
            self.read.ready.eq(~matmul.enable),
            read.addr.eq(address),
            read.en.eq(asked),
            matmul.data.as_value().eq(read.data),
            self.read_data.valid.eq(wanted[-1]),
            self.read_data.data.as_value().eq(read.data),
            self.write.ready.eq(1),
            write.en.eq(self.write.valid),
            write.addr.eq(self.write.payload.address),
            write.data.eq(self.write.payload.data.as_value()),
        ]
        m.d.sync += [
            address.eq(Mux(matmul.enable, matmul.address, self.read.payload.address)),
            asked.eq(matmul.enable | self.read.valid),
            wanted.eq(Cat(self.read.valid & self.read.ready, wanted[:-1])),
        ]
        return m


class AccumulatorMemory(wiring.Component):
    """Words of ``cols`` integers in one bank, with one adder.

    ::

        update.address --> [RAM] --> [old] --> [ + ] <-- update.data, write
                             ^----------------- [sum]

    Two updates of one word, the second of which accumulates, must be ``hazard_distance`` cycles
    apart. Whatever else is wanted waits while there is an update; a write passes through the adder,
    with nothing added. Slots are read straight from the RAM, through one multiplexer.

    Parameters
    ----------
    cols : int
        Elements of a word.
    width : int
        Bits of an element as it is kept, up to 32. Reads sign-extend it; writes take the low bits.
    depth : int
        Words, a power of two.
    data_width : int
        Bits of an element of an update, up to ``width``.
    slots : int
        Equal parts of a word, a power of two.

    Members
    -------
    update : In(UpdateSignature)
    read : In(stream of request_layout)
    read_data : Out(ReadResponseSignature)
        ``read_latency`` cycles after each accepted request.
    write : In(stream of chunk_layout)
        A word can be read ``write_latency`` cycles later. Its other slots stay as they are.
    """

    data_delay: ClassVar[int] = 2
    """Cycles from ``update.valid`` to the cycle in which ``update.data`` is taken."""

    update_latency: ClassVar[int] = data_delay + 2
    """Cycles from ``update.valid`` to the cycle from which a read sees the new word."""

    hazard_distance: ClassVar[int] = update_latency
    """Least number of cycles from an update to an accumulating update of the same word."""

    read_latency: ClassVar[int] = 1
    """Cycles from an accepted request to its data."""

    write_latency: ClassVar[int] = 2
    """Cycles from an accepted write to the cycle from which a read sees it."""

    def __init__(
        self, *, cols: int, width: int, depth: int, data_width: int, slots: int
    ) -> None:
        self.cols = cols
        self.width = width
        self.depth = depth
        self.data_width = data_width
        self.slots = slots
        self.address_width = exact_log2(depth)
        part = int32_vector(cols // slots)
        address = self.address_width
        super().__init__(
            {
                "update": In(UpdateSignature(address_width=address, cols=cols, width=data_width)),
                "read": In(stream.Signature(request_layout(address, slots))),
                "read_data": Out(ReadResponseSignature(shape=part)),
                "write": In(stream.Signature(chunk_layout(address, slots, part))),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_accumulator_memory"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        update, width, size = self.update, self.width, self.width * self.cols
        m.submodules.ram = ram = memory.Memory(
            shape=unsigned(size), depth=self.depth, init=[], attrs={"no_rw_check": 1}
        )
        write, read = ram.write_port(granularity=size // self.slots), ram.read_port()

        # The update's way: the old word is addressed, comes, is added to, and written.
        valid, address = update.valid, update.address
        for number in range(1, self.data_delay + 1):
            before = valid, address
            valid = Signal(name=f"valid_{number}")
            address = Signal(self.address_width, name=f"address_{number}")
            m.d.sync += [valid.eq(before[0]), address.eq(before[1])]
        old, total = Signal(size), Signal(size, reset_less=True)
        accumulates = Signal()
        m.d.sync += [accumulates.eq(update.valid & update.accumulate), old.eq(0)]
        with m.If(accumulates):
            m.d.sync += old.eq(read.data)

        request, chunk = self.read.payload, self.write.payload
        elements = self.cols // self.slots
        values = Cat(chunk.data[number][:width] for number in range(elements))
        word = values.replicate(self.slots)
        for column in range(self.cols):
            part = slice(column * width, (column + 1) * width)
            value = update.data[column]
            addend = Cat(value, value[-1].replicate(width - self.data_width))
            m.d.sync += total[part].eq(old[part] + Mux(valid, addend, word[part]))
        writes = Signal(self.slots)
        place = Signal(self.address_width)
        with m.If(valid):
            m.d.sync += writes.eq(~0)
        with m.Else():
            m.d.sync += writes.eq(Mux(self.write.valid, 1 << chunk.slot, 0))
        m.d.sync += place.eq(Mux(valid, address, chunk.address))

        # What is read, or written, between updates.
        slot = Signal.like(request.slot)
        m.d.comb += [
            self.write.ready.eq(~valid),
            write.en.eq(writes),
            write.addr.eq(place),
            write.data.eq(total),
            self.read.ready.eq(~update.valid),
            read.en.eq(1),
            read.addr.eq(Mux(update.valid, update.address, request.address)),
        ]
        m.d.sync += [self.read_data.valid.eq(self.read.valid & self.read.ready),
                     slot.eq(request.slot)]
        parts = [
            read.data[number * elements * width :][: elements * width]
            for number in range(self.slots)
        ]
        shown = choose(parts, slot)
        for number in range(elements):
            value = shown[number * width :][:width]
            m.d.comb += self.read_data.data[number].eq(value.as_signed())
        return m
