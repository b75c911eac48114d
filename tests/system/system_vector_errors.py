# SPDX-License-Identifier: Apache-2.0
"""VECTOR instructions that must fail, among those of `ErrorCases`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from system_cases import Case
from system_errors import ErrorCases

from weft.hdl.config import Config
from weft.hdl.isa import FORMATS, ErrorCode, Instruction, Memory, Opcode
from weft.sim.random_vectors import random_vector
from weft.sim.vector_access import vector_access

__all__ = ["VectorErrorCases", "possible_codes"]

FLAGS = {name: bit for name, (bit, _) in FORMATS[Opcode.VECTOR].flags.items()}
SIDES = ("source", "destination")


def possible_codes(config: Config) -> set[ErrorCode]:
    """The errors that this configuration can report."""
    never = {ErrorCode.NONE} | ({ErrorCode.NOT_CONFIGURED} if config.lanes else set())
    return set(ErrorCode) - never


def flags(*names: str) -> int:
    """The flags called ``names``."""
    return sum(FLAGS[name] for name in names)


class VectorErrorCases(ErrorCases):
    """Failing programs, where there is a vector unit also those that fail because of it."""

    def kinds(self) -> Sequence[Callable[[], Iterator[Case]]]:
        """What makes the cases."""
        if not self.config.lanes:
            return super().kinds()
        return (
            *super().kinds(), self.illegal_vectors, self.illegal_stores, self.vector_ranges,
            self.random_vectors,
        )

    def illegal_vectors(self) -> Iterator[Case]:
        """Flags that do not go together, and first elements that no chunk begins at."""
        config, lanes = self.config, self.config.lanes
        wrong: list[tuple[dict[str, int], int]] = [
            ({"destination_memory": 1}, flags("add", "maximum")),
            ({"destination_memory": 1}, flags("table")),
            ({"destination_memory": 0}, flags("add")),
            ({"destination_memory": 0}, flags("maximum")),
            ({}, (1 << len(FLAGS)) - 1),
        ]
        for side in SIDES:
            for memory, width in enumerate((config.rows, config.cols)):
                elements = {width, 256 - 256 % lanes - lanes, 255}
                if lanes > 1:
                    elements |= {1, lanes - 1, width - 1}
                wrong += [
                    ({f"{side}_memory": memory, f"{side}_element": element}, 0)
                    for element in sorted(elements)
                    if element >= width or element % lanes
                ]
        for values, bits in wrong:
            word = Instruction(Opcode.VECTOR, values, flags=bits).encode()
            yield self._replaced(
                f"VECTOR {values} flags {bits:#x}", word, ErrorCode.ILLEGAL_INSTRUCTION
            )

    def illegal_stores(self) -> Iterator[Case]:
        """STORE from the memories that only VECTOR reads."""
        for memory in (Memory.PARAMETER, Memory.TABLE):
            word = Instruction(Opcode.STORE, {"memory": memory.value}).encode()
            yield self._replaced(
                f"STORE from {memory.name}", word, ErrorCode.ILLEGAL_INSTRUCTION
            )

    def vector_ranges(self) -> Iterator[Case]:
        """A word beyond each memory by every loop, and far beyond."""
        config, lanes = self.config, self.config.lanes
        for side in SIDES:
            for memory, (depth, width) in enumerate(
                ((config.activation_depth, config.rows), (config.accumulator_depth, config.cols))
            ):
                last = {f"{side}_memory": memory, f"{side}_address": depth - 1}
                first = {f"{side}_memory": memory}
                shapes = [
                    first | {f"{side}_address": depth},
                    first | {f"{side}_address": 65535},
                    last | {"chunks": width // lanes + 1},
                    last | {f"{side}_element": width - lanes, "chunks": 2},
                    last | {"count_x": 2, f"{side}_stride_x": 1},
                    last | {"count_y": 2, f"{side}_stride_y": 1},
                    first | {"count_x": 1024, f"{side}_stride_x": 4095},
                    last | {"count_y": 1024, "count_x": 3, f"{side}_stride_y": 16383},
                ]
                if side == "source":
                    shapes += [
                        last | {"window_x": 2, "window_stride_x": 1},
                        last | {"window_y": 2, "window_stride_y": 1},
                        first | {"window_y": 64, "window_x": 64, "window_stride_x": 4095},
                        first | {"window_y": 64, "window_stride_y": 16383},
                    ]
                for values in shapes:
                    yield self._vector(values, flags("sum"))
        depth = config.parameter_depth
        shapes = [{"parameter_address": depth - 1, "chunks": 2},
                  {"parameter_address": depth - 2, "chunks": 9}]
        if depth < 4096:
            shapes += [{"parameter_address": depth}, {"parameter_address": 4095, "chunks": 4}]
        for values in shapes:
            yield self._vector(values, flags("requantize"))
        if depth < 4096:
            yield self._vector({"parameter_address": depth}, flags("requantize", "uniform"))

    def random_vectors(self) -> Iterator[Case]:
        """Random ones that leave one or several memories: what comes first is reported."""
        draw = np.random.default_rng(self.random.getrandbits(32))
        made = 0
        while made < 20:
            instruction = random_vector(
                self.config, draw, lambda low, high: int(draw.integers(low, max(low, high) + 1)),
                accept=lambda access: access.fault(self.config) is not None,
            )
            if instruction is not None:
                made += 1
                yield self._vector(instruction.values, instruction.flags)

    def _vector(self, values: dict[str, int], bits: int) -> Case:
        fault = Instruction(Opcode.VECTOR, values, flags=bits)
        expected = vector_access(self.config, fault).fault(self.config)
        assert expected is not None, values
        return self._with(f"VECTOR {values} flags {bits:#x}", fault, ErrorCode.MEMORY_RANGE)
