# SPDX-License-Identifier: Apache-2.0
"""Fetches the activation vectors of MATMUL instructions and says where their results go."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..isa import Memory
from ..memory.accumulator import Accumulator
from ..memory.ports import ReadSignature, int8_vector
from ..memory.scratchpad import ActivationScratchpad
from ..once import Once
from .loop import AddressGenerator, LoopCounter
from .matmul_layouts import ACTIVATION_COMMAND, FAULT_LAYOUT, tag_layout
from .prefetch import Prefetcher

__all__ = ["ActivationSequencer"]

BLOCK_LEVELS = ("kernel_y", "kernel_x", "channel_blocks")
LEVELS = (*BLOCK_LEVELS, "output_y", "output_x")
ACTIVATION_STRIDES = {
    "kernel_y": "activation_stride_kernel_y",
    "kernel_x": "activation_stride_kernel_x",
    "channel_blocks": "activation_stride_channel",
    "output_y": "activation_stride_y",
    "output_x": "activation_stride_x",
}
ACCUMULATOR_STRIDES = {"output_y": "accumulator_stride_y", "output_x": "accumulator_stride_x"}



def _full_width(depth: int) -> int:
    """Bits of an address in a memory of ``depth`` words. The first one is a field of 16 bits; every
    other one is a legal one plus one stride below 2**14, and nothing follows the first illegal one,
    so none wraps."""
    return max(16, (depth - 1 + 2**14 - 1).bit_length())


class ActivationSequencer(wiring.Component):
    """Five nested loops: a pass over all outputs for each kernel row, kernel column and block.

    ::

        command --> counters, two addresses --> [Prefetcher] --> o

    The next instruction follows in the cycle after the last vector; it is not taken before, so that
    what offers it is the only place where it waits. Vectors after the first one with an address
    beyond the activation scratchpad or the accumulator are not read; in its place a mark passes.

    Parameters
    ----------
    rows : int
        Elements of a vector.
    depth : int
        Words of the activation scratchpad.
    accumulator_depth : int
        Words of the accumulator.
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`, whose adders are used.

    Members
    -------
    command : In(stream of ACTIVATION_COMMAND)
    read : Out(ReadSignature)
        Port of the activation scratchpad.
    o : Out(stream of StructLayout(data=ArrayLayout(signed(8), rows), tag=tag_layout(...)))
    fault : Out(FAULT_LAYOUT)
        A word beyond a memory was needed; stays.
    stop : In(1)
        Read no more, from the next cycle on.
    """

    def __init__(
        self, *, rows: int, depth: int, accumulator_depth: int, family: str = "generic"
    ) -> None:
        self.rows = rows
        self.family = family
        self.address_width = exact_log2(depth)
        self.accumulator_address_width = exact_log2(accumulator_depth)
        self.tag_layout = tag_layout(self.accumulator_address_width)
        vector = int8_vector(rows)
        self.prefetcher = Once(
            Prefetcher(
                read_latency=ActivationScratchpad.matmul_latency,
                address_width=self.address_width,
                shape=vector,
                tag=self.tag_layout,
            )
        )
        super().__init__(
            {
                "command": In(stream.Signature(ACTIVATION_COMMAND)),
                "read": Out(ReadSignature(address_width=self.address_width, shape=vector)),
                "o": Out(
                    stream.Signature(data.StructLayout({"data": vector, "tag": self.tag_layout}))
                ),
                "fault": Out(FAULT_LAYOUT),
                "stop": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_activation_sequencer"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.counter = counter = Once(
            LoopCounter({name: ACTIVATION_COMMAND[name].width for name in LEVELS})
        )
        m.submodules.source = source = Once(
            AddressGenerator(
                {name: ACTIVATION_COMMAND[ACTIVATION_STRIDES[name]].shape for name in LEVELS},
                width=_full_width(1 << self.address_width),
                family=self.family,
            )
        )
        target_levels = {
            name: ACTIVATION_COMMAND[stride].shape for name, stride in ACCUMULATOR_STRIDES.items()
        }
        m.submodules.target = target = Once(
            AddressGenerator(
                {"block": unsigned(0)} | target_levels,
                width=_full_width(1 << self.accumulator_address_width),
                family=self.family,
            )
        )
        m.submodules.prefetcher = prefetcher = self.prefetcher
        wiring.connect(m, wiring.flipped(self.read), prefetcher.read)
        wiring.connect(m, wiring.flipped(self.o), prefetcher.o)
        command = self.command.payload
        active, load, step, restart = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.command.ready.eq(~(active | self.fault.valid) | (step & counter.last)),
            load.eq(self.command.valid & self.command.ready),
            counter.load.eq(load),
            counter.step.eq(step),
            *(counter.counts[name].eq(command[name]) for name in LEVELS),
            restart.eq(counter.moves[BLOCK_LEVELS[-1]]),
            source.load.eq(load),
            source.base.eq(command.activation_address),
            *(source.strides[name].eq(command[ACTIVATION_STRIDES[name]]) for name in LEVELS),
            source.step.eq(step),
            source.advance.eq(counter.advance),
            source.moves.eq(counter.moves),
            target.load.eq(load),
            target.base.eq(command.accumulator_address),
            *(
                target.strides[name].eq(command[ACCUMULATOR_STRIDES[name]])
                for name in target_levels
            ),
            target.step.eq(step),
            target.advance.block.eq(restart),
            target.moves.block.eq(restart),
            *(target.advance[name].eq(counter.advance[name]) for name in target_levels),
            *(target.moves[name].eq(counter.moves[name]) for name in target_levels),
        ]
        first, accumulate = Signal(), Signal()
        with m.If(load):
            m.d.sync += [active.eq(1), first.eq(1), accumulate.eq(command.accumulate)]
        with m.Elif(step):
            m.d.sync += [first.eq(restart), accumulate.eq(accumulate | restart)]
            with m.If(counter.last):
                m.d.sync += active.eq(0)

        source_beyond, target_beyond, beyond = Signal(), Signal(), Signal()
        tag = prefetcher.i.payload.tag
        m.d.comb += [
            source_beyond.eq(source.address[self.address_width :].any()),
            target_beyond.eq(target.address[self.accumulator_address_width :].any()),
            beyond.eq(source_beyond | target_beyond),
            prefetcher.i.valid.eq(active),
            prefetcher.i.payload.address.eq(source.address),
            prefetcher.i.payload.read.eq(~beyond),
            tag.target.address.eq(target.address),
            tag.target.accumulate.eq(accumulate),
            tag.target.last.eq(counter.last),
            tag.first.eq(first),
            tag.fault.eq(beyond),
            step.eq(prefetcher.i.valid & prefetcher.i.ready),
        ]
        # How far behind the last vector with this target is, of those that matter.
        behind: Any = Const(0, len(tag.behind))
        previous = []
        place = target.address[: self.accumulator_address_width]
        known, address = Const(1, 1), place
        for number in range(1, Accumulator.hazard_distance):
            valid = Signal(name=f"previous_valid_{number}")
            before = Signal(
                self.accumulator_address_width, name=f"previous_{number}", reset_less=True
            )
            with m.If(step):
                m.d.sync += [valid.eq(known), before.eq(address)]
            known, address = valid, before
            previous.append(valid & (before == place))
        for number in reversed(range(1, Accumulator.hazard_distance)):
            behind = Mux(previous[number - 1], number, behind)
        m.d.comb += tag.behind.eq(Mux(accumulate, behind, 0))

        # The fault follows the vector of this cycle until there is one, as its registers have no
        # time to wait for that. It may come with the last vector, with which the next instruction
        # is taken.
        index = Signal.like(self.fault.index)
        with m.If(load):
            m.d.sync += index.eq(command.index)
        with m.If(~self.fault.valid):
            m.d.sync += [
                self.fault.valid.eq(step & beyond),
                self.fault.index.eq(index),
                self.fault.address.eq(
                    Mux(
                        source_beyond,
                        source.address | (Memory.ACTIVATION.value << 29),
                        target.address | (Memory.ACCUMULATOR.value << 29),
                    )
                ),
            ]
        with m.If(self.stop | self.fault.valid | (step & beyond)):
            m.d.sync += active.eq(0)
        return m
