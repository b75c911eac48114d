# SPDX-License-Identifier: Apache-2.0
"""Reads what VECTOR works on: source words, old values, parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import Config
from ..dma.fifo import StreamBuffer, StreamFIFO
from ..memory.ports import (
    ReadResponseSignature,
    ReadSignature,
    int8_vector,
    int32_vector,
)
from ..memory.ports import (
    request_layout as address_layout,
)
from ..memory.shared_ports import SharedPorts
from ..once import Once
from ..requantize.parameters import kept_layout
from .vector_layouts import CHUNKS_IN_FLIGHT, request_layout, result_layout

__all__ = ["VectorReader", "read_ports", "target_layout"]


def target_layout(config: Config) -> data.StructLayout:
    """The word of each memory that a chunk is written into in a cycle, if there is one."""
    address = result_layout(config)["address"].shape
    word = data.StructLayout({"valid": 1, "address": address})
    return data.StructLayout({"activation": word, "accumulator": word})


def read_ports(config: Config) -> dict[str, tuple[data.StructLayout, data.ArrayLayout]]:
    """The memories that VECTOR reads: the layouts of a request and of the chunk that answers."""
    lanes = config.lanes
    return {
        name: (address_layout(exact_log2(depth), elements // lanes), vector(lanes))
        for name, elements, depth, vector in (
            ("activation", config.rows, config.activation_depth, int8_vector),
            ("accumulator", config.cols, config.accumulator_depth, int32_vector),
        )
    }


class VectorReader(wiring.Component):
    """Requests wait for memory ports, what they read does not wait.

    ::

        i: old value -> [buffer]: word -> memory -> int32 -> elements
              |                             |
              +-> accumulator --------------+-> old

    All waiting is done by the request at ``i`` and by those in the buffer, which keeps the ports of
    one apart from those of the other: for a memory's port; for older instructions, until all
    chunks before have been written; for a place in the writer's queue; and while the very word is
    being written, which a memory cannot read in that cycle: such a word is read again in the next.
    The old value of a destination is requested before the chunk's last word, so it has come when
    it is needed. If the word is in the accumulator too, they share its port and a chunk takes two
    cycles.

    Parameters
    ----------
    config : Config
        Sizes of the memories, lanes, convention.

    Members
    -------
    i : In(stream of request_layout(config))
    written : In(1)
        The oldest chunk has been written.
    target : In(target_layout(config))
    activation_read, accumulator_read : Out(stream of an address)
    activation_data, accumulator_data : In(ReadResponseSignature)
    accumulator_busy : In(banks)
        Banks that the accumulator reads for others. It is the ``ready`` of ``accumulator_read``
        before it is known which of two addresses that is for.
    parameter_read : Out(ReadSignature)
        Enabled so that the parameters come a cycle after the last ``elements`` of the window.
    chunk_valid, chunk : Out(1), Out(result_layout(config))
        The last ``elements`` of a chunk are here.
    elements_valid, elements : Out(1), Out(ArrayLayout(signed(32), lanes))
    first, sum : Out(1)
        Of ``elements``: the first of a window; reduce by sum.
    bypass : Out(1)
        Of the elements in the cycle before: do not scale.
    old_valid, old : Out(1), Out(ArrayLayout(signed(32), lanes))
        Old values of destinations, in the order of the chunks that need one.
    waiting : Out(1)
        A request waits.
    moved : Out(1)
        A request is accepted.
    """

    latency: ClassVar[int] = SharedPorts.read_latency + 1
    """Cycles from an accepted request to ``elements``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        vector = int32_vector(config.lanes)
        members: dict[str, Any] = {
            "i": In(stream.Signature(request_layout(config))),
            "accumulator_busy": In(config.accumulator_banks),
            "written": In(1),
            "target": In(target_layout(config)),
            "parameter_read": Out(
                ReadSignature(
                    address_width=exact_log2(config.parameter_depth),
                    shape=data.ArrayLayout(kept_layout(config.requantize), config.lanes),
                )
            ),
            "chunk_valid": Out(1),
            "chunk": Out(result_layout(config)),
            "elements_valid": Out(1),
            "elements": Out(vector),
            "first": Out(1),
            "sum": Out(1),
            "bypass": Out(1),
            "old_valid": Out(1),
            "old": Out(vector),
            "waiting": Out(1),
            "moved": Out(1),
        }
        for name, (request, answer) in read_ports(config).items():
            members[f"{name}_read"] = Out(stream.Signature(request))
            members[f"{name}_data"] = In(ReadResponseSignature(shape=answer))
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_vector_reader"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        one, one_valid = self.i.payload, self.i.valid
        m.submodules.buffer = buffer = Once(StreamBuffer(one.read.shape()))
        two, two_valid = buffer.o.payload, buffer.o.valid
        old_done, blocked, old_waits, old_free, old_taken, two_here = (
            Signal() for _ in range(6)
        )
        takes, moves, issues = Signal(), Signal(), Signal()
        activation, accumulator = self.activation_read, self.accumulator_read

        # Chunks on their way, but for one issued in the cycle before; whether there has been none
        # for a cycle; and whether there is room, which is known two chunks late: the writer has two
        # registers behind its queue.
        in_flight, issued = Signal(range(2 * CHUNKS_IN_FLIGHT)), Signal()
        following = Signal.like(in_flight)
        m.d.comb += following.eq(in_flight + issued - self.written)
        drained, room = Signal(), Signal()
        # An instruction that has waited for older ones once need not wait for its own chunks.
        waited = Signal()
        m.d.sync += [
            waited.eq((waited | (moves & one.hazard)) & ~(moves & one.result.end)),
            issued.eq(issues),
            in_flight.eq(following),
            drained.eq((in_flight == 0) & ~issued & ~issues),
            room.eq(following <= CHUNKS_IN_FLIGHT),
        ]

        def being_written(memory: str, address: Any) -> Any:
            target = self.target[memory]
            width = len(getattr(self, f"{memory}_read").payload.address)
            return target.valid & (target.address[:width] == address[:width])

        def accumulator_serves(address: Any) -> Any:
            width = len(accumulator.payload.address)
            busy = self.accumulator_busy
            if len(busy) > 1:
                busy = Mux(address[width - 1], busy[1], busy[0])
            return ~busy & ~being_written("accumulator", address)

        m.d.comb += [
            blocked.eq(one.hazard & ~waited & ~drained),
            two_here.eq(two_valid & two.accumulator),
            old_waits.eq(one_valid & one.old & ~old_done),
            old_free.eq(~two_here & accumulator_serves(one.result.address)),
            old_taken.eq(old_waits & ~blocked & old_free),
            moves.eq(
                one_valid
                & ~blocked
                & (~one.old | old_done | old_free)
                & room
                & buffer.i.ready
            ),
            issues.eq(moves & one.read.last),
            self.i.ready.eq(moves),
            buffer.i.valid.eq(moves),
            buffer.i.payload.eq(one.read),
            buffer.o.ready.eq(
                Mux(
                    two.accumulator,
                    accumulator_serves(two.address),
                    activation.ready & ~being_written("activation", two.address),
                )
            ),
            takes.eq(two_valid & buffer.o.ready),
            activation.valid.eq(two_valid & ~two.accumulator),
            activation.payload.address.eq(two.address),
            activation.payload.slot.eq(two.slot),
            # Of an old value that must not be read yet the answer is ignored.
            accumulator.valid.eq(old_waits | two_here),
            accumulator.payload.address.eq(Mux(two_here, two.address, one.result.address)),
            accumulator.payload.slot.eq(Mux(two_here, two.slot, one.result.slot)),
            self.waiting.eq((one_valid & ~moves) | (two_valid & ~takes)),
            self.moved.eq(takes | old_taken),
        ]
        m.d.sync += old_done.eq((old_done | old_taken) & ~moves)
        self._pipeline(m, takes, two, old_taken, issues, one.result)
        return m

    def _pipeline(
        self, m: Module, takes: Any, read: Any, old_taken: Any, issues: Any, result: Any
    ) -> None:
        """From the accepted requests to elements, with what becomes of them, and old values."""
        tags = data.StructLayout({"valid": 1, "old": 1, "read": read.shape()})
        tag = Signal(tags, name="tag_0")
        m.d.comb += [
            tag.valid.eq(takes),
            tag.old.eq(old_taken),
            tag.read.eq(read),
        ]
        stages = [tag]
        for number in range(1, self.latency + 1):
            tag = Signal(tags, name=f"tag_{number}")
            m.d.sync += tag.eq(stages[-1])
            stages.append(tag)

        lanes = self.config.lanes
        picked = stages[SharedPorts.read_latency]
        elements = Signal(int32_vector(lanes), reset_less=True)
        for lane in range(lanes):
            m.d.sync += elements[lane].eq(
                Mux(picked.read.accumulator, self.accumulator_data.data[lane],
                    self.activation_data.data[lane])
            )
        final = stages[self.latency]
        m.d.sync += self.bypass.eq(~final.read.requantize)
        # A chunk's result waits from the cycle in which its last word comes to the buffer.
        m.submodules.results = results = Once(
            StreamFIFO(result.shape(), self.latency + 4, credited=True)
        )
        ends = final.valid & final.read.last
        m.d.comb += [
            results.i.valid.eq(issues),
            results.i.payload.eq(result),
            results.o.ready.eq(ends),
            self.chunk_valid.eq(ends),
            self.chunk.eq(results.o.payload),
            self.parameter_read.enable.eq(
                picked.valid & picked.read.last & picked.read.requantize
            ),
            self.parameter_read.address.eq(picked.read.parameter),
            self.elements_valid.eq(final.valid),
            self.elements.eq(elements),
            self.first.eq(final.read.first),
            self.sum.eq(final.read.sum),
            self.old_valid.eq(picked.old),
            self.old.eq(self.accumulator_data.data),
        ]
