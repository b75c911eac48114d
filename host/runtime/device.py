# SPDX-License-Identifier: Apache-2.0
"""Devices: the same programs, the same answers and the same calls on every target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..compiler.estimate import roofline_cycles
from ..compiler.gemm import SEGMENT_A, SEGMENT_B, SEGMENT_C, compile_gemm
from ..compiler.network import CompiledModel
from ..compiler.program import Program
from ..graph import Graph
from ..hdl.config import Config
from ..sim.job import Transport
from .driver import DEFAULT_WATCHDOG, Driver, Outcome
from .errors import DeviceError, MemorySizeError, OperandError
from .model import Inputs, Model, Result, run_compiled, run_reference
from .model_cache import ModelCache
from .run import Run

__all__ = ["DEFAULT_DRAM_BYTES", "Device", "ProgramDevice", "check_operands"]

DEFAULT_DRAM_BYTES = 1 << 30
"""DRAM a device has unless it is opened with ``dram_bytes``, or its addresses reach less."""


def check_operands(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Both operands of a matrix product as int8 arrays; raises `OperandError`."""
    operands = []
    for name, value in (("a", a), ("b", b)):
        array = np.asarray(value)
        if array.dtype != np.int8:
            hint = "convert it with .astype(numpy.int8) once its values fit -128 to 127"
            if array.dtype == np.uint8:
                hint = (
                    "uint8 is int8 with the top bit flipped: use (x ^ 0x80).view(numpy.int8) and "
                    "add 128 to the zero point"
                )
            raise OperandError(f"{name} must be int8, not {array.dtype}; {hint}")
        if array.ndim != 2:
            raise OperandError(
                f"{name} must have two dimensions, not {array.ndim} (shape {array.shape})"
            )
        if 0 in array.shape:
            raise OperandError(f"{name} must not be empty, but its shape is {array.shape}")
        operands.append(array)
    left, right = operands
    if left.shape[1] != right.shape[0]:
        raise OperandError(
            f"a has {left.shape[1]} columns and b {right.shape[0]} rows; they must be equal "
            f"(shapes {left.shape} and {right.shape})"
        )
    return left, right


