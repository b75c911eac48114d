# SPDX-License-Identifier: Apache-2.0
"""Instructions before their semaphores are known, with all that they touch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...hdl.isa import Instruction, Memory, Opcode, Unit

__all__ = ["DRAM", "DRAM_BLOCK", "SEGMENT_CONSTANTS", "SEGMENT_TENSORS", "Operation", "Span"]

SEGMENT_CONSTANTS, SEGMENT_TENSORS = 0, 1
"""Segments of every program: weights and parameters, and activations."""

DRAM = 5
"""The space of activations in DRAM, beside the numbers of the on-chip memories."""

DRAM_BLOCK = 64
"""Bytes of DRAM that count as one place."""

Span = tuple[int, int, int]
"""A memory (number of `Memory`, or `DRAM`), first and end word (byte of DRAM)."""

UNITS = {Opcode.LOAD: 0, Opcode.MATMUL: 1, Opcode.VECTOR: 2, Opcode.STORE: 3}


@dataclass(slots=True)
class Operation:
    """An instruction in the making.

    Parameters
    ----------
    opcode : Opcode
        LOAD, MATMUL, VECTOR or STORE.
    values : dict of str to int
        Instruction fields.
    reads, writes : list of Span
        What it touches; may be a superset.
    work : tuple of int
        Beats, words, steps as in `weft.compiler.estimate.Work`.
    flags : int
        Of the instruction.
    tensor : str or None
        Tensor in DRAM to whose place the offset and the spans in DRAM are relative.
    layer : int
        Layer that it belongs to.
    """

    opcode: Opcode
    values: dict[str, int]
    reads: list[Span]
    writes: list[Span]
    work: tuple[int, int, int]
    flags: int = 0
    tensor: str | None = None
    layer: int = 0
    wait: int = field(default=0)
    signal: int = field(default=0)

    @property
    def unit(self) -> int:
        """Number of its unit."""
        return UNITS[self.opcode]

    def relocated(self, places: dict[str, int]) -> Operation:
        """With the tensor's place in DRAM added."""
        if self.tensor is None:
            return self
        base = places[self.tensor]

        def moved(spans: list[Span]) -> list[Span]:
            return [
                (space, low + base, high + base) if space == DRAM else (space, low, high)
                for space, low, high in spans
            ]

        return Operation(
            self.opcode, self.values | {"offset": self.values["offset"] + base},
            moved(self.reads), moved(self.writes), self.work, self.flags, None, self.layer,
        )

    def instruction(self) -> Instruction:
        """The finished instruction."""
        return Instruction(self.opcode, self.values, self.wait, self.signal, self.flags)


assert [unit.value for unit in (Unit.LOAD, Unit.MATMUL, Unit.VECTOR, Unit.STORE)] == [0, 1, 2, 3]
assert Memory.TABLE.value < DRAM
