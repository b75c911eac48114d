# SPDX-License-Identifier: Apache-2.0
"""First-in first-out buffers between streams."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["StreamBuffer", "StreamFIFO", "short_queue"]


class StreamBuffer(wiring.Component):
    """Two registers that cut both the forward and the backward path of a stream.

    Full throughput; latency 1 cycle. Cost: two payloads of flip-flops, one of multiplexers.

    Parameters
    ----------
    shape : ShapeLike
        Payload.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
        All its outputs, and ``i.ready``, come from registers.
    """

    def __init__(self, shape: ShapeLike) -> None:
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid = Signal()
        payload = Signal(self._shape)
        held = Signal()
        spare = Signal(self._shape)
        m.d.comb += [
            self.i.ready.eq(~held),
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
        ]
        with m.If(~held):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(~valid | self.o.ready):
            m.d.sync += [
                valid.eq(held | self.i.valid),
                payload.eq(Mux(held, spare, self.i.payload)),
                held.eq(0),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += held.eq(1)
        return m


class StreamFIFO(wiring.Component):
    """A queue in a memory whose read register is the output.

    Latency 2 cycles from ``i`` to ``o``. ``i.ready`` and all of ``o`` come from registers. The
    synthesizer may take distributed memory or block RAM.

    Parameters
    ----------
    shape : ShapeLike
        Payload.
    depth : int
        Entries it holds at least; rounded up to a power of two of at least 2. The output register
        holds one more.
    credited : bool
        Who writes knows that there is room: ``i`` is always ready.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    empty : Out(1)
        Neither the memory nor the output register holds an entry.

    Raises
    ------
    ValueError
        If ``depth`` is below 1.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, credited: bool = False) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth!r}")
        self._shape = shape
        self.credited = credited
        self.depth = 1 << max(1, ceil_log2(depth))
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # No entry is read while it is written; `no_rw_check` tells synthesis.
        m.submodules.memory = memory = Memory(
            shape=self._shape, depth=self.depth, init=[], attrs={"no_rw_check": 1}
        )
        write = memory.write_port()
        read = memory.read_port()
        index_width = ceil_log2(self.depth)
        produced = Signal(index_width)
        consumed = Signal(index_width)
        following_in = Signal(index_width)
        following_out = Signal(index_width)
        full = Signal()
        valid = Signal()
        push = Signal()
        pop = Signal()
        stored = Signal()
        m.d.comb += [
            following_in.eq(produced + 1),
            following_out.eq(consumed + 1),
            self.i.ready.eq(self.credited | ~full),
            push.eq(self.i.valid & self.i.ready),
            pop.eq(stored & (~valid | self.o.ready)),
            write.addr.eq(produced),
            write.data.eq(self.i.payload),
            write.en.eq(push),
            read.addr.eq(consumed),
            read.en.eq(pop),
            self.o.valid.eq(valid),
            self.o.payload.eq(read.data),
            self.empty.eq(~valid & ~stored),
        ]
        with m.If(push & ~pop):
            m.d.sync += [stored.eq(1), full.eq(following_in == consumed)]
        with m.Elif(pop & ~push):
            m.d.sync += [stored.eq(following_out != produced), full.eq(0)]
        with m.If(push):
            m.d.sync += produced.eq(following_in)
        with m.If(pop):
            m.d.sync += consumed.eq(following_out)
        with m.If(~valid | self.o.ready):
            m.d.sync += valid.eq(stored)
        return m


def short_queue(shape: ShapeLike, depth: int) -> StreamBuffer | StreamFIFO:
    """What holds ``depth`` entries with the least: two registers, or a memory."""
    return StreamBuffer(shape) if depth <= 2 else StreamFIFO(shape, depth)
