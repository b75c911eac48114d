# SPDX-License-Identifier: Apache-2.0
"""The whole design of every board, as it is built, behind a pseudo-terminal: with the real driver.

Only two things differ from the board: the PLL is a wire, and a bit takes four cycles of the board's
clock, the fewest that the link allows, because the line is most of what is simulated.
"""

import dataclasses
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import weft
from weft.boards import BOARDS, simulation
from weft.boards.simulation import SIMULATION_MODULE, simulated_baud, simulation_verilog
from weft.boards.wrapper import wrapper
from weft.cli import main
from weft.cli._simulated_board import BoardTerminal, simulated_board_named
from weft.compiler.gemm import SEGMENT_A, SEGMENT_B, compile_gemm
from weft.hdl.link.baud import Baud
from weft.runtime.errors import MemorySizeError, SegmentLimitError
from weft.sim.line_noise import Noise
from weft.sim.random_products import random_operands
from weft.sim.reference import matmul

CYCLES_PER_BIT = 4
QUICK = "icebreaker"
NAMES = [
    QUICK, *(pytest.param(name, marks=pytest.mark.full) for name in BOARDS if name != QUICK)
]
LAYER_ROWS = {"tangnano20k": 16}
"""Rows of the image, where the memory does not hold all 32 and the layer's output."""


class ServedBoard:
    """One board, compiled once, on a terminal while it is served."""

    def __init__(self, name):
        self.description = BOARDS[name]
        self.baud = self.description.system_hz // CYCLES_PER_BIT
        self.board = simulated_board_named(self.description, baud=self.baud)

    def session(self, noise=None):
        return Session(self, noise)


class Session:
    """A device at the other end of the terminal."""

    def __init__(self, served, noise):
        self.served = served
        self.terminal = BoardTerminal(served.board, noise)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.terminal.serve, args=(self.stop,))

    def __enter__(self):
        self.thread.start()
        try:
            self.device = weft.open(
                f"serial:{self.terminal.name}", self.served.description.config,
                baud=self.served.baud,
            )
        except BaseException:
            self.end()
            raise
        return self.device

    def __exit__(self, *exception):
        self.device.close()
        self.end()

    def end(self):
        self.stop.set()
        self.thread.join()
        self.terminal.close()


@pytest.fixture(scope="module")
def boards():
    """Boards by name, compiled when first asked for."""
    compiled = {}

    def named(name):
        if name not in compiled:
            compiled[name] = ServedBoard(name)
        return compiled[name]

    yield named
    for served in compiled.values():
        served.board.close()


@pytest.mark.parametrize("name", NAMES)
def test_product_and_error(name, boards):
    """The second session finds the accelerator as the error has left it."""
    served = boards(name)
    rows, cols = served.description.config.rows, served.description.config.cols
    a, b = random_operands(5, cols + 2, rows + 1, 1)
    with served.session() as device:
        assert device.clock_hz == served.description.system_hz
        assert device.dram_bytes == served.description.memory_bytes
        assert np.array_equal(device.matmul(a, b), matmul(a, b))
        assert served.board.leds & 1
        program = compile_gemm(device.config, *a.shape[:1], b.shape[1], a.shape[1])
        with pytest.raises(SegmentLimitError) as error:
            device.run_program(program, {SEGMENT_A: a, SEGMENT_B: b}, {SEGMENT_A: 0})
        assert program.instructions[error.value.instruction].opcode.name == "LOAD"
        # Not how often it had to be asked: a simulation that has to wait for a processor is late.
        assert device.client.statistics.damaged == 0
    with served.session() as device:
        assert np.array_equal(device.matmul(a[:1], b), matmul(a[:1], b))
    assert served.board.framing_errors == 0


@pytest.mark.full
@pytest.mark.parametrize("name", BOARDS)
def test_noise(name, boards):
    served = boards(name)
    a, b = random_operands(3, 4, served.description.config.rows, 2)
    noise = Noise(0.001, 7)
    with served.session(noise) as device:
        assert np.array_equal(device.matmul(a, b), matmul(a, b))
        assert device.client.statistics.unanswered > 0
    assert noise.events > 0


