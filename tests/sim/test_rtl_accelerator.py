# SPDX-License-Identifier: Apache-2.0
"""The accelerator on verilated register-transfer level: results, recording, waveform."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import weft
from weft.hdl.config import Config, ConfigurationError
from weft.hdl.registers import COUNTERS
from weft.sim.rtl.design import recorded_signals
from weft.sim.rtl.timeline import perfetto, unit_states

CONFIG = weft.Config(rows=3, cols=2, axi_width=32, activation_depth=256, weight_depth=256,
                     accumulator_depth=64)


def test_recorded_activity_is_what_the_counters_counted(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    a = generator.integers(-128, 128, (17, 20), dtype=np.int8)
    b = generator.integers(-128, 128, (20, 9), dtype=np.int8)
    wave = tmp_path / "wave.vcd"
    with weft.open("rtl", CONFIG, trace=wave, stall_probability=0.2, seed=3) as device:
        c = device.matmul(a, b)
        cycles, events = device.transport.activity()  # type: ignore[attr-defined]
        counters = device.last_run.counters
    assert np.array_equal(c, a.astype(np.int32) @ b.astype(np.int32))
    assert "m_axi_araddr" in wave.read_text(errors="replace")[:200_000]

    lengths = np.diff(np.append(cycles, cycles[-1])).astype(np.int64)
    for number, (name, _) in enumerate(COUNTERS):
        level = (events >> np.uint64(number)) & np.uint64(1)
        assert int((level.astype(np.int64) * lengths).sum()) == counters[name], name

    # The timeline's spans are the counters again, by unit and state.
    end = int(cycles[-1])
    spans: dict[tuple[str, str], int] = {}
    for unit, state, _, length in unit_states(cycles, events, end):
        spans[unit, state] = spans.get((unit, state), 0) + length
    assert spans["array", "multiply"] == counters["ARRAY_ACTIVE"]
    assert sum(n for (unit, _), n in spans.items() if unit == "array") == counters["CYCLES"]
    assert spans["load", "wait for memory"] == counters["LOAD_WAIT_MEMORY"]
    busy = spans["store", "busy"] + spans["store", "wait for memory"]
    assert busy == counters["STORE_BUSY"]

    timeline = perfetto(cycles, events, CONFIG)
    kinds = {event["ph"] for event in timeline["traceEvents"]}
    assert kinds == {"M", "X", "C"}
    moved = sum(
        event["args"]["bytes"] for event in timeline["traceEvents"]
        if event["name"] == "read bytes a cycle"
    )
    assert abs(moved * 64 - 4 * counters["READ_BEATS"]) < 64 * 0.01 * len(timeline["traceEvents"])


def test_runs_one_after_the_other_share_the_accelerator() -> None:
    generator = np.random.default_rng(6)
    with weft.open("rtl", CONFIG) as device:
        cycles = set()
        for _ in range(3):
            a = generator.integers(-128, 128, (8, 7), dtype=np.int8)
            b = generator.integers(-128, 128, (7, 5), dtype=np.int8)
            assert np.array_equal(device.matmul(a, b), a.astype(np.int32) @ b.astype(np.int32))
            cycles.add(device.last_run.cycles)
        assert len(cycles) == 1  # cycles do not depend on data or history


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"performance_counters": 0}, "performance_counters must be 1 to record"),
        ({"execution": "serial"}, "execution must be 'decoupled' to record"),
    ],
)
def test_what_cannot_be_recorded(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        recorded_signals(Config.from_dict(changes))
