# SPDX-License-Identifier: Apache-2.0
"""Random programs with VECTOR on the whole accelerator: verilated hardware equals simulator."""

import os
import secrets

import numpy as np
import pytest

import weft
from weft.compiler.program import Program, SegmentNeed
from weft.hdl.config import Config
from weft.sim.random_programs import random_program

SIZES = {"activation_depth": 64, "weight_depth": 64, "accumulator_depth": 32}
ROLES = ["input", "scratch", "output", "input"]


def compare(config, programs):
    seed = int(os.environ.get("WEFT_SEED", secrets.randbits(30)))
    print(f"WEFT_SEED={seed}")
    moods = {"latency": 9, "stall_probability": 0.3, "seed": seed}
    with weft.open("rtl", config, **moods) as rtl, weft.open("simulator", config) as model:
        busy = 0
        for number in range(programs):
            made = random_program(config, seed + number, length=32)
            needs = [
                SegmentNeed(n, f"segment{n}", len(data), ROLES[n])
                for n, data in made.segments.items()
            ]
            program = Program(made.instructions, needs, config)
            expected = model.run_program(program, made.segments)
            found = rtl.run_program(program, made.segments)
            for segment, data in expected.items():
                assert np.array_equal(found[segment], data), (seed + number, segment)
            counters = rtl.last_run.counters
            busy += counters["VECTOR_BUSY"]
            parts = [counters[name] for name in counters if name.startswith("ARRAY_")]
            assert sum(parts) == counters["CYCLES"]
        assert busy > 0


def test_random_programs():
    config = Config(rows=4, cols=6, vector_lanes=2, parameter_depth=16, axi_width=64, **SIZES)
    compare(config, 25)


@pytest.mark.full
@pytest.mark.parametrize(
    "rows, cols, lanes, convention",
    [(4, 4, 4, "onnx"), (5, 7, 1, "tflite"), (6, 3, 3, "onnx"), (16, 16, 4, "tflite")],
)
def test_random_programs_at_length(rows, cols, lanes, convention):
    config = Config(
        rows=rows,
        cols=cols,
        vector_lanes=lanes,
        requantize=convention,
        parameter_depth=32,
        axi_width=128,
        **SIZES,
    )
    compare(config, 200)
