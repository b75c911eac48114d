# SPDX-License-Identifier: Apache-2.0
"""The control and status registers, described once for RTL, C header, SVD, driver and docs.

All registers are 32 bits wide on an AXI4-Lite port with a 12-bit byte address.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .config import EXECUTIONS, SEGMENT_COUNT, Config

__all__ = [
    "ADDRESS_WIDTH",
    "COUNTERS",
    "IDENTITY",
    "REGISTERS",
    "VERSION",
    "Access",
    "BitField",
    "Register",
    "configuration_value",
    "register",
]

ADDRESS_WIDTH = 12
"""Bits of a register's byte address."""

IDENTITY = int.from_bytes(b"WEFT", "little")
"""Value of the ID register: the bytes ``WEFT`` in memory order."""

VERSION = 0x0000_0100
"""Value of the VERSION register: major in bits 23:16, minor in 15:8, patch in 7:0."""

DEFAULT_WATCHDOG_CYCLES = 1 << 20
"""Reset value of WATCHDOG, in clock cycles."""


class Access(enum.Enum):
    """How software may use a register."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"
    WRITE_ONE_TO_CLEAR = "write-one-to-clear"
    WRITE_ONE_TO_ACT = "write-one-to-act"


@dataclass(frozen=True)
class BitField:
    """A named range of bits in a register."""

    name: str
    low: int
    width: int
    doc: str


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    Parameters
    ----------
    name : str
        Upper-case name; C macro and driver attribute derive from it.
    offset : int
        Byte offset.
    access : Access
        How software may use it.
    doc : str
        One or two sentences.
    fields : tuple[BitField, ...]
        Named bits; empty for a plain 32-bit value.
    reset : int
        Value after reset, for writable registers.
    constant : str
        For configuration registers, the `Config` attribute shown.
    locked : bool
        Writes while a program runs are refused with SLVERR.
    """

    name: str
    offset: int
    access: Access
    doc: str
    fields: tuple[BitField, ...] = ()
    reset: int = 0
    constant: str = ""
    locked: bool = False


def _bit(name: str, low: int, doc: str) -> BitField:
    return BitField(name, low, 1, doc)


_CONSTANTS = (
    ("ROWS", "rows", "Rows of the array."),
    ("COLS", "cols", "Columns of the array."),
    ("ACTIVATION_DEPTH", "activation_depth", "Words of the activation scratchpad."),
    ("WEIGHT_DEPTH", "weight_depth", "Words of the weight scratchpad."),
    ("ACCUMULATOR_DEPTH", "accumulator_depth", "Words of the accumulator."),
    ("ACCUMULATOR_WIDTH", "accumulator_width", "Bits of an accumulator element."),
    ("MAX_REDUCTION_DEPTH", "max_reduction_depth", "Longest reduction, in products."),
    ("AXI_WIDTH", "axi_width", "Bits of the AXI4 data port."),
    ("AXI_ADDRESS_WIDTH", "axi_address_width", "Bits of an AXI4 address."),
    ("MAX_BURST_BEATS", "max_burst_beats", "Longest AXI burst, in beats."),
    ("READ_OUTSTANDING", "read_outstanding", "Read bursts in flight."),
    ("WRITE_OUTSTANDING", "write_outstanding", "Write bursts in flight."),
    ("QUEUE_DEPTH", "queue_depth", "Instructions each unit's queue holds at least."),
    ("VECTOR_LANES", "vector_lanes", "Lanes of the vector unit; 0: there is none."),
    ("DATAFLOW", "dataflow", "0: weight-stationary."),
    ("PARAMETER_DEPTH", "parameter_depth", "Words of the parameter memory."),
    ("REQUANTIZE", "requantize", "Numeric convention of the vector unit. 0: tflite, 1: onnx."),
    (
        "PERFORMANCE_COUNTERS",
        "performance_counters",
        "1: the COUNTER registers count. 0: they read as zero.",
    ),
    (
        "EXECUTION",
        "execution",
        "0: decoupled, units run at the same time. 1: serial, one instruction after the other.",
    ),
)

