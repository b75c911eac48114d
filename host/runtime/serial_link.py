# SPDX-License-Identifier: Apache-2.0
"""The host's end of the link: requests, repeated until they are answered."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..hdl.link.protocol import (
    CLOCK_UNIT_HZ,
    FLAG,
    IDENTITY_LAYOUT,
    PAGE_WORDS,
    PROTOCOL_VERSION,
    Command,
    Request,
    Response,
    Status,
    decode_body,
    frame_bytes,
)
from .errors import (
    BusAccessError,
    LinkError,
    LinkLostError,
    LinkNoiseError,
    NoAnswerError,
    VersionMismatchError,
    WrongIdentityError,
)
from .serial_port import Port

__all__ = ["LinkClient", "LinkIdentity", "LinkStatistics"]

FIRST_LATENCIES = 8
"""How many times the usual latency to wait for the first answer, whose delay nobody knows."""

FIRST_ATTEMPTS = 6
LARGEST_BACKOFF = 8
PROBES = 2
ATTEMPTS = 40
"""Failures in a row after which the link is given up."""

SMALLEST_FRAME = 4
"""Words of data to which frames shrink where the line is bad."""

GROWTH = 6
"""Answers in a row after which frames get twice as long; two failures in a row halve them."""


@dataclass(frozen=True)
class LinkIdentity:
    """What a board says of itself.

    Parameters
    ----------
    memory_bytes : int
        Size of its memory.
    clock_hz : int or None
        Frequency of its clock.
    """

    memory_bytes: int
    clock_hz: int | None


@dataclass
class LinkStatistics:
    """What happened on the line.

    Parameters
    ----------
    requests : int
        Frames sent, repetitions included.
    damaged : int
        Frames received whose check was wrong.
    unanswered : int
        Requests without an answer in time.
    """

    requests: int = 0
    damaged: int = 0
    unanswered: int = 0


class LinkClient:
    """Reads and writes registers and memory of a board.

    One request is under way at a time. It is repeated, with the same sequence number, until it is
    answered; the board executes it once. Frames shrink where many are lost and grow again. The
    time to wait follows the speed seen and its deviation as in TCP (RFC 6298, section 2), but by
    the byte, so that a simulated board may be slow.

    Parameters
    ----------
    port : Port
        The line.
    latency : float
        Seconds beyond the time on the wire that an answer may take.

    Attributes
    ----------
    statistics : LinkStatistics
    irq : bool
        The interrupt as of the last answer.
    progress : callable or None
        Called during long transfers with the bytes done and the bytes in all.
    """

    def __init__(self, port: Port, *, latency: float = 0.03) -> None:
        self.port = port
        self.statistics = LinkStatistics()
        self.irq = False
        self.progress: Callable[[int, int], None] | None = None
        self._latency = latency
        self._byte_time: float | None = None
        self._byte_deviation = 0.0
        self._received = b""
        # Random, so that it is hardly that of a request from an earlier session.
        self._sequence = secrets.randbelow(256)
        self._words = PAGE_WORDS
        self._failures = 0
        self._successes = 0
        self._identified = False
        self._damaged_lately = False
        """Damaged frames came since the last answer."""

    def identify(self) -> LinkIdentity:
        """Find the board and begin a session.

        Raises
        ------
        NoAnswerError, LinkNoiseError
            If nothing, or nothing that makes sense, answers.
        WrongIdentityError
            If what answers is no board.
        VersionMismatchError
            If the board speaks another version of the protocol.
        """
        request = self._request(Command.IDENTIFY, 0, 1)
        response = None
        for attempt in range(FIRST_ATTEMPTS):
            backoff = min(2**attempt, LARGEST_BACKOFF)
            response = self._try(request, FIRST_LATENCIES * self._latency * backoff)
            if response is not None:
                break
        if response is None:
            raise self._given_up()
        if response.status is not Status.OKAY or len(response.data) != 1:
            raise WrongIdentityError(
                f"what answers does not identify itself ({response.status.name}): it is no Weft "
                "board; check the port and what the board was programmed with"
            )
        identity = IDENTITY_LAYOUT.from_bits(response.data[0])
        if identity.version != PROTOCOL_VERSION:
            raise VersionMismatchError(
                f"the board speaks version {identity.version} of the link's protocol, this "
                f"software version {PROTOCOL_VERSION}: generate its gateware anew"
            )
        self._identified = True
        return LinkIdentity(
            1 << identity.memory_log2, identity.clock * CLOCK_UNIT_HZ if identity.clock else None
        )

    def answers(self) -> bool:
        """Whether anything answers an IDENTIFY, of whatever version."""
        request = self._request(Command.IDENTIFY, 0, 1)
        wait = FIRST_LATENCIES * self._latency
        return any(self._try(request, wait) is not None for _ in range(PROBES))

    def read_registers(self, offset: int, words: int = 1) -> list[int]:
        """Successive registers from a byte offset.

        Raises
        ------
        BusAccessError
            If one of them cannot be read.
        """
        values: list[int] = []
        while len(values) < words:
            part = min(self._words, words - len(values))
            request = self._request(Command.READ_REGISTERS, offset + 4 * len(values), part)
            values += self._checked("reading a register", request).data
        return values

    def write_registers(self, offset: int, values: Sequence[int]) -> None:
        """Write successive registers from a byte offset.

        Raises
        ------
        BusAccessError
            If one of them refuses; those before it are written, those after it are not.
        """
        done = 0
        while done < len(values):
            part = list(values[done : done + self._words])
            command = Command.WRITE_REGISTERS
            request = self._request(command, offset + 4 * done, len(part), part)
            self._checked("writing a register", request)
            done += len(part)

    def read_memory(self, address: int, size: int) -> bytes:
        """``size`` bytes of memory from a byte address.

        Raises
        ------
        BusAccessError
            If some of them are not there.
        """
        first, stop = address // 4, -(-(address + size) // 4)
        data = bytearray()
        at = first
        while at < stop:
            part = min(self._words, PAGE_WORDS - at % PAGE_WORDS, stop - at)
            request = self._request(Command.READ_MEMORY, 4 * at, part)
            response = self._attempt(request)
            if response is not None:
                self._check("reading memory", request, response)
                data += b"".join(word.to_bytes(4, "little") for word in response.data)
                at += part
                self._report(4 * (at - first), 4 * (stop - first))
        return bytes(data[address - 4 * first :][:size])

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes of memory from a byte address; no other byte is touched.

        Raises
        ------
        BusAccessError
            If some of them are not there.
        """
        if not data:
            return
        lead = address % 4
        tail = -(address + len(data)) % 4
        padded = bytes(lead) + data + bytes(tail)
        words = [int.from_bytes(padded[n : n + 4], "little") for n in range(0, len(padded), 4)]
        done = 0
        while done < len(words):
            at = address // 4 + done
            part = min(self._words, PAGE_WORDS - at % PAGE_WORDS, len(words) - done)
            request = self._request(
                Command.WRITE_MEMORY,
                4 * at,
                part,
                words[done : done + part],
                first_strobe=0b1111 << lead & 0b1111 if done == 0 else 0b1111,
                last_strobe=0b1111 >> tail if done + part == len(words) else 0b1111,
            )
            # Writing the same data once more does no harm, so a failure is repeated in smaller
            # pieces and under a new number.
            response = self._attempt(request)
            if response is not None:
                self._check("writing memory", request, response)
                done += part
                self._report(4 * done, 4 * len(words))

    def close(self) -> None:
        """Let go of the port."""
        self.port.close()

    def _request(
        self, command: Command, address: int, words: int, data: Sequence[int] = (), **strobes: int
    ) -> Request:
        self._sequence = (self._sequence + 1) % 256
        return Request(command, self._sequence, address, words, data, **strobes)

    def _report(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)

    def _checked(self, what: str, request: Request) -> Response:
        """The answer to a request that must not be executed twice."""
        while True:
            response = self._attempt(request)
            if response is not None:
                return self._check(what, request, response)

    def _check(self, what: str, request: Request, response: Response) -> Response:
        if response.status is not Status.OKAY:
            first = request.address % (4 * PAGE_WORDS)
            raise BusAccessError(what, response.status, request.address - first + 4 * response.word)
        reads = not request.command.value & 1
        if len(response.data) != (request.words if reads else 0):
            raise LinkNoiseError(
                f"{what}: the answer holds {len(response.data)} words, not {request.words}: what "
                "answers does not keep to the protocol"
            )
        return response

    def _attempt(self, request: Request) -> Response | None:
        """Try once; adapt to the outcome, and give up after too many failures."""
        reads = not request.command.value & 1
        size = len(request.encode()) + frame_bytes(1 + request.words * reads)
        timeout = FIRST_LATENCIES * self._latency
        if self._byte_time is not None:
            timeout = self._latency + size * (self._byte_time + 4 * self._byte_deviation)
        backoff = min(2 ** max(0, self._failures - 2), LARGEST_BACKOFF)
        began = self.port.now()
        response = self._try(request, timeout * backoff)
        if response is None:
            self._failures += 1
            self._successes = 0
            if self._failures % 2 == 0:
                self._words = max(SMALLEST_FRAME, self._words // 2)
            if self._failures >= ATTEMPTS:
                raise self._given_up()
            return None
        self._measure((self.port.now() - began) / size)
        self._failures = 0
        self._damaged_lately = False
        self._successes += 1
        if self._successes % GROWTH == 0:
            self._words = min(PAGE_WORDS, 2 * self._words)
        return response

    def _measure(self, seen: float) -> None:
        """Take the time of an answered request into account, in seconds a byte."""
        if self._byte_time is None:
            self._byte_time, self._byte_deviation = seen, seen / 2
            return
        self._byte_deviation += (abs(seen - self._byte_time) - self._byte_deviation) / 4
        self._byte_time += (seen - self._byte_time) / 8

    def _try(self, request: Request, timeout: float) -> Response | None:
        """Send a request once and wait for its answer."""
        self.statistics.requests += 1
        self.port.write(request.encode())
        deadline = self.port.now() + timeout
        while True:
            for body in self._bodies():
                if body is None:
                    self.statistics.damaged += 1
                    self._damaged_lately = True
                    # Perhaps that was the answer: wait for silence, then repeat.
                    deadline = min(deadline, self.port.now() + self._latency)
                    continue
                response = Response.decode(body)
                if (
                    response is not None
                    and response.command is request.command
                    and response.sequence == request.sequence
                ):
                    self.irq = response.irq
                    return response
            now = self.port.now()
            if now >= deadline:
                break
            arrived = self.port.read(deadline - now)
            if arrived:
                self._received += arrived
                deadline = max(deadline, self.port.now() + min(timeout, self._latency))
        self.statistics.unanswered += 1
        return None

    def _bodies(self) -> list[bytes | None]:
        """The frames that are complete: their bodies, or None for those that are damaged."""
        *frames, self._received = self._received.split(bytes([FLAG]))
        return [decode_body(frame) for frame in frames if frame]

    def _given_up(self) -> LinkError:
        counts = self.statistics
        if self._identified and not self._damaged_lately:
            return LinkLostError(
                f"the link was lost: the last {self._failures} requests were not answered, of "
                f"{counts.requests}; check cable and power of the board, and open it again"
            )
        if counts.damaged:
            return LinkNoiseError(
                f"the link is too noisy: of {counts.requests} requests {counts.unanswered} were "
                f"not answered, and {counts.damaged} frames arrived damaged; check baud rate, "
                "cable and ground"
            )
        return NoAnswerError(
            f"no answer to {counts.unanswered} requests; check that the board is programmed, the "
            "port is its own and the baud rate that of its gateware"
        )
