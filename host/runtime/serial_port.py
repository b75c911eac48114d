# SPDX-License-Identifier: Apache-2.0
"""A serial port of this computer, through pyserial."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from typing import Any, Protocol

from .errors import (
    LinkLostError,
    PortBusyError,
    PortError,
    PortMissingError,
    PortPermissionError,
)

__all__ = ["Port", "SerialPort"]


class Port(Protocol):
    """Bytes out and in, and a clock."""

    def write(self, data: bytes) -> None:
        """Send; may return before everything is on the wire."""
        ...

    def read(self, timeout: float) -> bytes:
        """What has come; waits up to ``timeout`` seconds for the first byte."""
        ...

    def now(self) -> float:
        """Seconds, from any beginning."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SerialPort:
    """A serial port with 8 data bits, no parity, 1 stop bit and no flow control.

    Parameters
    ----------
    name : str
        ``/dev/ttyUSB0``, ``COM3``, or any URL that pyserial knows.
    baud : int
        Bits a second.

    Attributes
    ----------
    name : str
    baud : int
        As given.

    Raises
    ------
    PortMissingError, PortPermissionError, PortBusyError
        If it is not there, not for this user, or in use.
    PortError
        If it cannot be opened for another reason, or pyserial is not installed.
    """

    def __init__(self, name: str, baud: int) -> None:
        try:
            import serial
        except ImportError as error:
            raise PortError(
                "serial boards need the Python package pyserial; install it with: "
                "pip install pyserial"
            ) from error
        self.name = name
        try:
            # Typed as Any: pyserial has no annotations.
            self._serial: Any = serial.serial_for_url(name, baud, timeout=0, exclusive=True)
        except (serial.SerialException, ValueError, OSError) as error:
            raise _opening_error(name, baud, error) from error
        self.baud = baud
        # Else FTDI bridges hold short answers back for 16 ms. Not every driver has it.
        with suppress(AttributeError, NotImplementedError, OSError, ValueError):
            self._serial.set_low_latency_mode(True)
        self._serial.reset_input_buffer()

    def set_baud(self, baud: int) -> None:
        """Go on at another rate, without what has come at the one before."""
        self._serial.baudrate = baud
        self._serial.reset_input_buffer()

    def write(self, data: bytes) -> None:
        """See `Port`."""
        try:
            self._serial.write(data)
        except OSError as error:
            raise _gone(self.name, "writing", error) from error

    def read(self, timeout: float) -> bytes:
        """See `Port`."""
        try:
            self._serial.timeout = max(0.0, timeout)
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except OSError as error:
            raise _gone(self.name, "reading", error) from error

    def now(self) -> float:
        """See `Port`."""
        return time.monotonic()

    def close(self) -> None:
        """See `Port`."""
        self._serial.close()


def _opening_error(name: str, baud: int, error: Exception) -> PortError:
    """What kept a port from being opened."""
    number = getattr(error, "errno", None)
    if number is None:
        # pyserial raises its refusal of a locked port without a number.
        cause = error.__context__
        number = getattr(cause, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortMissingError(
            f"there is no serial port {name}{_ports_there_are()}; check the name, that the board "
            "is connected and powered, and that its driver is loaded"
        )
    if number in (errno.EACCES, errno.EPERM):
        return PortPermissionError(
            f"you may not use {name}; on Linux add yourself to the group that owns it "
            "(sudo usermod -aG dialout $USER, on some systems plugdev or uucp) and log in again"
        )
    if number in (errno.EAGAIN, errno.EBUSY):
        return PortBusyError(
            f"{name} is in use by another program; close it (fuser {name} names it)"
        )
    return PortError(
        f"cannot open {name} at {baud} baud: {error}; check the name and that the port can have "
        "this rate"
    )


def _ports_there_are() -> str:
    """The serial ports of this computer, for a message."""
    from serial.tools import list_ports

    found = ", ".join(sorted(port.device for port in list_ports.comports()))
    return f" (there are {found})" if found else " (there is none on this computer)"


def _gone(name: str, doing: str, error: Exception) -> LinkLostError:
    return LinkLostError(
        f"{name} has gone while {doing}: {error}; check cable and power of the board, and open it "
        "again"
    )
