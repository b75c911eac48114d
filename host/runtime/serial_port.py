# SPDX-License-Identifier: Apache-2.0
"""A serial port of this computer, through pyserial."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Protocol

from .serial_errors import PortError

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

    Raises
    ------
    PortError
        If it cannot be opened, or pyserial is not installed.
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
            raise PortError(
                f"cannot open {name} at {baud} baud: {error}; check the name, that you may use it "
                "(on Linux, groups dialout or plugdev) and that no other program does"
            ) from error
        # Else FTDI bridges hold short answers back for 16 ms. Not every driver has it.
        with suppress(AttributeError, NotImplementedError, OSError, ValueError):
            self._serial.set_low_latency_mode(True)
        self._serial.reset_input_buffer()

    def write(self, data: bytes) -> None:
        """See `Port`."""
        try:
            self._serial.write(data)
        except OSError as error:
            raise PortError(f"{self.name} has gone while writing: {error}") from error

    def read(self, timeout: float) -> bytes:
        """See `Port`."""
        try:
            self._serial.timeout = max(0.0, timeout)
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except OSError as error:
            raise PortError(f"{self.name} has gone while reading: {error}") from error

    def now(self) -> float:
        """See `Port`."""
        return time.monotonic()

    def close(self) -> None:
        """See `Port`."""
        self._serial.close()
