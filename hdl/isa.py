# SPDX-License-Identifier: Apache-2.0
"""The instruction set: formats, opcodes and error codes, described once.

Every instruction is 256 bits, little-endian in memory, aligned to 32 bytes. RTL decodes the
layouts that `Format.layout` builds; assembler, disassembler, simulator and documentation read the
same field tables.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from amaranth.lib import enum as hardware_enum

__all__ = [
    "FORMATS",
    "HEADER",
    "INSTRUCTION_BYTES",
    "INSTRUCTION_WIDTH",
    "INDEX_WIDTH",
    "ERROR_DOCUMENTATION",
    "ACCUMULATE_FLAG",
    "ErrorCode",
    "ErrorSource",
    "Field",
    "Format",
    "Instruction",
    "InstructionError",
    "Memory",
    "Opcode",
    "Unit",
    "decode",
]

INSTRUCTION_WIDTH = 256
"""Bits of one instruction."""

INSTRUCTION_BYTES = INSTRUCTION_WIDTH // 8
"""Bytes of one instruction; programs are aligned to it."""

INDEX_WIDTH = 24
"""Bits of an instruction's index in its program; the longest program has ``2**24 - 1``."""


class InstructionError(ValueError):
    """An instruction that cannot be encoded or decoded."""


class Opcode(hardware_enum.Enum, shape=unsigned(8)):
    """The operation of an instruction. Zero is illegal, so that cleared memory does not run."""

    LOAD = 1
    MATMUL = 2
    VECTOR = 3
    STORE = 4
    SYNC = 5


class Unit(hardware_enum.Enum, shape=unsigned(2)):
    """The four execution units; each has its own in-order queue."""

    LOAD = 0
    MATMUL = 1
    VECTOR = 2
    STORE = 3


class Memory(hardware_enum.Enum, shape=unsigned(3)):
    """On-chip memories an instruction can name."""

    ACTIVATION = 0
    WEIGHT = 1
    ACCUMULATOR = 2
    PARAMETER = 3
    TABLE = 4


class ErrorCode(hardware_enum.Enum, shape=unsigned(8)):
    """What stopped a program; the value of the error register's code field."""

    NONE = 0
    ILLEGAL_INSTRUCTION = 1
    NOT_CONFIGURED = 2
    MEMORY_RANGE = 3
    SEGMENT_LIMIT = 4
    READ_RESPONSE = 5
    WRITE_RESPONSE = 6
    SEMAPHORE_OVERFLOW = 7
    NO_PROGRESS = 8
    FETCH_RESPONSE = 9
    PROGRAM_ADDRESS = 10


ERROR_DOCUMENTATION: dict[ErrorCode, tuple[str, str]] = {
    ErrorCode.NONE: ("No error.", "the address is zero"),
    ErrorCode.ILLEGAL_INSTRUCTION: (
        "Unknown opcode, a reserved bit set, or a field value the format does not allow.",
        "the address is zero",
    ),
    ErrorCode.NOT_CONFIGURED: (
        "The instruction needs a unit or memory that this configuration leaves out.",
        "the address is zero",
    ),
    ErrorCode.MEMORY_RANGE: (
        "An on-chip address at or beyond the memory's depth.",
        "the address is the word address, its memory in bits 31:29",
    ),
    ErrorCode.SEGMENT_LIMIT: (
        "A DRAM access that starts before its segment or ends beyond its limit.",
        "the address is the row's offset in the segment, modulo 2**min(32, AXI_ADDRESS_WIDTH)",
    ),
    ErrorCode.READ_RESPONSE: (
        "The memory answered a LOAD's read burst with SLVERR or DECERR.",
        "the address is the byte address of the burst",
    ),
    ErrorCode.WRITE_RESPONSE: (
        "The memory answered a STORE's write burst with SLVERR or DECERR.",
        "the address is the byte address of the burst",
    ),
    ErrorCode.SEMAPHORE_OVERFLOW: (
        "A signal to a semaphore that already held its maximum.",
        "the address is the semaphore's number",
    ),
    ErrorCode.NO_PROGRESS: (
        "Nothing was fetched, dispatched, transferred or computed for the watchdog's cycles.",
        "the instruction is the oldest that waits",
    ),
    ErrorCode.FETCH_RESPONSE: (
        "The memory answered an instruction fetch with SLVERR or DECERR.",
        "the address is the byte address of the burst",
    ),
    ErrorCode.PROGRAM_ADDRESS: (
        "The program address is not a multiple of 32, or the program ends beyond memory.",
        "the address is the program address",
    ),
}
"""Per code: what happened, and what the error address register then holds."""


