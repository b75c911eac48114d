# SPDX-License-Identifier: Apache-2.0
"""Exceptions of the device API: one class per error code of the hardware, and those of the host."""

from __future__ import annotations

from ..hdl.isa import ERROR_DOCUMENTATION, ErrorCode, ErrorSource

__all__ = [
    "AcceleratorError",
    "AcceleratorTimeoutError",
    "ConfigurationMismatchError",
    "DeviceError",
    "FetchResponseError",
    "IllegalInstructionError",
    "MemoryCorruptionError",
    "MemoryRangeError",
    "MemorySizeError",
    "NoProgressError",
    "NotConfiguredError",
    "OperandError",
    "ProgramAddressError",
    "ReadResponseError",
    "RegisterAccessError",
    "SegmentLimitError",
    "SemaphoreOverflowError",
    "TargetError",
    "WriteResponseError",
    "accelerator_error",
]


class DeviceError(Exception):
    """Any failure of a device or of what was asked of it."""


class OperandError(DeviceError, ValueError):
    """An operand of the wrong type or shape."""


class MemorySizeError(DeviceError, ValueError):
    """Operands, result and program do not fit the device's memory."""


class TargetError(DeviceError, ValueError):
    """A target that does not exist or is not in this configuration."""


class ConfigurationMismatchError(DeviceError):
    """The accelerator says it is another one than the host was told."""


class MemoryCorruptionError(DeviceError):
    """Bytes outside all output segments changed during a run."""


class RegisterAccessError(DeviceError):
    """A register write was refused."""


class AcceleratorTimeoutError(DeviceError, TimeoutError):
    """No interrupt came in time."""


class AcceleratorError(DeviceError):
    """A program was stopped by an error of the accelerator.

    Parameters
    ----------
    source : ErrorSource
        Unit that found it.
    instruction : int
        Index of the faulting instruction.
    address : int
        Contents of the error address register.
    disassembly : str
        The instruction as text, if it could be read.
    """

    code = ErrorCode.NONE
    advice = "read the error registers"

    def __init__(
        self, source: ErrorSource, instruction: int, address: int, disassembly: str = ""
    ) -> None:
        self.source = source
        self.instruction = instruction
        self.address = address
        self.disassembly = disassembly
        what, meaning = ERROR_DOCUMENTATION[self.code]
        text = f"{self.code.name} at instruction {instruction} (found by {source.name.lower()})"
        if disassembly:
            text += f": {disassembly}"
        super().__init__(
            f"{text}\n  what: {what}\n  address: {address:#x} ({meaning})\n"
            f"  what to do: {self.advice}"
        )


class IllegalInstructionError(AcceleratorError):
    """ILLEGAL_INSTRUCTION."""

    code = ErrorCode.ILLEGAL_INSTRUCTION
    advice = "check the program (`weft check`); it may be made for another configuration"


class NotConfiguredError(AcceleratorError):
    """NOT_CONFIGURED."""

    code = ErrorCode.NOT_CONFIGURED
    advice = "generate the accelerator with the unit or compile without the instruction"


class MemoryRangeError(AcceleratorError):
    """MEMORY_RANGE."""

    code = ErrorCode.MEMORY_RANGE
    advice = "compile for the accelerator's memory depths, or check the program (`weft check`)"


class SegmentLimitError(AcceleratorError):
    """SEGMENT_LIMIT."""

    code = ErrorCode.SEGMENT_LIMIT
    advice = "enlarge the segment, or correct offset, stride and count of the instruction"


class ReadResponseError(AcceleratorError):
    """READ_RESPONSE."""

    code = ErrorCode.READ_RESPONSE
    advice = "check that the segment's base lies in existing memory"


class WriteResponseError(AcceleratorError):
    """WRITE_RESPONSE."""

    code = ErrorCode.WRITE_RESPONSE
    advice = "check that the segment's base lies in existing, writable memory"


class SemaphoreOverflowError(AcceleratorError):
    """SEMAPHORE_OVERFLOW."""

    code = ErrorCode.SEMAPHORE_OVERFLOW
    advice = "let the signalling unit wait for the other one now and then (`weft check`)"


class NoProgressError(AcceleratorError):
    """NO_PROGRESS."""

    code = ErrorCode.NO_PROGRESS
    advice = "look for the missing signal (`weft check`), or give the watchdog more cycles"


class FetchResponseError(AcceleratorError):
    """FETCH_RESPONSE."""

    code = ErrorCode.FETCH_RESPONSE
    advice = "check that the program lies in existing memory"


class ProgramAddressError(AcceleratorError):
    """PROGRAM_ADDRESS."""

    code = ErrorCode.PROGRAM_ADDRESS
    advice = "put the program at a multiple of 32 bytes within the address space"


_CLASSES = {
    item.code: item
    for item in (
        IllegalInstructionError, NotConfiguredError, MemoryRangeError, SegmentLimitError,
        ReadResponseError, WriteResponseError, SemaphoreOverflowError, NoProgressError,
        FetchResponseError, ProgramAddressError,
    )
}


def accelerator_error(
    code: int, source: int, instruction: int, address: int, disassembly: str = ""
) -> DeviceError:
    """The exception for the contents of the error registers."""
    try:
        kind, where = _CLASSES[ErrorCode(code)], ErrorSource(source)
    except (ValueError, KeyError):
        return DeviceError(
            f"the accelerator reports error code {code} from source {source}, which this version "
            "does not know"
        )
    return kind(where, instruction, address, disassembly)
