# SPDX-License-Identifier: Apache-2.0
"""The ULX3S with its SDRAM: the controller of LiteDRAM, a model that checks the chip's timing."""

import json
import re
import threading

import numpy as np
import pytest

import weft
from weft.boards import BOARDS, build, simulation
from weft.boards.axi_narrow import AXINarrow
from weft.boards.flow.tools import FlowError
from weft.boards.litedram import CORE_MODULE, SDRAM, sdram_core
from weft.boards.sdram_start import SDRAMStart
from weft.boards.sdram_wiring import bus_fields
from weft.boards.simulation import SIMULATION_MODULE, simulation_verilog
from weft.boards.wrapper import wrapper
from weft.cli import main
from weft.cli._simulated_board import BoardTerminal, simulated_board_named
from weft.generators.verilog import emit
from weft.runtime.errors import BusAccessError
from weft.sim.random_products import random_operands
from weft.sim.reference import matmul
from weft.sim.rtl.board import VerilatedBoard
from weft.sim.rtl.sdram import sdram_model

pytest.importorskip("litedram")
BOARD = BOARDS["ulx3s-85f"].with_memory("sdram")
CONFIG = BOARD.config.replace(
    rows=4, cols=4, vector_lanes=0, activation_depth=256, weight_depth=256, accumulator_depth=64,
    axi_width=32,
)
BAUD = BOARD.system_hz // 4
MEMORY = 1 << 25


def test_the_board_with_its_sdram():
    assert BOARD.memory_bytes == MEMORY and BOARD.system_hz == 50_000_000
    assert BOARD.with_memory("sdram") is BOARD
    assert len(BOARD.pins) == len(BOARDS["ulx3s-85f"].pins) + 39
    with pytest.raises(ValueError, match="^memory of icebreaker must be 'block', not 'sdram'$"):
        BOARDS["icebreaker"].with_memory("sdram")


def test_pins_are_those_of_amaranth_boards():
    platforms = pytest.importorskip("amaranth_boards.ulx3s")
    resource = next(each for each in platforms.ULX3S_85F_Platform.resources
                    if each.name == "sdram")
    names = {"clk_en": "cke", "cs": "cs_n", "we": "we_n", "ras": "ras_n", "cas": "cas_n",
             "dqm": "dm"}
    found = {}
    for part in resource.ios:
        name = f"sdram_{names.get(part.name, part.name)}"
        sites = part.ios[0].names
        found |= {f"{name}_{n}": site for n, site in enumerate(sites)} if len(sites) > 1 \
            else {name: sites[0]}
    assert {name: pin.site for name, pin in BOARD.sdram.pins.items()} == found


def test_the_start_is_that_of_the_generated_software():
    core = sdram_core(BOARD.sdram.chip, BOARD.system_hz)
    assert f"module {CORE_MODULE} (" in core.verilog
    assert re.search(r"inout +wire +\[15:0\] sdram_dq", core.verilog)
    # 27 of init_sequence, between taking the memory from the controller and giving it back, done.
    assert len(core.start) == 30
    assert core.start[0][1:] == (0, 10_000) and core.start[3].wait == 20_000
    assert core.start[-2].value == 1 and core.start[-1] == (0, 1, 0)


def test_an_unknown_chip_is_refused():
    with pytest.raises(FlowError, match="litedram_gen failed with status"):
        sdram_core(SDRAM("NoSuchChip", MEMORY, 16, 13, 2, "LFE5U-85F-6BG381C"), 50_000_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_width": 64}, "^memory_width must be a half of data_width .64. or less, not 64$"),
        ({"max_burst_beats": 128}, "^max_burst_beats must be at most 64 with 64-bit beats in fro"),
    ],
)
def test_illegal_widths(changes, message):
    legal = {"size": MEMORY, "address_width": 32, "data_width": 64, "memory_width": 16,
             "max_burst_beats": 64}
    with pytest.raises(ValueError, match=message):
        AXINarrow(**{**legal, **changes})


