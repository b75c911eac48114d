# SPDX-License-Identifier: Apache-2.0
"""The load unit: DRAM to on-chip memories."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..bus import AXI4ReadSignature, UnitSignature
from ..config import Config
from ..dma.fifo import StreamFIFO
from ..dma.gearbox import Gearbox
from ..dma.packer import Packer, packs
from ..dma.reader import Reader
from ..isa import ErrorCode, Memory, Opcode
from ..memory.ports import chunk_layout, int8_vector, int32_vector
from ..memory.table_memory import TABLE_DEPTH
from ..once import Once
from .compact_row_sequencer import CompactRowSequencer
from .compact_word_writer import COMPACT_ROW_LAYOUT, CompactWordWriter
from .row_sequencer import RowSequencer
from .segment_table import SEGMENT_WRITE_LAYOUT
from .transfer import (
    INSTRUCTIONS_IN_FLIGHT,
    MemoryShape,
    announce,
    memory_width,
    report_fault,
    transfer_layout,
)
from .transfer_setup import TransferSetup
from .word_writer import LOAD_ROW_LAYOUT, WordWriter

__all__ = ["LoadUnit"]

PORTS = tuple(f"{memory.name.lower()}_write" for memory in Memory)
"""Write ports in the order of `Memory`."""


class LoadUnit(wiring.Component):
    """Executes LOAD: rows of bytes at any address and stride into consecutive words.

    ::

        command -> setup -+-> rows -+-> reader -> (axi) -> gearboxes --+
                          |         +-> row FIFO ----------------------+-> word writer -> memories
                          +-> instruction FIFO ------------------------+

    The address side runs ahead of the data side, across instructions, by up to the reader's
    outstanding bursts. Errors take the same way as the data, so every instruction before the
    failing one is complete, and has signalled, when an error is raised. A SYNC signals in its
    turn.

    With ``config.compact_transfers`` an instruction stays in front of the unit until it is
    finished, and all parts read its fields there: there is no instruction FIFO, and the address
    side runs ahead only within an instruction.

    Parameters
    ----------
    config : Config
        Memories and AXI port.

    Members
    -------
    those of UnitSignature
    segment_write : In(SEGMENT_WRITE_LAYOUT)
        To the segment table; only while the unit is idle.
    axi : Out(AXI4ReadSignature)
        Read ID 0.
    activation_write, weight_write : Out(stream of chunk_layout, int8)
    accumulator_write : Out(stream of chunk_layout, int32)
        One of ``config.accumulator_slots`` of a word.
    parameter_write : Out(stream of chunk_layout, plain bits)
        One of ``config.parameter_slots`` of a word.
    table_write : Out(stream of chunk_layout, int8 vector of one element)
        These two only with a vector unit.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.memories: tuple[MemoryShape, ...] = (
            MemoryShape(Memory.ACTIVATION, config.activation_bytes, config.activation_depth),
            MemoryShape(Memory.WEIGHT, config.weight_bytes, config.weight_depth),
            MemoryShape(
                Memory.ACCUMULATOR,
                config.accumulator_bytes,
                config.accumulator_depth,
                config.accumulator_slots,
            ),
        )
        words: list[Any] = [
            int8_vector(config.rows),
            int8_vector(config.cols),
            int32_vector(config.cols // config.accumulator_slots),
        ]
        if config.lanes:
            self.memories += (
                MemoryShape(
                    Memory.PARAMETER,
                    config.parameter_bytes,
                    config.parameter_depth,
                    config.parameter_slots,
                ),
                MemoryShape(Memory.TABLE, 1, TABLE_DEPTH),
            )
            part = 8 * config.parameter_bytes // config.parameter_slots
            words += [unsigned(part), int8_vector(1)]
        self.ports = PORTS[: len(self.memories)]
        members: dict[str, Any] = {
            **UnitSignature().members,
            "segment_write": In(SEGMENT_WRITE_LAYOUT),
            "axi": Out(
                AXI4ReadSignature(
                    address_width=config.axi_address_width, data_width=config.axi_width
                )
            ),
        }
        for port, shape, word in zip(self.ports, self.memories, words, strict=True):
            layout = chunk_layout(exact_log2(shape.depth), shape.slots, word)
            members[port] = Out(stream.Signature(layout))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        address_width = config.axi_address_width
        m.submodules.setup = setup = Once(
            TransferSetup(
                opcode=Opcode.LOAD, address_width=address_width, memories=self.memories,
                multiply=config.multiplying_word_count,
            )
        )
        compact, registered = config.compact_transfers, config.registered_handshakes
        make_sequencer = CompactRowSequencer if compact else RowSequencer
        m.submodules.sequencer = sequencer = Once(
            make_sequencer(
                address_width=address_width, memories=self.memories, family=config.family
            )
        )
        m.submodules.reader = reader = Once(
            Reader(
                address_width=address_width,
                data_width=config.axi_width,
                max_burst_beats=config.max_burst_beats,
                outstanding=config.read_outstanding,
                tag_width=0 if compact else memory_width(self.memories),
                multiply=config.multiplying_aligners,
                compact=compact,
                registered=registered,
            )
        )
        widths = sorted({shape.chunk_bytes for shape in self.memories})
        packed = compact and packs(config.axi_bytes, widths)
        m.submodules.rows = rows = Once(
            StreamFIFO(
                COMPACT_ROW_LAYOUT if packed else LOAD_ROW_LAYOUT,
                max(16, 2 * config.read_outstanding),
            )
        )
        m.submodules.writer = writer = Once(
            CompactWordWriter(self.memories)
            if packed
            else WordWriter(self.memories, queue=compact and registered)
        )
        connect(m, flipped(self.command), setup.command)
        connect(m, flipped(self.axi), reader.axi)
        connect(m, rows.o, writer.row)
        m.d.comb += setup.segment_write.eq(self.segment_write)
        for number, port in enumerate(self.ports):
            memory, word = getattr(self, port), getattr(writer, f"write_{number}")
            m.d.comb += [
                memory.valid.eq(word.valid),
                memory.payload.eq(word.payload),
                word.ready.eq(memory.ready),
            ]

        stop = Signal()
        m.d.comb += [
            setup.stop.eq(stop),
            sequencer.stop.eq(stop),
            reader.halt.eq(stop),
            writer.stop.eq(stop),
        ]
        self._accept(m, setup, sequencer, writer, packed)
        self._distribute(m, sequencer, reader, rows)
        if packed:
            self._pack(m, reader, writer, setup.o.payload.transfer.memory, stop)
        else:
            self._route(m, reader, writer, stop)
        self._report(m, setup, sequencer, reader, writer, stop)
        return m

    def _accept(
        self, m: Module, setup: Any, sequencer: Any, writer: Any, packed: bool
    ) -> None:
        """Each instruction goes to the row sequencer and to the writer."""
        m.d.comb += sequencer.i.payload.eq(setup.o.payload)
        if self.config.compact_transfers:
            walked = Signal()
            transfer = setup.o.payload.transfer
            m.d.comb += sequencer.i.valid.eq(setup.o.valid & ~walked)
            m.d.sync += setup.done.eq(writer.finished)
            if packed:
                m.d.comb += writer.instruction.eq(transfer)
            else:
                m.d.comb += [
                    writer.instruction.valid.eq(setup.o.valid),
                    writer.instruction.payload.eq(transfer),
                ]
            with m.If(setup.done):
                m.d.sync += walked.eq(0)
            with m.Elif(sequencer.i.valid & sequencer.i.ready):
                m.d.sync += walked.eq(1)
            return
        m.submodules.instructions = instructions = Once(
            StreamFIFO(transfer_layout(self.memories), INSTRUCTIONS_IN_FLIGHT)
        )
        m.d.comb += [
            sequencer.i.valid.eq(setup.o.valid & instructions.i.ready),
            instructions.i.valid.eq(setup.o.valid & sequencer.i.ready),
            instructions.i.payload.eq(setup.o.payload.transfer),
            setup.done.eq(sequencer.i.valid & sequencer.i.ready),
        ]
        connect(m, instructions.o, writer.instruction)

    def _distribute(self, m: Module, sequencer: Any, reader: Any, rows: Any) -> None:
        """Each row goes to the reader and to the row FIFO."""
        row, request = sequencer.o.payload, reader.request
        m.d.comb += [
            request.payload.address.eq(row.address),
            request.payload.last_byte.eq(row.last_byte),
        ]
        if self.config.compact_transfers:
            m.d.comb += rows.i.valid.eq(announce(m, sequencer.o, rows.i.ready, request))
        else:
            go = Signal()
            m.d.comb += [
                go.eq(sequencer.o.valid & rows.i.ready & (request.ready | ~row.fetch)),
                sequencer.o.ready.eq(go),
                request.valid.eq(go & row.fetch),
                request.payload.tag.eq(row.memory),
                rows.i.valid.eq(go),
            ]
        for name in LOAD_ROW_LAYOUT.members:
            m.d.comb += rows.i.payload[name].eq(row[name])
        if "plain" in rows.i.payload.shape().members:
            m.d.comb += rows.i.payload.plain.eq(row.fetch & ~row.before)

    def _pack(
        self, m: Module, reader: Any, writer: Any, memory: Value, stop: Signal
    ) -> None:
        """Chunks to the writer in slots of their memory's width; dropped after a stop. What comes
        with an error stops the unit before it gets there."""
        widths = sorted({shape.chunk_bytes for shape in self.memories})
        m.submodules.packer = packer = Once(Packer(self.config.axi_bytes, widths))
        for number, width in enumerate(widths):
            m.d.sync += packer.width[number].eq(
                Cat(
                    memory == shape.memory.value
                    for shape in self.memories if shape.chunk_bytes == width
                ).any()
            )
        m.d.comb += [
            packer.i.valid.eq(reader.data.valid),
            *(
                packer.i.payload[name].eq(reader.data.payload[name])
                for name in ("data", "count", "last")
            ),
            reader.data.ready.eq(packer.i.ready | stop),
        ]
        connect(m, packer.o, writer.slots)

    def _route(self, m: Module, reader: Any, writer: Any, stop: Signal) -> None:
        """Chunks to the writer, through the gearbox to their memory's width unless that is a
        beat; dropped after a stop."""
        chunk = reader.data.payload
        compact = self.config.compact_transfers
        memory = writer.instruction.payload.memory if compact else chunk.tag
        # The memory of an instruction that stays is known long before its first beat.
        stays = compact and self.config.registered_handshakes
        domain = m.d.sync if stays else m.d.comb
        ready = Signal()
        for width in writer.widths:
            slots = getattr(writer, f"slots_{width}")
            chosen = Signal(name=f"to_{width}_bytes")
            domain += chosen.eq(
                Cat(
                    memory == shape.memory.value
                    for shape in self.memories if shape.chunk_bytes == width
                ).any()
            )
            into = slots
            if width != self.config.axi_bytes:
                gearbox = Gearbox(self.config.axi_bytes, width)
                m.submodules[f"gearbox_{width}"] = Once(gearbox)
                into = gearbox.i
                m.d.comb += [
                    slots.valid.eq(gearbox.o.valid),
                    gearbox.o.ready.eq(slots.ready),
                    slots.payload.data.eq(gearbox.o.payload.data),
                    slots.payload.count.eq(gearbox.o.payload.count),
                    slots.payload.last.eq(gearbox.o.payload.last),
                    slots.payload.error.eq(gearbox.o.payload.error),
                ]
            m.d.comb += into.valid.eq(reader.data.valid & chosen)
            for name in ("data", "count", "last", "error"):
                m.d.comb += into.payload[name].eq(chunk[name])
            with m.If(chosen):
                m.d.comb += ready.eq(into.ready)
        m.d.comb += reader.data.ready.eq(ready | stop)

    def _report(
        self, m: Module, setup: Any, sequencer: Any, reader: Any, writer: Any, stop: Signal
    ) -> None:
        """Signals, errors and status."""
        compact = self.config.compact_transfers
        held = setup.o.payload.transfer if compact else writer.instruction.payload
        # Those in the instruction FIFO and its output, and one in the setup.
        in_hand = Signal(range(2 if compact else INSTRUCTIONS_IN_FLIGHT + 4))
        corrupt = Signal()
        halted = Signal()  # A compact reader starts no burst any more.
        m.d.sync += halted.eq(stop)
        bad_address = Signal(self.config.axi_address_width)
        m.d.comb += [
            self.busy.eq(Mux(stop, ~reader.idle, in_hand != 0)),
            self.idle.eq(Mux(stop, halted & reader.idle, in_hand == 0)),
            self.wait_memory.eq(self.busy & ~writer.accepted),
            self.progress.eq(
                setup.taken
                | writer.accepted
                | (self.axi.arvalid & self.axi.arready)
                | (self.axi.rvalid & self.axi.rready)
            ),
        ]
        finished = setup.done if compact else writer.finished
        m.d.sync += in_hand.eq(in_hand + setup.taken - finished)
        with m.If(self.halt | writer.refused | corrupt):
            m.d.sync += stop.eq(1)

        code, address = report_fault(m, self.memories, sequencer.fault, held.memory, held.word)
        values = [
            self.error.valid.eq(writer.refused | corrupt),
            self.error.index.eq(held.index),
            self.error.code.eq(Mux(corrupt, ErrorCode.READ_RESPONSE, code)),
            self.error.address.eq(Mux(corrupt, bad_address, address)),
            self.signal_index.eq(held.index),
        ]
        if compact:
            # The instruction in front of the unit is the only one, and the beat that is there the
            # first with an error: nothing has to be kept.
            m.d.comb += [
                corrupt.eq(reader.error.valid & ~stop),
                bad_address.eq(reader.error.address),
            ]
        else:
            bad_burst = Signal()
            m.d.comb += corrupt.eq(writer.corrupt)
            with m.If(reader.error.valid & ~bad_burst):
                m.d.sync += [bad_burst.eq(1), bad_address.eq(reader.error.address)]
        m.d.sync += [self.signal.eq(Mux(finished & ~self.halt, held.signal, 0)), *values]
