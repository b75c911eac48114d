# SPDX-License-Identifier: Apache-2.0
"""The bench runner and the stream drivers, on a small queue."""

import time

import pytest
from amaranth import Module, Signal, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import BenchFailure, run_bench

LAYOUT = data.StructLayout({"tag": 3, "values": data.ArrayLayout(signed(5), 2)})


class Queue(wiring.Component):
    """A queue, with an optional fault for the monitors to find."""

    def __init__(self, fault=None):
        self.fault = fault
        super().__init__({"i": In(stream.Signature(LAYOUT)), "o": Out(stream.Signature(LAYOUT))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=LAYOUT.size, depth=4)
        noise = Signal(3)
        m.d.sync += noise.eq(noise + 1)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        if self.fault == "payload":
            m.d.comb += self.o.payload.tag.eq(noise)
        elif self.fault == "valid":
            m.d.comb += self.o.valid.eq(queue.r_rdy & noise[0])
        elif self.fault == "unknown":
            # A word that was never written is X in Icarus.
            m.submodules.other = other = fifo.SyncFIFO(width=LAYOUT.size, depth=4)
            m.d.comb += self.o.payload.eq(other.r_data)
            m.d.comb += [other.w_en.eq(self.i.valid & noise[2]), other.r_en.eq(self.o.ready)]
        return m


def bench(simulator, tmp_path=None, fault=None, **options):
    return run_bench(
        Queue(fault),
        name="queue",
        test_module="bench_fifo",
        simulator=simulator,
        build_root=tmp_path,
        **options,
    )


@pytest.mark.parametrize("stalls", [None, 0.2, 0.7])
def test_queue(simulator, stalls):
    assert bench(simulator, parameters={"stalls": stalls, "latency": 3}).tests == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("payload", r"o__payload changed from 0x\w+ to 0x\w+ before ready"),
        ("valid", "o__valid fell before ready"),
    ],
)
def test_monitor_finds_faults(simulator, fault, message):
    with pytest.raises(BenchFailure, match=message) as failure:
        bench(simulator, fault=fault, parameters={"stalls": 0.5}, seed=1)
    assert "repeat with WEFT_SEED=1" in str(failure.value)


def test_monitor_finds_unknown_values():
    with pytest.raises(BenchFailure, match="o__payload is .*X.* while valid"):
        bench("icarus", fault="unknown", parameters={"stalls": 0.5}, seed=1)


def test_unchanged_design_is_not_built_again(tmp_path):
    times = []
    for _ in range(2):
        start = time.perf_counter()
        bench("icarus", tmp_path, parameters={"latency": 3}, testcase="starts_again_after_reset")
        times.append(time.perf_counter() - start)
    folders = [item for item in (tmp_path / "bench").iterdir() if (item / "complete").exists()]
    assert len(folders) == 1


def test_seed_from_the_environment_wins(monkeypatch):
    monkeypatch.setenv("WEFT_SEED", "77")
    options = {"parameters": {"latency": 3}, "testcase": "full_rate_without_stalls"}
    assert bench("icarus", seed=3, **options).seed == 77


def test_waves(simulator):
    result = bench(simulator, waves=True, parameters={"latency": 3})
    assert result.waves is not None and result.waves.stat().st_size > 1000


def test_refuses_nonsense(simulator):
    with pytest.raises(BenchFailure, match="no test ran; check testcase='nothing'"):
        bench(simulator, testcase="nothing")
    with pytest.raises(BenchFailure, match="refused the design"):
        run_bench("module t(input a) endmodule", name="t", test_module="x", simulator=simulator)
    with pytest.raises(ValueError, match="icarus, verilator, not 'xsim'"):
        bench("xsim")


def test_codec():
    codec = Codec(LAYOUT)
    value = {"tag": 5, "values": [-16, 15]}
    assert codec.pack(value) == 5 | (16 << 3) | (15 << 8)
    assert codec.unpack(codec.pack(value)) == value
    with pytest.raises(ValueError, match="value 16 does not fit signed 5 bits"):
        codec.pack({"tag": 0, "values": [0, 16]})
    with pytest.raises(ValueError, match="array takes 2 elements, not 1"):
        codec.pack({"tag": 0, "values": [0]})
    with pytest.raises(ValueError, match="fields must be"):
        codec.pack({"tag": 0})
