# SPDX-License-Identifier: Apache-2.0
"""Walks the points, chunks and windows of VECTOR instructions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import COMMAND_LAYOUT
from ..config import Config
from ..dma.fifo import StreamFIFO
from ..isa import FORMATS, INDEX_WIDTH, Memory, Opcode
from ..once import Once
from ..slots import ELEMENT_WIDTH, element_slot
from .loop import AddressGenerator, LoopCounter
from .vector_layouts import CHUNKS_AHEAD, FAULT_LAYOUT, FLAGS, request_layout, slot_width
from .vector_ordering import VectorOrdering

__all__ = ["VectorSequencer"]

_VECTOR = FORMATS[Opcode.VECTOR].layout

LEVELS = ("count_y", "count_x", "chunks", "window_y", "window_x")
SOURCE_STRIDES = {
    "count_y": "source_stride_y",
    "count_x": "source_stride_x",
    "chunks": None,
    "window_y": "window_stride_y",
    "window_x": "window_stride_x",
}
TARGET_STRIDES = {
    "count_y": "destination_stride_y",
    "count_x": "destination_stride_x",
    "chunks": None,
}

FULL_WIDTH = 17
"""Bits of an address. Every address is a legal one of at most 16 bits plus one stride below 2**14,
and nothing follows the first illegal one, so none wraps."""

SETUP = data.StructLayout(
    {
        **{name: _VECTOR[name].shape for name in LEVELS},
        **{name: _VECTOR[name].shape for name in SOURCE_STRIDES.values() if name},
        **{name: _VECTOR[name].shape for name in TARGET_STRIDES.values() if name},
        "source_address": unsigned(16),
        "destination_address": unsigned(16),
        "parameter_address": _VECTOR["parameter_address"].shape,
        "source_slot": unsigned(ELEMENT_WIDTH),
        "destination_slot": unsigned(ELEMENT_WIDTH),
        "source_memory": 1,
        "destination_memory": 1,
        "zero_point": signed(8),
        "clamp_low": signed(8),
        "clamp_high": signed(8),
        **{name: 1 for name in FLAGS},
        "index": unsigned(INDEX_WIDTH),
    }
)
"""A decoded instruction."""

REQUESTS_HELD = 16
"""Places of the queue of requests; half of them are for those on their way when it is half full."""


class VectorSequencer(wiring.Component):
    """Five nested loops: point rows, points, chunks, window rows, window columns; a word a cycle.

    ::

        command --> setup --> counters, three addresses --> checked request --> [queue] --> o

    The next instruction follows in the cycle after the last word, from two words on. The loops
    stand still only while the queue is half full, so that nothing but that is between them and
    those who read. Checked in each cycle: the word read; with the last word of a window also the
    parameter word, then the word written. From the first address beyond its memory on nothing
    comes out.

    Parameters
    ----------
    config : Config
        Sizes of the memories, lanes.

    Members
    -------
    command : In(stream of COMMAND_LAYOUT)
        VECTOR instructions only.
    o : Out(stream of request_layout(config))
    written : In(1)
        The oldest chunk has been written.
    in_flight : Out(range)
        Chunks whose last word has come to the queue and that have not been written.
    fault : Out(FAULT_LAYOUT)
        A word beyond a memory was needed; stays.
    stop : In(1)
        Request no more.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "command": In(stream.Signature(COMMAND_LAYOUT)),
                "o": Out(stream.Signature(request_layout(config))),
                "written": In(1),
                "in_flight": Out(range(CHUNKS_AHEAD)),
                "fault": Out(FAULT_LAYOUT),
                "stop": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_vector_sequencer"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        setup, valid = Signal(SETUP), Signal()
        active, load, step = Signal(), Signal(), Signal()
        m.d.comb += self.command.ready.eq(~valid & ~self.stop & ~self.fault.valid)
        with m.If(load):
            m.d.sync += valid.eq(0)
        with m.If(self.command.valid & self.command.ready):
            m.d.sync += valid.eq(1)
        with m.If(~valid):
            self._decode(m, setup)

        m.submodules.counter = counter = Once(
            LoopCounter({name: SETUP[name].width for name in LEVELS})
        )
        m.d.comb += [
            load.eq(valid & (~active | (step & counter.last))),
            counter.load.eq(load),
            counter.step.eq(step),
            *(counter.counts[name].eq(setup[name]) for name in LEVELS),
        ]
        held = Signal(SETUP)  # Of the loops at work.
        with m.If(load):
            m.d.sync += [held.eq(setup), active.eq(1)]
        with m.Elif(step & counter.last):
            m.d.sync += active.eq(0)

        source, source_slot = self._walk(m, "source", SOURCE_STRIDES, setup, held, counter, step)
        target, target_slot = self._walk(
            m, "destination", TARGET_STRIDES, setup, held, counter, step
        )
        parameter = self._parameters(m, setup, held, counter, step)
        first, last = Signal(), Signal()
        m.d.comb += last.eq(counter.at_last.window_y & counter.at_last.window_x)
        with m.If(load):
            m.d.sync += first.eq(1)
        with m.Elif(step):
            m.d.sync += first.eq(counter.moves.chunks)

        # The request of a step, in the cycle after it, checked as it goes to the queue.
        request, stepped, issued = (
            Signal(request_layout(self.config), reset_less=True), Signal(), Signal()
        )
        beyond = self._check(m, held, source, parameter, target, last, stepped)
        read, result = request.read, request.result
        m.d.comb += issued.eq(stepped & ~beyond & ~self.fault.valid & ~self.stop)
        m.d.sync += [
            stepped.eq(step),
            request.old.eq(last & (held.add | held.maximum)),
            read.accumulator.eq(held.source_memory),
            read.address.eq(source.address),
            read.slot.eq(source_slot),
            read.first.eq(first),
            read.last.eq(last),
            read.sum.eq(held.sum),
            read.requantize.eq(held.requantize),
            read.parameter.eq(parameter.address),
            result.accumulator.eq(held.destination_memory),
            result.address.eq(target.address),
            result.slot.eq(target_slot),
            result.end.eq(counter.last),
        ]
        for name in ("zero_point", "clamp_low", "clamp_high", "table", "add", "maximum"):
            m.d.sync += result[name].eq(held[name])

        # What is decoded stays for a cycle after it has been loaded.
        started = Signal()
        m.submodules.ordering = ordering = Once(
            VectorOrdering(width=result.address.shape().width)
        )
        m.d.sync += started.eq(load)
        m.d.comb += [
            ordering.start.eq(started),
            ordering.accumulator.eq(setup.destination_memory),
            ordering.base.eq(setup.destination_address),
            ordering.address.eq(result.address),
            ordering.issued.eq(issued & read.last),
            ordering.written.eq(self.written),
            ordering.read_accumulator.eq(read.accumulator),
            ordering.read_address.eq(read.address),
            self.in_flight.eq(ordering.in_flight),
        ]

        m.submodules.queue = queue = Once(
            StreamFIFO(request.shape(), REQUESTS_HELD, credited=True)
        )
        level, left = Signal(range(REQUESTS_HELD)), Signal()
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.sync += [
            left.eq(queue.o.valid & queue.o.ready),
            level.eq(level + issued - left),
        ]
        m.d.comb += [
            step.eq(active & ~level[-1]),
            queue.i.valid.eq(issued),
            queue.i.payload.eq(request),
            queue.i.payload.hazard.eq(
                ordering.read_hazard | (request.old & ordering.old_hazard)
            ),
        ]
        return m

    def _decode(self, m: Module, setup: Any) -> None:
        """The register for the instruction that comes next."""
        fields = data.View(_VECTOR, self.command.payload.instruction)
        lanes = self.config.lanes
        for name in SETUP.members:
            if name in _VECTOR.members:
                m.d.sync += setup[name].eq(fields[name])
        for number, name in enumerate(FLAGS):
            m.d.sync += setup[name].eq(fields.flags[number])
        # A clamp whose low end is above the high one gives the high one.
        ordered = fields.clamp_low < fields.clamp_high
        m.d.sync += [
            setup.source_slot.eq(element_slot(fields.source_element, lanes)),
            setup.destination_slot.eq(element_slot(fields.destination_element, lanes)),
            setup.clamp_low.eq(Mux(ordered, fields.clamp_low, fields.clamp_high)),
            # Only requantized int8 results have a zero point.
            setup.zero_point.eq(
                Mux(
                    fields.flags[FLAGS.index("requantize")] & ~fields.destination_memory,
                    fields.zero_point,
                    0,
                )
            ),
            setup.index.eq(self.command.payload.index),
        ]

    def _walk(
        self,
        m: Module,
        side: str,
        strides: dict[str, str | None],
        setup: Any,
        held: Any,
        counter: Any,
        step: Any,
    ) -> tuple[Any, Any]:
        """Word address and slot of the source or the destination."""
        generator = Once(
            AddressGenerator(
                {
                    level: SETUP[name].shape if name else unsigned(1)
                    for level, name in strides.items()
                },
                width=FULL_WIDTH,
                varying=("chunks",),
                family=self.config.family,
            )
        )
        m.submodules[side] = generator
        width = slot_width(self.config)
        slot, following = Signal(width, name=f"{side}_slot"), Signal(width)
        at_end = Signal(name=f"{side}_at_end")  # The word's last chunk.
        m.d.comb += [
            generator.load.eq(counter.load),
            generator.base.eq(setup[f"{side}_address"]),
            generator.step.eq(step),
            generator.strides.chunks.eq(at_end),
        ]
        for level, name in strides.items():
            m.d.comb += [
                generator.advance[level].eq(counter.advance[level]),
                generator.moves[level].eq(counter.moves[level]),
            ]
            if name:
                m.d.comb += generator.strides[level].eq(setup[name])
        memory = f"{side}_memory"
        lanes = self.config.lanes
        ends = [elements // lanes - 1 for elements in (self.config.rows, self.config.cols)]
        with m.If(counter.load):
            m.d.comb += following.eq(setup[f"{side}_slot"])
        with m.Elif(counter.moves.count_x):
            m.d.comb += following.eq(held[f"{side}_slot"])
        with m.Elif(~at_end):
            m.d.comb += following.eq(slot + 1)
        with m.If(counter.load | (step & counter.moves.chunks)):
            m.d.sync += [
                slot.eq(following),
                at_end.eq(
                    following
                    == Mux(Mux(counter.load, setup[memory], held[memory]), ends[1], ends[0])
                ),
            ]
        return generator, slot

    def _parameters(self, m: Module, setup: Any, held: Any, counter: Any, step: Any) -> Any:
        """Address of the chunk's parameters: from the start again at each point."""
        m.submodules.parameter = generator = Once(
            AddressGenerator(
                {"point": unsigned(0), "chunks": unsigned(1)},
                width=13,
                varying=("chunks",),
                family=self.config.family,
            )
        )
        m.d.comb += [
            generator.load.eq(counter.load),
            generator.base.eq(setup.parameter_address),
            generator.step.eq(step),
            generator.strides.chunks.eq(~held.uniform),
            generator.advance.point.eq(counter.moves.count_x),
            generator.moves.point.eq(counter.moves.count_x),
            generator.advance.chunks.eq(counter.advance.chunks),
            generator.moves.chunks.eq(counter.moves.chunks),
        ]
        return generator

    def _check(
        self,
        m: Module,
        held: Any,
        source: Any,
        parameter: Any,
        target: Any,
        last: Any,
        stepped: Any,
    ) -> Signal:
        """Whether a word of the request, which the arguments are a cycle ahead of, is beyond its
        memory; and the fault."""
        config = self.config
        low = exact_log2(config.activation_depth), exact_log2(config.accumulator_depth)
        depth = exact_log2(config.parameter_depth)
        kinds = Memory.ACTIVATION.value, Memory.ACCUMULATOR.value

        def outside(address: Any, accumulator: Any) -> Any:
            return Mux(accumulator, address[low[1] :].any(), address[low[0] :].any())

        places = (
            (
                "source",
                outside(source.address, held.source_memory),
                Cat(source.address, Const(0, 29 - FULL_WIDTH),
                    Mux(held.source_memory, kinds[1], kinds[0])),
            ),
            (
                "parameter",
                last & held.requantize & parameter.address[depth:].any(),
                Cat(parameter.address, Const(0, 29 - len(parameter.address)),
                    Const(Memory.PARAMETER.value, 3)),
            ),
            (
                "destination",
                last & outside(target.address, held.destination_memory),
                Cat(target.address, Const(0, 29 - FULL_WIDTH),
                    Mux(held.destination_memory, kinds[1], kinds[0])),
            ),
        )
        # The first of several counts.
        address: Any = 0
        checks = []
        for name, condition, shown in reversed(places):
            is_beyond = Signal(name=f"{name}_beyond")
            place = Signal(32, name=f"{name}_place", reset_less=True)
            m.d.sync += [is_beyond.eq(condition), place.eq(shown)]
            address = Mux(is_beyond, place, address)
            checks.append(is_beyond)
        index = Signal(INDEX_WIDTH, reset_less=True)
        m.d.sync += index.eq(held.index)
        beyond = Signal()
        m.d.comb += beyond.eq(Cat(checks).any())
        with m.If(~self.fault.valid):
            m.d.sync += [
                self.fault.valid.eq(stepped & beyond & ~self.stop),
                self.fault.index.eq(index),
                self.fault.address.eq(address),
            ]
        return beyond
