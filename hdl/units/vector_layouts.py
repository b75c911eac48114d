# SPDX-License-Identifier: Apache-2.0
"""What the parts of the vector unit hand to each other."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from amaranth.utils import exact_log2

from ..config import Config
from ..isa import FORMATS, INDEX_WIDTH, Opcode

__all__ = [
    "CHUNKS_AHEAD",
    "CHUNKS_IN_FLIGHT",
    "FAULT_LAYOUT",
    "FLAGS",
    "read_layout",
    "request_layout",
    "result_layout",
    "slot_width",
]

CHUNKS_IN_FLIGHT = 32
"""Places of the writer's queue, two fewer than chunks may be between the last read and the write;
covers the way from one to the other."""

CHUNKS_AHEAD = 2 * CHUNKS_IN_FLIGHT
"""Bound of the chunks between the sequencer and the write: those in flight, and those of requests
that wait for their turn."""

FLAGS: tuple[str, ...] = tuple(FORMATS[Opcode.VECTOR].flags)
"""Names of the flags, lowest bit first."""

FAULT_LAYOUT = data.StructLayout(
    {"valid": 1, "index": unsigned(INDEX_WIDTH), "address": unsigned(32)}
)
"""An address beyond a memory: the instruction, and the address with its memory in bits 31:29."""


def _widest(config: Config) -> int:
    return max(exact_log2(config.activation_depth), exact_log2(config.accumulator_depth))


def slot_width(config: Config) -> int:
    """Bits of the number of a chunk in a word of either memory."""
    return max(1, (max(config.rows, config.cols) // config.lanes - 1).bit_length())


def read_layout(config: Config) -> data.StructLayout:
    """A word of a window to read.

    Members: ``accumulator`` if it is there, ``address``, ``slot`` of the chunk; ``first`` and
    ``last`` of its window, to be reduced by ``sum`` or by maximum; ``requantize`` with the word
    ``parameter``.
    """
    return data.StructLayout(
        {
            "accumulator": 1,
            "address": unsigned(_widest(config)),
            "slot": unsigned(slot_width(config)),
            "first": 1,
            "last": 1,
            "sum": 1,
            "requantize": 1,
            "parameter": unsigned(exact_log2(config.parameter_depth)),
        }
    )


def result_layout(config: Config) -> data.StructLayout:
    """What becomes of a chunk: how it is finished, and where it goes.

    Members: ``zero_point``, ``clamp_low``, ``clamp_high``; ``table``; ``add`` or ``maximum`` with
    the old value; ``accumulator`` if it goes there, ``address``, ``slot``; ``end`` of its
    instruction.
    """
    return data.StructLayout(
        {
            "zero_point": signed(8),
            "clamp_low": signed(8),
            "clamp_high": signed(8),
            "table": 1,
            "add": 1,
            "maximum": 1,
            "accumulator": 1,
            "address": unsigned(_widest(config)),
            "slot": unsigned(slot_width(config)),
            "end": 1,
        }
    )


def request_layout(config: Config) -> data.StructLayout:
    """A word to read, and the chunk it is part of; ``old`` if the chunk needs the old value of its
    destination now; ``hazard`` if an older instruction may not have written what is read yet."""
    return data.StructLayout(
        {"read": read_layout(config), "result": result_layout(config), "old": 1, "hazard": 1}
    )
