# SPDX-License-Identifier: Apache-2.0
"""The performance counters, in one memory with one adder."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Counters"]

COUNTER_WIDTH = 32


class Counters(wiring.Component):
    """Counts events exactly, modulo 2**32, at a fraction of a counter's cost each.

    Every counter has a few bits of its own. In turn, one a cycle, they are added to the
    counter's word in a memory and start over; a round takes ``count`` cycles. A read waits for
    the counter's turn and returns the sum, so it misses no event before that turn::

        small counters -> turn -> read word -> add -> write word
                                                 '--> value

    Parameters
    ----------
    count : int
        Counters.

    Members
    -------
    clear : In(1)
        Start all counters from zero.
    enable : In(1)
        Count the events of this cycle.
    events : In(count)
        One bit for each counter.
    request : In(1)
        Read a counter; held, with ``number``, until ``valid``.
    number : In(range(count))
        Which.
    valid : Out(1)
        For one cycle, at most ``count + 5`` cycles after the request.
    value : Out(32)
        The counter's value, with ``valid``.
    """

    def __init__(self, *, count: int) -> None:
        if count < 5:
            raise ValueError(f"count must be at least 5, the length of the pipeline, not {count!r}")
        self.count = count
        super().__init__(
            {
                "clear": In(1),
                "enable": In(1),
                "events": In(count),
                "request": In(1),
                "number": In(range(count)),
                "valid": Out(1),
                "value": Out(COUNTER_WIDTH),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(shape=COUNTER_WIDTH, depth=self.count, init=[])
        read_port, write_port = words.read_port(), words.write_port()

        event = Signal(self.count)
        m.d.sync += event.eq(self.events & (self.enable & ~self.clear).replicate(self.count))

        # Stage 0: a counter's turn, one of a ring of bits. The small counters ripple in LUTs and
        # clear by their reset, which takes half of what an adder and a multiplexer would.
        turn = Signal(range(self.count))
        turns = Signal(self.count, init=1)
        m.d.sync += [
            turn.eq(Mux(turns[-1], 0, turn + 1)),
            turns.eq(turns.rotate_left(1)),
        ]
        width = self.count.bit_length()
        small_1 = Signal(width)
        cleared_1 = Signal()
        shown: Value = Const(0, width)
        cleared = Signal(self.count, init=-1)
        for number in range(self.count):
            small = Signal(width, name=f"small_{number}")
            following = Signal(width, name=f"following_{number}")
            carry = event[number]
            for place in range(width):
                m.d.comb += following[place].eq(small[place] ^ carry)
                carry = carry & small[place]
            m.d.sync += small.eq(following)
            with m.If(turns[number] | self.clear):
                m.d.sync += small.eq(event[number] & ~self.clear)
            shown = shown | (small & turns[number].replicate(width))
        m.d.sync += [
            cleared.eq((cleared & ~turns) | self.clear.replicate(self.count)),
            small_1.eq(shown),
            cleared_1.eq((cleared & turns).any()),
        ]
        wanted = Signal()
        m.d.comb += wanted.eq(self.request & (turn == self.number))

        # Stages 1 and 2: the word; stage 3: the sum.
        number_1, number_2, number_3 = (Signal.like(turn) for _ in range(3))
        small_2 = Signal.like(small_1)
        wanted_1, wanted_2 = Signal(), Signal()
        word_2 = Signal(COUNTER_WIDTH)
        busy = Cat(wanted_1, wanted_2, self.valid).any()
        m.d.comb += [read_port.addr.eq(turn), read_port.en.eq(1)]
        m.d.sync += [
            number_1.eq(turn),
            wanted_1.eq(wanted & ~busy),
            number_2.eq(number_1),
            small_2.eq(small_1),
            word_2.eq(read_port.data & ~cleared_1.replicate(COUNTER_WIDTH)),
            wanted_2.eq(wanted_1),
            number_3.eq(number_2),
            self.value.eq(word_2 + small_2),
            self.valid.eq(wanted_2),
        ]
        m.d.comb += [
            write_port.addr.eq(number_3),
            write_port.data.eq(self.value),
            write_port.en.eq(1),
        ]
        return m
