# SPDX-License-Identifier: Apache-2.0
"""Jobs on a board at the other end of a host link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..hdl.link.protocol import PAGE_BYTES, Status
from ..hdl.registers import register
from ..sim.job import Job, JobResult
from .driver import bit
from .errors import BusAccessError, MemorySizeError
from .serial_link import LinkClient

__all__ = ["SerialTransport"]


class SerialTransport:
    """Executes jobs over a host link.

    It remembers what it last saw in the board's memory and sends only pages that differ.

    Parameters
    ----------
    client : LinkClient
        A link that has identified its board.
    memory_bytes : int
        Size of the board's memory.

    Attributes
    ----------
    progress : callable or None
        Called now and then during a run with the cycles since its start.
    """

    def __init__(self, client: LinkClient, memory_bytes: int) -> None:
        self.client = client
        self.progress: Callable[[int], None] | None = None
        self._seen: NDArray[np.uint8] = np.zeros(memory_bytes, np.uint8)
        self._is_seen: NDArray[np.bool_] = np.zeros(-(-memory_bytes // PAGE_BYTES), np.bool_)

    def execute(self, job: Job) -> JobResult:
        """Run a job; see `Job` and `JobResult`. The job's memory is changed in place.

        Raises
        ------
        MemorySizeError
            If the board has less memory.
        LinkError
            Any of its subclasses.
        """
        if job.memory.size > self._seen.size:
            raise MemorySizeError(
                f"the run needs {job.memory.size} bytes of memory, the board has {self._seen.size}"
            )
        self._send(job.memory)
        refused: list[int] = []
        for offset, values in _runs(job.writes):
            refused += self._write(offset, values)
        interrupt = False
        if job.writes:
            offset, value = job.writes[-1]
            starts = offset == register("CONTROL").offset and value & bit("CONTROL", "START")
            if starts and offset not in refused:
                self.forget()
                interrupt = self._wait(job.max_cycles)
                self._receive(job.memory)
        values_read: dict[int, int] = {}
        for offset, run in _runs((offset, 0) for offset in sorted(job.reads)):
            read = self.client.read_registers(offset, len(run))
            values_read.update(zip(range(offset, offset + 4 * len(run), 4), read, strict=True))
        return JobResult(job.memory, values_read, interrupt, refused)

    def forget(self) -> None:
        """The board's memory was changed by somebody else."""
        self._is_seen[:] = False

    def _send(self, memory: NDArray[np.uint8]) -> None:
        """Bring the board's memory up to date."""
        pages = [
            page for page in range(-(-memory.size // PAGE_BYTES))
            if not (self._is_seen[page] and np.array_equal(*self._both(memory, page)))
        ]
        for start, stop in _spans(pages):
            part = memory[start * PAGE_BYTES : stop * PAGE_BYTES]
            self._is_seen[start:stop] = False
            self.client.write_memory(start * PAGE_BYTES, part.tobytes())
            self._remember(start, part)

    def _receive(self, memory: NDArray[np.uint8]) -> None:
        memory[:] = np.frombuffer(self.client.read_memory(0, memory.size), np.uint8)
        self._remember(0, memory)

    def _remember(self, page: int, part: NDArray[np.uint8]) -> None:
        """``part`` is what the board's memory holds from a page on; a part of a page is none."""
        start = page * PAGE_BYTES
        self._seen[start : start + part.size] = part
        self._is_seen[page : page + part.size // PAGE_BYTES] = True

    def _both(
        self, memory: NDArray[np.uint8], page: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        part = slice(page * PAGE_BYTES, min((page + 1) * PAGE_BYTES, memory.size))
        return memory[part], self._seen[part]

    def _write(self, offset: int, values: list[int]) -> list[int]:
        """Write successive registers; the offsets of those that refuse."""
        refused = []
        done = 0
        while done < len(values):
            try:
                self.client.write_registers(offset + 4 * done, values[done:])
            except BusAccessError as error:
                if error.status not in (Status.SLAVE_ERROR, Status.DECODE_ERROR):
                    raise
                refused.append(error.address)
                done = (error.address - offset) // 4 + 1
            else:
                break
        return refused

    def _wait(self, limit: int) -> bool:
        """Wait for the interrupt for some cycles of the board's clock; whether it came."""
        counter, status = register("COUNTER_CYCLES").offset, register("STATUS").offset
        last = -1
        while True:
            cycles = self.client.read_registers(counter)[0]
            if self.client.irq:
                return True
            if self.progress is not None:
                self.progress(cycles)
            if cycles >= limit:
                return False
            if cycles == last:
                # The counter stands still: the program has ended, or the accelerator is gone.
                running = self.client.read_registers(status)[0] & bit("STATUS", "RUNNING")
                if not running:
                    return self.client.irq
            last = cycles


def _runs(items: Iterable[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Register offsets and values in order, those at successive offsets together."""
    start = 0
    values: list[int] = []
    for offset, value in items:
        if values and offset == start + 4 * len(values):
            values.append(value)
            continue
        if values:
            yield start, values
        start, values = offset, [value]
    if values:
        yield start, values


def _spans(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as spans of successive ones: first, and the one after the last."""
    for start, run in _runs((4 * number, 0) for number in numbers):
        yield start // 4, start // 4 + len(run)
