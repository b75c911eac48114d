# SPDX-License-Identifier: Apache-2.0
"""The data side of LOAD, for one instruction at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..dma.fifo import StreamFIFO
from ..dma.packer import pack_layout
from ..once import Once
from .transfer import MemoryShape, transfer_layout
from .word_writer import LOAD_ROW_LAYOUT, slot_write_layout

__all__ = ["COMPACT_ROW_LAYOUT", "CompactWordWriter"]

COMPACT_ROW_LAYOUT = data.StructLayout({**LOAD_ROW_LAYOUT.members, "plain": unsigned(1)})
"""As LOAD_ROW_LAYOUT; a ``plain`` row has bytes, and no padding before them."""


class CompactWordWriter(wiring.Component):
    """Does what `WordWriter` does, in steps whose kind is in a register.

    ::

        idle -> padding before -> data -> rest of the word -> padding after -> idle

    One slot of a word a cycle; a row without padding begins in ``idle``, so such rows follow each
    other without a pause, others after a cycle. Whether a slot is taken depends on registers only,
    not on whether it is there; writes wait for the memories in a queue.

    Parameters
    ----------
    memories : Sequence[MemoryShape]
        The memories; ``number`` below is the position in this sequence.

    Members
    -------
    instruction : In(transfer_layout(memories))
        Stands from three cycles before its first row until ``finished``.
    row : In(stream of COMPACT_ROW_LAYOUT)
        Taken when it begins; one with an error never.
    slots : In(stream of pack_layout)
        As wide as the widest slot. What is below a narrower slot's bytes is used.
    write_<number> : Out(stream of slot_write_layout)
    stop, accepted, finished, refused
        As those of `WordWriter`.
    """

    def __init__(self, memories: Sequence[MemoryShape]) -> None:
        self.memories = tuple(memories)
        self.width = max(shape.chunk_bytes for shape in self.memories)
        members: dict[str, Any] = {
            "instruction": In(transfer_layout(self.memories)),
            "row": In(stream.Signature(COMPACT_ROW_LAYOUT)),
            "slots": In(stream.Signature(pack_layout(self.width))),
            "stop": In(1),
            "accepted": Out(1),
            "finished": Out(1),
            "refused": Out(1),
        }
        for number, shape in enumerate(self.memories):
            members[f"write_{number}"] = Out(stream.Signature(slot_write_layout(shape)))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = self.instruction
        row = self.row.payload
        slots = self.slots.payload
        idle = Signal(init=1)
        before, data_, rest, after = states = [
            Signal(name=name) for name in ("before", "data", "rest", "after")
        ]
        following = [Signal(name=f"{state.name}_next") for state in states]
        begin = Signal()
        starts = Signal()
        takes = Signal()
        fills = Signal()
        pushes = Signal()
        room = Signal()
        last_slot = Signal()
        word_end = Signal()
        last_pad = Signal()
        before_end = Signal()
        data_end = Signal()
        body_end = Signal()
        row_done = Signal()
        ending = Signal()  # Of the instruction only writes are left.
        # Of the row in hand: it leaves its queue when it begins.
        held_fetch, held_after, held_last = Signal(), Signal(), Signal()
        has_after, is_last = Signal(), Signal()
        with m.If(idle):
            m.d.sync += [
                held_fetch.eq(row.fetch), held_after.eq(row.after), held_last.eq(row.last)
            ]
        m.d.comb += [
            begin.eq(idle & self.row.valid),
            starts.eq(begin & ~row.sync & ~row.error),
            takes.eq(data_ | (begin & row.plain)),
            pushes.eq(fills | (takes & self.slots.valid)),
            self.slots.ready.eq(takes & room),
            self.accepted.eq(pushes & room),
            word_end.eq(self.accepted & last_slot),
            before_end.eq(before & word_end & last_pad),
            data_end.eq(takes & self.accepted & slots.last),
            body_end.eq(last_slot & (data_end | (rest & room))),
            row_done.eq(
                (body_end & ~has_after) | (word_end & after & last_pad) | (begin & row.sync)
            ),
            has_after.eq(Mux(idle, row.after, held_after)),
            is_last.eq(Mux(idle, row.last, held_last)),
            self.row.ready.eq(idle & ~row.error),
            self.refused.eq(begin & row.error & ~self.stop),
            following[0].eq((starts & row.before) | (before & ~before_end)),
            following[1].eq((takes & ~data_end) | (before_end & held_fetch)),
            following[2].eq(
                (starts & ~row.before & ~row.fetch)
                | (before_end & ~held_fetch)
                | (data_end & ~last_slot)
                | (rest & ~word_end)
            ),
            following[3].eq((body_end & has_after) | (after & ~(word_end & last_pad))),
        ]
        m.d.sync += [
            *(state.eq(value) for state, value in zip(states, following, strict=True)),
            idle.eq(row_done | (idle & ~self.row.valid)),
            fills.eq(following[0] | following[2] | following[3]),
        ]
        with m.If(self.stop):
            m.d.sync += [state.eq(0) for state in (idle, fills, *states)]

        pads = Signal(8, init=1)
        m.d.comb += last_pad.eq(pads == Mux(after, held.pad_after, held.pad_before))
        with m.If(word_end):
            m.d.sync += pads.eq(pads + 1)
        with m.If(word_end & (last_pad | ~(before | after))):
            m.d.sync += pads.eq(1)

        # Rows that come here are inside their memory.
        address_width = max((shape.depth - 1).bit_length() for shape in self.memories)
        address = Signal(address_width)
        started = Signal()
        slot = Signal(range(max(2, *(shape.slots for shape in self.memories))))
        end_slot = Signal.like(slot)  # Of the memory.
        with m.If(~started):
            m.d.sync += [address.eq(held.word), last_slot.eq(end_slot == 0)]
        with m.If(self.accepted):
            m.d.sync += [started.eq(1), slot.eq(slot + 1), last_slot.eq(slot + 1 == end_slot)]
        with m.If(word_end):
            m.d.sync += [address.eq(address + 1), slot.eq(0), last_slot.eq(end_slot == 0)]

        written_shape = data.StructLayout(
            {
                "address": unsigned(address_width),
                "slot": unsigned(len(slot)),
                "data": unsigned(8 * self.width),
            }
        )
        m.submodules.writes = writes = Once(StreamFIFO(written_shape, 2))
        given, written = writes.i.payload, writes.o.payload
        m.d.comb += [
            room.eq(writes.i.ready),
            writes.i.valid.eq(pushes),
            given.address.eq(address),
            given.slot.eq(slot),
            given.data.eq(
                Cat(
                    Mux(
                        fills | ~slots.mask[lane], held.fill, slots.data.word_select(lane, 8)
                    )
                    for lane in range(self.width)
                )
            ),
            self.finished.eq(ending & writes.empty & ~self.stop),
        ]
        m.d.sync += ending.eq((row_done & is_last) | (ending & ~self.finished))
        with m.If(self.finished):
            m.d.sync += started.eq(0)
        for number, shape in enumerate(self.memories):
            port = getattr(self, f"write_{number}")
            chosen = Signal(name=f"chosen_{number}")
            m.d.sync += chosen.eq(held.memory == shape.memory.value)
            m.d.comb += [
                port.valid.eq(writes.o.valid & chosen),
                port.payload.address.eq(written.address),
                port.payload.slot.eq(written.slot),
                port.payload.data.eq(written.data),
            ]
            with m.If(chosen):
                m.d.comb += writes.o.ready.eq(port.ready)
                m.d.sync += end_slot.eq(shape.slots - 1)
        return m
