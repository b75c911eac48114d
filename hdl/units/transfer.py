# SPDX-License-Identifier: Apache-2.0
"""What LOAD and STORE share: payloads between their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..config import SEMAPHORE_COUNT
from ..dma.splitter import LAST_BYTE_WIDTH
from ..isa import INDEX_WIDTH, ErrorCode, Memory

__all__ = [
    "INSTRUCTIONS_IN_FLIGHT",
    "MemoryShape",
    "announce",
    "depth_of",
    "fault_layout",
    "limit_width",
    "memory_width",
    "offset_width",
    "place_widths",
    "report_fault",
    "row_layout",
    "row_sequencer_members",
    "setup_layout",
    "transfer_layout",
]

INSTRUCTIONS_IN_FLIGHT = 16
"""Instructions whose rows may be on their way between the address and the data side."""


@dataclass(frozen=True)
class MemoryShape:
    """An on-chip memory as LOAD or STORE sees it: ``word_bytes``, ``depth`` in words, and the
    ``slots`` of a word that are moved one at a time, a power of two of bytes if there are several.
    """

    memory: Memory
    word_bytes: int
    depth: int
    slots: int = 1

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a slot."""
        return self.word_bytes // self.slots


def memory_width(memories: Sequence[MemoryShape]) -> int:
    """Bits that tell the numbers of ``memories`` apart from each other and from no other."""
    return bits_for(max(shape.memory.value for shape in memories))


def limit_width(address_width: int) -> int:
    """Bits of a segment's limit: at most the whole address space."""
    return min(32, address_width + 1)


def offset_width(address_width: int) -> int:
    """Bits, signed, of a row's offset: a legal one is below the address space, and the next is one
    step away, by a stride that is no larger or is known to lead outside."""
    return min(34, address_width + 2)


def depth_of(m: Module, memories: Sequence[MemoryShape], memory: Value) -> Signal:
    """The depth, in words, of the memory with the number ``memory``."""
    depth = Signal(range(max(shape.depth for shape in memories) + 1))
    with m.Switch(memory):
        for shape in memories:
            with m.Case(shape.memory.value):
                m.d.comb += depth.eq(shape.depth)
    return depth


def transfer_layout(memories: Sequence[MemoryShape], *, fills: bool = True) -> data.StructLayout:
    """An instruction as its data side needs it: memory and first word, words of a row less one,
    bytes of a row's last word less one; where it ``fills``, padding, the byte to fill with, the
    semaphores to signal and its index in the program."""
    members: dict[str, Any] = {
        "memory": unsigned(memory_width(memories)),
        "word": unsigned(16),
        "last_word": range(max(shape.depth for shape in memories)),
        "tail": range(max(2, *(shape.word_bytes for shape in memories))),
    }
    if fills:
        members |= {
            "pad_before": unsigned(8),
            "pad_after": unsigned(8),
            "fill": unsigned(8),
            "signal": unsigned(SEMAPHORE_COUNT),
            "index": unsigned(INDEX_WIDTH),
        }
    return data.StructLayout(members)


def fault_layout(address_width: int) -> data.StructLayout:
    """What was wrong with a row: it is ``outside`` of its segment, then ``offset`` is its offset,
    else of its memory, then ``start`` if already its first word is."""
    return data.StructLayout(
        {
            "outside": unsigned(1),
            "start": unsigned(1),
            "offset": unsigned(min(32, address_width)),
        }
    )


def report_fault(
    m: Module, memories: Sequence[MemoryShape], fault: Any, memory: Value, word: Value
) -> tuple[Value, Value]:
    """The error's code and address: ``memory`` and ``word`` are those of the instruction."""
    first = Mux(fault.start, word, depth_of(m, memories, memory))
    return (
        Mux(fault.outside, ErrorCode.SEGMENT_LIMIT, ErrorCode.MEMORY_RANGE),
        Mux(fault.outside, fault.offset, first | Cat(Const(0, 29), memory)),
    )


def announce(m: Module, rows: Any, room: Value, request: Any) -> Signal:
    """Give each of a compact unit's rows to its data side and to its reader or writer.

    The data side hears of a row as soon as it is there, the other takes it with its last burst:
    bursts that are in flight may have to end before that.

    Parameters
    ----------
    m : Module
    rows : stream of row_layout
        From the row sequencer.
    room : Value
        The data side has room for a row.
    request : stream of request_layout
        To the reader or writer.

    Returns
    -------
    Signal
        The data side hears of the row in this cycle.
    """
    row = rows.payload
    announced = Signal()
    announces = Signal()
    known = announced | room
    m.d.comb += [
        announces.eq(rows.valid & ~announced & room),
        request.valid.eq(rows.valid & row.fetch & known),
        rows.ready.eq(known & (request.ready | ~row.fetch)),
    ]
    with m.If(rows.ready):
        m.d.sync += announced.eq(0)
    with m.Elif(announces):
        m.d.sync += announced.eq(1)
    return announces


def setup_layout(address_width: int, memories: Sequence[MemoryShape]) -> data.StructLayout:
    """A decoded instruction: ``transfer``; its loops (counts less one) and its segment; bytes and
    words of a row, less one, and whether rows have bytes (``fetch``); ``far`` if its first row, or
    one that is a stride away from a legal one, lies outside of the address space; ``sync`` for an
    instruction that moves nothing, whatever its other fields say."""
    stride = signed(offset_width(address_width) - 1)
    return data.StructLayout(
        {
            "transfer": transfer_layout(memories),
            "sync": unsigned(1),
            "fetch": unsigned(1),
            "last_byte": unsigned(LAST_BYTE_WIDTH),
            "last_word": unsigned(16),
            "offset": unsigned(min(32, address_width)),
            "stride_x": stride,
            "stride_y": stride,
            "far": unsigned(1),
            "far_x": unsigned(1),
            "far_y": unsigned(1),
            "count_x": unsigned(12),
            "count_y": unsigned(12),
            "base": unsigned(address_width),
            "limit": unsigned(limit_width(address_width)),
        }
    )


def row_layout(address_width: int, memories: Sequence[MemoryShape]) -> data.StructLayout:
    """A checked row.

    Members: ``last`` row of its instruction; padding ``before`` and ``after`` it;
    ``fetch`` if it has bytes in DRAM, then ``address``, ``last_byte`` (bytes less one) and
    ``memory``; ``sync`` for an instruction without rows; ``error`` if it must not be done, nor
    anything after it.
    """
    return data.StructLayout(
        {
            "last": unsigned(1),
            "before": unsigned(1),
            "after": unsigned(1),
            "fetch": unsigned(1),
            "sync": unsigned(1),
            "error": unsigned(1),
            "memory": unsigned(memory_width(memories)),
            "address": unsigned(address_width),
            "last_byte": unsigned(LAST_BYTE_WIDTH),
        }
    )


def row_sequencer_members(address_width: int, memories: Sequence[MemoryShape]) -> dict[str, Any]:
    """The ports of a row sequencer."""
    return {
        "i": In(stream.Signature(setup_layout(address_width, memories))),
        "o": Out(stream.Signature(row_layout(address_width, memories))),
        "fault": Out(fault_layout(address_width)),
        "stop": In(1),
    }


def place_widths(memories: Sequence[MemoryShape]) -> tuple[int, int]:
    """Bits of the number of a word, and those, signed, of a place counted from the end of a memory.

    What is longer than the deepest memory is known to pass it; the rest, with padding of up to 510
    words, fits.
    """
    number_width = max((shape.depth - 1).bit_length() for shape in memories)
    return number_width, max(number_width, 9) + 2