COUNTERS: tuple[tuple[str, str], ...] = (
    ("CYCLES", "Cycles from start to done or error."),
    ("LOAD_BUSY", "Cycles the load unit had work in hand."),
    ("LOAD_WAIT_SEMAPHORE", "Cycles its next instruction waited on semaphores."),
    ("LOAD_WAIT_MEMORY", "Busy cycles in which it waited for DRAM."),
    ("MATMUL_BUSY", "Cycles the matmul unit had work in hand."),
    ("MATMUL_WAIT_SEMAPHORE", "Cycles its next instruction waited on semaphores."),
    ("MATMUL_WAIT_MEMORY", "Busy cycles in which it waited for an on-chip memory."),
    ("VECTOR_BUSY", "Cycles the vector unit had work in hand."),
    ("VECTOR_WAIT_SEMAPHORE", "Cycles its next instruction waited on semaphores."),
    ("VECTOR_WAIT_MEMORY", "Busy cycles in which it waited for an on-chip memory."),
    ("STORE_BUSY", "Cycles the store unit had work in hand."),
    ("STORE_WAIT_SEMAPHORE", "Cycles its next instruction waited on semaphores."),
    ("STORE_WAIT_MEMORY", "Busy cycles in which it waited for DRAM."),
    ("ARRAY_ACTIVE", "Cycles an activation vector entered the array."),
    ("ARRAY_IDLE", "Bubbles: the matmul unit had no instruction."),
    ("ARRAY_SEMAPHORE", "Bubbles: the next MATMUL waited on semaphores."),
    ("ARRAY_WEIGHTS", "Bubbles: the next tile of weights was not in the array yet."),
    ("ARRAY_ACTIVATIONS", "Bubbles: no activation vector had come from the scratchpad yet."),
    ("ARRAY_INTERLOCK", "Bubbles: the accumulator word was still being updated."),
    ("READ_BEATS", "Beats received on the AXI4 read data channel."),
    ("WRITE_BEATS", "Beats sent on the AXI4 write data channel."),
    ("INSTRUCTIONS", "Instructions dispatched."),
)
"""Performance counters in address order: name and meaning. ARRAY_* sum to CYCLES."""

COUNTER_BASE = 0x200
SEGMENT_BASE = 0x100
_CONSTANT_BASE = 0x010


