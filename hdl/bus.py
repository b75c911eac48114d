# SPDX-License-Identifier: Apache-2.0
"""Bus and inter-unit signatures: AXI4 read and write channels, AXI4-Lite, unit control.

Sources: AMBA AXI and ACE Protocol Specification, Arm IHI 0022 (A2 signals, A3 handshakes).
"""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from .config import SEMAPHORE_COUNT
from .isa import INDEX_WIDTH, INSTRUCTION_WIDTH, ErrorCode

__all__ = [
    "AXI4LiteSignature",
    "AXI4ReadSignature",
    "AXI4WriteSignature",
    "COMMAND_LAYOUT",
    "ERROR_LAYOUT",
    "AXI_BURST_INCR",
    "UnitSignature",
]

AXI_BURST_INCR = 0b01
"""AxBURST of an incrementing burst (IHI 0022, table A3-3)."""

AXI_ID_WIDTH = 1
"""ID 0: data (LOAD); ID 1: instruction fetch. Writes use ID 0."""


class AXI4ReadSignature(Signature):
    """The read half of an AXI4 manager port, as the manager sees it.

    Members
    -------
    arvalid, arid[1], araddr[address_width], arlen[8], arsize[3], arburst[2] : Out
    arready : In
    rvalid, rid[1], rdata[data_width], rresp[2], rlast : In
    rready : Out
    """

    def __init__(self, *, address_width: int, data_width: int) -> None:
        super().__init__(
            {
                "arvalid": Out(1),
                "arready": In(1),
                "arid": Out(AXI_ID_WIDTH),
                "araddr": Out(address_width),
                "arlen": Out(8),
                "arsize": Out(3),
                "arburst": Out(2),
                "rvalid": In(1),
                "rready": Out(1),
                "rid": In(AXI_ID_WIDTH),
                "rdata": In(data_width),
                "rresp": In(2),
                "rlast": In(1),
            }
        )


class AXI4WriteSignature(Signature):
    """The write half of an AXI4 manager port, as the manager sees it.

    Members
    -------
    awvalid, awid[1], awaddr[address_width], awlen[8], awsize[3], awburst[2] : Out
    awready : In
    wvalid, wdata[data_width], wstrb[data_width // 8], wlast : Out
    wready : In
    bvalid, bid[1], bresp[2] : In
    bready : Out
    """

    def __init__(self, *, address_width: int, data_width: int) -> None:
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awid": Out(AXI_ID_WIDTH),
                "awaddr": Out(address_width),
                "awlen": Out(8),
                "awsize": Out(3),
                "awburst": Out(2),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(data_width),
                "wstrb": Out(data_width // 8),
                "wlast": Out(1),
                "bvalid": In(1),
                "bready": Out(1),
                "bid": In(AXI_ID_WIDTH),
                "bresp": In(2),
            }
        )


class AXI4LiteSignature(Signature):
    """A 32-bit AXI4-Lite port, as the manager sees it; a subordinate uses ``In(...)``.

    Members
    -------
    awvalid, awaddr[address_width], wvalid, wdata[32], wstrb[4], bready : Out
    awready, wready, bvalid, bresp[2] : In
    arvalid, araddr[address_width], rready : Out
    arready, rvalid, rdata[32], rresp[2] : In
    """

    def __init__(self, *, address_width: int) -> None:
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(address_width),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(address_width),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(32),
                "rresp": In(2),
            }
        )


COMMAND_LAYOUT = data.StructLayout(
    {"instruction": unsigned(INSTRUCTION_WIDTH), "index": unsigned(INDEX_WIDTH)}
)
"""An instruction on its way to a unit, with its index in the program."""

ERROR_LAYOUT = data.StructLayout(
    {
        "valid": unsigned(1),
        "code": ErrorCode,
        "index": unsigned(INDEX_WIDTH),
        "address": unsigned(64),
    }
)
"""An error as a unit reports it: ``valid`` for one cycle, with the faulting instruction."""


class UnitSignature(Signature):
    """What control and an execution unit say to each other, as the unit sees it.

    Members
    -------
    command : In(stream of COMMAND_LAYOUT)
        Next instruction; it is valid only once its semaphores have been granted.
    signal : Out(SEMAPHORE_COUNT)
        One-cycle mask of semaphores to increment, when an instruction has completely finished.
    signal_index : Out(INDEX_WIDTH)
        Index of that instruction; valid only while ``signal`` is not zero. If the signal overflows
        a semaphore, the error names this instruction.
    error : Out(ERROR_LAYOUT)
        Raised in the cycle a fault is found; the unit takes no further work by itself.
    halt : In(1)
        From its third cycle on, take no further instruction and start no further AXI transaction;
        finish those that are outstanding. Signals stop in its second cycle; control takes none
        in the first either.
    idle : Out(1)
        Nothing accepted is unfinished and no AXI transaction is outstanding.
    busy : Out(1)
        An instruction is in hand.
    wait_memory : Out(1)
        Busy, but held up by DRAM or an on-chip memory port, in this cycle or the one before.
    progress : Out(1)
        Something moved in this cycle or the one before (for the watchdog).
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "command": In(stream.Signature(COMMAND_LAYOUT)),
                "signal": Out(SEMAPHORE_COUNT),
                "signal_index": Out(INDEX_WIDTH),
                "error": Out(ERROR_LAYOUT),
                "halt": In(1),
                "idle": Out(1),
                "busy": Out(1),
                "wait_memory": Out(1),
                "progress": Out(1),
            }
        )
