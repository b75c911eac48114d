# SPDX-License-Identifier: Apache-2.0
"""The memory of the vector unit's parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ..once import Once
from ..requantize.parameters import LOADED_LANE, kept_layout
from .bank import MemoryBank
from .ports import ReadSignature, write_layout

__all__ = ["ParameterMemory"]


class ParameterMemory(wiring.Component):
    """Words of one set of parameters a lane, written by LOAD, read by VECTOR, both every cycle.

    Bits that the convention does not use are not kept.

    Parameters
    ----------
    lanes : int
        Lanes of the vector unit.
    depth : int
        Words, a power of two.
    convention : str
        ``"tflite"`` or ``"onnx"``.

    Members
    -------
    vector_read : In(ReadSignature)
        Data as ArrayLayout(kept_layout(convention), lanes), ``read_latency`` cycles after
        ``enable``.
    write : In(stream of StructLayout(address, data=ArrayLayout(LOADED_LANE, lanes)))
        Always ready; a word can be read from the next cycle on.
    """

    read_latency: ClassVar[int] = MemoryBank.latency
    """Cycles from a request to its data."""

    def __init__(self, *, lanes: int, depth: int, convention: str) -> None:
        self.lanes = lanes
        self.depth = depth
        self.convention = convention
        width = exact_log2(depth)
        self.word = data.ArrayLayout(kept_layout(convention), lanes)
        loaded = data.ArrayLayout(LOADED_LANE, lanes)
        super().__init__(
            {
                "vector_read": In(ReadSignature(address_width=width, shape=self.word)),
                "write": In(stream.Signature(write_layout(width, loaded))),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_parameter_memory"

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        m.submodules.bank = bank = Once(MemoryBank(width=self.word.size, depth=self.depth))
        kept = data.View(self.word, bank.write_data)
        for lane in range(self.lanes):
            for name in kept_layout(self.convention).members:
                m.d.comb += kept[lane][name].eq(self.write.payload.data[lane][name])
        m.d.comb += [
            bank.read_enable.eq(self.vector_read.enable),
            bank.read_address.eq(self.vector_read.address),
            self.vector_read.data.eq(bank.read_data),
            self.write.ready.eq(1),
            bank.write_enable.eq(self.write.valid),
            bank.write_address.eq(self.write.payload.address),
        ]
        return m
