# SPDX-License-Identifier: Apache-2.0
"""The memory of the vector unit's parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ..once import Once
from ..requantize.parameters import LOADED_LANE, kept_layout
from .bank import MemoryBank
from .ports import ReadSignature, chunk_layout

__all__ = ["ParameterMemory"]


class ParameterMemory(wiring.Component):
    """Words of one set of parameters a lane, written by LOAD, read by VECTOR, both every cycle.

    Bits that the convention does not use are not kept. LOAD writes one of ``slots`` equal parts of
    a word at a time; each has a bank of its own.

    Parameters
    ----------
    lanes : int
        Lanes of the vector unit.
    depth : int
        Words, a power of two.
    convention : str
        ``"tflite"`` or ``"onnx"``.
    slots : int
        Parts of a word, a divisor of its bytes.

    Members
    -------
    vector_read : In(ReadSignature)
        Data as ArrayLayout(kept_layout(convention), lanes), ``read_latency`` cycles after
        ``enable``; zero where there was none, which is what a lane wants that does not scale.
    write : In(stream of chunk_layout)
        Part ``slot`` of an ArrayLayout(LOADED_LANE, lanes). Always ready; can be read from the next
        cycle on.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from a request to its data."""

    def __init__(self, *, lanes: int, depth: int, convention: str, slots: int = 1) -> None:
        self.lanes = lanes
        self.depth = depth
        self.convention = convention
        self.slots = slots
        width = exact_log2(depth)
        self.word = data.ArrayLayout(kept_layout(convention), lanes)
        self.part_width = LOADED_LANE.size * lanes // slots
        write = chunk_layout(width, slots, unsigned(self.part_width))
        super().__init__(
            {
                "vector_read": In(ReadSignature(address_width=width, shape=self.word)),
                "write": In(stream.Signature(write)),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_parameter_memory"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        write = self.write
        m.d.comb += write.ready.eq(1)
        for slot in range(self.slots):
            kept = self._kept_bits(slot)
            if not kept:
                continue
            bank = Once(MemoryBank(width=len(kept), depth=self.depth))
            m.submodules[f"bank_{slot}"] = bank
            chosen = write.payload.slot == slot if self.slots > 1 else Const(1, 1)
            m.d.comb += [
                bank.read_enable.eq(self.vector_read.enable),
                bank.read_address.eq(self.vector_read.address),
                bank.write_enable.eq(write.valid & chosen),
                bank.write_address.eq(write.payload.address),
                bank.write_data.eq(Cat(write.payload.data[loaded] for loaded, _ in kept)),
                *(
                    self.vector_read.data.as_value()[shown].eq(bank.read_data[number])
                    for number, (_, shown) in enumerate(kept)
                ),
            ]
        return m

    def _kept_bits(self, slot: int) -> list[tuple[int, int]]:
        """Bits of a part that are kept: where they are in it, and in the word that is read."""
        kept = kept_layout(self.convention)
        result = []
        for lane in range(self.lanes):
            for name in kept.members:
                for bit in range(kept[name].width):
                    loaded = lane * LOADED_LANE.size + LOADED_LANE[name].offset + bit
                    if loaded // self.part_width == slot:
                        shown = lane * kept.size + kept[name].offset + bit
                        result.append((loaded % self.part_width, shown))
        return result
