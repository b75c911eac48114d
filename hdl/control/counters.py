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

    Every counter has its lowest bits in registers. In turn, one a cycle, they take the place of
    those in the counter's word in a memory, whose other bits go up by one if the lowest ones have
    wrapped since; a round takes ``count`` cycles, too few for them to wrap twice. A read waits for
    the counter's turn and returns the word, so it misses at most the events of the two cycles
    before that turn::

        lowest bits -> turn -> read word -> count up -> write word
                                                  '--> value

    The lowest bits count along a de Bruijn sequence: a shift register whose feedback, two look-up
    tables, takes it through all of its states, where a binary counter needs a table for every bit.
    The bits whose turn it is are decoded. (S. Golomb, Shift Register Sequences, 1967: the sequence
    of a primitive polynomial with the state zero put in.)

    Parameters
    ----------
    count : int
        Counters.

    Members
    -------
    clear : In(1)
        Start all counters from zero; they read so from the cycle after the next on.
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
        m.submodules.words = words = memory.Memory(
            shape=COUNTER_WIDTH,
            depth=self.count,
            init=[],
            attrs={"no_rw_check": 1},  # A word's next turn comes after it has been written.
        )
        read_port, write_port = words.read_port(), words.write_port()

        # What is to be counted comes late in its cycle: it has a register of its own.
        clear, enabled = Signal(), Signal()
        seen, event = Signal(self.count), Signal(self.count)
        m.d.sync += [
            clear.eq(self.clear),
            enabled.eq(self.enable & ~self.clear),
            seen.eq(self.events),
        ]
        # Branches to a constant, here and below, become the reset of a register, without a table.
        with m.If(enabled):
            m.d.sync += event.eq(seen)
        with m.Else():
            m.d.sync += event.eq(0)

        # Stage 0: a counter's turn, one of a ring of bits. In the first round after a clear the
        # words count as zero.
        turn = Signal(range(self.count))
        turns = Signal(self.count, init=1)
        first_round = Signal(init=1)
        width = self.count.bit_length()
        shown: Value = Const(0, width)
        for number in range(self.count):
            lowest = Signal(width, name=f"lowest_{number}")
            with m.If(clear):
                m.d.sync += lowest.eq(0)
            with m.Elif(event[number]):
                m.d.sync += lowest.eq(Cat(_feedback(lowest), lowest[:-1]))
            shown = shown | (lowest & turns[number].replicate(width))
        with m.If(clear):
            m.d.sync += [turn.eq(0), turns.eq(1), first_round.eq(1)]
        with m.Else():
            m.d.sync += [
                turn.eq(Mux(turns[-1], 0, turn + 1)),
                turns.eq(turns.rotate_left(1)),
                first_round.eq(first_round & ~turns[-1]),
            ]
        wanted = Signal()
        m.d.comb += wanted.eq(self.request & (turn == self.number))

        # Stages 1 and 2: the word; stage 3: the count.
        number_1, number_2, number_3 = (Signal.like(turn) for _ in range(3))
        state_1, lowest_2 = Signal(width), Signal(width)
        first_1, wanted_1, wanted_2 = Signal(), Signal(), Signal()
        word_2 = Signal(COUNTER_WIDTH)
        busy = Cat(wanted_1, wanted_2, self.valid).any()
        decoded = Signal(width)
        with m.Switch(state_1):
            for place, state in enumerate(_sequence(width)):
                with m.Case(state):
                    m.d.comb += decoded.eq(place)
        wrapped = lowest_2 < word_2[:width]
        m.d.comb += [read_port.addr.eq(turn), read_port.en.eq(1)]
        m.d.sync += [
            number_1.eq(turn),
            state_1.eq(shown),
            first_1.eq(first_round),
            wanted_1.eq(wanted & ~busy),
            number_2.eq(number_1),
            lowest_2.eq(decoded),
            word_2.eq(Mux(first_1, 0, read_port.data)),
            wanted_2.eq(wanted_1),
            number_3.eq(number_2),
            self.value.eq(Cat(lowest_2, word_2[width:] + wrapped)),
            self.valid.eq(wanted_2),
        ]
        m.d.comb += [
            write_port.addr.eq(number_3),
            write_port.data.eq(self.value),
            write_port.en.eq(1),
        ]
        return m


_TAPS = {3: 1, 4: 2, 5: 2, 6: 4, 7: 5}
"""By the length of a shift register: the bit that makes, with the last, a primitive polynomial."""


def _feedback(state: Value) -> Value:
    """What is shifted in behind ``state``."""
    return state[-1] ^ state[_TAPS[len(state)]] ^ ~state[:-1].any()


def _sequence(width: int) -> list[int]:
    """The states in their order, from zero on."""
    states = [0]
    while len(states) < 1 << width:
        state = states[-1]
        rest = state & ((1 << width - 1) - 1)
        bit = (state >> width - 1 ^ state >> _TAPS[width] ^ int(rest == 0)) & 1
        states.append(rest << 1 | bit)
    return states