@dataclass(frozen=True)
class Field:
    """One field of an instruction.

    Parameters
    ----------
    name : str
        Name in assembler, simulator and RTL.
    width : int
        Bits.
    doc : str
        One line for the reference.
    bias : int
        Added to the stored bits to give the value; counts store ``count - 1``.
    is_signed : bool
        Whether the stored bits are two's complement.
    default : int
        Value where the assembler text leaves the field out.
    """

    name: str
    width: int
    doc: str
    bias: int = 0
    is_signed: bool = False
    default: int = 0

    @property
    def low(self) -> int:
        """Smallest legal value."""
        return (-(1 << (self.width - 1)) if self.is_signed else 0) + self.bias

    @property
    def high(self) -> int:
        """Largest legal value."""
        bits = self.width - 1 if self.is_signed else self.width
        return (1 << bits) - 1 + self.bias

    def encode(self, value: int) -> int:
        """The stored bits of ``value``; raises `InstructionError` outside the legal range."""
        if not self.low <= value <= self.high:
            raise InstructionError(
                f"{self.name} must be from {self.low} to {self.high}, not {value}"
            )
        return (value - self.bias) & ((1 << self.width) - 1)

    def decode(self, bits: int) -> int:
        """The value of stored ``bits``."""
        if self.is_signed and bits >> (self.width - 1):
            bits -= 1 << self.width
        return bits + self.bias


def _count(name: str, width: int, doc: str) -> Field:
    return Field(name, width, doc, bias=1, default=1)


HEADER: tuple[Field, ...] = (
    Field("opcode", 8, "operation"),
    Field("flags", 8, "per format; unused bits are zero"),
    Field("wait", 16, "semaphores to take one count from before the instruction starts"),
    Field("signal", 16, "semaphores to add one count to when the instruction has finished"),
)
"""Fields that every instruction starts with."""

SUM_FLAG, REQUANTIZE_FLAG, UNIFORM_FLAG, TABLE_FLAG, ADD_FLAG, MAXIMUM_FLAG = (
    1 << bit for bit in range(6)
)
"""VECTOR flag bits, in the order of the format's table."""

ACCUMULATE_FLAG = 1
"""MATMUL flag bit: add to the accumulator from the first block on instead of overwriting."""


@dataclass(frozen=True)
class Format:
    """The layout of one opcode: the header, then its own fields, then reserved zero bits."""

    opcode: Opcode
    doc: str
    fields: tuple[Field, ...]
    flags: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @cached_property
    def all_fields(self) -> tuple[Field, ...]:
        """Header and body fields, least significant first."""
        return HEADER + self.fields

    @property
    def used_width(self) -> int:
        """Bits that carry a field; those above must be zero."""
        return sum(item.width for item in self.all_fields)

    @property
    def flag_mask(self) -> int:
        """Flag bits that this format defines."""
        return sum(bit for bit, _ in self.flags.values())

    @cached_property
    def layout(self) -> data.StructLayout:
        """The whole instruction as a 256-bit struct, the last member ``reserved``.

        Members hold the stored bits: a count field holds ``count - 1``.
        """
        members: dict[str, object] = {
            item.name: signed(item.width) if item.is_signed else unsigned(item.width)
            for item in self.all_fields
        }
        reserved = INSTRUCTION_WIDTH - self.used_width
        if reserved:
            members["reserved"] = unsigned(reserved)
        return data.StructLayout(members)


