# SPDX-License-Identifier: Apache-2.0
"""What the parts of the matmul unit hand to each other."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import ShapeCastable, unsigned
from amaranth.lib import data

from ..isa import FORMATS, INDEX_WIDTH, Opcode
from ..memory.accumulator import Accumulator

__all__ = [
    "ACTIVATION_COMMAND",
    "FAULT_LAYOUT",
    "WEIGHT_COMMAND",
    "tag_layout",
    "target_layout",
]

_MATMUL = FORMATS[Opcode.MATMUL].layout


def _command(names: Sequence[str], **more: int | ShapeCastable) -> data.StructLayout:
    members = {name: _MATMUL[name].shape for name in names}
    return data.StructLayout({**members, **more, "index": unsigned(INDEX_WIDTH)})


WEIGHT_COMMAND = _command(
    [
        "weight_address",
        "kernel_y",
        "kernel_x",
        "channel_blocks",
        "weight_stride_row",
        "weight_stride_block",
        "last_rows",
    ]
)
"""The fields of a MATMUL that decide which weights it reads, and its index."""

ACTIVATION_COMMAND = _command(
    [
        "activation_address",
        "accumulator_address",
        "kernel_y",
        "kernel_x",
        "channel_blocks",
        "output_y",
        "output_x",
        "activation_stride_kernel_y",
        "activation_stride_kernel_x",
        "activation_stride_channel",
        "activation_stride_y",
        "activation_stride_x",
        "accumulator_stride_y",
        "accumulator_stride_x",
    ],
    accumulate=1,
)
"""The fields of a MATMUL that decide which vectors it streams and where results go, and its index.
"""

FAULT_LAYOUT = data.StructLayout({"valid": 1, "index": unsigned(INDEX_WIDTH), "address": 32})
"""An address beyond a memory: the instruction, and the address with its memory in bits 31:29."""


def target_layout(address_width: int) -> data.StructLayout:
    """Where the result of a vector goes; ``last`` marks an instruction's last."""
    return data.StructLayout({"address": unsigned(address_width), "accumulate": 1, "last": 1})


def tag_layout(address_width: int) -> data.StructLayout:
    """What accompanies an activation vector to the array.

    ``first`` marks the first vector of a pass. With ``fault`` there is no vector: the unit stops
    when its turn comes. ``behind`` says how many vectors before it the last one is whose result it
    adds to; 0 if that is so far before that it does not matter.
    """
    return data.StructLayout(
        {
            "target": target_layout(address_width),
            "first": 1,
            "fault": 1,
            "behind": range(Accumulator.hazard_distance),
        }
    )
