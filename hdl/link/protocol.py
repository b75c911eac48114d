# SPDX-License-Identifier: Apache-2.0
"""The frames of the host link, described once for RTL, host and documentation.

A frame is the body, then its CRC-32, least significant byte first, all of it stuffed, between two
flag bytes. Stuffing and check are those of PPP in HDLC-like framing (RFC 1662, sections 4.2 and
C.3): a byte that equals FLAG or ESCAPE is sent as ESCAPE and the byte with bit 5 inverted. A body
is a sequence of 32-bit words, least significant byte first.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib import data, enum
from amaranth.lib.crc import catalog

__all__ = [
    "CLOCK_UNIT_HZ",
    "CRC",
    "ESCAPE",
    "ESCAPE_INVERT",
    "FLAG",
    "IDENTITY_LAYOUT",
    "PAGE_BYTES",
    "PAGE_WORDS",
    "PROTOCOL_VERSION",
    "REQUEST_LAYOUT",
    "RESPONSE_LAYOUT",
    "Command",
    "Request",
    "Response",
    "Status",
    "decode_body",
    "encode_frame",
    "frame_bytes",
    "identity_word",
]

FLAG = 0x7E
"""Stands before and after every frame and nowhere else."""

ESCAPE = 0x7D
"""Says that the next byte has bit 5 inverted."""

ESCAPE_INVERT = 0x20
"""What an escaped byte is exclusive-ored with."""

CRC = catalog.CRC32_ISO_HDLC
"""The check over the body before stuffing; ``zlib.crc32`` computes the same."""

CHECK_BYTES = 4

PAGE_WORDS = 256
"""Words of a page: a request stays within one."""

PAGE_BYTES = 4 * PAGE_WORDS
"""Bytes of a page, which are also the most data of a frame."""


class Command(enum.Enum, shape=3):
    """What a request asks for: bit 0 to write, bit 1 registers, bit 2 memory."""

    IDENTIFY = 0b000
    READ_REGISTERS = 0b010
    WRITE_REGISTERS = 0b011
    READ_MEMORY = 0b100
    WRITE_MEMORY = 0b101


class Status(enum.Enum, shape=4):
    """How a request ended. Values up to 3 are response codes of AXI."""

    OKAY = 0
    SLAVE_ERROR = 2
    DECODE_ERROR = 3
    BAD_REQUEST = 4
    TIMEOUT = 5


REQUEST_LAYOUT = data.StructLayout(
    {
        "command": Command,
        "reserved": unsigned(4),
        "answer": unsigned(1),
        "sequence": unsigned(8),
        "last": unsigned(8),
        "first_strobe": unsigned(4),
        "last_strobe": unsigned(4),
    }
)
"""Word 0 of a request; word 1 is the byte address of the first word, then the data of writes.

``reserved`` and ``answer`` are 0. ``last`` is the number of the last word within its page; the
number of words is ``last`` minus bits 9:2 of the address, plus 1. Writes leave alone the bytes of
the first and of the last word whose strobe bit is 0; for a single word both strobes must be set.
"""

RESPONSE_LAYOUT = data.StructLayout(
    {
        "command": Command,
        "reserved": unsigned(4),
        "answer": unsigned(1),
        "sequence": unsigned(8),
        "word": unsigned(8),
        "status": Status,
        "unused": unsigned(3),
        "irq": unsigned(1),
    }
)
"""Word 0 of a response; the data of a successful read follow.

