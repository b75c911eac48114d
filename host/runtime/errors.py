# SPDX-License-Identifier: Apache-2.0
"""Exceptions of the device API: of hardware (a class per error code), host and link."""

from __future__ import annotations

from ..hdl.isa import ERROR_DOCUMENTATION, ErrorCode, ErrorSource
from ..hdl.link.protocol import Status

__all__ = [
    "AcceleratorError",
    "AcceleratorTimeoutError",
    "BusAccessError",
    "ConfigurationMismatchError",
    "DeviceError",
    "FetchResponseError",
    "IllegalInstructionError",
    "LinkError",
    "LinkLostError",
    "LinkNoiseError",
    "MemoryCorruptionError",
    "MemoryRangeError",
    "MemorySizeError",
    "NoAnswerError",
    "NoProgressError",
    "NotConfiguredError",
    "OperandError",
    "PortBusyError",
    "PortError",
    "PortMissingError",
    "PortPermissionError",
    "ProgramAddressError",
    "ReadResponseError",
    "RegisterAccessError",
    "SegmentLimitError",
    "SemaphoreOverflowError",
    "TargetError",
    "VersionMismatchError",
    "WriteResponseError",
    "WrongBaudError",
    "WrongIdentityError",
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


class LinkError(DeviceError):
    """The link to a board failed."""


class PortError(LinkError, OSError):
    """The serial port cannot be opened."""


class PortMissingError(PortError, FileNotFoundError):
    """There is no such serial port."""


class PortPermissionError(PortError, PermissionError):
    """This user may not use the serial port."""


class PortBusyError(PortError):
    """Another program has the serial port open."""


class NoAnswerError(LinkError, TimeoutError):
    """Nothing came back."""


class LinkLostError(LinkError, ConnectionError):
    """The board answered before, and does not any more, or its port has gone."""


class WrongBaudError(LinkError):
    """The board answers at another baud rate.

    Parameters
    ----------
    name : str
        The port.
    baud : int
        The rate that was asked for.
    found : int
        The rate at which it answers.
    """

    def __init__(self, name: str, baud: int, found: int) -> None:
        self.baud = baud
        self.found = found
        super().__init__(
            f"the board at {name} does not answer at {baud} baud, but at {found}: open it with "
            f"baud={found} (--baud {found})"
        )


class LinkNoiseError(LinkError):
    """Something came back, but nothing undamaged, however often it was tried."""


class WrongIdentityError(LinkError):
    """What answers is no Weft board."""


class VersionMismatchError(WrongIdentityError):
    """The board's gateware is of another version than this software."""


class BusAccessError(LinkError):
    """The board was reached, but an access on its bus failed.

    Parameters
    ----------
    what : str
        The access.
    status : Status
        How it ended.
    address : int
        Byte address of the word that failed; all words before it were accessed.
    """

    def __init__(self, what: str, status: Status, address: int) -> None:
        self.status = status
        self.address = address
        reasons = {
            Status.SLAVE_ERROR: "the access was refused (SLVERR)",
            Status.DECODE_ERROR: "there is nothing at that address (DECERR)",
            Status.BAD_REQUEST: "the board does not know such a request; its gateware may be of "
            "another version than this software",
            Status.TIMEOUT: "the bus did not answer; reset the board",
        }
        super().__init__(f"{what} at {address:#x} failed: {reasons[status]}")


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