FORMATS: dict[Opcode, Format] = {
    item.opcode: item
    for item in (
        Format(
            Opcode.LOAD,
            "Copy rows of bytes from DRAM into consecutive words of an on-chip memory. For each "
            "of count_y groups: pad_before fill words, then count_x rows, then pad_after fill "
            "words. A row of `bytes` bytes starts at offset + y * stride_y + x * stride_x and "
            "takes max(1, ceil(bytes / word bytes)) words; the tail of its last word holds fill.",
            (
                Field(
                    "memory",
                    3,
                    "destination: activation 0, weight 1, accumulator 2, parameter 3, table 4",
                ),
                Field("address", 16, "first destination word"),
                Field("segment", 3, "DRAM segment"),
                Field("offset", 32, "byte offset of the first row in the segment"),
                Field("bytes", 16, "bytes of a row; 0 writes one fill word per row"),
                _count("count_x", 12, "rows in a group"),
                Field("stride_x", 32, "bytes from row to row", is_signed=True),
                _count("count_y", 12, "groups"),
                Field("stride_y", 32, "bytes from group to group", is_signed=True),
                Field("pad_before", 8, "fill words before each group"),
                Field("pad_after", 8, "fill words after each group"),
                Field("fill", 8, "byte that fills tails and padding"),
            ),
        ),
        Format(
            Opcode.MATMUL,
            "Multiply tiles: for each kernel_y, kernel_x, channel block (in this order, innermost "
            "last) load `rows` weight words into the array, then stream output_y x output_x "
            "activation words through it and add the results to the accumulator words of the "
            "same outputs. The first block overwrites unless the flag accumulate is set.",
            (
                Field("activation_address", 16, "first activation word"),
                Field("weight_address", 16, "weight word of array row 0 of the first block"),
                Field("accumulator_address", 16, "first accumulator word"),
                _count("kernel_y", 4, "kernel rows"),
                _count("kernel_x", 4, "kernel columns"),
                _count("channel_blocks", 10, "blocks of `rows` input channels"),
                _count("output_y", 10, "output rows"),
                _count("output_x", 10, "output columns"),
                Field("activation_stride_kernel_y", 14, "activation words per kernel row"),
                Field("activation_stride_kernel_x", 12, "activation words per kernel column"),
                Field("activation_stride_channel", 12, "activation words per channel block"),
                Field("activation_stride_y", 14, "activation words per output row"),
                Field("activation_stride_x", 12, "activation words per output column"),
                Field("weight_stride_row", 12, "weight words from array row to array row"),
                Field("weight_stride_block", 14, "weight words from block to block"),
                Field("accumulator_stride_y", 14, "accumulator words per output row"),
                Field("accumulator_stride_x", 10, "accumulator words per output column"),
                _count(
                    "last_rows",
                    8,
                    "array rows used by the last channel block; the others get weight zero",
                ),
            ),
            {"accumulate": (ACCUMULATE_FLAG, "add to the accumulator from the first block on")},
        ),
        Format(
            Opcode.VECTOR,
            "Post-process outputs, `lanes` elements (a chunk) at a time. For each point (y, x) "
            "and each of its chunks, in this order: read the chunk from every word of the "
            "window and reduce them, by maximum or with the flag sum by a sum that wraps to "
            "int32; with the flag requantize add the bias of the chunk's parameter word "
            "(wrapping to int32) and scale by its multiplier and shifts; then, for an int8 "
            "destination, add zero_point if requantized, clamp to clamp_low and clamp_high (to "
            "clamp_high where they cross), with the flag table replace the result r by byte r + "
            "128 of the table memory; write the chunk and leave the word's other elements as "
            "they are. Elements are int8 in the activation scratchpad and int32 in the "
            "accumulator; an int32 destination is neither clamped nor looked up nor offset by "
            "zero_point, but may be combined with its old value (add, maximum). A point's "
            "chunks are consecutive elements and run on into the following words; those of a "
            "window are at the same place in each word. Chunk n of a point uses parameter word "
            "parameter_address + n, or with the flag uniform the first one; without requantize "
            "no parameters are read. A VECTOR sees what older VECTORs write without semaphores; "
            "within one, source and destination must not overlap unless each chunk is read only "
            "before it is written.",
            (
                Field("source_memory", 1, "memory read: activation 0, accumulator 1"),
                Field("destination_memory", 1, "memory written: activation 0, accumulator 1"),
                Field("source_address", 16, "first word read"),
                Field(
                    "source_element", 8, "first element in the first word read; a multiple of lanes"
                ),
                Field("destination_address", 16, "first word written"),
                Field(
                    "destination_element",
                    8,
                    "first element in the first word written; a multiple of lanes",
                ),
                _count("chunks", 10, "chunks of `lanes` elements of a point"),
                _count("count_y", 10, "output rows"),
                _count("count_x", 10, "output columns"),
                Field("source_stride_y", 14, "words per output row"),
                Field("source_stride_x", 12, "words per output column"),
                Field("destination_stride_y", 14, "words per output row"),
                Field("destination_stride_x", 12, "words per output column"),
                _count("window_y", 6, "window rows"),
                _count("window_x", 6, "window columns"),
                Field("window_stride_y", 14, "words per window row"),
                Field("window_stride_x", 12, "words per window column"),
                Field("parameter_address", 12, "parameter word of the first chunk"),
                Field("zero_point", 8, "added after scaling", is_signed=True),
                Field("clamp_low", 8, "smallest int8 result", is_signed=True, default=-128),
                Field("clamp_high", 8, "largest int8 result", is_signed=True, default=127),
            ),
            {
                "sum": (SUM_FLAG, "reduce windows by sum instead of maximum"),
                "requantize": (REQUANTIZE_FLAG, "add bias, scale, add zero point"),
                "uniform": (UNIFORM_FLAG, "every chunk uses the first parameter word"),
                "table": (TABLE_FLAG, "look the int8 result up in the table"),
                "add": (ADD_FLAG, "add to the int32 destination instead of overwriting it"),
                "maximum": (MAXIMUM_FLAG, "keep the larger of int32 destination and result"),
            },
        ),
        Format(
            Opcode.STORE,
            "Copy consecutive words of an on-chip memory to rows of bytes in DRAM. Row (y, x) of "
            "`bytes` bytes goes to offset + y * stride_y + x * stride_x and takes "
            "ceil(bytes / word bytes) words; what is left of its last word is dropped. "
            "Accumulator words are stored as little-endian int32, activation words as int8.",
            (
                Field("memory", 3, "source: activation 0 or accumulator 2"),
                Field("address", 16, "first source word"),
                Field("segment", 3, "DRAM segment"),
                Field("offset", 32, "byte offset of the first row in the segment"),
                _count("bytes", 16, "bytes of a row"),
                _count("count_x", 12, "rows in a group"),
                Field("stride_x", 32, "bytes from row to row", is_signed=True),
                _count("count_y", 12, "groups"),
                Field("stride_y", 32, "bytes from group to group", is_signed=True),
            ),
        ),
        Format(
            Opcode.SYNC,
            "Do nothing in the queue of a unit but wait and signal.",
            (Field("unit", 2, "load 0, matmul 1, vector 2, store 3"),),
        ),
    )
}
"""Every format by opcode."""


