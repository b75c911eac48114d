# SPDX-License-Identifier: Apache-2.0
"""What the link's engine asks of its bus master."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

__all__ = ["ACCESS_LAYOUT", "AccessSignature"]

ACCESS_LAYOUT = data.StructLayout(
    {
        "write": unsigned(1),
        "registers": unsigned(1),
        "address": unsigned(30),
        "data": unsigned(32),
        "strobe": unsigned(4),
    }
)
"""One word to read or write: in the registers or in memory, at a word address."""


class AccessSignature(Signature):
    """One access at a time, as the engine sees it.

    Members
    -------
    valid : Out(1)
        Stays, with its payload, until ``done``.
    payload : Out(ACCESS_LAYOUT)
    done : In(1)
        The access has ended, one cycle.
    response : In(2)
        Its AXI response code, with ``done``.
    data : In(32)
        What was read, with ``done``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "payload": Out(ACCESS_LAYOUT),
                "done": In(1),
                "response": In(2),
                "data": In(32),
            }
        )
