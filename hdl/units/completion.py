# SPDX-License-Identifier: Apache-2.0
"""Signals semaphores in the order of the instructions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import SEMAPHORE_COUNT
from ..isa import INDEX_WIDTH

__all__ = ["CompletionQueue"]


class CompletionQueue(wiring.Component):
    """Holds the signal masks of instructions until these have finished.

    Parameters
    ----------
    depth : int
        Instructions held.

    Members
    -------
    i : In(stream of StructLayout(signal, index, immediate=1))
        An instruction on its way. ``immediate`` ones have nothing to finish.
    finished : In(1)
        The oldest unfinished instruction that is not ``immediate`` has finished.
    signal : Out(SEMAPHORE_COUNT)
        Mask, for one cycle: that of ``finished`` unless an older one is signalled in it.
    signal_index : Out(INDEX_WIDTH)
        Index of the instruction that signals.
    completed : Out(1)
        An instruction leaves the queue.
    empty : Out(1)
        No instruction is held.
    """

    def __init__(self, *, depth: int) -> None:
        self.depth = depth
        self.entry_layout = data.StructLayout(
            {
                "signal": unsigned(SEMAPHORE_COUNT),
                "index": unsigned(INDEX_WIDTH),
                "immediate": unsigned(1),
            }
        )
        super().__init__(
            {
                "i": In(stream.Signature(self.entry_layout)),
                "finished": In(1),
                "signal": Out(SEMAPHORE_COUNT),
                "signal_index": Out(INDEX_WIDTH),
                "completed": Out(1),
                "empty": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_completion_queue_{self.depth}"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(
            width=self.entry_layout.size, depth=self.depth
        )
        head = data.View(self.entry_layout, queue.r_data)
        waiting = Signal(range(self.depth + 1))
        immediate = queue.r_rdy & head.immediate
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            self.completed.eq(immediate | (queue.r_rdy & ((waiting != 0) | self.finished))),
            queue.r_en.eq(self.completed),
            self.signal.eq(Mux(self.completed, head.signal, 0)),
            self.signal_index.eq(head.index),
            self.empty.eq(~queue.level.any()),
        ]
        m.d.sync += waiting.eq(waiting + self.finished - (self.completed & ~immediate))
        return m
