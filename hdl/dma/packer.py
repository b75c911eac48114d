# SPDX-License-Identifier: Apache-2.0
"""Changes the width of a byte stream to one of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Packer", "pack_layout", "packs"]


def pack_layout(width_bytes: int) -> data.StructLayout:
    """Bytes of a slot: ``data``, one bit of ``mask`` for each that is valid, ``last`` of the
    row."""
    return data.StructLayout(
        {
            "data": unsigned(8 * width_bytes),
            "mask": unsigned(width_bytes),
            "last": unsigned(1),
        }
    )


def packs(input_bytes: int, widths: Sequence[int]) -> bool:
    """Whether a packer takes these widths: multiples of a chunk, or parts of one."""
    return all(width % input_bytes == 0 or input_bytes % width == 0 for width in widths)


class Packer(wiring.Component):
    """Repacks rows of chunks into slots of a width that is chosen while it is empty.

    One register as wide as the widest slot in the place of a `Gearbox` for each width: a chunk goes
    to the part of the slot whose turn it is, or leaves in parts from the bottom. Every row starts a
    new slot. Takes a chunk a cycle if slots are wider, gives a slot a cycle if chunks are; latency
    1 cycle.

    Parameters
    ----------
    input_bytes : int
        Bytes of a chunk.
    widths : Sequence[int]
        Bytes of the slots; see `packs`.

    Members
    -------
    width : In(len(widths))
        Which of them, one bit set.
    i : In(stream of ``data``, ``count`` of valid bytes, ``last`` of the row)
        ``count`` is below ``input_bytes`` only in the last chunk of a row.
    o : Out(stream of pack_layout)
        A function of registers. Bytes outside of the mask are undefined.

    Raises
    ------
    ValueError
        If a width is neither a multiple nor a part of a chunk.
    """

    def __init__(self, input_bytes: int, widths: Sequence[int]) -> None:
        if not packs(input_bytes, widths):
            raise ValueError(
                f"widths must be multiples or divisors of {input_bytes}, not {list(widths)!r}"
            )
        self.input_bytes = input_bytes
        self.widths = tuple(widths)
        self.output_bytes = max(*widths, input_bytes)
        chunk = data.StructLayout(
            {
                "data": unsigned(8 * input_bytes),
                "count": unsigned(input_bytes.bit_length()),
                "last": unsigned(1),
            }
        )
        super().__init__(
            {
                "width": In(len(self.widths)),
                "i": In(stream.Signature(chunk)),
                "o": Out(stream.Signature(pack_layout(self.output_bytes))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chunk_bits = 8 * self.input_bytes
        parts = self.output_bytes // self.input_bytes
        chunk = self.i.payload
        data_ = Signal(8 * self.output_bytes)
        mask = Signal(self.output_bytes)
        full = Signal()
        ends = Signal()  # The chunk in the register is the last of its row.
        here = Signal(parts, init=1)  # The part of the next chunk.
        last_part = Signal()
        whole = Signal()  # Nothing stays of the slot that is shown.
        insert = Signal()
        shift = Signal()
        m.d.comb += [
            last_part.eq(
                Cat(
                    chosen & here[max(width // self.input_bytes, 1) - 1]
                    for chosen, width in zip(self.width, self.widths, strict=True)
                ).any()
            ),
            self.i.ready.eq(~full | (whole & self.o.ready)),
            insert.eq(self.i.valid & self.i.ready),
            shift.eq(full & ~whole & self.o.ready),
            self.o.valid.eq(full),
            self.o.payload.data.eq(data_),
            self.o.payload.mask.eq(mask),
            self.o.payload.last.eq(ends & whole),
        ]
        with m.If(insert):
            m.d.sync += [
                full.eq(last_part | chunk.last),
                ends.eq(chunk.last),
                here.eq(Mux(last_part | chunk.last, 1, here << 1)),
            ]
        with m.Elif(whole & self.o.ready):
            m.d.sync += full.eq(0)

        valid = Cat(chunk.count > lane for lane in range(self.input_bytes))
        lower = Cat(chunk.data, valid)
        more: Any = Const(0, 1)
        for chosen, width in zip(self.width, self.widths, strict=True):
            if width < self.input_bytes:
                kept = mask[width : self.input_bytes]
                moved = Cat(data_[8 * width : chunk_bits], Const(0, 8 * width), kept)
                lower = Mux(shift & chosen, moved, lower)
                more = more | (chosen & kept[0])
        m.d.comb += whole.eq(~more)
        with m.If(shift | (insert & here[0])):
            m.d.sync += [data_[:chunk_bits].eq(lower), mask.eq(lower[chunk_bits:])]
        for number in range(1, parts):
            with m.If(insert & here[number]):
                m.d.sync += [
                    data_.word_select(number, chunk_bits).eq(chunk.data),
                    mask.word_select(number, self.input_bytes).eq(valid),
                ]
        return m
