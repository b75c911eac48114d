# SPDX-License-Identifier: Apache-2.0
"""Programs: a list of instructions with the DRAM segments they need, and the ``.weft`` file.

A ``.weft`` file is the eight bytes ``WEFTPROG``, a little-endian 32-bit format version, a 32-bit
length of the description that follows (UTF-8 JSON: configuration, segments, name), and the
instructions as they lie in DRAM.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..hdl.config import SEGMENT_COUNT, SEMAPHORE_COUNT, Config
from ..hdl.isa import (
    ACCUMULATE_FLAG,
    FORMATS,
    INDEX_WIDTH,
    INSTRUCTION_BYTES,
    Instruction,
    InstructionError,
    Memory,
    Opcode,
    Unit,
    decode,
)

__all__ = ["Builder", "Program", "ProgramError", "SegmentNeed", "Semaphore"]

_MAGIC = b"WEFTPROG"
_FORMAT_VERSION = 1


class ProgramError(ValueError):
    """A program or program file that cannot be read or built."""


@dataclass(frozen=True)
class SegmentNeed:
    """What a program expects of one DRAM segment.

    Parameters
    ----------
    number : int
        Segment number in the instructions.
    name : str
        What it holds.
    bytes : int
        Size.
    role : str
        ``"input"`` (only read), ``"output"`` (written), or ``"scratch"``.
    """

    number: int
    name: str
    bytes: int
    role: str = "input"

    def __post_init__(self) -> None:
        if not 0 <= self.number < SEGMENT_COUNT:
            raise ProgramError(
                f"a segment number must be from 0 to {SEGMENT_COUNT - 1}, not {self.number}"
            )
        if self.role not in ("input", "output", "scratch"):
            raise ProgramError(
                f"a segment's role must be 'input', 'output' or 'scratch', not {self.role!r}"
            )


@dataclass
class Program:
    """Instructions and the segments they need.

    Parameters
    ----------
    instructions : list[Instruction]
        In dispatch order.
    segments : list[SegmentNeed]
        DRAM windows the program uses.
    config : Config or None
        The accelerator the program was made for.
    name : str
        For people.
    info : dict
        Facts about how it was made (JSON values).
    """

    instructions: list[Instruction]
    segments: list[SegmentNeed] = field(default_factory=list)
    config: Config | None = None
    name: str = ""
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.instructions) >= 1 << INDEX_WIDTH:
            raise ProgramError(
                f"a program has fewer than {1 << INDEX_WIDTH} instructions, "
                f"not {len(self.instructions)}"
            )

    def __len__(self) -> int:
        return len(self.instructions)

    def segment_limits(self) -> dict[int, int]:
        """Bytes needed of each segment by number."""
        return {need.number: need.bytes for need in self.segments}

    def to_bytes(self) -> bytes:
        """The instructions as they lie in DRAM, 32 bytes each."""
        return b"".join(instruction.to_bytes() for instruction in self.instructions)

    @classmethod
    def from_bytes(cls, code: bytes, **attributes: Any) -> Program:
        """A program from instructions in DRAM form; raises `ProgramError` with the index."""
        if len(code) % INSTRUCTION_BYTES:
            raise ProgramError(
                f"code must be a multiple of {INSTRUCTION_BYTES} bytes, not {len(code)}"
            )
        instructions = []
        for index in range(len(code) // INSTRUCTION_BYTES):
            word = code[index * INSTRUCTION_BYTES : (index + 1) * INSTRUCTION_BYTES]
            try:
                instructions.append(decode(int.from_bytes(word, "little")))
            except InstructionError as error:
                raise ProgramError(f"instruction {index}: {error}") from error
        return cls(instructions, **attributes)

    def to_file_bytes(self) -> bytes:
        """The contents of a ``.weft`` file."""
        description = json.dumps(
            {
                "name": self.name,
                "config": None if self.config is None else self.config.to_dict(),
                "segments": [asdict(need) for need in self.segments],
                "info": self.info,
            }
        ).encode()
        header = _MAGIC + struct.pack("<II", _FORMAT_VERSION, len(description))
        return header + description + self.to_bytes()

    @classmethod
    def from_file_bytes(cls, content: bytes) -> Program:
        """The program in the contents of a ``.weft`` file; raises `ProgramError`."""
        if content[: len(_MAGIC)] != _MAGIC or len(content) < len(_MAGIC) + 8:
            raise ProgramError("not a Weft program: the file does not start with 'WEFTPROG'")
        version, length = struct.unpack_from("<II", content, len(_MAGIC))
        if version != _FORMAT_VERSION:
            raise ProgramError(
                f"program file version must be {_FORMAT_VERSION}, not {version}"
            )
        start = len(_MAGIC) + 8
        if len(content) < start + length:
            raise ProgramError("the program file ends within its description")
        try:
            description = json.loads(content[start : start + length])
            config = description["config"]
            return cls.from_bytes(
                content[start + length :],
                segments=[SegmentNeed(**need) for need in description["segments"]],
                config=None if config is None else Config.from_dict(config),
                name=description["name"],
                info=description["info"],
            )
        except ProgramError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ProgramError(f"the program file's description is damaged: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write a ``.weft`` file."""
        Path(path).write_bytes(self.to_file_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Program:
        """Read a ``.weft`` file."""
        return cls.from_file_bytes(Path(path).read_bytes())


@dataclass(frozen=True)
class Semaphore:
    """A semaphore of a `Builder`, by name."""

    number: int
    name: str

    @property
    def mask(self) -> int:
        """The semaphore's bit in a wait or signal mask."""
        return 1 << self.number


def _mask(semaphores: Iterable[Semaphore]) -> int:
    result = 0
    for semaphore in semaphores:
        result |= semaphore.mask
    return result


class Builder:
    """Builds a program instruction by instruction with named semaphores.

    Parameters
    ----------
    config : Config
        The accelerator; gives ``last_rows`` its default.

    >>> builder = Builder(Config.preset("tiny"))
    >>> loaded = builder.semaphore("loaded")
    >>> _ = builder.load(Memory.WEIGHT, 0, segment=0, offset=0, bytes=4, count_x=4, stride_x=4,
    ...                  signal=[loaded])
    >>> _ = builder.matmul(weight_stride_row=1, wait=[loaded])
    >>> len(builder.program())
    2
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.instructions: list[Instruction] = []
        self.semaphores: dict[str, Semaphore] = {}

    def semaphore(self, name: str) -> Semaphore:
        """The semaphore called ``name``, allocated at its first use."""
        if name not in self.semaphores:
            number = len(self.semaphores)
            if number == SEMAPHORE_COUNT:
                raise ProgramError(f"a program has {SEMAPHORE_COUNT} semaphores; {name!r} is one "
                                   "more")
            self.semaphores[name] = Semaphore(number, name)
        return self.semaphores[name]

    def add(
        self,
        opcode: Opcode,
        values: Mapping[str, int],
        wait: Iterable[Semaphore] = (),
        signal: Iterable[Semaphore] = (),
        flags: int = 0,
    ) -> Instruction:
        """Append an instruction."""
        instruction = Instruction(opcode, values, _mask(wait), _mask(signal), flags)
        self.instructions.append(instruction)
        return instruction

    def load(self, memory: Memory, address: int, *, wait: Iterable[Semaphore] = (),
             signal: Iterable[Semaphore] = (), **values: int) -> Instruction:
        """Append a LOAD to ``memory`` at word ``address``."""
        values |= {"memory": memory.value, "address": address}
        return self.add(Opcode.LOAD, values, wait, signal)

    def store(self, memory: Memory, address: int, *, wait: Iterable[Semaphore] = (),
              signal: Iterable[Semaphore] = (), **values: int) -> Instruction:
        """Append a STORE from ``memory`` at word ``address``."""
        values |= {"memory": memory.value, "address": address}
        return self.add(Opcode.STORE, values, wait, signal)

    def matmul(self, *, wait: Iterable[Semaphore] = (), signal: Iterable[Semaphore] = (),
               accumulate: bool = False, **values: int) -> Instruction:
        """Append a MATMUL; ``last_rows`` defaults to all rows."""
        values = {"last_rows": self.config.rows} | values
        flags = ACCUMULATE_FLAG if accumulate else 0
        return self.add(Opcode.MATMUL, values, wait, signal, flags)

    def vector(self, *, source: Memory = Memory.ACTIVATION,
               destination: Memory = Memory.ACTIVATION, flags: Iterable[str] = (),
               wait: Iterable[Semaphore] = (), signal: Iterable[Semaphore] = (),
               **values: int) -> Instruction:
        """Append a VECTOR from ``source`` to ``destination``.

        ``flags`` are names: sum, requantize, uniform, table, add, maximum.
        """
        for name, memory in (("source", source), ("destination", destination)):
            if memory not in (Memory.ACTIVATION, Memory.ACCUMULATOR):
                raise ProgramError(f"{name} must be the activation scratchpad or the accumulator, "
                                   f"not {memory.name.lower()}")
            values[f"{name}_memory"] = int(memory is Memory.ACCUMULATOR)
        bits = FORMATS[Opcode.VECTOR].flags
        mask = 0
        for flag in flags:
            if flag not in bits:
                raise ProgramError(f"a flag must be one of {', '.join(bits)}, not {flag!r}")
            mask |= bits[flag][0]
        return self.add(Opcode.VECTOR, values, wait, signal, mask)

    def sync(self, unit: Unit, *, wait: Iterable[Semaphore] = (),
             signal: Iterable[Semaphore] = ()) -> Instruction:
        """Append a SYNC in the queue of ``unit``."""
        return self.add(Opcode.SYNC, {"unit": unit.value}, wait, signal)

    def program(self, segments: Sequence[SegmentNeed] = (), name: str = "") -> Program:
        """The program so far."""
        return Program(list(self.instructions), list(segments), self.config, name)
