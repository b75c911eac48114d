# SPDX-License-Identifier: Apache-2.0
"""The store unit: on-chip memories to DRAM."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..bus import AXI4WriteSignature, UnitSignature
from ..config import SEMAPHORE_COUNT, Config
from ..dma.fifo import StreamFIFO
from ..dma.writer import Writer
from ..isa import INDEX_WIDTH, ErrorCode, Memory, Opcode
from ..memory.ports import ReadResponseSignature, int8_vector, int32_vector, request_layout
from ..memory.shared_ports import SharedPorts
from ..once import Once
from .compact_row_sequencer import CompactRowSequencer
from .compact_word_reader import CompactWordReader, serves
from .row_sequencer import RowSequencer
from .segment_table import SEGMENT_WRITE_LAYOUT
from .transfer import (
    INSTRUCTIONS_IN_FLIGHT,
    MemoryShape,
    announce,
    report_fault,
    transfer_layout,
)
from .transfer_setup import TransferSetup
from .word_reader import STORE_ROW_LAYOUT, WordReader

__all__ = ["StoreUnit"]

PORTS = ("activation", "accumulator")
"""Prefixes of the read ports, in the order of the unit's memories."""

_PENDING_ROW = data.StructLayout({"last": unsigned(1), "sync": unsigned(1), "error": unsigned(1)})
_PENDING_INSTRUCTION = data.StructLayout(
    {"signal": unsigned(SEMAPHORE_COUNT), "index": unsigned(INDEX_WIDTH)}
)


