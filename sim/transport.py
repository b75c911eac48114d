# SPDX-License-Identifier: Apache-2.0
"""The instruction-level simulator behind the register interface of the hardware."""

from __future__ import annotations

from ..hdl.config import SEGMENT_COUNT, Config
from ..hdl.registers import REGISTERS, Register, configuration_value, register
from .job import Job, JobResult
from .simulator import RunResult, Segment, Simulator

__all__ = ["SimulatorTransport"]


class SimulatorTransport:
    """Executes jobs on the instruction-level simulator.

    It has no clock: of the counters only READ_BEATS, WRITE_BEATS and INSTRUCTIONS are filled in.

    Parameters
    ----------
    config : Config
        The accelerator.
    schedule_seed : int or None
        See `weft.sim.simulator.Simulator`.
    track : bool
        Report words read before they were written, in ``last_result``.
    """

    def __init__(
        self, config: Config, *, schedule_seed: int | None = None, track: bool = False
    ) -> None:
        self.config = config
        self.simulator = Simulator(config, schedule_seed=schedule_seed, track=track)
        self.last_result: RunResult | None = None

    def execute(self, job: Job) -> JobResult:
        """Run ``job``; a deadlock without a watchdog ends without an interrupt."""
        values = {item.offset: item.reset for item in REGISTERS}
        values.update(job.writes)

        def wide(name: str) -> int:
            low, high = register(f"{name}_LOW").offset, register(f"{name}_HIGH").offset
            return (values[low] | values[high] << 32) & ((1 << self.config.axi_address_width) - 1)

        segments = [
            Segment(wide(f"SEGMENT{n}_BASE"), values[register(f"SEGMENT{n}_LIMIT").offset])
            for n in range(SEGMENT_COUNT)
        ]
        length = values[register("PROGRAM_LENGTH").offset]
        result = self.simulator.run(job.memory, wide("PROGRAM_ADDRESS"), length, segments)
        self.last_result = result
        results = _outcome(result)
        stuck = result.error is not None and result.error.code.name == "NO_PROGRESS"
        interrupt = not (stuck and values[register("WATCHDOG").offset] == 0)
        by_offset = {item.offset: item for item in REGISTERS}
        return JobResult(
            job.memory,
            {offset: self._value(by_offset[offset], results, values) for offset in job.reads},
            interrupt,
        )

    def _value(self, item: Register, results: dict[str, int], values: dict[int, int]) -> int:
        if item.constant:
            return configuration_value(item, self.config)
        return results.get(item.name, values[item.offset])


def _outcome(result: RunResult) -> dict[str, int]:
    """Read-only registers after the run."""
    error = result.error
    values = {
        "STATUS": 0b010 if error is None else 0b100,
        "IRQ_STATUS": 0b01 if error is None else 0b10,
        "CONTROL": 0,
        "COUNTER_READ_BEATS": result.read_beats,
        "COUNTER_WRITE_BEATS": result.write_beats,
        "COUNTER_INSTRUCTIONS": result.instructions,
    }
    if error is not None:
        values["ERROR_CODE"] = error.code.value | error.source.value << 8
        values["ERROR_INSTRUCTION"] = error.index
        values["ERROR_ADDRESS_LOW"] = error.address & 0xFFFF_FFFF
        values["ERROR_ADDRESS_HIGH"] = error.address >> 32
    return values
