# SPDX-License-Identifier: Apache-2.0
"""Moves bytes between DRAM and on-chip memories, one a cycle."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import AXI_BURST_INCR, AXI4ReadSignature, AXI4WriteSignature
from ..config import Config
from ..isa import Memory
from ..memory.ports import (
    ReadResponseSignature,
    chunk_layout,
    int8_vector,
    int32_vector,
    request_layout,
)

__all__ = ["MOVE_COMMAND", "ByteMover"]

AXI_BYTES = 4

MOVE_COMMAND = data.StructLayout(
    {
        name: unsigned(1)
        for name in (
            "address_low", "address_high", "word", "last_byte", "fill", "memory",
            "stream", "load_row", "fill_word", "store_row",
        )
    }
)
"""What to do, one bit for a cycle: take the value that comes with it as the byte address's lower or
upper half, as word address, as the number of a row's bytes less one, as the byte that fills words,
as the memory's number; or begin to hand out bits, to load a row, to write one word of the filling
byte, to store a row."""


class _State(enum.Enum, shape=4):
    """What is being done. States before SHIFT wait for a source, those behind for a target."""

    IDLE = 0
    STREAM = 1
    READ = 2
    BEAT = 3
    ASK = 4
    ANSWER = 5
    SHIFT = 6
    PUT = 7
    WRITE = 8
    RESPONSE = 9


class ByteMover(wiring.Component):
    """Bytes leave one shift register and enter another.

    ::

        R, memory --> [source] --byte--+--> [target] --> memory, W
                                fill --'
                         |
                         '-- bit --> bits

    Loading a row, the source is filled from DRAM and drops the bytes before the row's first; the
    target is emptied into on-chip words, the last of which is completed by the filling byte.
    Storing a row, the source is filled from on-chip words, and strobes shift along with the bytes
    of the target. Beats are moved one at a time, each a burst of its own. A word follows the word
    before, from one row to the next.

    After an error response nothing more of the row, or of the stream, is moved: see ``failed``.

    Parameters
    ----------
    config : Config
        Memories and AXI port. Words have a power of two of bytes.

    Members
    -------
    command : In(MOVE_COMMAND)
        Only while not ``busy``.
    value : In(16)
        What goes with it.
    halt : In(1)
        Begin nothing and end what is on the bus.
    busy : Out(1)
        Something is being moved.
    idle : Out(1)
        Nothing is on the bus.
    failed : Out(1)
        An error response, since the last ``address_low``.
    beat : Out(32)
        Byte address of the beat on the bus, or of the one that failed.
    bits : Out(stream of 1)
        From ``stream`` on, the bits from the address on, the lowest of each byte first. After an
        error response they are zero.
    wants : In(1)
        A bit is asked for.
    activation_write, weight_write, accumulator_write : Out(stream of chunk_layout)
    activation_read, accumulator_read : Out(stream of request_layout)
    activation_data, accumulator_data : In(ReadResponseSignature)
        Ports of the memories; the accumulator's words go by slots.
    read, write : Out(AXI4ReadSignature, AXI4WriteSignature)
        Read ID 1 for bits, 0 for rows.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.slots = config.accumulator_slots
        self.chunks = {
            Memory.ACTIVATION: config.rows,
            Memory.WEIGHT: config.cols,
            Memory.ACCUMULATOR: config.accumulator_bytes // self.slots,
        }
        depths = (config.activation_depth, config.weight_depth, config.accumulator_depth)
        activation, weight, accumulator = (exact_log2(depth) for depth in depths)
        part = int32_vector(config.cols // self.slots)
        rows, cols = int8_vector(config.rows), int8_vector(config.cols)
        bus = {"address_width": config.axi_address_width, "data_width": config.axi_width}
        members: dict[str, Any] = {
            "command": In(MOVE_COMMAND),
            "value": In(16),
            "halt": In(1),
            "busy": Out(1),
            "idle": Out(1),
            "failed": Out(1),
            "beat": Out(32),
            "bits": Out(stream.Signature(1)),
            "wants": In(1),
            "activation_write": Out(stream.Signature(chunk_layout(activation, 1, rows))),
            "weight_write": Out(stream.Signature(chunk_layout(weight, 1, cols))),
            "accumulator_write": Out(
                stream.Signature(chunk_layout(accumulator, self.slots, part))
            ),
            "activation_read": Out(stream.Signature(request_layout(activation))),
            "activation_data": In(ReadResponseSignature(shape=rows)),
            "accumulator_read": Out(stream.Signature(request_layout(accumulator, self.slots))),
            "accumulator_data": In(ReadResponseSignature(shape=part)),
            "read": Out(AXI4ReadSignature(**bus)),
            "write": Out(AXI4WriteSignature(**bus)),
        }
        super().__init__(members)
        self._state = Signal(_State)
        self._source = Signal(8 * max(AXI_BYTES, config.rows, self.chunks[Memory.ACCUMULATOR]))
        self._target = Signal(8 * max(AXI_BYTES, *self.chunks.values()))
        self._strobe = Signal(AXI_BYTES)
        self._beat = Signal(config.axi_address_width - 2)
        self._lane = Signal(2)
        self._word = Signal(max(activation, weight, accumulator))
        self._slot = Signal(range(self.slots))
        self._place = Signal(range(max(self.chunks.values())))
        self._memory = Signal(Memory)
        self._stores = Signal()
        self._streams = Signal()
        self._exhausted = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        state = self._state
        fill, left, skip, bit = Signal(8), Signal(16), Signal(2), Signal(3)
        # Whether the source has bytes, and the target none.
        full = Signal()
        last_place = Signal.like(self._place)
        last_slot = Signal()
        with m.Switch(self._memory):
            for memory, size in self.chunks.items():
                with m.Case(memory):
                    m.d.comb += last_place.eq(size - 1)
        is_accumulator = self._memory == Memory.ACCUMULATOR
        m.d.comb += [
            last_slot.eq(~is_accumulator | (self._slot == self.slots - 1)),
            self.busy.eq((state != _State.IDLE) & (state != _State.STREAM)),
            self.idle.eq(~self.busy),
            self.beat.eq(self._beat << 2),
        ]
        self._take(m, fill, left, skip, full)

        shift, push, byte = Signal(), Signal(), Signal(8)
        m.d.comb += byte.eq(Mux(self._exhausted, fill, self._source[:8]))
        take_bit = self.bits.valid & self.bits.ready
        m.d.comb += [
            self.bits.valid.eq((state == _State.STREAM) & (full | self.failed)),
            self.bits.payload.eq((self._source[:8] >> bit)[0] & ~self.failed),
        ]
        with m.If(shift):
            m.d.sync += self._source.eq(self._source >> 8)
        with m.If(push):
            m.d.sync += [
                self._target.eq(Cat(self._target[8:], byte)),
                self._strobe.eq(Cat(self._strobe[1:], ~self._exhausted)),
            ]
        with m.If(self.command.address_low | self.command.stream):
            m.d.sync += bit.eq(0)
        with m.Elif(take_bit):
            m.d.sync += bit.eq(bit + 1)

        lane_ends = self._lane == AXI_BYTES - 1
        place_ends = self._place == last_place
        source_ends = Mux(self._stores, place_ends, lane_ends)
        target_ends = Mux(self._stores, lane_ends, place_ends)
        with m.Switch(state):
            with m.Case(_State.STREAM):
                with m.If(take_bit & (bit == 7)):
                    m.d.comb += shift.eq(1)
                    m.d.sync += self._lane.eq(self._lane + 1)
                    with m.If(lane_ends):
                        m.d.sync += full.eq(0)
                with m.Elif(self.wants & ~full & ~self.failed & ~self.halt):
                    m.d.sync += state.eq(_State.READ)
            with m.Case(_State.SHIFT):
                with m.If(~full & ~self._exhausted):
                    m.d.sync += state.eq(Mux(self._stores, _State.ASK, _State.READ))
                with m.Elif(skip.any()):
                    m.d.comb += shift.eq(1)
                    m.d.sync += skip.eq(skip - 1)
                with m.Else():
                    m.d.comb += [shift.eq(1), push.eq(1)]
                    m.d.sync += left.eq(left - 1)
                    with m.If(~left.any()):
                        m.d.sync += self._exhausted.eq(1)
                    with m.If(self._stores | ~self._exhausted):
                        m.d.sync += self._lane.eq(self._lane + 1)
                    with m.If(~self._stores | ~self._exhausted):
                        m.d.sync += self._place.eq(Mux(place_ends, 0, self._place + 1))
                    with m.If(source_ends):
                        m.d.sync += full.eq(0)
                    with m.If(target_ends):
                        m.d.sync += state.eq(Mux(self._stores, _State.WRITE, _State.PUT))
                    with m.If(self._stores & ~self._exhausted & (place_ends | ~left.any())):
                        self._next_word(m, last_slot | ~left.any())
                with m.If(self.halt):
                    m.d.sync += state.eq(_State.IDLE)
        self._bus(m, full)
        self._memories(m, full, last_slot)
        return m

    def _take(
        self, m: Module, fill: Signal, left: Signal, skip: Signal, full: Signal
    ) -> None:
        """Commands."""
        command, value = self.command, self.value
        with m.If(command.address_low):
            m.d.sync += [
                Cat(self._lane, self._beat[: min(14, len(self._beat))]).eq(value),
                self.failed.eq(0),
            ]
        if len(self._beat) > 14:
            with m.If(command.address_high):
                m.d.sync += self._beat[14:].eq(value)
        with m.If(command.word):
            m.d.sync += [self._word.eq(value), self._slot.eq(0)]
        for name, register in (("last_byte", left), ("fill", fill), ("memory", self._memory)):
            with m.If(command[name]):
                m.d.sync += Cat(register).eq(value)
        starts = command.load_row | command.fill_word | command.store_row
        with m.If((starts | command.stream) & ~self.halt):
            m.d.sync += [
                full.eq(0),
                self._strobe.eq(0),
                self._place.eq(0),
                self._slot.eq(0),
                self._stores.eq(command.store_row),
                self._streams.eq(command.stream),
                self._exhausted.eq(command.fill_word),
                skip.eq(Mux(command.load_row, self._lane, 0)),
                self._state.eq(Mux(command.stream, _State.STREAM, _State.SHIFT)),
            ]

    def _next_word(self, m: Module, last_slot: Any) -> None:
        """To the next slot or word."""
        with m.If(last_slot):
            m.d.sync += [self._word.eq(self._word + 1), self._slot.eq(0)]
        with m.Else():
            m.d.sync += self._slot.eq(self._slot + 1)

    def _bus(self, m: Module, full: Signal) -> None:
        """Beats."""
        state, read, write = self._state, self.read, self.write
        address_taken, data_taken = Signal(), Signal()
        for channel, bus in (("ar", read), ("aw", write)):
            m.d.comb += [
                getattr(bus, f"{channel}addr").eq(self._beat << 2),
                getattr(bus, f"{channel}size").eq(exact_log2(AXI_BYTES)),
                getattr(bus, f"{channel}burst").eq(AXI_BURST_INCR),
            ]
        m.d.comb += [
            read.arvalid.eq(state == _State.READ),
            read.arid.eq(self._streams),
            read.rready.eq(state == _State.BEAT),
            write.awvalid.eq((state == _State.WRITE) & ~address_taken),
            write.wvalid.eq((state == _State.WRITE) & ~data_taken),
            write.wdata.eq(self._target[-8 * AXI_BYTES :]),
            write.wstrb.eq(self._strobe),
            write.wlast.eq(1),
            write.bready.eq(state == _State.RESPONSE),
        ]
        with m.Switch(state):
            with m.Case(_State.READ):
                with m.If(read.arready):
                    m.d.sync += state.eq(_State.BEAT)
            with m.Case(_State.BEAT):
                with m.If(read.rvalid):
                    m.d.sync += [self._source.eq(read.rdata), full.eq(1)]
                    m.d.sync += state.eq(Mux(self._streams, _State.STREAM, _State.SHIFT))
                    with m.If(read.rresp[1]):
                        m.d.sync += [self.failed.eq(1), full.eq(0)]
                        with m.If(~self._streams):
                            m.d.sync += state.eq(_State.IDLE)
                    with m.Else():
                        m.d.sync += self._beat.eq(self._beat + 1)
            with m.Case(_State.WRITE):
                with m.If(write.awready):
                    m.d.sync += address_taken.eq(1)
                with m.If(write.wready):
                    m.d.sync += data_taken.eq(1)
                with m.If((write.awready | address_taken) & (write.wready | data_taken)):
                    m.d.sync += [address_taken.eq(0), data_taken.eq(0)]
                    m.d.sync += state.eq(_State.RESPONSE)
            with m.Case(_State.RESPONSE):
                with m.If(write.bvalid):
                    m.d.sync += [self._strobe.eq(0), state.eq(_State.SHIFT)]
                    with m.If(write.bresp[1]):
                        m.d.sync += [self.failed.eq(1), state.eq(_State.IDLE)]
                    with m.Else():
                        m.d.sync += self._beat.eq(self._beat + 1)
                        with m.If(self._exhausted):
                            m.d.sync += state.eq(_State.IDLE)

    def _memories(self, m: Module, full: Signal, last_slot: Any) -> None:
        """Words and slots."""
        state = self._state
        asked, put = Signal(), Signal()
        for memory, chunk in self.chunks.items():
            name = memory.name.lower()
            chosen = Signal(name=f"is_{name}")
            m.d.comb += chosen.eq(self._memory == memory)
            port = getattr(self, f"{name}_write")
            m.d.comb += [
                port.valid.eq((state == _State.PUT) & chosen),
                port.payload.address.eq(self._word),
                port.payload.slot.eq(self._slot),
                port.payload.data.as_value().eq(self._target[-8 * chunk :]),
            ]
            with m.If(chosen):
                m.d.comb += put.eq(port.ready)
            if memory is Memory.WEIGHT:
                continue
            request, answer = getattr(self, f"{name}_read"), getattr(self, f"{name}_data")
            m.d.comb += [
                request.valid.eq((state == _State.ASK) & chosen),
                request.payload.address.eq(self._word),
                request.payload.slot.eq(self._slot),
            ]
            with m.If(chosen):
                m.d.comb += asked.eq(request.ready)
            with m.If((state == _State.ANSWER) & answer.valid):
                m.d.sync += [
                    self._source.eq(answer.data.as_value()),
                    full.eq(1),
                    state.eq(_State.SHIFT),
                ]
        with m.Switch(state):
            with m.Case(_State.ASK):
                with m.If(asked):
                    m.d.sync += state.eq(_State.ANSWER)
            with m.Case(_State.PUT):
                with m.If(put):
                    self._next_word(m, last_slot)
                    m.d.sync += state.eq(
                        Mux(self._exhausted & last_slot, _State.IDLE, _State.SHIFT)
                    )
