# SPDX-License-Identifier: Apache-2.0
"""Bursts from a splitter to an AXI address channel."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Value, unsigned
from amaranth.lib import data
from amaranth.utils import exact_log2

from ..bus import AXI_BURST_INCR
from ..once import Once
from .fifo import StreamBuffer

__all__ = ["issue_bursts"]


def issue_bursts(
    m: Module, splitter: Any, axi: Any, channel: str, *, room: Value, halt: Value, compact: bool
) -> Signal:
    """Connect a splitter's output and ``flush`` with an address channel.

    Parameters
    ----------
    m : Module
        Gets the address register, ``address``.
    splitter : BurstSplitter
        Its bursts are taken as they are issued.
    axi : AXI4ReadSignature or AXI4WriteSignature
        The port.
    channel : str
        ``"ar"`` or ``"aw"``.
    room : Value
        A burst can be issued.
    halt : Value
        Issue nothing more. What waits on the port is still issued.
    compact : bool
        One register instead of two: a burst in two cycles; and ``halt`` acts a cycle later.

    Returns
    -------
    Signal
        A burst is issued in this cycle, which does not wait for ``ready``: a memory may wait for
        its data first.
    """
    burst = splitter.o.payload
    issue = Signal()
    port = {name: getattr(axi, channel + name) for name in ("valid", "ready", "addr", "len")}
    m.d.comb += issue.eq(splitter.o.valid & splitter.o.ready)
    if compact:
        valid = Signal()
        address = Signal.like(burst.address)
        beats = Signal.like(burst.beats)
        # Known a cycle ahead: no burst follows another in the next cycle.
        goes = Signal()
        m.d.sync += goes.eq(room & ~halt & ~(valid & ~port["ready"]))
        m.d.comb += [
            splitter.o.ready.eq(goes),
            port["valid"].eq(valid),
            port["addr"].eq(address),
            port["len"].eq(beats),
        ]
        with m.If(issue):
            m.d.sync += [valid.eq(1), address.eq(burst.address), beats.eq(burst.beats)]
        with m.If(valid & port["ready"]):
            m.d.sync += valid.eq(0)
    else:
        shape = data.StructLayout(
            {"address": unsigned(len(burst.address)), "beats": unsigned(len(burst.beats))}
        )
        go = Signal()
        m.submodules.address = address = Once(StreamBuffer(shape))
        m.d.comb += [
            go.eq(room & ~halt),
            splitter.flush.eq(halt),
            splitter.o.ready.eq(address.i.ready & go),
            address.i.valid.eq(splitter.o.valid & go),
            address.i.payload.address.eq(burst.address),
            address.i.payload.beats.eq(burst.beats),
            port["valid"].eq(address.o.valid),
            address.o.ready.eq(port["ready"]),
            port["addr"].eq(address.o.payload.address),
            port["len"].eq(address.o.payload.beats),
        ]
    m.d.comb += [
        getattr(axi, f"{channel}size").eq(exact_log2(splitter.data_bytes)),
        getattr(axi, f"{channel}burst").eq(AXI_BURST_INCR),
        getattr(axi, f"{channel}id").eq(0),
    ]
    return issue
