# SPDX-License-Identifier: Apache-2.0
"""A long delay of valid values."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DelayLine"]

SHORTEST_IN_MEMORY = 8
"""Delays of fewer cycles are plain registers."""


class DelayLine(wiring.Component):
    """Hands on a value ``delay`` cycles later, valid or not, one a cycle.

    The valid bits move through registers; the payloads of a long line wait in a ring in memory,
    which costs a few LUTs a bit where registers would cost ``delay`` flip-flops a bit.

    Parameters
    ----------
    shape : ShapeLike
        Payload.
    delay : int
        Cycles; 0 is a wire.

    Members
    -------
    i_valid, i_payload : In(1), In(shape)
    o_valid, o_payload : Out(1), Out(shape)
        Those of ``delay`` cycles before. The payload is undefined unless valid.

    Raises
    ------
    ValueError
        If ``delay`` is negative.
    """

    def __init__(self, shape: Any, *, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"delay must be at least 0, not {delay!r}")
        self.shape = shape
        self.delay = delay
        super().__init__(
            {"i_valid": In(1), "i_payload": In(shape), "o_valid": Out(1), "o_payload": Out(shape)}
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_delay_line_{self.delay}x{Shape.cast(self.shape).width}"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        if self.delay == 0:
            m.d.comb += [self.o_valid.eq(self.i_valid), self.o_payload.eq(self.i_payload)]
            return m
        valids = Signal(self.delay)
        m.d.sync += valids.eq(Cat(self.i_valid, valids[:-1]))
        m.d.comb += self.o_valid.eq(valids[-1])
        width = Shape.cast(self.shape).width
        payload: Any = self.i_payload
        if self.delay < SHORTEST_IN_MEMORY:
            for number in range(self.delay - 1):
                stage = Signal(width, name=f"stage_{number}", reset_less=True)
                m.d.sync += stage.eq(payload)
                payload = stage
        else:
            # The place after the one being written holds the oldest value, delay - 2 cycles old;
            # the memory's own register is the next cycle of the delay, the output the last.
            places = self.delay - 1
            m.submodules.ring = ring = memory.Memory(shape=unsigned(width), depth=places, init=[])
            write_port = ring.write_port()
            read_port = ring.read_port(domain="sync")
            place = Signal(range(places))
            following = Signal(range(places))
            m.d.comb += [
                following.eq(Mux(place == places - 1, 0, place + 1)),
                write_port.en.eq(1),
                write_port.addr.eq(place),
                write_port.data.eq(payload),
                read_port.en.eq(1),
                read_port.addr.eq(following),
            ]
            m.d.sync += place.eq(following)
            payload = read_port.data
        output = Signal(width, reset_less=True)
        m.d.sync += output.eq(payload)
        m.d.comb += self.o_payload.eq(output)
        return m