@dataclass(frozen=True)
class Instruction:
    """One instruction as values, with counts as counts.

    Parameters
    ----------
    opcode : Opcode
        Operation.
    values : Mapping[str, int]
        Field values by name; a field left out has its default.
    wait, signal : int
        Semaphore masks.
    flags : int
        Flag bits.

    Raises
    ------
    InstructionError
        On an unknown field or a value outside a field's range.
    """

    opcode: Opcode
    values: Mapping[str, int]
    wait: int = 0
    signal: int = 0
    flags: int = 0

    def __post_init__(self) -> None:
        names = {item.name for item in self.format.fields}
        unknown = sorted(set(self.values) - names)
        if unknown:
            raise InstructionError(
                f"{self.opcode.name} has no field {unknown[0]!r} (fields: "
                f"{', '.join(item.name for item in self.format.fields)})"
            )
        if self.flags & ~self.format.flag_mask:
            raise InstructionError(
                f"{self.opcode.name} flags must be within {self.format.flag_mask:#x}, "
                f"not {self.flags:#x}"
            )
        complete = {
            item.name: int(self.values.get(item.name, item.default)) for item in self.format.fields
        }
        object.__setattr__(self, "values", complete)
        self.encode()

    @property
    def format(self) -> Format:
        """The format of the opcode."""
        return FORMATS[self.opcode]

    @property
    def unit(self) -> Unit:
        """The unit whose queue the instruction goes to."""
        if self.opcode is Opcode.SYNC:
            return Unit(self.values["unit"])
        return Unit[self.opcode.name]

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def encode(self) -> int:
        """The 256-bit word."""
        header = {
            "opcode": self.opcode.value,
            "flags": self.flags,
            "wait": self.wait,
            "signal": self.signal,
        }
        word = position = 0
        for item in self.format.all_fields:
            value = header[item.name] if item in HEADER else self.values[item.name]
            word |= item.encode(value) << position
            position += item.width
        return word

    def to_bytes(self) -> bytes:
        """The instruction as it lies in memory."""
        return self.encode().to_bytes(INSTRUCTION_BYTES, "little")


def decode(word: int) -> Instruction:
    """The instruction in a 256-bit word.

    Raises
    ------
    InstructionError
        Where the RTL would stop with ``ILLEGAL_INSTRUCTION``: an unknown opcode, an undefined
        flag, or a reserved bit that is set.
    """
    number = word & 0xFF
    try:
        opcode = Opcode(number)
    except ValueError:
        raise InstructionError(
            f"opcode must be one of {', '.join(f'{o.value} ({o.name})' for o in Opcode)}, "
            f"not {number}"
        ) from None
    form = FORMATS[opcode]
    if word >> form.used_width:
        raise InstructionError(
            f"{opcode.name}: bits {INSTRUCTION_WIDTH - 1} to {form.used_width} are reserved and "
            f"must be zero, not {word >> form.used_width:#x}"
        )
    values: dict[str, int] = {}
    position = 0
    for item in form.all_fields:
        values[item.name] = item.decode((word >> position) & ((1 << item.width) - 1))
        position += item.width
    del values["opcode"]
    flags, wait, signal = values.pop("flags"), values.pop("wait"), values.pop("signal")
    return Instruction(opcode, values, wait=wait, signal=signal, flags=flags)


class ErrorSource(enum.Enum):
    """Where an error came from: the unit field of the error register."""

    LOAD = 0
    MATMUL = 1
    VECTOR = 2
    STORE = 3
    FETCH = 4
    DISPATCH = 5
    SEMAPHORES = 6
    WATCHDOG = 7