class Device(ABC):
    """An accelerator or something that answers like one. Close it, or use it in ``with``.

    Parameters
    ----------
    config : Config
        The accelerator.
    dram_bytes : int, optional
        Bytes of its memory; `DEFAULT_DRAM_BYTES`, or all that its addresses reach, if left out.

    Raises
    ------
    MemorySizeError
        If the accelerator's addresses do not reach all of it.
    """

    target = ""

    def __init__(self, config: Config, *, dram_bytes: int | None = None) -> None:
        reachable = 1 << config.axi_address_width
        if dram_bytes is None:
            dram_bytes = min(DEFAULT_DRAM_BYTES, reachable)
        if dram_bytes > reachable:
            raise MemorySizeError(
                f"dram_bytes must be at most {reachable}, what axi_address_width "
                f"({config.axi_address_width}) reaches, not {dram_bytes}"
            )
        self.config = config
        self.dram_bytes = dram_bytes
        self._last_run: Run | None = None
        self._closed = False
        self._models = ModelCache()

    @property
    def last_run(self) -> Run:
        """Facts about the last run; raises `DeviceError` before the first."""
        if self._last_run is None:
            raise DeviceError("nothing has run on this device yet")
        return self._last_run

    def matmul(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
        """The product of int8 ``[M, K]`` and int8 ``[K, N]`` as int32 ``[M, N]``.

        Raises
        ------
        OperandError
            On a wrong dtype, dimension or shape.
        CompileError
            If the product is out of the accelerator's reach.
        MemorySizeError
            If it does not fit the device's memory.
        """
        self._check_open()
        left, right = check_operands(a, b)
        (m, k), n = left.shape, right.shape[1]
        needed = m * k + k * n + 4 * m * n
        if needed > self.dram_bytes:
            raise MemorySizeError(
                f"operands and result take {needed} bytes, the device has {self.dram_bytes}; "
                "split the problem or open the device with a larger `dram_bytes`"
            )
        return self._matmul(left, right)

    def run(self, model: Model, inputs: Inputs, *, per_layer: bool = False) -> Result:
        """Run a model.

        Parameters
        ----------
        model : path, Graph or CompiledModel
            A ``.tflite``, ``.onnx`` or compiled ``.weft`` file, or what importers and compiler
            make of one.
        inputs : mapping of name to array, list of arrays, or array
            One array for each input, of its exact type and shape.
        per_layer : bool
            Run every layer as a program of its own to tell its cycles.

        Raises
        ------
        OperandError
            If the inputs do not fit the model.
        ModelError
            If the file is no model, or an operator has no kernel at all.
        """
        self._check_open()
        loaded = self._models.load(model)
        return self._run_model(loaded, inputs, per_layer)

    def _run_model(
        self, model: Graph | CompiledModel, inputs: Inputs, per_layer: bool
    ) -> Result:
        return run_reference(model, inputs)

    def _roofline(self, m: int, n: int, k: int) -> int:
        return roofline_cycles(self.config, m, n, k)

    @abstractmethod
    def _matmul(self, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]: ...

    @abstractmethod
    def run_program(
        self,
        program: Program,
        memory: Mapping[int, NDArray[np.generic]] | None = None,
        segments: Mapping[int, int] | None = None,
    ) -> dict[int, NDArray[np.uint8]]:
        """Run a program.

        Parameters
        ----------
        program : Program
            Instructions, and the segments with their sizes.
        memory : Mapping[int, numpy.ndarray] or None
            Initial contents by segment number, any dtype.
        segments : Mapping[int, int] or None
            Segment limits other than the sizes in the program.

        Returns
        -------
        dict[int, numpy.ndarray]
            The bytes of every segment after the run, uint8.
        """

    def close(self) -> None:
        """Let go of the target; closing twice is harmless."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError("the device is closed")

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ProgramDevice(Device):
    """A device that runs programs through a transport.

    Parameters
    ----------
    config : Config
        The accelerator.
    transport : Transport
        Executes jobs.
    has_clock : bool
        Whether its counters count cycles: not where there is no hardware, nor where it has none.
    dram_bytes, watchdog, max_cycles : int
        As in `weft.runtime.driver.Driver`.
    """

    has_clock = True

    def __init__(
        self,
        config: Config,
        transport: Transport,
        *,
        dram_bytes: int | None = None,
        watchdog: int = DEFAULT_WATCHDOG,
        max_cycles: int = 100_000_000,
    ) -> None:
        super().__init__(config, dram_bytes=dram_bytes)
        self.has_clock = type(self).has_clock and bool(config.performance_counters)
        self.transport = transport
        self.driver = Driver(
            transport, config, dram_bytes=self.dram_bytes, watchdog=watchdog, max_cycles=max_cycles
        )

    def _matmul(self, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
        (m, k), n = a.shape, b.shape[1]
        program = compile_gemm(self.config, m, n, k)
        outcome = self.driver.run(program, {SEGMENT_A: a, SEGMENT_B: b})
        self._record(program, outcome, m * n * k, self._roofline(m, n, k))
        return outcome.segments[SEGMENT_C].copy().view("<i4").reshape(m, n)

    def _run_model(
        self, model: Graph | CompiledModel, inputs: Inputs, per_layer: bool
    ) -> Result:
        compiled = self._models.compiled(model, self, per_layer=per_layer)
        return run_compiled(self, compiled, inputs)

    def run_program(
        self,
        program: Program,
        memory: Mapping[int, NDArray[np.generic]] | None = None,
        segments: Mapping[int, int] | None = None,
    ) -> dict[int, NDArray[np.uint8]]:
        """See `Device.run_program`; ``last_run.macs`` counts the program's own."""
        self._check_open()
        outcome = self.driver.run(program, memory or {}, segments)
        macs = sum(
            i["kernel_y"] * i["kernel_x"] * i["channel_blocks"] * i["output_y"] * i["output_x"]
            for i in program.instructions if i.opcode.name == "MATMUL"
        )
        self._record(program, outcome, macs * self.config.rows * self.config.cols, 0)
        return {number: data.copy() for number, data in outcome.segments.items()}

    def _record(self, program: Program, outcome: Outcome, macs: int, roofline: int) -> None:
        counters = outcome.counters
        beat = self.config.axi_bytes
        self._last_run = Run(
            self.target,
            counters["CYCLES"] if self.has_clock else None,
            macs,
            self.config.rows * self.config.cols,
            roofline,
            counters if self.has_clock else {},
            len(program),
            counters["READ_BEATS"] * beat,
            counters["WRITE_BEATS"] * beat,
        )
