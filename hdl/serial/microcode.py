# SPDX-License-Identifier: Apache-2.0
"""The microinstructions of serial execution, and what puts them together."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..registers import SEGMENT_BASE, register

__all__ = [
    "ADDRESS_BITS",
    "INDEXED_VARIABLES",
    "Assembler",
    "Condition",
    "Host",
    "Operation",
    "Output",
    "Port",
    "Source",
    "Variable",
    "Wait",
    "encode",
]

ADDRESS_BITS = 10
"""Bits of a place in the microprogram: four block RAMs of iCE40."""

INDEXED_VARIABLES = 0xF0
"""From this variable on, the index register takes the place of the lowest four bits."""


class Operation(enum.IntEnum):
    """What a microinstruction does, bits 15:12. The accumulator has 16 bits.

    The first four take the operand that `Source` names in bits 11:9; with bit 8 the carry takes
    part in ADD and SUB. SUB leaves a carry where it does not borrow.
    """

    LOAD = 0
    ADD = 1
    SUB = 2
    AND = 3
    STORE = 4
    """The accumulator into the variable in bits 7:0."""
    RIGHT = 5
    """Shift the accumulator right by a bit, which becomes the carry."""
    TAKE = 6
    """The next bits of the instruction, one more than bits 11:8 say, into accumulator and variable.
    """
    OUTPUT = 7
    """The accumulator to the `Output` in bits 7:0."""
    POKE = 8
    """The accumulator into a half of the register in bits 7:0; bit 8: the upper one."""
    JUMP = 9
    """To bits 9:0, on one of the first four of `Condition`, in bits 11:10."""
    CALL = 10
    """To bits 9:0; remembers one place."""
    RETURN = 11
    """Behind the last CALL."""
    INDEX = 12
    """The accumulator into the index register, or with bit 8, one more into it."""
    WAIT = 13
    """Until nothing of `Wait` in bits 7:0 is left to be done."""
    JUMP_TOO = 14
    """As JUMP, on one of the last four."""


class Source(enum.IntEnum):
    """Where an operand comes from."""

    VARIABLE = 0
    LOW = 1
    """Bits 7:0."""
    HIGH = 2
    """Bits 7:0, in the upper byte."""
    PORT = 3
    HOST_LOW = 4
    HOST_HIGH = 5
    """Halves of a register that the host has written."""


class Condition(enum.IntEnum):
    """When to jump."""

    ALWAYS = 0
    ZERO = 1
    """The accumulator is zero."""
    NOT_ZERO = 2
    CARRY = 3
    NO_CARRY = 4
    INDEX = 5
    """The index register is not zero."""
    FAILED = 6
    """A memory answered with an error, or a vector lies beyond its memory."""
    RESETTING = 7
    """A soft reset is in progress."""


class Output(enum.IntEnum):
    """What an OUTPUT does with the accumulator."""

    REST = 0
    """Nothing: the microprogram stops until the next program."""
    FAIL = 1
    """The same, and the program has failed."""
    STUCK = 2
    """Nothing ever again, until the watchdog or a reset comes."""
    ADDRESS_LOW = 3
    ADDRESS_HIGH = 4
    WORD = 5
    LAST_BYTE = 6
    FILL = 7
    MEMORY = 8
    STREAM = 9
    """Begin to take bits at the address."""
    LOAD_ROW = 10
    FILL_WORD = 11
    STORE_ROW = 12
    WEIGHTS = 13
    """The weight word at this address into the array."""
    NO_WEIGHTS = 14
    """Zeros into the array."""
    FIRST = 15
    """The next vector is the first of a pass; bit 0: its results accumulate."""
    SOURCE = 16
    TARGET = 17
    SOURCE_STRIDE = 18
    TARGET_STRIDE = 19
    VECTORS = 20
    """Send one more vectors than this through the array."""
    UNIT = 21
    """The units at work, a bit for each."""
    LEGAL = 22
    """Nothing: the instruction has been found legal."""


class Port(enum.IntEnum):
    """What can be read, as an operand."""

    BEAT_LOW = 0
    """The address of the last beat moved."""
    BEAT_HIGH = 1
    SOURCE = 2
    TARGET = 3
    INDEX = 4


class Wait(enum.IntEnum):
    """What to wait for."""

    MOVED = 0
    """Bytes are moved, and all vectors are in the array."""
    DRAINED = 1
    """As well, their results can be read."""


@dataclass(frozen=True)
class Variable:
    """A word of the microprogram's memory."""

    address: int


@dataclass(frozen=True)
class Host:
    """A half of a register that the host has written.

    Parameters
    ----------
    name : str
        Of the register; a segment's without its number, which is in the index register.
    high : bool
        The upper half.
    """

    name: str
    high: bool = False

    @property
    def address(self) -> int:
        """Word address."""
        for part, offset in (("BASE_LOW", 0), ("BASE_HIGH", 4), ("LIMIT", 8)):
            if self.name == f"SEGMENT_{part}":
                return (SEGMENT_BASE + offset) // 4
        return register(self.name).offset // 4


