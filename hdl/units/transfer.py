# SPDX-License-Identifier: Apache-2.0
"""What LOAD and STORE share: payloads between their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from amaranth.utils import bits_for

from ..config import SEMAPHORE_COUNT
from ..dma.splitter import BYTES_WIDTH
from ..isa import INDEX_WIDTH, ErrorCode, Memory

__all__ = [
    "FAULT_LAYOUT",
    "INSTRUCTIONS_IN_FLIGHT",
    "MemoryShape",
    "memory_width",
    "row_layout",
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


def transfer_layout(memories: Sequence[MemoryShape]) -> data.StructLayout:
    """An instruction as its data side needs it: memory and first word, padding, words of a row less
    one, bytes of a row's last word less one, semaphores to signal, index in the program."""
    return data.StructLayout(
        {
            "memory": unsigned(memory_width(memories)),
            "word": unsigned(16),
            "pad_before": unsigned(8),
            "pad_after": unsigned(8),
            "fill": unsigned(8),
            "last_word": unsigned(16),
            "tail": unsigned(10),
            "signal": unsigned(SEMAPHORE_COUNT),
            "index": unsigned(INDEX_WIDTH),
        }
    )


FAULT_LAYOUT = data.StructLayout(
    {"code": ErrorCode, "index": unsigned(INDEX_WIDTH), "address": unsigned(32)}
)
"""What was wrong with a row."""


def setup_layout(address_width: int, memories: Sequence[MemoryShape]) -> data.StructLayout:
    """A decoded instruction: ``transfer``, its loops (counts less one), its segment; ``sync`` for
    an instruction that moves nothing."""
    return data.StructLayout(
        {
            "transfer": transfer_layout(memories),
            "sync": unsigned(1),
            "bytes": unsigned(BYTES_WIDTH),
            "offset": unsigned(32),
            "stride_x": signed(32),
            "stride_y": signed(32),
            "count_x": unsigned(12),
            "count_y": unsigned(12),
            "base": unsigned(address_width),
            "limit": unsigned(32),
        }
    )


def row_layout(address_width: int, memories: Sequence[MemoryShape]) -> data.StructLayout:
    """A checked row.

    Members: ``transfer``; ``first`` and ``last`` row of its instruction; padding ``before`` and
    ``after`` it; ``fetch`` if it has bytes in DRAM, then ``address`` and ``bytes``; ``sync`` for
    an instruction without rows; ``error`` if it must not be done, nor anything after it.
    """
    return data.StructLayout(
        {
            "transfer": transfer_layout(memories),
            "first": unsigned(1),
            "last": unsigned(1),
            "before": unsigned(1),
            "after": unsigned(1),
            "fetch": unsigned(1),
            "sync": unsigned(1),
            "error": unsigned(1),
            "address": unsigned(address_width),
            "bytes": unsigned(BYTES_WIDTH),
        }
    )