@pytest.mark.full
@pytest.mark.parametrize("axi_width", [32, 64])
def test_product_through_the_sdram(axi_width):
    board = simulated_board_named(BOARD, CONFIG.replace(axi_width=axi_width), baud=BAUD)
    terminal, stop = BoardTerminal(board), threading.Event()
    thread = threading.Thread(target=terminal.serve, args=(stop,))
    thread.start()
    try:
        with weft.open(f"serial:{terminal.name}", baud=BAUD) as device:
            assert device.dram_bytes == MEMORY
            for power in range(2, 25):
                device.client.write_memory(1 << power, power.to_bytes(4, "little"))
            for power in range(2, 25):
                word = device.client.read_memory(1 << power, 4)
                assert int.from_bytes(word, "little") == power
            # Single bytes: strobes reach the chip's data masks.
            device.client.write_memory(0x2001, b"\xaa")
            device.client.write_memory(0x2002, b"\xbb\xcc")
            assert device.client.read_memory(0x2001, 3) == b"\xaa\xbb\xcc"
            with pytest.raises(BusAccessError, match="there is nothing at that address"):
                device.client.read_memory(MEMORY, 4)
            with pytest.raises(BusAccessError, match="there is nothing at that address"):
                device.client.write_memory(MEMORY, bytes(4))
            device.transport.forget()
            a, b = random_operands(5, 6, 9, 1)
            assert np.array_equal(device.matmul(a, b), matmul(a, b))
        assert not board.stopped
    finally:
        stop.set()
        thread.join()
        terminal.close()
        board.close()


def test_the_model_finds_what_is_too_fast(monkeypatch):
    """The real start of the memory, with the clock of another chip in the model's mind: 50 MHz
    commands are 20 ns apart, at 250 MHz only 4."""
    writes = list(BOARD.external.start)
    # So that it is the distance between commands that is too short, not that after power.
    writes[0] = writes[0]._replace(wait=50_000)
    start = emit(SDRAMStart(writes=writes), "weft_sdram_start")
    text = start + _started_board() + sdram_core(BOARD.sdram.chip, BOARD.system_hz).verilog
    monkeypatch.setattr(
        simulation, "board_top_verilog", lambda board, config: text + wrapper(board)
    )
    verdicts = []
    for clock_hz in (50_000_000, 250_000_000):
        described = simulation_verilog(BOARD, CONFIG, sdram_model())
        described = described.replace(".CLOCK_HZ(50000000)", f".CLOCK_HZ({clock_hz})")
        with VerilatedBoard(described, SIMULATION_MODULE, cycles_per_bit=4) as board:
            while board.cycles < 120_000 and not board.stopped:
                board.run(10_000)
            verdicts.append(board.stopped)
    assert verdicts == [False, True]


def _started_board():
    """A generic board that only starts its memory."""
    ports, zero = [], []
    for name, width, drives in bus_fields(25, 16):
        ports.append(f"  {'output' if drives else 'input'} wire [{width - 1}:0] {name}")
        if drives:
            zero.append(f"{name} = 0")
    return f"""
module weft_board (
  input wire clk, rst, uart_rx, output wire uart_tx, output wire [3:0] leds,
{",".join(ports)},
  output wire start_cyc, output wire [29:0] start_adr, output wire [31:0] start_dat_w,
  input wire start_ack
);
  assign uart_tx = 1, leds = 0, {", ".join(zero)};
  weft_sdram_start start (
    .clk(clk), .rst(rst), .cyc(start_cyc), .adr(start_adr), .dat_w(start_dat_w), .ack(start_ack)
  );
endmodule
"""


def test_memory_needs_a_board(capfd):
    for command in (["synth", "-o", "x"], ["board-sim"], ["fit"]):
        assert main([*command, "--memory", "sdram", "--json"]) == 1
        message = json.loads(capfd.readouterr().out)["error"]["message"]
        assert message == "--memory needs --board"


@pytest.mark.full
def test_the_controller_reaches_a_bitstream(tmp_path, monkeypatch):
    """Pins, the memory's clock and the controller, without an accelerator."""
    start = emit(SDRAMStart(writes=BOARD.external.start), "weft_sdram_start")
    text = start + _started_board() + sdram_core(BOARD.sdram.chip, BOARD.system_hz).verilog
    monkeypatch.setattr(build, "board_top_verilog", lambda board, config: text + wrapper(board))
    result = build.build_board(BOARD, CONFIG, output=tmp_path)
    assert result.meets_clock
    assert result.bitstream.stat().st_size > 100_000
    assert result.synthesis.run.clocks
