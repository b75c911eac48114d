# SPDX-License-Identifier: Apache-2.0
"""Reads what VECTOR works on: source words, old values, parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import Config
from ..memory.bank import MemoryBank
from ..memory.ports import (
    ReadResponseSignature,
    ReadSignature,
    int8_vector,
    int32_vector,
)
from ..memory.ports import (
    request_layout as address_layout,
)
from ..requantize.parameters import kept_layout
from .vector_layouts import CHUNKS_IN_FLIGHT, request_layout, result_layout

__all__ = ["VectorReader", "read_ports", "target_layout"]


def target_layout(config: Config) -> data.StructLayout:
    """Where the chunk at the write ports goes, if there is one."""
    result = result_layout(config)
    return data.StructLayout(
        {"valid": 1, "accumulator": 1, "address": result["address"].shape}
    )


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
    """Two places for requests, then a pipeline that never waits.

    ::

        i -> [1: old value] -> [2: word] -> memory -> chunk -> int32 -> elements
                   |                           |
                   +-> accumulator ------------+-> chunk -> old

    All waiting is done in the two places: for a memory's port; for older instructions, until all
    chunks before have been written; and while the very word is being written, which a memory cannot
    read in that cycle. The old value of a destination is requested before the chunk's last word, so
    it has come when it is needed. If the word is in the accumulator too, they share its port and
    a chunk takes two cycles.

    Parameters
    ----------
    config : Config
        Sizes of the memories, lanes, convention.

    Members
    -------
    i : In(stream of request_layout(config))
    in_flight : In(range)
        As the sequencer counts it.
    target : In(target_layout(config))
    activation_read, accumulator_read : Out(stream of an address)
    activation_data, accumulator_data : In(ReadResponseSignature)
    parameter_read : Out(ReadSignature)
        Enabled so that the parameters come a cycle after the last ``elements`` of the window.
    chunk_valid, chunk : Out(1), Out(result_layout(config))
        The last word of a chunk is requested, ``latency`` cycles before its ``elements``.
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

    latency: ClassVar[int] = MemoryBank.latency + 2
    """Cycles from an accepted request to ``elements``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        vector = int32_vector(config.lanes)
        members: dict[str, Any] = {
            "i": In(stream.Signature(request_layout(config))),
            "in_flight": In(range(CHUNKS_IN_FLIGHT + 1)),
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
        layout = request_layout(self.config)
        one, two = Signal(layout), Signal(layout)
        one_valid, two_valid, old_done = Signal(), Signal(), Signal()
        blocked, needs_old, old_asks, old_taken = Signal(), Signal(), Signal(), Signal()
        asks, taken, moves, two_ready = Signal(), Signal(), Signal(), Signal()
        activation, accumulator = self.activation_read, self.accumulator_read

        def being_written(is_accumulator: Any, address: Any) -> Any:
            target = self.target
            same = (target.accumulator == is_accumulator) & (target.address == address)
            return target.valid & same

        m.d.comb += [
            # The request's own chunk is counted if this is its last word.
            blocked.eq(one.hazard & (self.in_flight != one.read.last)),
            needs_old.eq(one.read.last & (one.result.add | one.result.maximum)),
            old_asks.eq(
                one_valid
                & needs_old
                & ~old_done
                & ~blocked
                & ~(two_valid & two.read.accumulator)
                & ~being_written(Const(1, 1), one.result.address)
            ),
            old_taken.eq(old_asks & accumulator.ready),
            asks.eq(two_valid & ~being_written(two.read.accumulator, two.read.address)),
            taken.eq(asks & Mux(two.read.accumulator, accumulator.ready, activation.ready)),
            two_ready.eq(~two_valid | taken),
            moves.eq(
                one_valid & ~blocked & (~needs_old | old_done | old_taken) & two_ready
            ),
            self.i.ready.eq(~one_valid | moves),
            activation.valid.eq(asks & ~two.read.accumulator),
            activation.payload.address.eq(two.read.address),
            accumulator.valid.eq(old_asks | (asks & two.read.accumulator)),
            activation.payload.slot.eq(two.read.slot),
            accumulator.payload.address.eq(
                Mux(two_valid & two.read.accumulator, two.read.address, one.result.address)
            ),
            accumulator.payload.slot.eq(
                Mux(two_valid & two.read.accumulator, two.read.slot, one.result.slot)
            ),
            self.chunk_valid.eq(taken & two.read.last),
            self.chunk.eq(two.result),
            self.waiting.eq((one_valid & ~moves) | (two_valid & ~taken)),
            self.moved.eq(taken | old_taken),
        ]
        with m.If(self.i.ready):
            m.d.sync += [one_valid.eq(self.i.valid), one.eq(self.i.payload), old_done.eq(0)]
        with m.Elif(old_taken):
            m.d.sync += old_done.eq(1)
        with m.If(two_ready):
            m.d.sync += [two_valid.eq(moves), two.eq(one)]
        self._pipeline(m, taken, two.read, old_taken)
        return m

    def _pipeline(self, m: Module, taken: Any, read: Any, old_taken: Any) -> None:
        """From the accepted requests to elements and old values."""
        tags = data.StructLayout({"valid": 1, "old": 1, "read": read.shape()})
        tag = Signal(tags, name="tag_0")
        m.d.comb += [
            tag.valid.eq(taken),
            tag.old.eq(old_taken),
            tag.read.eq(read),
        ]
        stages = [tag]
        for number in range(1, self.latency + 1):
            tag = Signal(tags, name=f"tag_{number}")
            m.d.sync += tag.eq(stages[-1])
            stages.append(tag)

        lanes = self.config.lanes
        chunks = {}
        for name in ("activation", "accumulator"):
            answer = getattr(self, f"{name}_data").data
            chunk = Signal(answer.shape(), name=f"{name}_chunk", reset_less=True)
            m.d.sync += chunk.eq(answer)
            chunks[name] = chunk

        picked = stages[MemoryBank.latency + 1]
        elements = Signal(int32_vector(lanes), reset_less=True)
        for lane in range(lanes):
            m.d.sync += elements[lane].eq(
                Mux(picked.read.accumulator, chunks["accumulator"][lane],
                    chunks["activation"][lane])
            )
        final = stages[self.latency]
        m.d.sync += self.bypass.eq(~final.read.requantize)
        m.d.comb += [
            self.parameter_read.enable.eq(
                picked.valid & picked.read.last & picked.read.requantize
            ),
            self.parameter_read.address.eq(picked.read.parameter),
            self.elements_valid.eq(final.valid),
            self.elements.eq(elements),
            self.first.eq(final.read.first),
            self.sum.eq(final.read.sum),
            self.old_valid.eq(picked.old),
            self.old.eq(chunks["accumulator"]),
        ]
