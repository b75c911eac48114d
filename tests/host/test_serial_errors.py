# SPDX-License-Identifier: Apache-2.0
"""Every way a serial board can be out of reach, through pseudo-terminals."""

import errno
import os
import select
import termios
import threading
import tty

import pytest

import weft
from weft.hdl.config import Config
from weft.hdl.link.protocol import (
    FLAG,
    IDENTITY_LAYOUT,
    PROTOCOL_VERSION,
    REQUEST_LAYOUT,
    RESPONSE_LAYOUT,
    Command,
    Status,
    decode_body,
    encode_frame,
)
from weft.hdl.registers import REGISTERS, configuration_value
from weft.runtime import serial_link

CONFIG = Config.preset("tiny")
LATENCY = 0.002


class FakeBoard:
    """Answers as a board does, in the way a test wants it.

    Parameters
    ----------
    version : int
        Of the protocol.
    registers : dict
        Values of registers by offset that are not as in `CONFIG`.
    speed : int or None
        Constant of termios: it understands nothing at another rate.
    answers : int or None
        It falls silent after so many.
    hangs_up : bool
        Instead of falling silent, the terminal goes.
    damages : bool
        It changes a byte of what it sends.
    """

    def __init__(self, *, version=PROTOCOL_VERSION, registers=None, speed=None, answers=None,
                 hangs_up=False, damages=False):
        self.version, self.speed, self.left = version, speed, answers
        self.hangs_up, self.damages = hangs_up, damages
        constant = [item for item in REGISTERS if item.constant]
        self.registers = {item.offset: configuration_value(item, CONFIG) for item in constant}
        self.registers.update(registers or {})
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        self.target = f"serial:{os.ttyname(self.theirs)}"
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        self.thread.join()
        if self.ours >= 0:
            self.hang_up()

    def hang_up(self):
        os.close(self.theirs)
        os.close(self.ours)
        self.ours = -1

    def open(self, **options):
        return weft.open(self.target, latency=LATENCY, **options)

    def serve(self):
        received = b""
        while not self.stop.is_set():
            ready, _, _ = select.select([self.ours], [], [], 0.01)
            if not ready:
                continue
            received += os.read(self.ours, 4096)
            *frames, received = received.split(bytes([FLAG]))
            if self.speed is not None and termios.tcgetattr(self.ours)[5] != self.speed:
                continue
            for body in filter(None, map(decode_body, filter(None, frames))):
                if self.left == 0:
                    if self.hangs_up:
                        self.hang_up()
                        return
                    continue
                if self.left is not None:
                    self.left -= 1
                answer = bytearray(self.answer(body))
                if self.damages:
                    answer[3] ^= 1
                os.write(self.ours, answer)

    def answer(self, body):
        head = REQUEST_LAYOUT.from_bits(int.from_bytes(body[:4], "little"))
        offset = int.from_bytes(body[4:8], "little")
        words = []
        if Command(head.command) is Command.IDENTIFY:
            identity = {"version": self.version, "memory_log2": 16, "clock": 2500}
            words = [IDENTITY_LAYOUT.const(identity).as_bits()]
        elif Command(head.command) is Command.READ_REGISTERS:
            words = [self.registers.get(offset, 0)]
        first = RESPONSE_LAYOUT.const({
            "command": head.command, "answer": 1, "sequence": head.sequence,
            "status": Status.OKAY.value, "word": head.last,
        }).as_bits()
        return encode_frame(b"".join(word.to_bytes(4, "little") for word in (first, *words)))


def test_a_board_answers():
    with FakeBoard() as board, board.open() as device:
        assert device.config == CONFIG


def test_missing():
    with pytest.raises(weft.errors.PortMissingError, match="there is no serial port /dev/no-such"):
        weft.open("serial:/dev/no-such-port")


def test_permission(monkeypatch):
    serial = pytest.importorskip("serial")

    def refuse(name, *arguments, **options):
        raise serial.SerialException(errno.EACCES, f"could not open port {name}")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(weft.errors.PortPermissionError, match="usermod -aG dialout"):
        weft.open("serial:/dev/ttyUSB0")


def test_busy():
    with FakeBoard() as board, board.open():
        with pytest.raises(weft.errors.PortBusyError, match="is in use by another program"):
            board.open()


def test_another_failure(monkeypatch):
    serial = pytest.importorskip("serial")

    def refuse(name, *arguments, **options):
        raise ValueError("Invalid baud rate: 7")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(weft.errors.PortError, match="at 7 baud: Invalid .*can have this rate"):
        weft.open("serial:/dev/ttyUSB0", baud=7)


def test_no_answer():
    with FakeBoard(answers=0) as board:
        with pytest.raises(weft.errors.NoAnswerError, match="check that the board is programmed"):
            board.open()


def test_wrong_baud():
    with FakeBoard(speed=termios.B2000000) as board:
        with pytest.raises(
            weft.errors.WrongBaudError, match=r"not answer at 1000000 .* at 2000000: .*--baud 2000"
        ) as error:
            board.open()
        assert (error.value.baud, error.value.found) == (1_000_000, 2_000_000)
        board.open(baud=error.value.found).close()


def test_noise():
    with FakeBoard(damages=True) as board:
        with pytest.raises(weft.errors.LinkNoiseError, match="too noisy.*check baud rate, cable"):
            board.open()


def test_another_protocol():
    with FakeBoard(version=PROTOCOL_VERSION + 1) as board:
        with pytest.raises(weft.errors.VersionMismatchError, match="generate its gateware anew"):
            board.open()


def test_another_accelerator():
    with FakeBoard(registers={0: 0x12345678}) as board:
        with pytest.raises(weft.errors.VersionMismatchError, match="register ID does not read"):
            board.open()


@pytest.mark.parametrize(
    ("hangs_up", "message"),
    [(False, "the last 6 requests were not answered"), (True, "has gone while")],
)
def test_lost_in_the_middle(hangs_up, message, monkeypatch):
    monkeypatch.setattr(serial_link, "ATTEMPTS", 6)
    with FakeBoard(answers=3, hangs_up=hangs_up) as board:
        with pytest.raises(weft.errors.LinkLostError, match=message) as error:
            board.open()
    assert "check cable and power of the board, and open it again" in str(error.value)


def test_all_are_errors_of_links():
    names = ("PortMissingError", "PortPermissionError", "PortBusyError", "NoAnswerError",
             "WrongBaudError", "LinkNoiseError", "VersionMismatchError", "LinkLostError",
             "BusAccessError")
    for name in names:
        assert issubclass(getattr(weft.errors, name), weft.errors.LinkError)
        assert name in weft.errors.__all__
