# SPDX-License-Identifier: Apache-2.0
"""Walks the rows of LOAD and STORE with one adder of each kind, three cycles a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import signed
from amaranth.lib import wiring

from ..tech.technology import TECHNOLOGIES
from .transfer import MemoryShape, depth_of, offset_width, place_widths, row_sequencer_members

__all__ = ["CompactRowSequencer"]


class CompactRowSequencer(wiring.Component):
    """Makes the rows that `RowSequencer` makes, with less.

    ::

        cycle     offset                             place in the memory
        load      = the instruction's                -= depth, += first word
        begin
        check     compared with the segment's end    += padding before
        locate    + base -> address; next group's    += words
        step      += stride                          += padding after

    ``check``, ``locate`` and ``step`` take a cycle each for every row, the first two cycles one
    each for every instruction; a row waits in ``locate`` until the one before it has been taken.
    Narrow ports wait for their memory longer than that for all but the shortest rows. Fields are
    read from ``i``, where they must stay; it is taken with the last row. All outputs come from
    registers or from ``i``.

    Parameters
    ----------
    address_width, memories, family
        As for `RowSequencer`.

    Members
    -------
    those of `RowSequencer`
    """

    def __init__(
        self, *, address_width: int, memories: Sequence[MemoryShape], family: str = "generic"
    ) -> None:
        self.address_width = address_width
        self.memories = tuple(memories)
        self.technology = TECHNOLOGIES[family]
        self.number_width, self.place_width = place_widths(self.memories)
        super().__init__(row_sequencer_members(address_width, memories))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        setup: Any = self.i.payload
        idle = Signal()
        load, begin, check, locate, step = (
            Signal(name=name) for name in ("load", "begin", "check", "locate", "step")
        )
        located = Signal()
        valid = Signal()
        failed = Signal()
        error = Signal()
        has_error = Signal()
        last_x = Signal()
        last = Signal()
        m.d.comb += [
            idle.eq(~(load | begin | check | locate | step)),
            located.eq(locate & (~valid | self.o.ready)),
            self.i.ready.eq(step & last),
            self.o.valid.eq(valid),
        ]
        m.d.sync += [
            load.eq(idle & self.i.valid & ~failed & ~self.stop),
            begin.eq(load & ~self.stop),
            check.eq((begin | (step & ~last)) & ~self.stop),
            # An error of the row before is known a cycle after its `step`.
            locate.eq(((check & ~failed) | (locate & ~located)) & ~self.stop),
            step.eq(located & ~self.stop),
        ]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(step):
            m.d.sync += [valid.eq(1), failed.eq(error)]
        with m.If(self.stop):
            m.d.sync += valid.eq(0)

        first_x = Signal(init=1)
        self._count(m, check, step, first_x, last_x, last)
        outside = self._offset(m, load, begin, check, located, step, last_x, failed)
        starts_outside, padding_outside, ends_outside = self._place(
            m, load, begin, check, locate, located, step, last_x, last
        )
        m.d.comb += error.eq(
            ~setup.sync
            & (
                padding_outside
                | outside
                | setup.last_word[self.number_width :].any()
                | ends_outside
            )
        )
        output, transfer = self.o.payload, setup.transfer
        m.d.comb += [
            output.sync.eq(setup.sync),
            output.error.eq(has_error),
            output.fetch.eq(setup.fetch & ~has_error),
            output.last_byte.eq(setup.last_byte),
            output.memory.eq(transfer.memory),
        ]
        with m.If(step):
            m.d.sync += [
                has_error.eq(error),
                output.last.eq(last),
                output.before.eq(first_x & (transfer.pad_before != 0)),
                output.after.eq(last_x & (transfer.pad_after != 0)),
                self.fault.outside.eq(outside & ~padding_outside),
                self.fault.start.eq(starts_outside),
            ]
        return m

    def _count(
        self, m: Module, check: Signal, step: Signal, first_x: Signal, last_x: Signal, last: Signal
    ) -> None:
        """The loops: whether the row in hand is the first or last of its group, the last of all."""
        setup: Any = self.i.payload
        x = Signal(12)
        y = Signal(12)
        last_y = Signal()
        m.d.comb += last.eq(last_x & last_y)
        with m.If(check):
            m.d.sync += [
                last_x.eq(setup.sync | (x == setup.count_x)),
                last_y.eq(setup.sync | (y == setup.count_y)),
            ]
        with m.If(step):
            m.d.sync += [x.eq(x + 1), y.eq(y + last_x), first_x.eq(last_x)]
        # The last row leaves them as the next instruction needs them.
        with m.If(step & last_x):
            m.d.sync += x.eq(0)
        with m.If(step & last):
            m.d.sync += y.eq(0)

    def _offset(
        self, m: Module, load: Signal, begin: Signal, check: Signal, located: Signal,
        step: Signal, last_x: Signal, failed: Signal,
    ) -> Signal:
        """Offset and address of the row; whether its bytes leave the segment, from the cycle after
        ``locate`` on."""
        setup: Any = self.i.payload
        width = offset_width(self.address_width)
        offset = Signal(signed(width))
        group = Signal(signed(width))
        far = Signal()
        beyond = Signal(width)  # The offset less the limit, less one.
        outside = Signal()
        bits = max(width, self.address_width)
        address = self.technology.add_chosen(
            m, "address", Cat(offset, offset[-1].replicate(bits - width)), check,
            (_extended(setup.base, bits), ~_extended(setup.limit, bits)), bits,
        )
        following = self.technology.add_chosen(
            m, "following", offset, last_x,
            (Cat(setup.stride_x, setup.stride_x[-1]), Cat(setup.stride_y, setup.stride_y[-1])),
            width,
        )
        size = len(setup.last_byte)
        # With the last byte and one more added it is still negative; the first bits carry the one.
        end = self.technology.add(
            m, "end", Cat(Const(1, 1), beyond[:size], Const(0, 1)),
            Cat(Const(1, 1), setup.last_byte, Const(0, 1)), size + 2,
        )
        fits = beyond[-1] & ~(beyond[size:].all() & end[-1])
        with m.If(check):
            m.d.sync += beyond.eq(address)
        with m.If(check & ~failed):
            m.d.sync += self.fault.offset.eq(offset)
        with m.If(located):
            m.d.sync += [
                outside.eq(setup.fetch & (far | (offset < 0) | ~fits)),
                self.o.payload.address.eq(address),
            ]
        with m.If(load):
            m.d.sync += [group.eq(setup.offset), far.eq(setup.far)]
        with m.Elif(step):
            m.d.sync += far.eq(Mux(last_x, setup.far_y, setup.far_x))
            with m.If(last_x):
                m.d.sync += group.eq(following)
        # The last row of a group steps from where the group began.
        with m.If(step):
            m.d.sync += offset.eq(following)
        with m.Elif(begin | (located & last_x)):
            m.d.sync += offset.eq(group)
        return outside

    def _place(
        self, m: Module, load: Signal, begin: Signal, check: Signal, locate: Signal,
        located: Signal, step: Signal, last_x: Signal, last: Signal,
    ) -> tuple[Signal, Signal, Signal]:
        """Whether the instruction starts, the padding before the row passes, and the row with the
        padding after it ends beyond the end of the memory: words are counted from the one after
        that, below zero, so that a sum's sign tells. Those of ``step``."""
        setup: Any = self.i.payload
        transfer = setup.transfer
        width = self.place_width
        place = Signal(signed(width), init=-1)
        starts_outside = Signal()
        padding_outside = Signal()
        pads_before = Signal()
        pads_after = Signal()
        depth = depth_of(m, self.memories, transfer.memory)
        number = self.number_width
        # In the cycle after these: `check` of a group's first row, `step` of its last.
        m.d.sync += [pads_before.eq(begin | (step & last_x)), pads_after.eq(located & last_x)]
        pads = Mux(pads_before, transfer.pad_before, 0) | Mux(pads_after, transfer.pad_after, 0)
        words = Mux(load, transfer.word[: number + 1], transfer.last_word[:number])
        # In `load` it is -1, and stands for the complement of the depth, a power of two.
        following = self.technology.add_chosen(
            m, "place", Cat(place) & ~_extended(Mux(load, depth, 0), width), load | locate,
            (_extended(pads, width), _extended(words, width)), width, carry=locate,
        )
        with m.If(load | check | located | step):
            m.d.sync += place.eq(following)
        with m.If(step & last):
            m.d.sync += place.eq(-1)
        with m.If(begin):
            m.d.sync += starts_outside.eq(transfer.word[number + 1 :].any() | (place >= 0))
        with m.If(located):
            m.d.sync += padding_outside.eq(starts_outside | (place >= 0))
        return starts_outside, padding_outside, ~following[-1]


def _extended(value: Any, width: int) -> Any:
    """A value that is not negative, in ``width`` bits."""
    return Cat(value, Const(0, width))[:width]
