# SPDX-License-Identifier: Apache-2.0
"""Instruction fetch: the program from memory, in order, ahead of the units."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI_BURST_INCR, ERROR_LAYOUT, AXI4ReadSignature
from ..isa import INDEX_WIDTH, INSTRUCTION_BYTES, ErrorCode
from .dispatch import DISPATCH_LATENCY
from .instruction_word import word_layout, words_of_instruction

__all__ = ["BURSTS_IN_FLIGHT", "Fetch"]

AXI_ID = 1
"""ARID of instruction fetch; data reads use 0."""

BURSTS_IN_FLIGHT = 2
"""Bursts that are offered or outstanding at most; a power of two."""

MAX_BURST_INSTRUCTIONS = 8
"""Instructions of the longest burst: enough to hide the latency of memory."""


class Fetch(wiring.Component):
    """Reads a program in bursts and hands out its words as they come.

    Every burst ends at a multiple of the chunk (``burst_instructions`` or ``max_burst_beats``,
    whichever is less) or at the program's end, hence never crosses 4 KB; it is issued only while
    the queues have ``room``, so ``rready`` is constantly high and instruction beats can never block
    the read data channel for others::

        start -> check -> room? -> AR      R -> o

    ``arvalid`` rises three cycles after ``start``.

    Parameters
    ----------
    address_width : int
        Bits of an AXI address.
    data_width : int
        Bits of a beat and of a word: 32, 64, 128 or 256.
    max_burst_beats : int
        Longest burst. Power of two.
    queue_depth : int
        Instructions that wait in a queue without keeping others from theirs. Power of two.

    Members
    -------
    axi : Out(AXI4ReadSignature)
        Port to memory, ``arid`` 1.
    start : In(1)
        Begin a program; only while none is being fetched.
    program_address : In(64)
        Byte address of the program; constant from two cycles before ``start`` to ``done``.
    length : In(24)
        Instructions in the program; as constant.
    room : In(1)
        The queues have room for ``BURSTS_IN_FLIGHT`` bursts beyond the instructions that went
        to `Dispatch` at least its latency ago.
    o : Out(stream of word_layout(data_width), always ready)
        The words of the program, straight from the bus.
    done : Out(1)
        All words of the program are in the queues; low in the cycle after ``start``.
    error : Out(ERROR_LAYOUT)
        FETCH_RESPONSE or PROGRAM_ADDRESS. No word from the faulting one on is handed out,
        and only a reset makes the component usable again.
    halt : In(1)
        Issue no further burst; those that are outstanding are received and dropped.
    idle : Out(1)
        No burst is outstanding or offered.
    progress : Out(1)
        A burst was accepted or a beat came.
    """

    def __init__(
        self, *, address_width: int, data_width: int, max_burst_beats: int, queue_depth: int
    ) -> None:
        self.address_width = address_width
        self.data_width = data_width
        self.max_burst_beats = max_burst_beats
        self.queue_depth = queue_depth
        super().__init__(
            {
                "axi": Out(AXI4ReadSignature(address_width=address_width, data_width=data_width)),
                "start": In(1),
                "program_address": In(64),
                "length": In(INDEX_WIDTH),
                "room": In(1),
                "o": Out(stream.Signature(word_layout(data_width), always_ready=True)),
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
        return words_of_instruction(self.data_width)

    @property
    def chunk_beats(self) -> int:
        """Beats of the longest burst; bursts end at multiples of it."""
        instructions = min(self.queue_depth, MAX_BURST_INSTRUCTIONS)
        return min(self.max_burst_beats, instructions * self.instruction_beats)

    @property
    def burst_instructions(self) -> int:
        """Instructions that a burst touches at most."""
        return max(1, self.chunk_beats // self.instruction_beats)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi = self.axi
        checking, misplaced, failed = Signal(), Signal(), Signal()
        end = self._check_address(m, misplaced)
        self._request(m, checking, misplaced, failed, end)
        self._receive(m, checking & misplaced, failed)
        m.d.comb += self.progress.eq((axi.arvalid & axi.arready) | (axi.rvalid & axi.rready))
        return m

    def _check_address(self, m: Module, misplaced: Signal) -> Value:
        """Whether the program is misaligned or passes the address space, two cycles later;
        returns where it ends, in beats."""
        shift = INSTRUCTION_BYTES.bit_length() - 1
        width = self.address_width - shift
        end = Signal(width + 1)
        outside = Signal()
        low, high = self.program_address[:shift], self.program_address[self.address_width :]
        # A longer program than memory has room for could pass what `end` holds.
        length, longer = self.length[: width + 1], self.length[width + 1 :]
        if width < len(self.length):
            longer = Cat(longer, length[width] & length[:width].any())
        m.d.sync += [
            end.eq(self.program_address[shift : self.address_width] + length),
            outside.eq(Cat(low, high, longer).any()),
            misplaced.eq(outside | (end[width] & end[:width].any())),
        ]
        return end << (self.instruction_beats.bit_length() - 1)

    def _request(
        self, m: Module, checking: Signal, misplaced: Signal, failed: Signal, end: Value
    ) -> None:
        """The address channel."""
        axi = self.axi
        shift = (self.data_width // 8).bit_length() - 1
        split = self.chunk_beats.bit_length() - 1
        # Where the next burst starts: a chunk, and a beat in it, which only the first has.
        beat = Signal(split) if split else Const(0, 0)
        chunk = Signal(self.address_width - shift - split + 1)
        # Whether they are the program's last chunk and its end: known a cycle later.
        in_last_chunk, complete = Signal(), Signal()
        m.d.comb += [
            axi.arid.eq(AXI_ID),
            axi.arsize.eq(shift),
            axi.arburst.eq(AXI_BURST_INCR),
        ]
        m.d.sync += [
            in_last_chunk.eq(chunk == end[split:]),
            complete.eq((chunk == end[split:]) & (beat == end[:split])),
        ]

        in_flight = Signal(range(BURSTS_IN_FLIGHT + 1))
        issue, taken, active = Signal(), Signal(), Signal()
        m.d.sync += [
            in_flight.eq(in_flight + issue - taken),
            self.done.eq(active & ~in_flight.any() & ~failed),
        ]
        with m.FSM():
            with m.State("REST"):
                with m.If(self.start):
                    m.d.sync += [
                        chunk.eq(self.program_address[shift + split : self.address_width]),
                        active.eq(0),
                        self.done.eq(0),
                    ]
                    if split:
                        m.d.sync += beat.eq(self.program_address[shift:])
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += checking.eq(1)
                with m.If(misplaced):
                    m.next = "REST"
                with m.Else():
                    m.next = "PLAN"
            with m.State("PLAN"):
                if split:  # One less than the beats to the end of the chunk or of the program.
                    to_end = Mux(in_last_chunk, end[:split], 0) + ~beat
                    m.d.sync += axi.arlen.eq(to_end[:split])
                with m.If(self.halt):
                    m.next = "REST"
                with m.Elif(complete):
                    m.d.sync += active.eq(1)
                    m.next = "REST"
                with m.Elif(self.room & ~in_flight[-1]):
                    m.d.comb += issue.eq(1)
                    m.d.sync += axi.arvalid.eq(1)
                    m.next = "OFFER"
            with m.State("OFFER"):
                with m.If(axi.arready):
                    m.d.sync += [axi.arvalid.eq(0), chunk.eq(chunk + 1)]
                    if split:
                        m.d.sync += beat.eq(0)
                    with m.If(in_last_chunk):
                        m.d.sync += active.eq(1)
                        m.next = "REST"
                    with m.Else():
                        m.next = "COMPARE"
            with m.State("COMPARE"):
                m.next = "PLAN"
        m.d.comb += axi.araddr.eq(Cat(beat, chunk) << shift)
        m.d.comb += self.idle.eq(~in_flight.any())

        # A burst counts until its last word is in its queue.
        over = axi.rvalid & axi.rlast
        for _ in range(DISPATCH_LATENCY):
            following = Signal()
            m.d.sync += following.eq(over)
            over = following
        m.d.comb += taken.eq(over)

    def _receive(self, m: Module, refuse: Value, failed: Signal) -> None:
        """The data channel, and the errors. Sets ``failed`` after a bad beat."""
        axi, error, payload = self.axi, self.error, self.o.payload
        # The beat that comes next, counted from the program's first, and the first of its burst:
        # both stay where a bad beat came.
        place = (self.instruction_beats - 1).bit_length()
        beat = Signal(INDEX_WIDTH + place)
        first_beat = Signal.like(beat)
        inside, bad = Signal(), Signal()
        m.d.comb += [
            bad.eq(axi.rvalid & axi.rresp[1] & ~failed),
            axi.rready.eq(1),
            self.o.valid.eq(axi.rvalid & ~axi.rresp[1] & ~failed),
            payload.data.eq(axi.rdata),
            payload.position.eq(beat[:place]),
            payload.index.eq(beat[place:]),
        ]
        with m.If(self.start):
            m.d.sync += [beat.eq(0), first_beat.eq(0)]
        with m.Elif(axi.rvalid & ~failed):
            m.d.sync += inside.eq(~axi.rlast)
            with m.If(~inside):
                m.d.sync += first_beat.eq(beat)
            with m.If(bad):
                m.d.sync += failed.eq(1)
            with m.Else():
                m.d.sync += beat.eq(beat + 1)

        # With a refused program no beat has come, with another its address is legal: one sum is
        # the address of either error.
        shift = (self.data_width // 8).bit_length() - 1
        low, high = self.program_address[:shift], self.program_address[self.address_width :]
        start = self.program_address[shift : self.address_width] + first_beat
        m.d.sync += error.valid.eq(bad | refuse)
        m.d.comb += [
            error.code.eq(Mux(failed, ErrorCode.FETCH_RESPONSE, ErrorCode.PROGRAM_ADDRESS)),
            error.index.eq(payload.index),
            error.address.eq(Cat(low, start[: self.address_width - shift], high)),
        ]