def _registers() -> tuple[Register, ...]:
    read_only, read_write = Access.READ_ONLY, Access.READ_WRITE
    table = [
        Register("ID", 0x000, read_only, "The bytes WEFT.", constant="ID"),
        Register(
            "VERSION",
            0x004,
            read_only,
            "Version of the hardware.",
            (
                BitField("PATCH", 0, 8, "patch"),
                BitField("MINOR", 8, 8, "minor"),
                BitField("MAJOR", 16, 8, "major"),
            ),
            constant="VERSION",
        ),
    ]
    table += [
        Register(name, _CONSTANT_BASE + 4 * number, read_only, doc, constant=attribute)
        for number, (name, attribute, doc) in enumerate(_CONSTANTS)
    ]
    table += [
        Register(
            "CONTROL",
            0x080,
            Access.WRITE_ONE_TO_ACT,
            "Commands. Reads as zero.",
            (
                _bit(
                    "START", 0, "run the program; refused with SLVERR unless idle and without error"
                ),
                _bit("SOFT_RESET", 1, "drain AXI, then return every unit to its state after reset"),
            ),
        ),
        Register(
            "STATUS",
            0x084,
            read_only,
            "What the accelerator is doing.",
            (
                _bit("RUNNING", 0, "a program is running"),
                _bit("DONE", 1, "the last program finished without error"),
                _bit("ERROR", 2, "the last program was stopped by an error; see ERROR_CODE"),
                _bit(
                    "DRAINING", 3, "AXI transactions are still outstanding after an error or reset"
                ),
                _bit("RESETTING", 4, "a soft reset is in progress"),
            ),
        ),
        Register(
            "IRQ_ENABLE",
            0x088,
            read_write,
            "Which events raise the interrupt.",
            (
                _bit("DONE", 0, "program finished"),
                _bit("ERROR", 1, "program stopped by an error"),
            ),
        ),
        Register(
            "IRQ_STATUS",
            0x08C,
            Access.WRITE_ONE_TO_CLEAR,
            "Events that happened.",
            (
                _bit("DONE", 0, "program finished"),
                _bit("ERROR", 1, "program stopped by an error"),
            ),
        ),
        Register(
            "PROGRAM_ADDRESS_LOW",
            0x090,
            read_write,
            "Byte address of the program, bits 31:0; a multiple of 32.",
            locked=True,
        ),
        Register(
            "PROGRAM_ADDRESS_HIGH",
            0x094,
            read_write,
            "Byte address of the program, bits 63:32; those that AXI does not have read as zero.",
            locked=True,
        ),
        Register(
            "PROGRAM_LENGTH",
            0x098,
            read_write,
            "Instructions in the program, below 2**24.",
            locked=True,
        ),
        Register(
            "WATCHDOG",
            0x09C,
            read_write,
            "Cycles without progress after which the program is stopped; 0 never stops it.",
            reset=DEFAULT_WATCHDOG_CYCLES,
            locked=True,
        ),
        Register(
            "ERROR_CODE",
            0x0A0,
            read_only,
            "The first error of the last program.",
            (
                BitField("CODE", 0, 8, "what happened"),
                BitField(
                    "SOURCE",
                    8,
                    4,
                    "where: load 0, matmul 1, vector 2, store 3, fetch 4, "
                    "dispatch 5, semaphores 6, watchdog 7",
                ),
            ),
        ),
        Register(
            "ERROR_INSTRUCTION",
            0x0A4,
            read_only,
            "Index of the faulting instruction in its program.",
        ),
        Register("ERROR_ADDRESS_LOW", 0x0A8, read_only, "Faulting address, bits 31:0."),
        Register("ERROR_ADDRESS_HIGH", 0x0AC, read_only, "Faulting address, bits 63:32."),
    ]
    for number in range(SEGMENT_COUNT):
        base = SEGMENT_BASE + 16 * number
        table += [
            Register(
                f"SEGMENT{number}_BASE_LOW",
                base,
                read_write,
                f"Byte address of segment {number}, bits 31:0.",
                locked=True,
            ),
            Register(
                f"SEGMENT{number}_BASE_HIGH",
                base + 4,
                read_write,
                f"Byte address of segment {number}, bits 63:32.",
                locked=True,
            ),
            Register(
                f"SEGMENT{number}_LIMIT",
                base + 8,
                read_write,
                f"Bytes in segment {number}; 0 forbids every access.",
                locked=True,
            ),
        ]
    table += [
        Register(f"COUNTER_{name}", COUNTER_BASE + 4 * number, read_only, doc)
        for number, (name, doc) in enumerate(COUNTERS)
    ]
    return tuple(table)


REGISTERS: tuple[Register, ...] = _registers()
"""Every register in address order."""

_BY_NAME = {item.name: item for item in REGISTERS}


def register(name: str) -> Register:
    """The register called ``name``; raises `KeyError` with the name if there is none."""
    return _BY_NAME[name]


def configuration_value(item: Register, config: Config) -> int:
    """What a configuration register (one with ``constant``) reads as."""
    if item.constant == "ID":
        return IDENTITY
    if item.constant == "VERSION":
        return VERSION
    if item.constant == "dataflow":
        return {"weight-stationary": 0}[config.dataflow]
    if item.constant == "requantize":
        return {"tflite": 0, "onnx": 1}[config.requantize]
    if item.constant == "execution":
        return EXECUTIONS.index(config.execution)
    return int(getattr(config, item.constant))