def encode(operation: Operation, upper: int = 0, lower: int = 0) -> int:
    """A microinstruction with ``upper`` in bits 11:8 and ``lower`` in bits 7:0."""
    if not 0 <= upper < 16 or not 0 <= lower < 256:
        raise ValueError(f"{operation.name} takes 4 and 8 bits, not {upper!r} and {lower!r}")
    return operation << 12 | upper << 8 | lower


class Assembler:
    """Collects microinstructions; one method for each operation.

    Operands are a `Variable`, a `Host`, a `Port`, or an integer that is a byte or 256 times a byte.
    """

    def __init__(self) -> None:
        self._words: list[int | tuple[int, str]] = []
        self._labels: dict[str, int] = {}
        self._variables: dict[str, Variable] = {}

    def variable(self, name: str) -> Variable:
        """The variable called ``name``, a new one the first time."""
        return self._variables.setdefault(name, Variable(len(self._variables)))

    def label(self, name: str) -> None:
        """The next microinstruction is called ``name``."""
        if name in self._labels:
            raise ValueError(f"the label {name!r} exists already")
        self._labels[name] = len(self._words)

    def _operand(self, operation: Operation, operand: object, carry: bool = False) -> None:
        if isinstance(operand, Variable):
            source, lower = Source.VARIABLE, operand.address
        elif isinstance(operand, Host):
            source = Source.HOST_HIGH if operand.high else Source.HOST_LOW
            lower = operand.address
        elif isinstance(operand, Port):
            source, lower = Source.PORT, operand.value
        elif isinstance(operand, int) and operand in range(256):
            source, lower = Source.LOW, operand
        elif isinstance(operand, int) and operand & 0xFF == 0:
            source, lower = Source.HIGH, operand >> 8
        else:
            raise ValueError(f"an operand cannot be {operand!r}")
        self._words.append(encode(operation, source << 1 | carry, lower))

    def load(self, operand: object) -> None:
        """The operand into the accumulator."""
        self._operand(Operation.LOAD, operand)

    def constant(self, value: int) -> None:
        """16 bits into the accumulator."""
        self.load(value & 0xFF)
        if value >> 8:
            self.add(value & 0xFF00)

    def add(self, operand: object, *, carry: bool = False) -> None:
        """Add the operand."""
        self._operand(Operation.ADD, operand, carry)

    def subtract(self, operand: object, *, carry: bool = False) -> None:
        """Subtract the operand."""
        self._operand(Operation.SUB, operand, carry)

    def mask(self, operand: object) -> None:
        """Keep the operand's bits."""
        self._operand(Operation.AND, operand)

    def store(self, *names: str) -> None:
        """The accumulator into variables."""
        for name in names:
            self._words.append(encode(Operation.STORE, 0, self.variable(name).address))

    def store_indexed(self) -> None:
        """The accumulator into the variable that the index register chooses."""
        self._words.append(encode(Operation.STORE, 0, INDEXED_VARIABLES))

    def right(self, places: int = 1) -> None:
        """Shift right."""
        self._words += [encode(Operation.RIGHT)] * places

    def take(self, bits: int, name: str) -> None:
        """The next bits of the instruction into the accumulator and a variable."""
        self._words.append(encode(Operation.TAKE, bits - 1, self.variable(name).address))

    def output(self, output: Output) -> None:
        """The accumulator to an output."""
        self._words.append(encode(Operation.OUTPUT, 0, output))

    def poke(self, name: str, *, high: bool = False) -> None:
        """The accumulator into a half of a register."""
        self._words.append(encode(Operation.POKE, int(high), Host(name).address))

    def _branch(self, operation: Operation, condition: int, label: str) -> None:
        self._words.append((operation << 12 | condition << ADDRESS_BITS, label))

    def jump(self, label: str, condition: Condition = Condition.ALWAYS) -> None:
        """Go on at ``label``, on a condition."""
        operation = Operation.JUMP if condition < 4 else Operation.JUMP_TOO
        self._branch(operation, condition % 4, label)

    def call(self, label: str) -> None:
        """Go on at ``label`` until a `back`."""
        self._branch(Operation.CALL, 0, label)

    def back(self) -> None:
        """Go on behind the last call."""
        self._words.append(encode(Operation.RETURN))

    def index(self) -> None:
        """The accumulator into the index register."""
        self._words.append(encode(Operation.INDEX))

    def index_next(self) -> None:
        """Add one to the index register, modulo 16."""
        self._words.append(encode(Operation.INDEX, 1))

    def wait(self, what: Wait) -> None:
        """Wait."""
        self._words.append(encode(Operation.WAIT, 0, what))

    def place(self, label: str) -> int:
        """Where a label is."""
        return self._labels[label]

    def words(self) -> list[int]:
        """All microinstructions.

        Raises
        ------
        ValueError
            If they do not fit their memory, or variables theirs.
        """
        if len(self._words) > 1 << ADDRESS_BITS or len(self._variables) > INDEXED_VARIABLES:
            raise ValueError(
                f"{len(self._words)} microinstructions and {len(self._variables)} variables are "
                f"more than {1 << ADDRESS_BITS} and {INDEXED_VARIABLES}"
            )
        return [
            word if isinstance(word, int) else word[0] | self._labels[word[1]]
            for word in self._words
        ]
