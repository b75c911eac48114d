# SPDX-License-Identifier: Apache-2.0
"""The vector unit: VECTOR instructions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..bus import UnitSignature
from ..config import Config
from ..dma.fifo import StreamFIFO
from ..isa import FORMATS, ErrorCode, Opcode
from ..memory.ports import (
    ReadResponseSignature,
    ReadSignature,
    chunk_layout,
    int8_vector,
    int32_vector,
)
from ..memory.shared_ports import SharedPorts
from ..once import Once
from ..requantize.parameters import kept_layout
from .completion import CompletionQueue
from .delay_line import DelayLine
from .vector_lane import VectorLane
from .vector_layouts import result_layout
from .vector_reader import VectorReader, read_ports
from .vector_sequencer import VectorSequencer
from .vector_writer import VectorWriter

__all__ = ["VectorUnit"]

INSTRUCTIONS = 16
"""Instructions in hand at most."""


class VectorUnit(wiring.Component):
    """Reduces, requantizes, clamps and looks up chunks of ``lanes`` elements, one word a cycle.

    ::

        command -+-> VectorSequencer -> VectorReader -> lanes -> VectorWriter -> finished
                 |                          +-> old values --+
                 +-> CompletionQueue <---------------------------------------------+

    Requests wait for memory ports, results wait in the writer's queue, and in between nothing does:
    the sequencer issues a chunk only if the queue will have room. Points, chunks and instructions
    follow each other without a bubble, except that an instruction which reads words that an older
    one may still write waits until that has written them.

    An address beyond its memory is never used. Chunks before it are written, then the error comes,
    after the signals of all earlier instructions. After a fault or ``halt`` no more words are
    requested, what was is finished, and the unit stays stopped until reset.

    Parameters
    ----------
    config : Config
        With at least one lane.

    Members
    -------
    those of UnitSignature
        Commands are VECTOR, and SYNC for this unit. VECTOR signals in the cycle from which its last
        result can be read, SYNC once all instructions before it have signalled.
    activation_read, accumulator_read : Out(stream of request_layout)
    activation_data, accumulator_data : In(ReadResponseSignature)
    activation_write, accumulator_write : Out(stream of chunk_layout)
    accumulator_busy : In(banks)
        ``busy`` of the accumulator.
    parameter_read : Out(ReadSignature)
    table_<lane> : Out(ReadSignature)
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        lanes = config.lanes
        if not lanes:
            raise ValueError("vector_lanes must be at least 1 for a vector unit, not 0")
        members: dict[str, Any] = {**UnitSignature().members}
        for name, elements, depth, vector in (
            ("activation", config.rows, config.activation_depth, int8_vector),
            ("accumulator", config.cols, config.accumulator_depth, int32_vector),
        ):
            width = exact_log2(depth)
            request, answer = read_ports(config)[name]
            members[f"{name}_read"] = Out(stream.Signature(request))
            members[f"{name}_data"] = In(ReadResponseSignature(shape=answer))
            members[f"{name}_write"] = Out(
                stream.Signature(chunk_layout(width, elements // lanes, vector(lanes)))
            )
        members["accumulator_busy"] = In(config.accumulator_banks)
        members["parameter_read"] = Out(
            ReadSignature(
                address_width=exact_log2(config.parameter_depth),
                shape=data.ArrayLayout(kept_layout(config.requantize), lanes),
            )
        )
        for lane in range(lanes):
            members[f"table_{lane}"] = Out(ReadSignature(address_width=8, shape=signed(8)))
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from the request of a window's last word to the cycle in which its chunk has been
        written: the writer's queue and register take three, the memory's register the last."""
        return VectorReader.latency + self._lane().latency + 4

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_vector_unit"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.sequencer = sequencer = Once(VectorSequencer(self.config))
        m.submodules.reader = reader = Once(VectorReader(self.config))
        m.submodules.writer = writer = Once(VectorWriter(self.config))
        m.submodules.completion = completion = Once(CompletionQueue(depth=INSTRUCTIONS))
        connect(m, sequencer.o, reader.i)
        for name in ("activation", "accumulator"):
            connect(m, getattr(reader, f"{name}_read"), flipped(getattr(self, f"{name}_read")))
            connect(m, getattr(reader, f"{name}_data"), flipped(getattr(self, f"{name}_data")))
            connect(m, getattr(writer, f"{name}_write"), flipped(getattr(self, f"{name}_write")))
        m.d.comb += [
            self.parameter_read.enable.eq(reader.parameter_read.enable),
            self.parameter_read.address.eq(reader.parameter_read.address),
            reader.accumulator_busy.eq(self.accumulator_busy),
            reader.written.eq(writer.written),
            reader.target.eq(writer.target),
            sequencer.written.eq(writer.written),
            completion.finished.eq(writer.finished),
        ]
        self._lanes(m, reader, writer)

        stopped, stop = Signal(), Signal()
        m.d.comb += [stop.eq(stopped | self.halt), sequencer.stop.eq(stop)]
        fields = data.View(FORMATS[Opcode.VECTOR].layout, self.command.payload.instruction)
        accepted, is_vector = Signal(), Signal()
        m.d.comb += [
            self.command.ready.eq(sequencer.command.ready & completion.i.ready & ~stop),
            accepted.eq(self.command.valid & self.command.ready),
            is_vector.eq(fields.opcode == Opcode.VECTOR.value),
            sequencer.command.valid.eq(accepted & is_vector),
            sequencer.command.payload.eq(self.command.payload),
            completion.i.valid.eq(accepted),
            completion.i.payload.signal.eq(fields.signal),
            completion.i.payload.index.eq(self.command.payload.index),
            completion.i.payload.immediate.eq(~is_vector),
        ]

        # A fault's turn has come once everything before it is done.
        failed, waited = Signal(), Signal()
        m.d.sync += waited.eq(reader.waiting | writer.waiting)
        m.d.comb += failed.eq(
            sequencer.fault.valid
            & ~sequencer.in_flight.any()
            & ~writer.finished
            & ~completion.completed
            & (completion.signal_index == sequencer.fault.index)
            & ~stop
        )
        m.d.sync += [
            stopped.eq(stop | failed),
            self.error.valid.eq(failed),
            self.error.code.eq(ErrorCode.MEMORY_RANGE),
            self.error.index.eq(sequencer.fault.index),
            self.error.address.eq(sequencer.fault.address),
        ]
        m.d.comb += [
            self.signal.eq(Mux(stop, 0, completion.signal)),
            self.signal_index.eq(completion.signal_index),
            self.idle.eq(
                Mux(stopped, ~sequencer.in_flight.any() & ~writer.finished, completion.empty)
            ),
            self.busy.eq(~self.idle),
            self.wait_memory.eq(self.busy & waited),
            self.progress.eq(accepted | reader.moved | writer.written | completion.completed),
        ]
        return m

    def _lane(self) -> VectorLane:
        config = self.config
        return VectorLane(
            config.requantize, multiply=config.multiplying_lanes, family=config.family
        )

    def _lanes(self, m: Module, reader: Any, writer: Any) -> None:
        """The pipeline between reader and writer, and the controls that travel beside it."""
        config = self.config
        lanes = [Once(self._lane()) for _ in range(config.lanes)]
        scaled, limited, latency = lanes[0].scaled, lanes[0].limited, lanes[0].latency
        layout = result_layout(config)
        m.submodules.way = way = Once(DelayLine(layout, delay=scaled))
        # An old value comes the memory's latency after its request, which is a cycle before that of
        # the chunk's last word at least; one more may be asked for while that waits, and one waits
        # in the queue's output. It is used a cycle after the chunk has been scaled.
        m.submodules.old_values = old_values = Once(
            StreamFIFO(
                reader.old.shape(), reader.latency + scaled - SharedPorts.read_latency + 2,
                credited=True,
            )
        )
        m.d.comb += [
            way.i_valid.eq(reader.chunk_valid),
            way.i_payload.eq(reader.chunk),
            old_values.i.valid.eq(reader.old_valid),
            old_values.i.payload.eq(reader.old),
        ]
        chunks = [way.o_payload]
        valids = [way.o_valid]
        for number in range(scaled + 1, latency + 1):
            chunk = Signal(layout, name=f"chunk_{number}", reset_less=True)
            valid = Signal(name=f"chunk_valid_{number}")
            m.d.sync += [chunk.eq(chunks[-1]), valid.eq(valids[-1])]
            chunks.append(chunk)
            valids.append(valid)
        combining, done = chunks[1], chunks[-1]
        limiting, looking = chunks[limited - scaled], chunks[limited - scaled + 1]
        m.d.comb += [
            old_values.o.ready.eq(valids[1] & (combining.add | combining.maximum)),
            writer.valid.eq(valids[-1]),
            writer.chunk.eq(done),
        ]
        for number, lane in enumerate(lanes):
            m.submodules[f"lane_{number}"] = lane
            table = getattr(self, f"table_{number}")
            m.d.comb += [
                lane.reduce.eq(reader.elements_valid),
                lane.first.eq(reader.first),
                lane.sum.eq(reader.sum),
                lane.element.eq(reader.elements[number]),
                lane.parameters.eq(self.parameter_read.data[number]),
                lane.bypass.eq(reader.bypass),
                lane.zero_point.eq(chunks[0].zero_point),
                lane.int32.eq(combining.accumulator),
                lane.old.eq(old_values.o.payload[number]),
                lane.add.eq(combining.add),
                lane.maximum.eq(combining.maximum),
                lane.clamp_low.eq(limiting.clamp_low),
                lane.clamp_high.eq(limiting.clamp_high),
                lane.keep.eq(limiting.accumulator),
                table.enable.eq(valids[limited - scaled + 1] & looking.table),
                table.address.eq(lane.table_address),
                lane.table_data.eq(table.data),
                lane.look_up.eq(done.table),
                writer.result[number].eq(lane.o),
            ]
