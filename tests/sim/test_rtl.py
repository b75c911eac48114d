# SPDX-License-Identifier: Apache-2.0
"""The verilated transport, tried on a copy engine with the ports of an accelerator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weft.hdl.config import Config
from weft.hdl.registers import register
from weft.sim.job import Job
from weft.sim.rtl import AxiViolation, VerilatedTransport

ENGINE = (Path(__file__).parent / "copy_engine.v").read_text()
BURST_BEATS = 16
LATENCY = 30


def offset(name: str) -> int:
    return register(name).offset


def transport(width: int = 128, **options: object) -> VerilatedTransport:
    text = ENGINE.replace("DATA = 128", f"DATA = {width}")
    return VerilatedTransport(
        Config.preset("tiny", axi_width=width), verilog=text, **options
    )  # type: ignore[arg-type]


def copy_job(
    memory: np.ndarray, bursts: int, *, source: int = 0, target: int = 32768, fault: int = 0
) -> Job:
    return Job(
        memory,
        [
            (offset("IRQ_STATUS"), 3),
            (offset("SEGMENT0_BASE_LOW"), source),
            (offset("SEGMENT1_BASE_LOW"), target),
            (offset("PROGRAM_LENGTH"), bursts),
            (offset("PROGRAM_ADDRESS_LOW"), fault),
            (offset("CONTROL"), 1),
        ],
        [offset("ID"), offset("STATUS"), offset("COUNTER_CYCLES")],
        max_cycles=200_000,
    )


def image(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, 65536, dtype=np.uint8)


@pytest.mark.parametrize("width", [32, 128])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_copies_and_leaves_the_rest_alone(width: int, stall: float) -> None:
    memory = image()
    expected = memory.copy()
    size = 20 * BURST_BEATS * width // 8
    expected[32768 : 32768 + size] = memory[:size]
    with transport(width, stall_probability=stall, seed=3) as device:
        for _ in range(2):
            result = device.execute(copy_job(memory, 20))
            assert result.interrupt
            assert result.values[offset("ID")] == 0x54464557
            assert result.values[offset("STATUS")] == 0b010
            assert result.refused == []
            assert np.array_equal(result.memory, expected)


def test_one_burst_takes_the_documented_cycles() -> None:
    cycles = {}
    for latency in (1, LATENCY, 200):
        with transport(latency=latency) as device:
            result = device.execute(copy_job(image(), 1))
            cycles[latency] = result.values[offset("COUNTER_CYCLES")]
    # The read latency and the write latency both show, and nothing else depends on them.
    assert cycles[LATENCY] - cycles[1] == 2 * (LATENCY - 1)
    assert cycles[200] - cycles[LATENCY] == 2 * (200 - LATENCY)
    # Address, first to last beat, write with a cycle to start, last beat to response.
    assert cycles[1] == 1 + 1 + BURST_BEATS + 1 + BURST_BEATS + 1


def test_bursts_are_pipelined() -> None:
    with transport() as device:
        one = device.execute(copy_job(image(), 8)).values[offset("COUNTER_CYCLES")]
        two = device.execute(copy_job(image(), 80)).values[offset("COUNTER_CYCLES")]
    # The engine takes 17 cycles a burst for writing; reads hide behind it.
    assert two - one == 72 * (BURST_BEATS + 1)


def test_same_seed_same_cycles() -> None:
    def cycles(seed: int) -> int:
        with transport(stall_probability=0.3, seed=seed) as device:
            return device.execute(copy_job(image(), 10)).values[offset("COUNTER_CYCLES")]

    assert cycles(5) == cycles(5)
    assert len({cycles(seed) for seed in range(6)}) > 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (1, "AR: valid was withdrawn before ready"),
        (2, "AR: payload changed while waiting for ready"),
        (3, "W: last too early"),
        (5, "AR: burst type is not INCR"),
        (6, "no answer to an AXI4-Lite write"),
    ],
)
def test_protocol_faults_are_found(fault: int, message: str) -> None:
    device = transport(stall_probability=0.6, seed=2)
    with pytest.raises(AxiViolation, match=rf"^cycle \d+: {message}"):
        device.execute(copy_job(image(), 20, fault=fault))
    # The next job finds a new accelerator.
    assert device.execute(copy_job(image(), 2)).interrupt
    device.close()


def test_crossing_4_kb_is_found() -> None:
    with transport() as device, pytest.raises(AxiViolation, match="AR: burst crosses a 4 KB"):
        device.execute(copy_job(image(), 1, source=4096 - 128))


@pytest.mark.parametrize("direction", ["read", "write"])
@pytest.mark.parametrize("kind", ["SLVERR", "DECERR"])
def test_error_responses(direction: str, kind: str) -> None:
    memory = image()
    before = memory.copy()
    base = 16384 if kind == "SLVERR" else 65536
    where = {"source": base} if direction == "read" else {"target": base}
    ranges = [(16384, 16384 + 16)] if kind == "SLVERR" else []
    with transport(error_ranges=ranges) as device:
        result = device.execute(copy_job(memory, 1, **where))
        assert result.values[offset("STATUS")] == 0b110
        if direction == "write":
            assert np.array_equal(memory[:16400], before[:16400])
            assert np.array_equal(memory[16640:], before[16640:])
        assert device.execute(copy_job(memory, 1)).values[offset("STATUS")] == 0b010


def test_refused_write_and_timeout() -> None:
    with transport() as device:
        job = copy_job(image(), 50)
        job.writes.insert(0, (offset("WATCHDOG"), 5))
        job.max_cycles = 100
        result = device.execute(job)
        assert result.refused == [offset("WATCHDOG")]
        assert not result.interrupt
        again = device.execute(Job(job.memory, [(offset("CONTROL"), 1)], [offset("STATUS")]))
        assert again.refused == [offset("CONTROL")]
        assert not again.interrupt
        assert again.values[offset("STATUS")] == 0b001


def test_progress_and_waveform(tmp_path: Path) -> None:
    wave = tmp_path / "copy.vcd"
    device = transport(trace=wave)
    seen: list[int] = []
    device.progress = seen.append
    job = copy_job(image(), 0)  # never ends
    job.max_cycles = 300_000
    assert not device.execute(job).interrupt
    assert seen == [200_000, 300_000]
    assert device.cycles > 300_000
    assert device.seconds > 0
    device.close()
    head = wave.read_text()[:4000]
    assert "m_axi_araddr" in head
    assert "$timescale" in head


def test_arguments_are_checked() -> None:
    config = Config.preset("tiny")
    with pytest.raises(ValueError, match="latency must be from 1 to 1000000 cycles, not 0"):
        VerilatedTransport(config, latency=0, verilog=ENGINE)
    with pytest.raises(ValueError, match="stall_probability must be at least 0 and below 1"):
        VerilatedTransport(config, stall_probability=1.0, verilog=ENGINE)
    with transport() as device:
        with pytest.raises(ValueError, match="memory must be a contiguous one-dimensional uint8"):
            device.execute(Job(np.zeros(4, np.int8), [], []))