def first_layer():
    """The first convolution of ResNet-8 as a graph of its own."""
    from weft.graph import Graph
    from weft.importers.tflite import load_tflite

    root = os.environ.get("WEFT_SHARED", "")
    path = os.path.join(root, "models/mlperf_tiny/ic_resnet8_int8.tflite")
    if not root or not os.path.exists(path):
        pytest.skip("needs WEFT_SHARED with models/mlperf_tiny/ic_resnet8_int8.tflite")
    graph = load_tflite(path)
    first = next(item for item in graph.operators if item.kind == "CONV_2D")
    tensors = {name: graph.tensors[name] for name in first.tensors}
    return Graph("first layer", tensors, [first], (first.inputs[0],), (first.outputs[0],))


def with_rows(layer, rows):
    """The layer on an image of fewer rows; its padding and its stride of 1 keep the size."""
    tensors = dict(layer.tensors)
    for name in (*layer.inputs, *layer.outputs):
        shape = tensors[name].shape
        tensors[name] = dataclasses.replace(tensors[name], shape=(shape[0], rows, *shape[2:]))
    return dataclasses.replace(layer, tensors=tensors)


def image(rows):
    return np.random.default_rng(3).integers(-128, 128, (1, rows, 32, 3), dtype=np.int8)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.config.lanes])
def test_first_layer_of_resnet8(name, boards):
    layer = first_layer()
    rows = LAYER_ROWS.get(name, 32)
    served = boards(name)
    with served.session() as device:
        if rows < 32:
            with pytest.raises(MemorySizeError):
                device.run(layer, [image(32)])
            layer = with_rows(layer, rows)
        result = device.run(layer, [image(rows)])
    assert not result.host_operators
    expected = weft.open("reference").run(layer, [image(rows)]).outputs[0]
    assert np.array_equal(result.outputs[0], expected)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if not board.config.lanes])
def test_products_of_the_first_layer_without_a_vector_unit(name, boards):
    """There is nothing to requantize with: the integer products of eight of 32 image rows."""
    layer = first_layer()
    operator = layer.operators[0]
    weights = layer.tensors[operator.inputs[1]].data
    channels = weights.shape[0]
    padded = np.pad(image(32)[0], ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
    # Windows have their channels first, weights last.
    pixels = np.ascontiguousarray(windows[:8].transpose(0, 1, 3, 4, 2)).reshape(8 * 32, 27)
    factors = np.ascontiguousarray(weights.reshape(channels, 27).T)
    with boards(name).session() as device:
        found = device.matmul(pixels, factors)
    assert np.array_equal(found, matmul(pixels, factors))


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_speeding_up_changes_the_divider_only(board):
    fast = simulated_baud(board, board.system_hz // CYCLES_PER_BIT)
    Baud(fast.system_hz, fast.baud)
    assert simulated_baud(fast, board.baud) == board == simulated_baud(board)


def test_the_simulated_top_is_the_built_one(monkeypatch):
    # Without the accelerator, which takes long to emit.
    monkeypatch.setattr(simulation, "board_top_verilog", lambda board, config: wrapper(board))
    text = simulation_verilog(BOARDS["icebreaker"])
    assert text.count("module weft_top (") == text.count("module SB_PLL40_PAD #(") == 1
    assert f"module {SIMULATION_MODULE} (" in text
    assert "assign LOCK = !weft_board_simulation.rst;" in text
    # Two lights, lit when low.
    assert "assign leds = {1'b0, 1'b0, ~pin_1, ~pin_0};" in text


@pytest.mark.full
def test_command(tmp_path):
    """`weft board-sim --board`, and `weft gemm` on what it serves."""
    link = tmp_path / "board"
    baud = str(BOARDS[QUICK].system_hz // CYCLES_PER_BIT)
    arguments = ["board-sim", "--board", QUICK, "--baud", baud, "--link", str(link), "--json"]
    command = [sys.executable, "-c", "import sys, weft.cli; sys.exit(weft.cli.main())", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert f"at {baud} baud" in process.stderr.readline()
            sizes = ["--m", "2", "--n", "2", "--k", "2"]
            assert main(["gemm", "--target", f"serial:{link}", "--baud", baud, *sizes]) == 0
        finally:
            process.terminate()
        out = json.loads(process.communicate(timeout=60)[0])
    assert out["board"] == QUICK and out["clock_hz"] == BOARDS[QUICK].system_hz
    assert out["config"] == BOARDS[QUICK].config.to_dict() and out["leds"] & 1


@pytest.mark.parametrize("option", ["--clock-hz", "--memory-bytes"])
def test_a_board_decides_its_clock_and_memory(option, capfd):
    assert main(["board-sim", "--board", QUICK, option, "65536", "--json"]) == 1
    message = json.loads(capfd.readouterr().out)["error"]["message"]
    assert message == f"--board and {option} exclude each other"
