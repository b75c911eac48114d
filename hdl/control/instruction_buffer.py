# SPDX-License-Identifier: Apache-2.0
"""The buffer between instruction fetch and dispatch."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa import INSTRUCTION_WIDTH

__all__ = ["InstructionBuffer"]


class InstructionBuffer(wiring.Component):
    """Collects bus beats into instructions and keeps them in order.

    Beats go straight to their lane of a memory with asynchronous read (look-up table RAM), so no
    register of an instruction's width is needed. The writer must know that there is room: `Fetch`
    reserves it before it asks for the beats.

    A beat written in cycle t that completes an instruction makes it visible on ``o`` in t + 2.

    Parameters
    ----------
    data_width : int
        Bits of a beat; divides 256. An instruction's first beat holds its least significant bits.
    depth : int
        Instructions held. Power of two.

    Members
    -------
    write : In(1)
        Accept a beat.
    data : In(data_width)
        The beat.
    o : Out(stream of unsigned(256))
        Instructions, first in, first out.

    Raises
    ------
    ValueError
        If ``data_width`` does not divide 256 or ``depth`` is no power of two above 1.
    """

    def __init__(self, *, data_width: int, depth: int) -> None:
        if data_width < 8 or INSTRUCTION_WIDTH % data_width:
            raise ValueError(f"data_width must divide {INSTRUCTION_WIDTH}, not {data_width!r}")
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two above 1, not {depth!r}")
        self.data_width = data_width
        self.depth = depth
        super().__init__(
            {
                "write": In(1),
                "data": In(data_width),
                "o": Out(stream.Signature(INSTRUCTION_WIDTH)),
            }
        )

    @property
    def beats(self) -> int:
        """Beats of one instruction."""
        return INSTRUCTION_WIDTH // self.data_width

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.storage = storage = memory.Memory(
            shape=INSTRUCTION_WIDTH, depth=self.depth, init=[]
        )
        write_port = storage.write_port(granularity=self.data_width)
        read_port = storage.read_port(domain="comb")

        # One register stage in front of the memory: the bus has only wires to cross.
        pending = Signal()
        beat = Signal(self.data_width, reset_less=True)
        m.d.sync += pending.eq(self.write)
        with m.If(self.write):
            m.d.sync += beat.eq(self.data)

        lane = Signal(self.beats, init=1)
        produce = Signal(range(self.depth))
        complete = Signal()
        m.d.comb += [
            write_port.addr.eq(produce),
            write_port.data.eq(beat.replicate(self.beats)),
            write_port.en.eq(lane & pending.replicate(self.beats)),
            complete.eq(pending & lane[-1]),
        ]
        with m.If(pending):
            m.d.sync += lane.eq(lane.rotate_left(1))
        with m.If(complete):
            m.d.sync += produce.eq(produce + 1)

        consume = Signal(range(self.depth))
        level = Signal(range(self.depth + 1))
        taken = Signal()
        m.d.comb += [
            read_port.addr.eq(consume),
            self.o.payload.eq(read_port.data),
            self.o.valid.eq(level != 0),
            taken.eq(self.o.valid & self.o.ready),
        ]
        with m.If(taken):
            m.d.sync += consume.eq(consume + 1)
        m.d.sync += level.eq(level + complete - taken)
        return m
