# SPDX-License-Identifier: Apache-2.0
"""Emits instructions within the limits of their fields and keeps track of on-chip buffers."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from ...hdl.config import Config
from ...hdl.isa import ACCUMULATE_FLAG, FORMATS, Memory, Opcode
from ..estimate import row_work
from .constants import Constants
from .operations import DRAM, SEGMENT_CONSTANTS, SEGMENT_TENSORS, Operation, Span
from .vector_loops import VectorLoops

__all__ = ["Emitter", "Ring", "limit"]


def limit(opcode: Opcode, name: str) -> int:
    """Largest value of an instruction's field."""
    return next(item.high for item in FORMATS[opcode].fields if item.name == name)


ROW_BYTES = limit(Opcode.LOAD, "bytes")
ROWS = limit(Opcode.LOAD, "count_x")
PADDING = limit(Opcode.LOAD, "pad_before")


class Ring:
    """A memory whose pieces stay until their room is needed.

    Parameters
    ----------
    depth : int
        Words.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.head = 0
        self.resident: dict[Hashable, tuple[int, int]] = {}

    def find(self, key: Hashable) -> int | None:
        """First word of a piece that is still there."""
        span = self.resident.get(key)
        return None if span is None else span[0]

    def place(self, key: Hashable, size: int) -> int:
        """Make room for ``size`` words and return the first."""
        if self.head + size > self.depth:
            self.head = 0
        first, end = self.head, self.head + size
        self.resident = {
            other: span for other, span in self.resident.items()
            if span[1] <= first or span[0] >= end
        }
        self.resident[key] = (first, end)
        self.head = end
        return first


class Emitter:
    """Collects the operations of a program in sequential order.

    Parameters
    ----------
    config : Config
        The accelerator.
    constants : Constants
        Where weights and parameters go.
    """

    def __init__(self, config: Config, constants: Constants) -> None:
        self.config = config
        self.constants = constants
        self.operations: list[Operation] = []
        self.weight_ring = Ring(config.weight_depth)
        self.parameter_ring = Ring(config.parameter_depth)
        self.table_key: Hashable | None = None
        self.bank = 0
        self.layer = 0

    def next_bank(self) -> int:
        """First word of the accumulator half that was not used last."""
        self.bank ^= 1
        return self.bank * (self.config.accumulator_depth // 2)

    def _add(self, opcode: Opcode, values: dict[str, int], reads: list[Span],
             writes: list[Span], work: tuple[int, int, int], flags: int = 0,
             tensor: str | None = None) -> None:
        self.operations.append(
            Operation(opcode, values, reads, writes, work, flags, tensor, self.layer)
        )

    # LOAD and STORE.

    def fill(self, address: int, words: int, value: int) -> None:
        """Write ``value`` to every byte of activation words."""
        while words:
            count_y, count_x = divmod(words, ROWS)
            count_y, count_x = (min(count_y, ROWS), ROWS) if count_y else (1, count_x)
            amount = count_y * count_x
            self._add(
                Opcode.LOAD,
                {"memory": Memory.ACTIVATION.value, "address": address, "bytes": 0,
                 "segment": SEGMENT_TENSORS, "count_x": count_x, "count_y": count_y,
                 "fill": value & 255},
                [], [(Memory.ACTIVATION.value, address, address + amount)], (0, amount, 0),
            )
            address, words = address + amount, words - amount

    def load_rows(self, address: int, tensor: str, offset: int, size: int, count_x: int,
                  stride_x: int, count_y: int, stride_y: int, *, before: int = 0,
                  after: int = 0, fill: int = 0) -> None:
        """LOAD rows of a tensor into activation words, with padding words around each group."""
        config = self.config
        words = count_y * (before + after + count_x * -(-size // config.rows))
        rows = count_x * count_y
        beats, bursts = row_work(config, rows, size, stride_x | stride_y, offset)
        last = offset + (count_x - 1) * stride_x + (count_y - 1) * stride_y + size
        self._add(
            Opcode.LOAD,
            {"memory": Memory.ACTIVATION.value, "address": address, "segment": SEGMENT_TENSORS,
             "offset": offset, "bytes": size, "count_x": count_x, "stride_x": stride_x,
             "count_y": count_y, "stride_y": stride_y, "pad_before": before,
             "pad_after": after, "fill": fill & 255},
            [(DRAM, offset, last)], [(Memory.ACTIVATION.value, address, address + words)],
            (beats, words, bursts), tensor=tensor,
        )

    def store_rows(self, address: int, tensor: str, offset: int, size: int, count_x: int,
                   stride_x: int, count_y: int, stride_y: int) -> None:
        """STORE consecutive activation words to rows of a tensor."""
        config = self.config
        words = count_x * count_y * -(-size // config.rows)
        beats, bursts = row_work(config, count_x * count_y, size, stride_x | stride_y, offset)
        last = offset + (count_x - 1) * stride_x + (count_y - 1) * stride_y + size
        self._add(
            Opcode.STORE,
            {"memory": Memory.ACTIVATION.value, "address": address, "segment": SEGMENT_TENSORS,
             "offset": offset, "bytes": size, "count_x": count_x, "stride_x": stride_x,
             "count_y": count_y, "stride_y": stride_y},
            [(Memory.ACTIVATION.value, address, address + words)], [(DRAM, offset, last)],
            (beats, words, bursts), tensor=tensor,
        )

    def _load_constant(self, memory: Memory, address: int, offset: int, words: int,
                       width: int) -> None:
        """LOAD ``words`` words of ``width`` bytes that lie one after the other."""
        row = max(1, ROW_BYTES // width)
        while words:
            size = min(row, words)
            count = min(words // size, ROWS)
            beats, bursts = row_work(self.config, count, size * width, size * width, offset)
            amount = size * count
            self._add(
                Opcode.LOAD,
                {"memory": memory.value, "address": address, "segment": SEGMENT_CONSTANTS,
                 "offset": offset, "bytes": size * width, "count_x": count,
                 "stride_x": size * width if count > 1 else 0},
                [], [(memory.value, address, address + amount)], (beats, amount, bursts),
            )
            address, words, offset = address + amount, words - amount, offset + amount * width

    def weights(self, key: Hashable, words: int, contents: Callable[[], bytes]) -> int:
        """First word of a piece of weights, loaded if it is not there."""
        found = self.weight_ring.find(key)
        if found is not None:
            return found
        width = self.config.weight_bytes
        offset = self.constants.place(("weights", key), words * width, contents)
        address = self.weight_ring.place(key, words)
        self._load_constant(Memory.WEIGHT, address, offset, words, width)
        return address

    def parameters(self, key: Hashable, words: int, contents: Callable[[], bytes]) -> int:
        """First word of a piece of parameters, loaded if it is not there."""
        found = self.parameter_ring.find(key)
        if found is not None:
            return found
        width = self.config.parameter_bytes
        offset = self.constants.place(("parameters", key), words * width, contents)
        address = self.parameter_ring.place(key, words)
        self._load_constant(Memory.PARAMETER, address, offset, words, width)
        return address

    def table(self, contents: bytes | None) -> None:
        """See to it that the table memory holds ``contents``."""
        if contents is None or contents == self.table_key:
            return
        self.table_key = contents
        offset = self.constants.place(("table", contents), len(contents), lambda: contents)
        self._load_constant(Memory.TABLE, 0, offset, len(contents), 1)

    # MATMUL and VECTOR.

    def matmul(self, values: dict[str, int], weight_words: int, *, accumulate: bool) -> None:
        """MATMUL; the strides along loops of one step must be 0."""
        i = {"kernel_y": 1, "kernel_x": 1, "channel_blocks": 1, "output_y": 1, "output_x": 1,
             "last_rows": self.config.rows} | values
        outputs = i["output_y"] * i["output_x"]
        steps = i["kernel_y"] * i["kernel_x"] * i["channel_blocks"]
        first, accumulator = i["activation_address"], i["accumulator_address"]
        last = first + sum(
            (i[count] - 1) * i.get(f"activation_stride_{stride}", 0)
            for count, stride in (("kernel_y", "kernel_y"), ("kernel_x", "kernel_x"),
                                  ("channel_blocks", "channel"), ("output_y", "y"),
                                  ("output_x", "x"))
        )
        end = accumulator + 1 + sum(
            (i[f"output_{axis}"] - 1) * i.get(f"accumulator_stride_{axis}", 0) for axis in "yx"
        )
        target = (Memory.ACCUMULATOR.value, accumulator, end)
        weight = i["weight_address"]
        self._add(
            Opcode.MATMUL, i,
            [(Memory.ACTIVATION.value, first, last + 1),
             (Memory.WEIGHT.value, weight, weight + weight_words)],
            [target], (0, outputs, steps), ACCUMULATE_FLAG if accumulate else 0,
        )

    def vector(self, loops: VectorLoops) -> None:
        """VECTOR, several if the loops do not fit one."""
        for piece in loops.pieces():
            reads, writes = piece.spans(self.config)
            self._add(Opcode.VECTOR, piece.values(), reads, writes, (0, piece.steps, 1),
                      piece.flags)
