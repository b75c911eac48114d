# SPDX-License-Identifier: Apache-2.0
"""Instruction fetch: the program from memory, in order, ahead of dispatch."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI_BURST_INCR, COMMAND_LAYOUT, ERROR_LAYOUT, AXI4ReadSignature
from ..isa import INDEX_WIDTH, INSTRUCTION_BYTES, INSTRUCTION_WIDTH, ErrorCode
from ..once import Once
from .instruction_buffer import InstructionBuffer

__all__ = ["Fetch"]

AXI_ID = 1
"""ARID of instruction fetch; data reads use 0."""


class Fetch(wiring.Component):
    """Reads a program in bursts and hands out its instructions with their index.

    Every burst ends at a multiple of the chunk (half the buffer or ``max_burst_beats``, whichever
    is less) or at the program's end, hence never crosses 4 KB; it is issued only once the buffer
    has room for all of it, so ``rready`` is constantly high and instruction beats can never block
    the read data channel for others::

        start -> check -> plan burst -> room? -> AR      R -> InstructionBuffer -> o

    ``arvalid`` rises three cycles after ``start``; an instruction is on ``o`` two cycles after
    its last beat.

    Parameters
    ----------
    address_width : int
        Bits of an AXI address.
    data_width : int
        Bits of a beat; divides 256.
    max_burst_beats : int
        Longest burst. Power of two.
    depth : int
        Instructions buffered. Power of two.

    Members
    -------
    axi : Out(AXI4ReadSignature)
        Port to memory, ``arid`` 1.
    start : In(1)
        Begin a program; only while none is being fetched.
    program_address : In(64)
        Byte address of the program; constant from the cycle before ``start`` to ``done``.
    length : In(24)
        Instructions in the program; as constant.
    o : Out(stream of COMMAND_LAYOUT)
        Instructions with their index.
    done : Out(1)
        All instructions of the program have left through ``o``; low in the cycle after ``start``.
    error : Out(ERROR_LAYOUT)
        FETCH_RESPONSE or PROGRAM_ADDRESS. No instruction from the faulting one on is handed out,
        and only a reset makes the component usable again.
    halt : In(1)
        Issue no further burst; those that are outstanding are received and dropped.
    idle : Out(1)
        No burst is outstanding or offered.
    progress : Out(1)
        A burst was accepted or a beat came.
    """

    def __init__(
        self, *, address_width: int, data_width: int, max_burst_beats: int, depth: int = 16
    ) -> None:
        self.address_width = address_width
        self.data_width = data_width
        self.max_burst_beats = max_burst_beats
        self.depth = depth
        super().__init__(
            {
                "axi": Out(AXI4ReadSignature(address_width=address_width, data_width=data_width)),
                "start": In(1),
                "program_address": In(64),
                "length": In(INDEX_WIDTH),
                "o": Out(stream.Signature(COMMAND_LAYOUT)),
                "done": Out(1),
                "error": Out(ERROR_LAYOUT),
                "halt": In(1),
                "idle": Out(1),
                "progress": Out(1),
            }
        )

    @property
    def instruction_beats(self) -> int:
        """Beats of one instruction."""
        return INSTRUCTION_WIDTH // self.data_width

    @property
    def chunk_beats(self) -> int:
        """Beats of the longest burst; bursts end at multiples of it."""
        return min(self.max_burst_beats, self.depth // 2 * self.instruction_beats)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi = self.axi
        checking, misplaced = Signal(), Signal()
        self._check_address(m, misplaced)
        offered = self._request(m, checking, misplaced)
        self._receive(m, checking & misplaced)
        self._count(m, checking & ~misplaced)
        m.d.comb += [
            self.progress.eq((axi.arvalid & axi.arready) | (axi.rvalid & axi.rready)),
            self.idle.eq(~offered),
        ]
        return m

    def _check_address(self, m: Module, misplaced: Signal) -> None:
        """Whether the program is misaligned or passes the address space, two cycles later."""
        shift = INSTRUCTION_BYTES.bit_length() - 1
        width = self.address_width - shift
        end = Signal(width + 1)
        outside = Signal()
        low, high = self.program_address[:shift], self.program_address[self.address_width :]
        m.d.sync += [
            end.eq(self.program_address[shift : self.address_width] + self.length),
            outside.eq(low.any() | high.any()),
            misplaced.eq(outside | (end[width] & end[:width].any())),
        ]

    def _request(self, m: Module, checking: Signal, misplaced: Signal) -> Value:
        """The address channel; returns whether a burst is offered or outstanding."""
        axi, chunk, beats = self.axi, self.chunk_beats, self.instruction_beats
        shift = (self.data_width // 8).bit_length() - 1
        address = Signal(self.address_width - shift)
        remaining = Signal(INDEX_WIDTH + (beats - 1).bit_length())
        m.d.comb += [
            axi.arid.eq(AXI_ID),
            axi.arsize.eq(shift),
            axi.arburst.eq(AXI_BURST_INCR),
        ]

        # Beats to the end of the chunk or of the program, a cycle after address and remaining.
        to_boundary = Signal(range(chunk + 1))
        burst = Signal(range(chunk + 1))
        m.d.comb += to_boundary.eq(chunk - address[: (chunk - 1).bit_length()])
        few = remaining[len(to_boundary) :] == 0
        m.d.sync += burst.eq(
            Mux(few & (remaining[: len(to_boundary)] < to_boundary), remaining, to_boundary)
        )

        room = Signal(range(self.depth * beats + 1), init=self.depth * beats)
        outstanding = Signal(range(self.depth * beats + 1))
        issue, taken = Signal(), Signal()
        m.d.sync += [
            taken.eq(self.o.valid & self.o.ready),
            room.eq(room + Mux(taken, beats, 0) - Mux(issue, burst, 0)),
            outstanding.eq(outstanding + Mux(issue, burst, 0) - (axi.rvalid & axi.rready)),
        ]

        with m.FSM():
            with m.State("REST"):
                with m.If(self.start):
                    m.d.sync += [
                        address.eq(self.program_address[shift:]),
                        remaining.eq(self.length * beats),
                    ]
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += checking.eq(1)
                with m.If(misplaced | (remaining == 0)):
                    m.next = "REST"
                with m.Else():
                    m.next = "PLAN"
            with m.State("PLAN"):
                with m.If(self.halt):
                    m.next = "REST"
                with m.Elif(room >= burst):
                    m.d.comb += issue.eq(1)
                    m.d.sync += [
                        axi.arvalid.eq(1),
                        axi.araddr.eq(address << shift),
                        axi.arlen.eq(burst - 1),
                        address.eq(address + burst),
                        remaining.eq(remaining - burst),
                    ]
                    m.next = "OFFER"
            with m.State("OFFER"):
                with m.If(axi.arready):
                    m.d.sync += axi.arvalid.eq(0)
                    with m.If(remaining == 0):
                        m.next = "REST"
                    with m.Else():
                        m.next = "PLAN"
        return axi.arvalid | (outstanding != 0)

    def _receive(self, m: Module, refuse: Value) -> None:
        """The data channel into the buffer, and the errors."""
        axi, error = self.axi, self.error
        m.submodules.buffer = buffer = Once(
            InstructionBuffer(data_width=self.data_width, depth=self.depth)
        )
        failed = Signal()
        bad = axi.rvalid & axi.rresp[1] & ~failed
        m.d.comb += [
            axi.rready.eq(1),
            buffer.write.eq(axi.rvalid & ~axi.rresp[1] & ~failed),
            buffer.data.eq(axi.rdata),
            self.o.payload.instruction.eq(buffer.o.payload),
            self.o.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(self.o.ready),
        ]

        # Where the beat that comes next belongs: its burst's address and its instruction.
        chunk_shift = (self.chunk_beats * self.data_width // 8).bit_length() - 1
        chunk_number = Signal(self.address_width - chunk_shift)
        offset = Signal(chunk_shift)
        beat_number = Signal(INDEX_WIDTH + (self.instruction_beats - 1).bit_length())
        with m.If(self.start):
            m.d.sync += [
                Cat(offset, chunk_number).eq(self.program_address),
                beat_number.eq(0),
            ]
        with m.Elif(axi.rvalid):
            m.d.sync += beat_number.eq(beat_number + 1)
            with m.If(axi.rlast):
                m.d.sync += [chunk_number.eq(chunk_number + 1), offset.eq(0)]

        m.d.sync += error.valid.eq(bad | refuse)
        with m.If(refuse):
            m.d.sync += [
                error.code.eq(ErrorCode.PROGRAM_ADDRESS),
                error.index.eq(0),
                error.address.eq(self.program_address),
            ]
        with m.Elif(bad):
            m.d.sync += [
                failed.eq(1),
                error.code.eq(ErrorCode.FETCH_RESPONSE),
                error.index.eq(beat_number >> (self.instruction_beats - 1).bit_length()),
                error.address.eq(Cat(offset, chunk_number)),
            ]

    def _count(self, m: Module, accept: Value) -> None:
        """The index of the instruction on ``o``, and the end of the program."""
        index = Signal(INDEX_WIDTH)
        active = Signal()
        m.d.comb += self.o.payload.index.eq(index)
        with m.If(self.start):
            m.d.sync += [index.eq(0), active.eq(0), self.done.eq(0)]
        with m.Else():
            with m.If(accept):
                m.d.sync += active.eq(1)
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += index.eq(index + 1)
            m.d.sync += self.done.eq(active & (index == self.length))
