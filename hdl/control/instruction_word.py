# SPDX-License-Identifier: Apache-2.0
"""Instructions cut into words: what passes from fetch to the gates."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data

from ..isa import INDEX_WIDTH, INSTRUCTION_WIDTH

__all__ = ["word_layout", "words_of_instruction"]


def words_of_instruction(data_width: int) -> int:
    """Words of ``data_width`` bits that make an instruction.

    Raises
    ------
    ValueError
        If ``data_width`` is no power of two from 32 to 256.
    """
    if data_width not in (32, 64, 128, 256):
        raise ValueError(
            f"data_width must be a power of two from 32 to {INSTRUCTION_WIDTH}, not {data_width!r}"
        )
    return INSTRUCTION_WIDTH // data_width


def word_layout(data_width: int) -> data.StructLayout:
    """A word of an instruction: ``data``, its ``position`` in the instruction (0 has the least
    significant bits), and the ``index`` of the instruction in the program."""
    return data.StructLayout(
        {
            "data": unsigned(data_width),
            "position": range(max(2, words_of_instruction(data_width))),
            "index": unsigned(INDEX_WIDTH),
        }
    )