class StoreUnit(wiring.Component):
    """Executes STORE: consecutive words to rows of bytes at any address and stride.

    ::

        command -> setup -+-> rows -+-> writer -> (axi)
                          |         |     ^ data
                          +---------+-> word reader -> (memories)
                          +---------+-> pending FIFOs <- writer.done -> signal

    Addresses run ahead of data by up to the writer's outstanding bursts, across instructions. An
    instruction is finished, and signals, when the last write response has come; errors take the
    same way, so every instruction before the failing one is complete. A SYNC signals in its turn.

    With ``config.compact_transfers`` an instruction stays in front of the unit until it is
    finished, and all parts read its fields there. It is finished when all its rows have gone to the
    writer and that is idle: nothing is pending but a count of rows to read.

    Parameters
    ----------
    config : Config
        Memories and AXI port.

    Members
    -------
    those of UnitSignature
    segment_write : In(SEGMENT_WRITE_LAYOUT)
        To the segment table; only while the unit is idle.
    axi : Out(AXI4WriteSignature)
    activation_read, accumulator_read : Out(stream of request_layout)
    activation_data, accumulator_data : In(ReadResponseSignature)
        Vectors of int8, of int32, the memories' read latency after each accepted request: a word
        of activations, one of ``config.accumulator_slots`` of a word of the accumulator.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.memories = (
            MemoryShape(Memory.ACTIVATION, config.activation_bytes, config.activation_depth),
            MemoryShape(
                Memory.ACCUMULATOR,
                config.accumulator_bytes,
                config.accumulator_depth,
                config.accumulator_slots,
            ),
        )
        members: dict[str, Any] = {
            **UnitSignature().members,
            "segment_write": In(SEGMENT_WRITE_LAYOUT),
            "axi": Out(
                AXI4WriteSignature(
                    address_width=config.axi_address_width, data_width=config.axi_width
                )
            ),
        }
        vectors = (
            int8_vector(config.rows),
            int32_vector(config.cols // config.accumulator_slots),
        )
        for port, shape, vector in zip(PORTS, self.memories, vectors, strict=True):
            request = request_layout(exact_log2(shape.depth), shape.slots)
            members[f"{port}_read"] = Out(stream.Signature(request))
            members[f"{port}_data"] = In(ReadResponseSignature(shape=vector))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        address_width = config.axi_address_width
        m.submodules.setup = setup = Once(
            TransferSetup(
                opcode=Opcode.STORE, address_width=address_width, memories=self.memories,
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
        serving = compact and serves(config.axi_bytes, self.memories)
        reading = {"data_bytes": config.axi_bytes, "read_latency": SharedPorts.read_latency}
        m.submodules.reader = reader = Once(
            CompactWordReader(self.memories, **reading)
            if serving
            else WordReader(self.memories, **reading, registered=registered)
        )
        m.submodules.writer = writer = Once(
            Writer(
                address_width=address_width,
                data_width=config.axi_width,
                max_burst_beats=config.max_burst_beats,
                outstanding=config.write_outstanding,
                multiply=config.multiplying_aligners,
                compact=compact,
            )
        )
        connect(m, flipped(self.command), setup.command)
        connect(m, reader.o, writer.data)
        connect(m, flipped(self.axi), writer.axi)
        m.d.comb += setup.segment_write.eq(self.segment_write)
        for number, port in enumerate(PORTS):
            request = getattr(reader, f"request_{number}")
            response = getattr(reader, f"response_{number}")
            connect(m, request, flipped(getattr(self, f"{port}_read")))
            answer = getattr(self, f"{port}_data")
            m.d.comb += [response.valid.eq(answer.valid), response.data.eq(answer.data)]

        stop = Signal()
        m.d.comb += [
            setup.stop.eq(stop),
            sequencer.stop.eq(stop),
            writer.halt.eq(stop),
        ]
        row = sequencer.o.payload
        m.d.comb += [
            sequencer.i.payload.eq(setup.o.payload),
            writer.request.payload.address.eq(row.address),
            writer.request.payload.last_byte.eq(row.last_byte),
        ]
        ahead = max(16, 2 * config.write_outstanding)
        follow = self._follow_one if compact else self._follow_several
        follow(m, setup, sequencer, reader, writer, stop, ahead)
        return m

    def _follow_one(
        self, m: Module, setup: Any, sequencer: Any, reader: Any, writer: Any, stop: Signal,
        ahead: int,
    ) -> None:
        """The instruction in front of the unit, to its end."""
        row, held = sequencer.o.payload, setup.o.payload.transfer
        in_hand = Signal()
        walked = Signal()
        # Rows that the word reader has not finished; at most the power of two that `ahead` is.
        to_read = Signal(range(ahead + 1))
        all_told = Signal()  # It has been told of the last one.
        gone = Signal()  # The writer has taken the last one.
        finished = Signal()
        refused = Signal()
        rejected = Signal()
        # A row that fails stays, until those before it are complete.
        room = ~to_read[-1] & ~row.error
        more = announce(m, sequencer.o, room, writer.request)
        m.d.comb += [
            sequencer.i.valid.eq(setup.o.valid & ~walked),
            reader.row.valid.eq(to_read != 0),
            # The last row may still be waiting for its last burst.
            reader.row.payload.last.eq(all_told & (to_read == 1)),
            # Also after a stop: what was issued is completed.
            reader.instruction.valid.eq(in_hand),
            finished.eq(gone & writer.idle & ~stop),
            refused.eq(sequencer.o.valid & row.error & writer.idle & ~stop),
            rejected.eq(writer.error.valid & ~stop),
        ]
        for name in reader.instruction.payload.shape().members:
            m.d.comb += reader.instruction.payload[name].eq(held[name])
        m.d.sync += setup.done.eq(finished)
        with m.If(setup.done):
            m.d.sync += walked.eq(0)
        with m.Elif(sequencer.i.valid & sequencer.i.ready):
            m.d.sync += walked.eq(1)
        with m.If(finished):
            m.d.sync += [all_told.eq(0), gone.eq(0)]
        with m.Elif(row.last):
            m.d.sync += [
                all_told.eq(all_told | more),
                gone.eq(gone | (sequencer.o.valid & sequencer.o.ready)),
            ]
        m.d.sync += to_read.eq(
            to_read + (more & row.fetch) - (reader.row.valid & reader.row.ready)
        )
        m.d.sync += in_hand.eq((in_hand | setup.taken) & ~setup.done)
        code, address = report_fault(m, self.memories, sequencer.fault, held.memory, held.word)
        m.d.sync += [
            self.signal.eq(Mux(setup.done & ~self.halt, held.signal, 0)),
            self.signal_index.eq(held.index),
            self.error.valid.eq(refused | rejected),
            self.error.index.eq(held.index),
            self.error.code.eq(Mux(rejected, ErrorCode.WRITE_RESPONSE, code)),
            self.error.address.eq(Mux(rejected, writer.error.address, address)),
        ]
        with m.If(self.halt | refused | rejected):
            m.d.sync += stop.eq(1)
        self._show(m, setup, writer, in_hand, stop)

    def _follow_several(
        self, m: Module, setup: Any, sequencer: Any, reader: Any, writer: Any, stop: Signal,
        ahead: int,
    ) -> None:
        """Each instruction goes to the row sequencer, to the pending instructions and, unless it is
        a SYNC, to the word reader; each row to the writer, the word reader and the pending rows."""
        m.submodules.rows = rows = Once(StreamFIFO(STORE_ROW_LAYOUT, ahead))
        m.submodules.instructions = instructions = Once(
            StreamFIFO(transfer_layout(self.memories, fills=False), INSTRUCTIONS_IN_FLIGHT)
        )
        m.submodules.pending_rows = pending_rows = Once(StreamFIFO(_PENDING_ROW, 2 * ahead))
        m.submodules.pending_instructions = pending_instructions = Once(
            StreamFIFO(_PENDING_INSTRUCTION, INSTRUCTIONS_IN_FLIGHT)
        )
        connect(m, rows.o, reader.row)
        connect(m, instructions.o, reader.instruction)
        transfer, row = setup.o.payload.transfer, sequencer.o.payload
        accept = Signal()
        go = Signal()
        move = Signal()
        m.d.comb += [
            sequencer.i.valid.eq(
                setup.o.valid & instructions.i.ready & pending_instructions.i.ready
            ),
            accept.eq(sequencer.i.valid & sequencer.i.ready),
            setup.done.eq(accept),
            instructions.i.valid.eq(accept & ~setup.o.payload.sync),
            pending_instructions.i.valid.eq(accept),
            pending_instructions.i.payload.signal.eq(transfer.signal),
            pending_instructions.i.payload.index.eq(transfer.index),
            go.eq(
                sequencer.o.valid
                & pending_rows.i.ready
                & (~row.fetch | (writer.request.ready & rows.i.ready))
            ),
            move.eq(go & row.fetch),
            sequencer.o.ready.eq(go),
            writer.request.valid.eq(move),
            rows.i.valid.eq(move),
            rows.i.payload.last.eq(row.last),
            pending_rows.i.valid.eq(go),
        ]
        for name in instructions.i.payload.shape().members:
            m.d.comb += instructions.i.payload[name].eq(transfer[name])
        for name in _PENDING_ROW.members:
            m.d.comb += pending_rows.i.payload[name].eq(row[name])
        self._finish(m, setup, sequencer, reader, writer, pending_rows, pending_instructions,
                     stop)

    def _finish(
        self, m: Module, setup: Any, sequencer: Any, reader: Any, writer: Any, rows: Any,
        instructions: Any, stop: Signal,
    ) -> None:
        """Signals and errors, in the order of the instructions."""
        row, held = rows.o.payload, instructions.o.payload
        # Those in the FIFO and its output, and one in the setup.
        in_hand = Signal(range(INSTRUCTIONS_IN_FLIGHT + 4))
        rows_done = Signal(range(2 * rows.depth))
        active = Signal()
        done = Signal()
        finished = Signal()
        refused = Signal()
        rejected = Signal()
        bad_burst = Signal()
        bad_address = Signal(self.config.axi_address_width)
        counts = Signal()
        m.d.comb += [
            active.eq(rows.o.valid & instructions.o.valid & ~stop),
            done.eq(active & ~row.sync & ~row.error & (rows_done != 0)),
            rows.o.ready.eq(done | (active & row.sync)),
            finished.eq(rows.o.ready & row.last),
            instructions.o.ready.eq(finished),
            refused.eq(active & row.error),
            rejected.eq(active & ~row.sync & bad_burst & (rows_done == 0)),
            counts.eq(writer.done & ~writer.error.valid & ~bad_burst),
        ]
        # Of a row that fails, the instruction is the first that the word reader has not read.
        failed = reader.instruction.payload
        code, address = report_fault(
            m, self.memories, sequencer.fault, failed.memory, failed.word
        )
        m.d.sync += [
            in_hand.eq(in_hand + setup.taken - finished),
            rows_done.eq(rows_done + counts - done),
            self.signal.eq(Mux(finished & ~self.halt, held.signal, 0)),
            self.signal_index.eq(held.index),
            self.error.valid.eq(refused | rejected),
            self.error.index.eq(held.index),
            self.error.code.eq(Mux(rejected, ErrorCode.WRITE_RESPONSE, code)),
            self.error.address.eq(Mux(rejected, bad_address, address)),
        ]
        with m.If(self.halt | refused | rejected):
            m.d.sync += stop.eq(1)
        with m.If(writer.error.valid & ~bad_burst):
            m.d.sync += [bad_burst.eq(1), bad_address.eq(writer.error.address)]
        self._show(m, setup, writer, in_hand, stop)

    def _show(self, m: Module, setup: Any, writer: Any, in_hand: Signal, stop: Signal) -> None:
        """Status."""
        halted = Signal()  # A compact writer starts no burst any more.
        m.d.sync += halted.eq(stop)
        m.d.comb += [
            self.busy.eq(Mux(stop, ~writer.idle, in_hand != 0)),
            self.idle.eq(Mux(stop, halted & writer.idle, in_hand == 0)),
            self.wait_memory.eq(self.busy & ~(self.axi.wvalid & self.axi.wready)),
            self.progress.eq(
                setup.taken
                | (self.axi.awvalid & self.axi.awready)
                | (self.axi.wvalid & self.axi.wready)
                | (self.axi.bvalid & self.axi.bready)
            ),
        ]