``answer`` is 1, so that an echo of a request is no response; ``command`` and ``sequence`` are those
of the request. ``word`` is the number, within the page, of the last word accessed: where an access
failed, all words before it were accessed, it and those after it were not. ``irq`` is the state of
the accelerator's interrupt.
"""

PROTOCOL_VERSION = 1

CLOCK_UNIT_HZ = 10_000

IDENTITY_LAYOUT = data.StructLayout(
    {"version": unsigned(8), "memory_log2": unsigned(8), "clock": unsigned(16)}
)
"""The word that IDENTIFY reads: version of this protocol, binary logarithm of the memory's bytes,
and frequency of the clock in units of 10 kHz (0: it does not fit)."""


def identity_word(memory_bytes: int, clock_hz: int) -> int:
    """What IDENTIFY reads, as `IDENTITY_LAYOUT` says.

    Raises
    ------
    ValueError
        If the memory's size is no power of two.
    """
    if memory_bytes < 1 or memory_bytes & (memory_bytes - 1):
        raise ValueError(f"memory_bytes must be a power of two, not {memory_bytes!r}")
    clock = round(clock_hz / CLOCK_UNIT_HZ)
    word = IDENTITY_LAYOUT.const(
        {
            "version": PROTOCOL_VERSION,
            "memory_log2": memory_bytes.bit_length() - 1,
            "clock": clock if clock < 1 << 16 else 0,
        }
    )
    return word.as_bits()


@dataclass(frozen=True)
class Request:
    """A request of the host.

    Parameters
    ----------
    command : Command
        What to do.
    sequence : int
        0 to 255; the same again only to repeat a request that was not answered.
    address : int
        Byte address of the first word, a multiple of 4.
    words : int
        Number of words; the last must lie in the page of the first.
    data : sequence of int
        The words to write.
    first_strobe, last_strobe : int
        Bytes of the first and of the last word to write, a bit each.
    """

    command: Command
    sequence: int
    address: int = 0
    words: int = 1
    data: Sequence[int] = ()
    first_strobe: int = 0b1111
    last_strobe: int = 0b1111

    def encode(self) -> bytes:
        """The stuffed frame, flags included.

        Raises
        ------
        ValueError
            If the address is odd, the words do not lie in one page, or there are more or fewer
            data than words to write.
        """
        first = self.address % PAGE_BYTES // 4
        last = first + self.words - 1
        if self.address % 4 or not 0 <= self.address < 1 << 32:
            raise ValueError(
                f"address must be a multiple of 4 below 2**32, not {self.address:#x}"
            )
        if not first <= last < PAGE_WORDS:
            raise ValueError(
                f"a request at address {self.address:#x} takes 1 to {PAGE_WORDS - first} words, "
                f"not {self.words}: split it at multiples of {PAGE_BYTES}"
            )
        expected = self.words if self.command.value & 1 else 0
        if len(self.data) != expected:
            raise ValueError(
                f"{self.command.name} of {self.words} words carries {expected} words of data, "
                f"not {len(self.data)}"
            )
        header = REQUEST_LAYOUT.const(
            {
                "command": self.command,
                "sequence": self.sequence,
                "last": last,
                "first_strobe": self.first_strobe,
                "last_strobe": self.last_strobe,
            }
        )
        words = (header.as_bits(), self.address, *self.data)
        return encode_frame(b"".join(word.to_bytes(4, "little") for word in words))


@dataclass(frozen=True)
class Response:
    """A response of the device.

    Parameters
    ----------
    command, sequence
        Those of the request.
    status : Status
        How it ended.
    word : int
        Number within the page of the last word accessed.
    irq : bool
        State of the accelerator's interrupt.
    data : tuple of int
        The words read.
    """

    command: Command
    sequence: int
    status: Status
    word: int
    irq: bool
    data: tuple[int, ...]

    @classmethod
    def decode(cls, body: bytes) -> Response | None:
        """The response in a checked body, or None if it is none."""
        if not body or len(body) % 4:
            return None
        words = [int.from_bytes(body[at : at + 4], "little") for at in range(0, len(body), 4)]
        try:
            head = RESPONSE_LAYOUT.from_bits(words[0])
            command, status = Command(head.command), Status(head.status)
        except ValueError:
            return None
        if not head.answer:
            return None
        return cls(command, head.sequence, status, head.word, bool(head.irq), tuple(words[1:]))


def encode_frame(body: bytes) -> bytes:
    """``body`` with its check, stuffed, between flags."""
    checked = body + zlib.crc32(body).to_bytes(CHECK_BYTES, "little")
    stuffed = checked.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ ESCAPE_INVERT]))
    stuffed = stuffed.replace(bytes([FLAG]), bytes([ESCAPE, FLAG ^ ESCAPE_INVERT]))
    return bytes([FLAG]) + stuffed + bytes([FLAG])


def decode_body(stuffed: bytes) -> bytes | None:
    """The body of what stood between two flags, or None if the check or the stuffing is wrong."""
    pieces = stuffed.split(bytes([ESCAPE]))
    if any(not piece for piece in pieces[1:]):
        return None
    checked = pieces[0] + b"".join(
        bytes([piece[0] ^ ESCAPE_INVERT]) + piece[1:] for piece in pieces[1:]
    )
    body, check = checked[:-CHECK_BYTES], checked[-CHECK_BYTES:]
    if len(check) < CHECK_BYTES or zlib.crc32(body) != int.from_bytes(check, "little"):
        return None
    return body


def frame_bytes(words: int) -> int:
    """Bytes of a frame whose body has ``words`` words, without stuffing."""
    return 4 * words + CHECK_BYTES + 2
