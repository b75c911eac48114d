# SPDX-License-Identifier: Apache-2.0
"""Signals semaphores in the order of the instructions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import SEMAPHORE_COUNT
from ..dma.fifo import StreamFIFO
from ..isa import INDEX_WIDTH
from ..once import Once

__all__ = ["CompletionQueue"]


class CompletionQueue(wiring.Component):
    """Holds the signal masks of instructions until these have finished.

    Parameters
    ----------
    depth : int
        Instructions held at least.

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
        m.submodules.queue = queue = Once(StreamFIFO(self.entry_layout, self.depth))
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        head = queue.o.payload
        waiting, following = Signal(range(queue.depth + 2)), Signal(range(queue.depth + 2))
        due = Signal()  # Whether any is waiting.
        immediate = queue.o.valid & head.immediate
        m.d.comb += [
            self.completed.eq(immediate | (queue.o.valid & (due | self.finished))),
            queue.o.ready.eq(self.completed),
            self.signal.eq(Mux(self.completed, head.signal, 0)),
            self.signal_index.eq(head.index),
            self.empty.eq(queue.empty),
        ]
        m.d.comb += following.eq(waiting + self.finished - (self.completed & ~immediate))
        m.d.sync += [waiting.eq(following), due.eq(following != 0)]
        return m
