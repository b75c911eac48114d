# SPDX-License-Identifier: Apache-2.0
"""Weights and activation vectors into the array, results into the accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..array import SystolicArray
from ..config import Config
from ..memory.ports import ReadSignature, UpdateSignature, int8_vector
from ..memory.weight_scratchpad import WeightScratchpad
from ..once import Once
from ..units.delay_line import DelayLine
from ..units.matmul_layouts import target_layout
from .memories import AccumulatorMemory, ActivationMemory

__all__ = ["STREAM_COMMAND", "VectorStreamer"]

ADDRESS_WIDTH = 16

STREAM_COMMAND = data.StructLayout(
    {
        name: unsigned(1)
        for name in (
            "weights", "no_weights", "first", "source", "target", "source_stride",
            "target_stride", "vectors",
        )
    }
)
"""What to do, one bit for a cycle, with the value that comes with it: send the weight word at this
address, or zeros, into the array; mark the next vector as the first of a pass, whose results
accumulate if bit 0 is set; take the address of the next vector, that of its result, what is added
to either from vector to vector; send one more vectors than the value."""


class VectorStreamer(wiring.Component):
    """Streams one row of vectors at a time, a vector a cycle.

    ::

        source, target --> activation_read --> SystolicArray --> update.data
                     '----------> DelayLine ------------------> update.address

    An address beyond its memory stops the row before that vector, and is then ``source`` or
    ``target``.

    What the commands must not do: send vectors before the last weight word was sent four cycles
    ago; send two vectors for the same accumulator word, the second of which accumulates, closer
    than ``AccumulatorMemory.hazard_distance``.

    Parameters
    ----------
    config : Config
        Sizes of the array and of the memories, with at most 32768 words.

    Members
    -------
    command : In(STREAM_COMMAND)
        Not while ``streaming``.
    value : In(16)
        What goes with it.
    halt : In(1)
        Send no more.
    streaming : Out(1)
        There are vectors to send.
    draining : Out(1)
        Results are on their way.
    issued : Out(1)
        A vector is sent.
    fault : Out(1)
        The row was stopped, since the last ``source``.
    source, target : Out(16)
        Addresses of the next vector and its result.
    activation_read, weight_read : Out(ReadSignature)
    update : Out(UpdateSignature)
    """

    def __init__(self, config: Config) -> None:
        self.array = Once(
            SystolicArray(
                rows=config.rows, cols=config.cols, partial_sum_width=config.partial_sum_width,
                family=config.family, multipliers=config.multipliers,
            )
        )
        self.activation_width = exact_log2(config.activation_depth)
        self.weight_width = exact_log2(config.weight_depth)
        self.accumulator_width = exact_log2(config.accumulator_depth)
        rows, cols = int8_vector(config.rows), int8_vector(config.cols)
        super().__init__(
            {
                "command": In(STREAM_COMMAND),
                "value": In(ADDRESS_WIDTH),
                "halt": In(1),
                "streaming": Out(1),
                "draining": Out(1),
                "issued": Out(1),
                "fault": Out(1),
                "source": Out(ADDRESS_WIDTH),
                "target": Out(ADDRESS_WIDTH),
                "activation_read": Out(
                    ReadSignature(address_width=self.activation_width, shape=rows)
                ),
                "weight_read": Out(ReadSignature(address_width=self.weight_width, shape=cols)),
                "update": Out(
                    UpdateSignature(
                        address_width=self.accumulator_width, cols=config.cols,
                        width=config.partial_sum_width,
                    )
                ),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.array = array = self.array
        command = self.command
        first, accumulate = Signal(), Signal()
        last, beyond = Signal(), Signal()
        left = Signal(10)
        m.d.comb += [
            beyond.eq(
                self.source[self.activation_width :].any()
                | self.target[self.accumulator_width :].any()
            ),
            last.eq(~left.any()),
            self.issued.eq(self.streaming & ~beyond & ~self.halt),
            self.activation_read.enable.eq(self.issued),
            self.activation_read.address.eq(self.source),
            self.weight_read.enable.eq(command.weights),
            self.weight_read.address.eq(self.value),
        ]
        for name, address, width in (("source", self.source, 12), ("target", self.target, 10)):
            stride = Signal(width, name=f"{name}_stride")
            with m.If(command[f"{name}_stride"]):
                m.d.sync += stride.eq(self.value)
            with m.If(command[name]):
                m.d.sync += address.eq(self.value)
            with m.Elif(self.issued):
                m.d.sync += address.eq(address + stride)
        with m.If(command.vectors):
            m.d.sync += [left.eq(self.value), self.streaming.eq(1)]
        with m.Elif(self.issued):
            m.d.sync += [left.eq(left - 1), self.streaming.eq(~last)]
        with m.Elif(self.streaming):
            m.d.sync += [self.streaming.eq(0), self.fault.eq(~self.halt)]
        with m.If(command.source):
            m.d.sync += self.fault.eq(0)
        with m.If(command.first):
            m.d.sync += [first.eq(1), accumulate.eq(self.value[0])]
        with m.Elif(self.issued):
            m.d.sync += first.eq(0)

        weights = Signal(WeightScratchpad.read_latency)
        vectors = Signal(ActivationMemory.read_latency)
        firsts = Signal(ActivationMemory.read_latency)
        m.d.sync += [
            weights.eq(weights << 1 | command.weights | command.no_weights),
            vectors.eq(vectors << 1 | self.issued),
            firsts.eq(firsts << 1 | first),
        ]
        m.d.comb += [
            array.weights.valid.eq(weights[-1]),
            array.weights.payload.eq(self.weight_read.data),
            array.activations.valid.eq(vectors[-1]),
            array.activations.payload.data.eq(self.activation_read.data),
            array.activations.payload.first.eq(firsts[-1]),
        ]

        layout = target_layout(self.accumulator_width)
        delay = ActivationMemory.read_latency + array.latency - AccumulatorMemory.data_delay
        m.submodules.to_update = to_update = Once(DelayLine(layout, delay=delay))
        sent, arrived = Signal(layout), data.View(layout, to_update.o_payload)
        m.d.comb += [
            sent.address.eq(self.target),
            sent.accumulate.eq(accumulate),
            to_update.i_valid.eq(self.issued),
            to_update.i_payload.eq(sent),
            self.update.valid.eq(to_update.o_valid),
            self.update.address.eq(arrived.address),
            self.update.accumulate.eq(arrived.accumulate),
            self.update.data.eq(array.o.payload),
        ]
        way = delay + AccumulatorMemory.update_latency
        waiting = Signal(range(way + 1))
        m.d.comb += self.draining.eq(waiting.any())
        with m.If(self.issued):
            m.d.sync += waiting.eq(way)
        with m.Elif(self.draining):
            m.d.sync += waiting.eq(waiting - 1)
        return m
