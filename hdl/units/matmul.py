# SPDX-License-Identifier: Apache-2.0
"""The matmul unit: MATMUL instructions on the systolic array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..array import SystolicArray
from ..bus import UnitSignature
from ..config import Config
from ..isa import ACCUMULATE_FLAG, FORMATS, ErrorCode, Opcode
from ..memory.accumulator import Accumulator
from ..memory.ports import ReadSignature, UpdateSignature, int8_vector
from ..once import Once
from .activation_sequencer import ActivationSequencer
from .completion import CompletionQueue
from .delay_line import DelayLine
from .issue import ARRAY_ACTIVITY, ArrayIssue
from .matmul_layouts import FAULT_LAYOUT
from .weight_sequencer import WeightSequencer

__all__ = ["TOGETHER", "MatmulUnit"]

TOGETHER = 2
"""Most rows of an array whose sequencers may take a command in the same cycle."""


class MatmulUnit(wiring.Component):
    """Streams activations through the array and adds the results to the accumulator.

    ::

        command -+-> WeightSequencer ------> weights ---+
                 |                                      v
                 +-> ActivationSequencer -> ArrayIssue -> SystolicArray -> update.data
                 |                              |
                 |                              +-> DelayLine -> update.address -> DelayLine
                 +-> CompletionQueue <----------------------------- finished ----------+

    The weights of the next tile, be it of the next instruction, are fetched while a pass streams.
    Passes of at least ``rows`` vectors follow each other without a bubble within an instruction and
    from one to the next; shorter ones start every ``rows`` cycles. Accumulating updates of one word
    are ``Accumulator.hazard_distance`` cycles apart, which only passes shorter than that can feel.

    An address beyond its memory is never used. The fault that comes first in the program is
    reported, weights of a pass before its vectors, activations before accumulator words; results of
    what comes before it are written. After a fault or ``halt`` the unit stays stopped until reset.

    Parameters
    ----------
    config : Config
        Uses the sizes of the array and of the three memories.

    Members
    -------
    those of UnitSignature
        Commands are MATMUL, and SYNC for this unit. MATMUL signals in the cycle from which its last
        accumulator word can be read, SYNC once all instructions before it have signalled. ``error``
        comes a cycle after the fault's turn.
    activation_read, weight_read : Out(ReadSignature)
        Ports of the scratchpads.
    update : Out(UpdateSignature)
        Port of the accumulator.
    waiting_semaphore : In(1)
        The gate holds an instruction for this unit that waits on semaphores.
    activity : Out(ARRAY_ACTIVITY)
        What the array's input does in this cycle; exactly one bit is set.
    """

    def __init__(self, config: Config) -> None:
        rows, cols = config.rows, config.cols
        self.array = Once(
            SystolicArray(
                rows=rows,
                cols=cols,
                partial_sum_width=config.partial_sum_width,
                family=config.family,
                multipliers=config.multipliers,
            )
        )
        self.weight_sequencer = Once(
            WeightSequencer(
                rows=rows, cols=cols, depth=config.weight_depth, family=config.family
            )
        )
        self.activation_sequencer = Once(
            ActivationSequencer(
                rows=rows,
                depth=config.activation_depth,
                accumulator_depth=config.accumulator_depth,
                family=config.family,
            )
        )
        # Enough to keep single-vector instructions, one every `rows` cycles, in flight.
        way = (
            self.activation_sequencer.prefetcher.latency
            + self.array.latency
            + Accumulator.update_latency
        )
        self.instructions = 1 << (way // rows + 1).bit_length()
        address_width = self.activation_sequencer.accumulator_address_width
        self.issue = Once(
            ArrayIssue(rows=rows, address_width=address_width, instructions=self.instructions)
        )
        super().__init__(
            {
                **UnitSignature().members,
                "activation_read": Out(
                    ReadSignature(
                        address_width=self.activation_sequencer.address_width,
                        shape=int8_vector(rows),
                    )
                ),
                "weight_read": Out(
                    ReadSignature(
                        address_width=self.weight_sequencer.address_width, shape=int8_vector(cols)
                    )
                ),
                "update": Out(
                    UpdateSignature(
                        address_width=address_width, cols=cols, width=config.partial_sum_width
                    )
                ),
                "waiting_semaphore": In(1),
                "activity": Out(ARRAY_ACTIVITY),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_matmul_unit"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.weight_sequencer = weights = self.weight_sequencer
        m.submodules.activation_sequencer = activations = self.activation_sequencer
        m.submodules.issue = issue = self.issue
        m.submodules.array = array = self.array
        m.submodules.completion = completion = Once(CompletionQueue(depth=self.instructions))
        m.submodules.to_update = to_update = Once(
            DelayLine(issue.target.shape(), delay=array.latency - Accumulator.data_delay)
        )
        m.submodules.to_memory = to_memory = Once(DelayLine(1, delay=Accumulator.update_latency))
        wiring.connect(m, wiring.flipped(self.weight_read), weights.read)
        wiring.connect(m, wiring.flipped(self.activation_read), activations.read)
        wiring.connect(m, weights.o, array.weights)
        wiring.connect(m, activations.o, issue.i)
        wiring.connect(m, issue.o, array.activations)

        stop, stopped = Signal(), Signal()
        m.d.sync += [stop.eq(stop | self.halt | issue.error), stopped.eq(stop)]

        # The weight sequencer takes a command a cycle before the activation sequencer at least,
        # unless a tile has so few rows that this cycle would be missed. The next one comes when
        # both, and the completion queue, have it. A SYNC goes to the last alone.
        fields = data.View(FORMATS[Opcode.MATMUL].layout, self.command.payload.instruction)
        offered, accepted, is_matmul, ahead = Signal(), Signal(), Signal(), Signal()
        # It waits for nothing; for the activation sequencer alone.
        complete, for_array = Signal(), Signal()
        index = self.command.payload.index
        m.d.comb += [
            is_matmul.eq(fields.opcode == Opcode.MATMUL.value),
            offered.eq(self.command.valid & completion.i.ready & ~stop),
            self.command.ready.eq(complete | (for_array & activations.command.ready)),
            accepted.eq(self.command.ready),
            weights.command.valid.eq(offered & is_matmul & ~ahead),
            activations.command.valid.eq(for_array),
            completion.i.valid.eq(accepted),
            completion.i.payload.signal.eq(fields.signal),
            completion.i.payload.index.eq(index),
            completion.i.payload.immediate.eq(~is_matmul),
        ]
        takes = weights.command.valid & weights.command.ready
        m.d.sync += ahead.eq((ahead | takes) & ~accepted)
        if self.array.rows > TOGETHER:
            # Registers, as the loads of the activation sequencer's loops wait for them.
            m.d.sync += [
                complete.eq(offered & ~is_matmul & ~accepted),
                for_array.eq(offered & is_matmul & (ahead | takes) & ~accepted),
            ]
        else:
            m.d.comb += [
                complete.eq(offered & ~is_matmul),
                for_array.eq(offered & is_matmul & (ahead | weights.command.ready)),
            ]
        for sequencer in (weights, activations):
            m.d.comb += sequencer.stop.eq(stop)
            command = sequencer.command.payload
            for name, _ in command.shape():
                if name not in ("accumulate", "index"):
                    m.d.comb += command[name].eq(fields[name])
            m.d.comb += command.index.eq(index)
        accumulate_bit = ACCUMULATE_FLAG.bit_length() - 1
        m.d.comb += activations.command.payload.accumulate.eq(fields.flags[accumulate_bit])

        target = data.View(issue.target.shape(), to_update.o_payload)
        m.d.comb += [
            issue.weights_taken.eq(array.weights.valid & array.weights.ready),
            issue.tile.eq(weights.tile),
            issue.weight_fault.eq(weights.fault.valid),
            issue.instruction.eq(accepted & is_matmul),
            issue.waiting_semaphore.eq(self.waiting_semaphore),
            issue.stop.eq(stop),
            self.activity.eq(issue.activity),
            to_update.i_valid.eq(issue.issued),
            to_update.i_payload.eq(issue.target),
            self.update.valid.eq(to_update.o_valid),
            self.update.address.eq(target.address),
            self.update.accumulate.eq(target.accumulate),
            self.update.data.eq(array.o.payload),
            to_memory.i_valid.eq(to_update.o_valid),
            to_memory.i_payload.eq(target.last),
            completion.finished.eq(to_memory.o_valid & to_memory.o_payload),
        ]

        # Vectors on their way from the array's input to memory.
        in_flight = Signal(range(array.latency + Accumulator.update_latency + 1))
        m.d.sync += in_flight.eq(in_flight + issue.issued - to_memory.o_valid)
        in_activations, moved = Signal(), Signal()
        m.d.sync += [
            moved.eq(issue.issued | issue.weights_taken),
            self.error.valid.eq(issue.error),
            in_activations.eq(issue.error_in_activations),
        ]
        # The sequencers keep their faults.
        fault = data.View(FAULT_LAYOUT, Mux(in_activations, activations.fault, weights.fault))
        m.d.comb += [
            self.error.code.eq(ErrorCode.MEMORY_RANGE),
            self.error.index.eq(fault.index),
            self.error.address.eq(fault.address),
        ]
        m.d.comb += [
            self.signal.eq(Mux(self.halt, 0, completion.signal)),
            self.signal_index.eq(completion.signal_index),
            self.idle.eq(Mux(stop, stopped & ~in_flight.any(), completion.empty)),
            self.busy.eq(~self.idle),
            self.wait_memory.eq(
                self.busy
                & (self.activity.weights | self.activity.activations | self.activity.interlock)
            ),
            self.progress.eq(accepted | moved | completion.completed | to_memory.o_valid),
        ]
        return m
