# SPDX-License-Identifier: Apache-2.0
"""The driver: turns a program and its data into a job of register writes, and reads the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..compiler.assembler import format_instruction
from ..compiler.program import Program
from ..hdl.config import SEGMENT_COUNT, Config
from ..hdl.registers import COUNTERS, REGISTERS, Register, configuration_value, register
from ..sim.job import Job, JobResult, Transport
from .errors import (
    AcceleratorTimeoutError,
    ConfigurationMismatchError,
    RegisterAccessError,
    accelerator_error,
)
from .layout import Layout

__all__ = ["Driver", "Outcome", "bit"]

DEFAULT_WATCHDOG = register("WATCHDOG").reset
_RESET_POLLS = 1000


def bit(register_name: str, field: str) -> int:
    """The mask of a one-bit field."""
    return next(1 << item.low for item in register(register_name).fields if item.name == field)


def _field(register_name: str, field: str, value: int) -> int:
    item = next(item for item in register(register_name).fields if item.name == field)
    return (value >> item.low) & ((1 << item.width) - 1)


@dataclass
class Outcome:
    """Segments and counters after a run.

    Parameters
    ----------
    segments : dict[int, numpy.ndarray]
        Bytes of each segment by number, views of the DRAM image.
    counters : dict[str, int]
        Every performance counter.
    """

    segments: dict[int, NDArray[np.uint8]]
    counters: dict[str, int]


class Driver:
    """Runs programs on a transport.

    Parameters
    ----------
    transport : Transport
        Executes jobs.
    config : Config
        What the accelerator must say it is.
    dram_bytes : int
        Bytes of its memory.
    watchdog : int
        Cycles without progress that stop a program; 0 never.
    max_cycles : int
        Cycles after which the host gives up.
    """

    def __init__(
        self,
        transport: Transport,
        config: Config,
        *,
        dram_bytes: int,
        watchdog: int = DEFAULT_WATCHDOG,
        max_cycles: int = 100_000_000,
    ) -> None:
        self.transport = transport
        self.config = config
        self.dram_bytes = dram_bytes
        self.watchdog = watchdog
        self.max_cycles = max_cycles
        self._needs_reset = False

    def run(
        self,
        program: Program,
        contents: Mapping[int, NDArray[np.generic]],
        segment_limits: Mapping[int, int] | None = None,
    ) -> Outcome:
        """Run ``program`` with the given segment contents.

        Parameters
        ----------
        segment_limits : Mapping[int, int] or None
            Limits to program other than the segments' sizes.

        Raises
        ------
        DeviceError
            Any of its subclasses; the accelerator is usable again afterwards.
        """
        if self._needs_reset:
            self.soft_reset()
        layout = Layout(program, contents, self.dram_bytes)
        # Whatever goes wrong on the way, the program may have been started.
        self._needs_reset = True
        result = self.transport.execute(self._job(program, layout, segment_limits or {}))
        if result.refused:
            names = ", ".join(self._register(offset).name for offset in result.refused)
            raise RegisterAccessError(f"the accelerator refused writes to {names}")
        self._compare_configuration(result)
        self._raise_error(program, result)
        self._needs_reset = False
        layout.verify(result.memory)
        return Outcome(
            {need.number: layout.segment(result.memory, need.number) for need in program.segments},
            {
                name: result.values[register(f"COUNTER_{name}").offset]
                for name, _ in COUNTERS
            },
        )

    def begin(self, status: int) -> None:
        """Bring the accelerator back if its status register says that it cannot start a program.

        That is how a session finds it whose predecessor ended with an error, or in the middle.
        """
        if status & (bit("STATUS", "RUNNING") | bit("STATUS", "ERROR")):
            self.soft_reset()

    def soft_reset(self) -> None:
        """Bring the accelerator back after an error; raises `AcceleratorTimeoutError`."""
        control, status = register("CONTROL").offset, register("STATUS").offset
        writes = [(control, bit("CONTROL", "SOFT_RESET"))]
        for _ in range(_RESET_POLLS):
            job = Job(np.zeros(4096, np.uint8), writes, [status], self.max_cycles)
            value = self.transport.execute(job).values[status]
            if not value & (bit("STATUS", "RESETTING") | bit("STATUS", "DRAINING")):
                self._needs_reset = False
                return
            writes = []
        raise AcceleratorTimeoutError("the accelerator does not come out of its soft reset")

    def _job(self, program: Program, layout: Layout, limits: Mapping[int, int]) -> Job:
        values: dict[str, int] = {
            "IRQ_STATUS": bit("IRQ_STATUS", "DONE") | bit("IRQ_STATUS", "ERROR"),
            "IRQ_ENABLE": bit("IRQ_ENABLE", "DONE") | bit("IRQ_ENABLE", "ERROR"),
            "WATCHDOG": self.watchdog,
            "PROGRAM_ADDRESS_LOW": layout.regions[-1].base & 0xFFFF_FFFF,
            "PROGRAM_ADDRESS_HIGH": layout.regions[-1].base >> 32,
            "PROGRAM_LENGTH": len(program),
        }
        for number in range(SEGMENT_COUNT):
            region = layout.regions.get(number)
            base = 0 if region is None else region.base
            size = 0 if region is None else region.size
            values[f"SEGMENT{number}_BASE_LOW"] = base & 0xFFFF_FFFF
            values[f"SEGMENT{number}_BASE_HIGH"] = base >> 32
            values[f"SEGMENT{number}_LIMIT"] = limits.get(number, size)
        values["CONTROL"] = bit("CONTROL", "START")
        return Job(
            layout.memory,
            [(register(name).offset, value) for name, value in values.items()],
            [item.offset for item in REGISTERS if item.name != "CONTROL"],
            self.max_cycles,
        )

    @staticmethod
    def _register(offset: int) -> Register:
        return next(item for item in REGISTERS if item.offset == offset)

    def _compare_configuration(self, result: JobResult) -> None:
        for item in REGISTERS:
            if not item.constant:
                continue
            expected, actual = configuration_value(item, self.config), result.values[item.offset]
            if actual != expected:
                raise ConfigurationMismatchError(
                    f"register {item.name} reads {actual:#x}, but the configuration says "
                    f"{expected:#x}: open the device with the configuration it was generated from"
                )

    def _raise_error(self, program: Program, result: JobResult) -> None:
        def value(name: str) -> int:
            return result.values[register(name).offset]

        status = value("STATUS")
        if status & bit("STATUS", "ERROR"):
            index = value("ERROR_INSTRUCTION")
            text = ""
            if index < len(program):
                text = format_instruction(program.instructions[index])
            raise accelerator_error(
                _field("ERROR_CODE", "CODE", value("ERROR_CODE")),
                _field("ERROR_CODE", "SOURCE", value("ERROR_CODE")),
                index,
                value("ERROR_ADDRESS_LOW") | value("ERROR_ADDRESS_HIGH") << 32,
                text,
            )
        if not result.interrupt or not status & bit("STATUS", "DONE"):
            raise AcceleratorTimeoutError(
                f"no interrupt within {self.max_cycles} cycles (status {status:#x}); a program "
                "that is too long needs a larger `max_cycles`, one that hangs a watchdog"
            )
