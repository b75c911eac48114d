# SPDX-License-Identifier: Apache-2.0
"""Reads a memory ahead of its user."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..dma.fifo import StreamFIFO
from ..memory.ports import ReadSignature
from ..once import Once

__all__ = ["Prefetcher"]


class Prefetcher(wiring.Component):
    """Turns a stream of addresses into a stream of words, holding up to ``depth`` of them.

    ::

        i --> [request register] --> read.address
                                     read.data --> [FIFO] --> o

    The memory cannot wait, so an address is accepted only if the FIFO has room for its word.
    ``depth`` covers the cycles from an accepted address to a free place after its word has left, up
    to a ``read_latency`` of three, so one word a cycle passes.

    Parameters
    ----------
    read_latency : int
        That of the memory.
    address_width : int
        Bits of a memory address.
    shape : ShapeLike
        A word.
    tag : ShapeLike
        What accompanies a word from ``i`` to ``o``.

    Members
    -------
    i : In(stream of StructLayout(address, read=1, tag))
        Without ``read`` the memory is not read, and the data that go with the tag are what it then
        gives.
    read : Out(ReadSignature)
        Port of the memory.
    o : Out(stream of StructLayout(data, tag))
    """

    depth: ClassVar[int] = 8
    """Words held."""

    def __init__(self, *, read_latency: int, address_width: int, shape: Any, tag: Any) -> None:
        self.read_latency = read_latency
        self.address_width = address_width
        request = data.StructLayout({"address": unsigned(address_width), "read": 1, "tag": tag})
        self.word_layout = data.StructLayout({"data": shape, "tag": tag})
        super().__init__(
            {
                "i": In(stream.Signature(request)),
                "read": Out(ReadSignature(address_width=address_width, shape=shape)),
                "o": Out(stream.Signature(self.word_layout)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted address to ``o.valid``, if nothing is held."""
        return self.read_latency + 3

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        data_width = self.word_layout["data"].width
        tag_width = self.word_layout["tag"].width
        return f"weft_prefetcher_{self.address_width}_{data_width}_{tag_width}_{self.read_latency}"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.queue = queue = Once(StreamFIFO(self.word_layout, self.depth, credited=True))
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        accepted = Signal()
        released = Signal()
        # Places that will be free after an address that is taken now; the flag beside them keeps a
        # comparison out of what waits for it.
        places = Signal(range(self.depth + 1), init=self.depth)
        room = Signal(init=1)
        m.d.comb += [
            self.i.ready.eq(room),
            accepted.eq(self.i.valid & room),
        ]
        m.d.sync += [
            released.eq(self.o.valid & self.o.ready),
            room.eq(released | places[1:].any() | (places[0] & ~accepted)),
        ]
        with m.If(accepted & ~released):
            m.d.sync += places.eq(places - 1)
        with m.Elif(released & ~accepted):
            m.d.sync += places.eq(places + 1)

        m.d.sync += [
            self.read.enable.eq(accepted & self.i.payload.read),
            self.read.address.eq(self.i.payload.address),
        ]
        valid, tag = accepted, self.i.payload.tag
        for number in range(self.read_latency + 1):
            next_valid = Signal(name=f"valid_{number}")
            next_tag = Signal.like(self.i.payload.tag, name=f"tag_{number}", reset_less=True)
            m.d.sync += [next_valid.eq(valid), next_tag.eq(tag)]
            valid, tag = next_valid, next_tag

        m.d.comb += [
            queue.i.payload.data.eq(self.read.data),
            queue.i.payload.tag.eq(tag),
            queue.i.valid.eq(valid),
        ]
        return m
