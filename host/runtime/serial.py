# SPDX-License-Identifier: Apache-2.0
"""The serial target: programs on a board, or a simulated one, behind a serial port."""

from __future__ import annotations

from typing import Any

from ..hdl.config import EXECUTIONS, Config
from ..hdl.registers import REGISTERS, configuration_value, register
from .device import ProgramDevice
from .errors import (
    ConfigurationMismatchError,
    LinkNoiseError,
    NoAnswerError,
    VersionMismatchError,
    WrongBaudError,
)
from .serial_link import LinkClient, LinkIdentity
from .serial_port import Port, SerialPort
from .serial_transport import SerialTransport

__all__ = ["DEFAULT_BAUD", "SerialDevice", "read_configuration"]

DEFAULT_BAUD = 1_000_000

USUAL_BAUDS = (115_200, 1_000_000, 2_000_000, 3_000_000)
"""Rates that are tried to say what is wrong when a board does not answer."""


def read_configuration(client: LinkClient) -> Config:
    """The configuration of the accelerator as its own registers show it.

    Raises
    ------
    VersionMismatchError
        If the accelerator is of another version.
    """
    constants = [item for item in REGISTERS if item.constant]
    values = {item.constant: client.read_registers(item.offset)[0] for item in constants}
    for name in ("ID", "VERSION"):
        expected = configuration_value(register(name), Config())
        if values.pop(name) != expected:
            raise VersionMismatchError(
                f"register {name} does not read {expected:#x}: the board's accelerator is not of "
                "this version; generate its gateware anew"
            )
    choices = {
        "dataflow": ("weight-stationary",), "requantize": ("tflite", "onnx"),
        "execution": EXECUTIONS,
    }
    settings: dict[str, Any] = dict(values)
    for name, words in choices.items():
        number = values[name]
        if number >= len(words):
            raise VersionMismatchError(
                f"register {name.upper()} reads {number}, which has no name in this version: "
                "generate the board's gateware anew"
            )
        settings[name] = words[number]
    return Config.from_dict(settings)


def _compare(expected: Config, found: Config) -> None:
    """Raise `ConfigurationMismatchError` if two configurations differ in what registers show."""
    wrong = []
    for item in REGISTERS:
        if item.constant:
            values = [configuration_value(item, config) for config in (found, expected)]
            if values[0] != values[1]:
                wrong.append(f"{item.constant} is {values[0]}, not {values[1]}")
    if wrong:
        raise ConfigurationMismatchError(
            f"the board's accelerator is another one: {', '.join(wrong)}; open it without a "
            "configuration to take what it is"
        )


class SerialDevice(ProgramDevice):
    """Runs programs on a board. Its configuration comes from the board itself.

    Parameters
    ----------
    port : str or Port
        Name of a serial port, or something that behaves like one.
    config : Config or None
        What the accelerator is expected to be; None takes what it is.
    baud : int
        Baud rate of the board's gateware.
    latency : float
        Seconds beyond the time on the wire that an answer may take.
    options
        As in `ProgramDevice`; ``dram_bytes`` is the board's memory unless it is given.

    Attributes
    ----------
    client : LinkClient
        The link, with its statistics.
    clock_hz : int or None
        Frequency of the board's clock.

    Raises
    ------
    PortMissingError, PortPermissionError, PortBusyError, PortError
        If the port cannot be opened.
    NoAnswerError, LinkNoiseError, WrongIdentityError
        If no board answers.
    WrongBaudError
        If it answers at another of `USUAL_BAUDS`.
    VersionMismatchError
        If its gateware is of another version.
    ConfigurationMismatchError
        If the accelerator is another than expected.
    """

    target = "serial"
    transport: SerialTransport

    def __init__(
        self,
        port: str | Port,
        config: Config | None = None,
        *,
        baud: int = DEFAULT_BAUD,
        latency: float = 0.03,
        dram_bytes: int | None = None,
        **options: Any,
    ) -> None:
        opened = SerialPort(port, baud) if isinstance(port, str) else port
        self.client = LinkClient(opened, latency=latency)
        try:
            identity = self._identify()
            found = read_configuration(self.client)
            if config is not None:
                _compare(config, found)
                # What the registers do not show, as the family, is as expected.
                found = config
            self.clock_hz = identity.clock_hz
            super().__init__(
                found,
                SerialTransport(self.client, identity.memory_bytes),
                dram_bytes=identity.memory_bytes if dram_bytes is None else dram_bytes,
                **options,
            )
            self.driver.begin(self.client.read_registers(register("STATUS").offset)[0])
        except BaseException:
            self.client.close()
            raise

    def _identify(self) -> LinkIdentity:
        """Find the board; if none answers, look whether it does at another baud rate."""
        try:
            return self.client.identify()
        except (NoAnswerError, LinkNoiseError) as error:
            port = self.client.port
            if not isinstance(port, SerialPort):
                raise
            for baud in USUAL_BAUDS:
                if baud == port.baud:
                    continue
                port.set_baud(baud)
                if self.client.answers():
                    raise WrongBaudError(port.name, port.baud, baud) from error
            raise

    def close(self) -> None:
        """Let go of the port."""
        super().close()
        self.client.close()
