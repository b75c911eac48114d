# SPDX-License-Identifier: Apache-2.0
"""Jobs on register-transfer level, compiled by Verilator."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...hdl.config import Config
from ...hdl.registers import register
from ..job import Job, JobResult
from .build import build_library
from .design import (
    EVENTS_SIGNAL,
    accelerator_verilog,
    recorded_signals,
    verilator_control,
)

__all__ = ["AxiViolation", "VerilatedTransport"]

TOP = "weft_accelerator"
CHUNK_CYCLES = 200_000
"""Cycles between two calls of the progress function; also the delay of a keyboard interrupt."""


class AxiViolation(RuntimeError):
    """The accelerator broke the AXI protocol; the message names the cycle and the rule."""


@functools.cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    signatures: dict[str, tuple[object, list[object]]] = {
        "weft_open": (pointer, [u32, u32, u64, u32, ctypes.c_char_p]),
        "weft_close": (None, [pointer]),
        "weft_memory": (None, [pointer, pointer, u64]),
        "weft_error_range": (None, [pointer, u64, u64]),
        "weft_write": (ctypes.c_int, [pointer, u32, u32]),
        "weft_read": (ctypes.c_int, [pointer, u32, ctypes.POINTER(u32)]),
        "weft_run": (ctypes.c_int, [pointer, u64]),
        "weft_cycles": (u64, [pointer]),
        "weft_violation": (ctypes.c_char_p, [pointer]),
        "weft_watch": (ctypes.c_int, [pointer, ctypes.c_char_p]),
        "weft_watch_count": (u64, [pointer, u32]),
        "weft_watch_copy": (None, [pointer, u32, pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


class VerilatedTransport:
    """An accelerator at register-transfer level that keeps its state from job to job.

    The memory on its AXI4 port is the job's array itself. It answers a read ``latency`` cycles
    after the address, a write ``latency`` cycles after the last data; it takes an address on each
    of AR and AW and moves a beat on each of R and W every cycle, in order within an id. Reads and
    writes are independent. Uninitialized registers and memories start with random contents.

    Parameters
    ----------
    config : Config
        The configuration to generate and compile.
    latency : int
        Cycles from read address to first data, and from last write data to response; at least 1.
    stall_probability : float
        Probability, for each channel and cycle, of a pause; 0 never stalls. Below 1.
    seed : int
        Seed of stalls and of uninitialized state.
    trace : Path or str, optional
        Writes a VCD waveform there and records the activity of the units. An empty string uses the
        same compiled model without writing a waveform.
    error_ranges : sequence of (int, int)
        Byte ranges, start and stop, that answer with SLVERR.
    verilog : str, optional
        Verilog to use instead of the generated one.

    Attributes
    ----------
    progress : callable, optional
        Called now and then during a job with the cycles simulated for it.
    seconds : float
        Time spent simulating.

    Raises
    ------
    ValueError
        On an argument out of range.
    BuildError, ToolError
        If the design cannot be compiled.
    """

    def __init__(
        self,
        config: Config,
        *,
        latency: int = 30,
        stall_probability: float = 0.0,
        seed: int = 0,
        trace: Path | str | None = None,
        error_ranges: Sequence[tuple[int, int]] = (),
        verilog: str | None = None,
    ) -> None:
        if not 1 <= latency <= 1_000_000:
            raise ValueError(f"latency must be from 1 to 1000000 cycles, not {latency!r}")
        if not 0 <= stall_probability < 1:
            raise ValueError(
                f"stall_probability must be at least 0 and below 1, not {stall_probability!r}"
            )
        self.config = config
        self.progress: Callable[[int], None] | None = None
        self.seconds = 0.0
        self._handle: int | None = None
        generated = verilog is None
        text = accelerator_verilog(config) if verilog is None else verilog
        control = verilator_control(config, trace=trace is not None)
        self._library = _load(
            build_library(
                text,
                TOP,
                data_bytes=config.axi_bytes,
                trace=trace is not None,
                control=control if generated else "",
            )
        )
        self._arguments = (
            latency,
            int(stall_probability * 2**32),
            seed % 2**64,
            config.max_burst_beats,
            str(trace).encode() if trace is not None else b"",
        )
        self._error_ranges = tuple(error_ranges)
        self._watches = (
            list(recorded_signals(config)) if trace is not None and generated else []
        )
        self._memory = np.zeros(0, np.uint8)
        self._open()

    def _open(self) -> None:
        self._handle = self._library.weft_open(*self._arguments)
        for start, stop in self._error_ranges:
            self._library.weft_error_range(self._handle, start, stop)
        for name in self._watches:
            if self._library.weft_watch(self._handle, name.encode()) < 0:
                raise RuntimeError(f"the accelerator has no signal {name} to record")

    @property
    def cycles(self) -> int:
        """Clock cycles simulated since the accelerator was reset."""
        return int(self._library.weft_cycles(self._handle)) if self._handle else 0

    def execute(self, job: Job) -> JobResult:
        """Run a job; see `Job` and `JobResult`.

        A job whose last write does not start a program is not waited for.

        Raises
        ------
        AxiViolation
            When the accelerator breaks the AXI protocol or leaves a register access unanswered;
            the next job then finds a new accelerator.
        """
        memory = job.memory
        if memory.dtype != np.uint8 or memory.ndim != 1 or not memory.flags.c_contiguous:
            raise ValueError(
                f"memory must be a contiguous one-dimensional uint8 array, not {memory.dtype} "
                f"of shape {memory.shape}"
            )
        if not memory.flags.writeable:
            raise ValueError("memory must be writeable, not a read-only array")
        if self._handle is None:
            self._open()
        began = time.perf_counter()
        try:
            return self._execute(job)
        finally:
            self.seconds += time.perf_counter() - began

    def _execute(self, job: Job) -> JobResult:
        library, handle = self._library, self._handle
        self._memory = job.memory  # Keeps it alive while the library points to it.
        library.weft_memory(handle, job.memory.ctypes.data, job.memory.size)
        refused: list[int] = []
        for offset, value in job.writes:
            if self._check(library.weft_write(handle, offset, value)):
                refused.append(offset)
        interrupt = False
        if job.writes and _starts(*job.writes[-1]) and job.writes[-1][0] not in refused:
            interrupt = self._wait(job.max_cycles)
        values: dict[int, int] = {}
        word = ctypes.c_uint32()
        for offset in job.reads:
            response = self._check(library.weft_read(handle, offset, ctypes.byref(word)))
            if response:
                raise ValueError(f"reading register {offset:#x} was answered with SLVERR")
            values[offset] = word.value
        return JobResult(job.memory, values, interrupt, refused)

    def _wait(self, limit: int) -> bool:
        first = self.cycles
        while (done := self.cycles - first) < limit:
            if self._check(self._library.weft_run(self._handle, min(CHUNK_CYCLES, limit - done))):
                return True
            if self.progress is not None:
                self.progress(self.cycles - first)
        return False

    def _check(self, status: int) -> int:
        if status >= 0:
            return status
        message = self._library.weft_violation(self._handle).decode()
        self.close()
        raise AxiViolation(message)

    def activity(self) -> tuple[np.ndarray, np.ndarray]:
        """What the performance counters saw, cycle by cycle, recorded with ``trace``.

        Returns
        -------
        cycles, events : numpy.ndarray
            Cycles since reset in which the counters' events changed, and the events from then on:
            bit n is set in a cycle that counter n of `weft.hdl.registers.COUNTERS` counts. All
            bits are zero while no program runs.
        """
        return self.recorded(EVENTS_SIGNAL)

    def recorded(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A register's course, recorded with ``trace``.

        Parameters
        ----------
        name : str
            One of `weft.sim.rtl.design.recorded_signals`.

        Returns
        -------
        cycles, values : numpy.ndarray
            Cycles since reset in which it changed, and its value from then on; empty if it was not
            recorded.
        """
        if name not in self._watches or self._handle is None:
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        number = self._watches.index(name)
        count = self._library.weft_watch_count(self._handle, number)
        cycles, values = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
        self._library.weft_watch_copy(
            self._handle, number, cycles.ctypes.data, values.ctypes.data
        )
        return cycles, values

    def close(self) -> None:
        """Free the model; a waveform is complete only then."""
        if self._handle is not None:
            self._library.weft_close(self._handle)
            self._handle = None

    def __enter__(self) -> VerilatedTransport:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()


def _starts(offset: int, value: int) -> bool:
    control = register("CONTROL")
    start = next(item for item in control.fields if item.name == "START")
    return offset == control.offset and bool(value >> start.low & 1)
