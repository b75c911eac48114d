# SPDX-License-Identifier: Apache-2.0
"""Writes the results of VECTOR."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import Config
from ..dma.fifo import StreamFIFO
from ..memory.accumulator import Accumulator
from ..memory.ports import chunk_layout, int8_vector, int32_vector
from ..memory.scratchpad import ActivationScratchpad
from ..once import Once
from .vector_layouts import CHUNKS_IN_FLIGHT, result_layout
from .vector_reader import target_layout

__all__ = ["VectorWriter"]


class VectorWriter(wiring.Component):
    """A queue for all chunks in flight, and the write ports.

    ::

        chunk, result -> [queue] -> [register] -> activation_write or accumulator_write

    Parameters
    ----------
    config : Config
        Sizes of the memories, lanes.

    Members
    -------
    valid, chunk, result : In(1), In(result_layout(config)), In(ArrayLayout(signed(32), lanes))
        A finished chunk. There is always room: the sequencer counts.
    activation_write, accumulator_write : Out(stream of chunk_layout)
    target : Out(target_layout(config))
        What a read that is asked for in this cycle would meet in a write, as long after their ports
        took it as the memories say.
    waiting : Out(1)
        A chunk waits for its port.
    written : Out(1)
        A port took a chunk in the cycle before.
    finished : Out(1)
        A port took the last chunk of an instruction in the cycle before that.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        lanes = config.lanes
        activation = chunk_layout(
            exact_log2(config.activation_depth), config.rows // lanes, int8_vector(lanes)
        )
        accumulator = chunk_layout(
            exact_log2(config.accumulator_depth), config.cols // lanes, int32_vector(lanes)
        )
        super().__init__(
            {
                "valid": In(1),
                "chunk": In(result_layout(config)),
                "result": In(int32_vector(lanes)),
                "activation_write": Out(stream.Signature(activation)),
                "accumulator_write": Out(stream.Signature(accumulator)),
                "target": Out(target_layout(config)),
                "waiting": Out(1),
                "written": Out(1),
                "finished": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_vector_writer"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        lanes = self.config.lanes
        result = result_layout(self.config)
        kept = ("accumulator", "address", "slot", "end")
        entry = data.StructLayout(
            {
                **{name: result[name].shape for name in kept},
                "result": unsigned(int32_vector(lanes).size),
            }
        )
        m.submodules.queue = queue = Once(StreamFIFO(entry, CHUNKS_IN_FLIGHT, credited=True))
        # A register behind the queue with a valid bit for each port, so that those who share the
        # ports know early whether they must wait.
        head, values = Signal(entry, reset_less=True), Signal(int32_vector(lanes))
        free, taken, ended = Signal(), Signal(), Signal()
        activation, accumulator = self.activation_write, self.accumulator_write
        m.d.comb += [
            queue.i.valid.eq(self.valid),
            *(queue.i.payload[name].eq(self.chunk[name]) for name in kept),
            queue.i.payload.result.eq(self.result.as_value()),
            values.as_value().eq(head.result),
            taken.eq(
                (activation.valid & activation.ready) | (accumulator.valid & accumulator.ready)
            ),
            free.eq(
                ~((activation.valid & ~activation.ready) | (accumulator.valid & ~accumulator.ready))
            ),
            queue.o.ready.eq(free),
            self.waiting.eq(~free),
        ]
        ports = {"activation": activation, "accumulator": accumulator}
        for name, port in ports.items():
            there = Signal(name=f"{name}_valid")
            chosen = queue.o.payload.accumulator == (name == "accumulator")
            with m.If(free):
                m.d.sync += there.eq(queue.o.valid & chosen)
            m.d.comb += [
                port.valid.eq(there),
                port.payload.address.eq(head.address),
                port.payload.slot.eq(head.slot),
                *(port.payload.data[lane].eq(values[lane]) for lane in range(lanes)),
            ]
        with m.If(free):
            m.d.sync += head.eq(queue.o.payload)
        m.d.sync += [
            self.written.eq(taken),
            ended.eq(taken & head.end),
            self.finished.eq(ended),
        ]
        for name, latency in (
            ("activation", ActivationScratchpad.write_latency),
            ("accumulator", Accumulator.write_latency),
        ):
            port = ports[name]
            place: Any = Cat(port.valid & port.ready, head.address)
            for number in range(1, latency):
                later = Signal(len(place), name=f"{name}_target_{number}")
                m.d.sync += later.eq(place)
                place = later
            m.d.comb += self.target[name].eq(place)
        return m
