# SPDX-License-Identifier: Apache-2.0
"""Jobs on register-transfer level in a cocotb simulation, with cocotbext-axi as the memory."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from ..hdl.config import Config
from .bench.runner import run_bench
from .job import Job, JobResult
from .rtl.design import accelerator_verilog

__all__ = ["CocotbTransport"]


class CocotbTransport:
    """An accelerator in an event-driven simulator, thousands of times slower than verilated.

    Its bus models are cocotbext-axi's, written by other people than ours, and Icarus shows unknown
    values. Each job runs in a process of its own on an accelerator fresh from reset; the job and
    its result travel in files. Memory answers at once; what is outside the job's memory answers
    with an error.

    Parameters
    ----------
    config : Config
        The configuration to generate and simulate.
    simulator : str
        ``"icarus"`` or ``"verilator"``.
    stall_probability : float
        Probability, for each channel and cycle, of a pause. At least 0 and below 1.
    seed : int
        Seed of the pauses.
    verilog : str, optional
        Verilog to use instead of the generated one.

    Raises
    ------
    ValueError
        On an argument out of range.
    """

    def __init__(
        self,
        config: Config,
        *,
        simulator: str = "icarus",
        stall_probability: float = 0.0,
        seed: int = 0,
        verilog: str | None = None,
    ) -> None:
        if simulator not in ("icarus", "verilator"):
            raise ValueError(f"simulator must be icarus or verilator, not {simulator!r}")
        if not 0 <= stall_probability < 1:
            raise ValueError(
                f"stall_probability must be at least 0 and below 1, not {stall_probability!r}"
            )
        self.config = config
        self.simulator = simulator
        self.stall_probability = stall_probability
        self.seed = seed
        self._verilog = verilog

    def execute(self, job: Job) -> JobResult:
        """Run a job; see `Job` and `JobResult`. The job's memory is changed in place.

        Raises
        ------
        BenchFailure
            If the simulation ends with an error.
        ToolError
            If the simulator is not installed.
        """
        if self._verilog is None:
            self._verilog = accelerator_verilog(self.config)
        with tempfile.TemporaryDirectory(prefix="weft-") as name:
            folder = Path(name)
            np.save(folder / "memory.npy", job.memory)
            description = {
                "writes": [[int(a), int(b)] for a, b in job.writes],
                "reads": [int(item) for item in job.reads],
                "max_cycles": job.max_cycles,
                "stall_probability": self.stall_probability,
            }
            (folder / "job.json").write_text(json.dumps(description))
            run_bench(
                self._verilog,
                name="weft_accelerator",
                test_module="weft.sim.cocotb_job",
                simulator=self.simulator,
                parameters={"folder": name},
                seed=self.seed,
            )
            job.memory[:] = np.load(folder / "memory.npy")
            answer = json.loads((folder / "result.json").read_text())
        return JobResult(
            job.memory,
            {int(offset): value for offset, value in answer["values"].items()},
            answer["interrupt"],
            answer["refused"],
        )
