# SPDX-License-Identifier: Apache-2.0
"""A simulated board, and its UART on a pseudo-terminal."""

from __future__ import annotations

import inspect
import os
import select
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..boards import (
    axi_narrow,
    clocking,
    sdram_start,
    sdram_wiring,
    simulation,
    top,
    verilog,
    wrapper,
)
from ..boards.board import Board
from ..boards.simulation import SIMULATION_MODULE, simulated_baud, simulation_verilog
from ..boards.verilog import BOARD_MODULE, board_verilog
from ..hdl.config import Config
from ..hdl.tech.technology import simulation_model
from ..sim.line_noise import Noise
from ..sim.rtl.board import VerilatedBoard
from ..sim.rtl.design import cached_verilog
from ..sim.rtl.sdram import sdram_model

__all__ = ["BoardTerminal", "simulated_board", "simulated_board_named"]

CHUNK_CYCLES = 1_000
"""Cycles between two looks at the terminal: a few milliseconds."""

LINGER_SECONDS = 1.0
"""A board that nobody talks to runs on for so long at full speed, then slowly."""

IDLE_SECONDS = 0.02


def simulated_board(
    config: Config,
    *,
    clock_hz: int,
    baud: int,
    memory_bytes: int,
    single_port: bool = False,
    seed: int = 0,
    trace: Path | None = None,
) -> VerilatedBoard:
    """The generic board, compiled; see `BoardTop` and `VerilatedBoard`."""
    settings = {
        "clock_hz": clock_hz, "baud": baud, "memory_bytes": memory_bytes, "single_port": single_port
    }
    sources = inspect.getsource(top) + inspect.getsource(verilog)
    text = cached_verilog(
        f"board {settings} {config.to_yaml()} {sources}",
        lambda: board_verilog(
            config, clock_hz=clock_hz, baud=baud, memory_bytes=memory_bytes, single_port=single_port
        )
        + simulation_model(config.family),
    )
    return VerilatedBoard(
        text, BOARD_MODULE, cycles_per_bit=clock_hz / baud, seed=seed, trace=trace
    )


def simulated_board_named(
    board: Board,
    config: Config | None = None,
    *,
    baud: int | None = None,
    seed: int = 0,
    trace: Path | None = None,
) -> VerilatedBoard:
    """A real board's whole design, compiled: top module, reset, host link, memory.

    Parameters
    ----------
    board : Board
        The board. Its clock and its baud rate are those that are simulated.
    config : Config, optional
        The accelerator; by default the board's own.
    baud : int, optional
        Another rate for the simulation, see :func:`weft.boards.simulation.simulated_baud`.
    seed, trace
        As in `VerilatedBoard`.
    """
    shown = simulated_baud(board, baud)
    models = sdram_model() if board.memory == "sdram" else ""
    sources = "".join(
        inspect.getsource(module)
        for module in (
            axi_narrow, clocking, sdram_start, sdram_wiring, simulation, top, verilog, wrapper
        )
    )
    text = cached_verilog(
        f"{shown} {config} {sources} {models}",
        lambda: simulation_verilog(shown, config, models),
    )
    return VerilatedBoard(
        text, SIMULATION_MODULE, cycles_per_bit=shown.system_hz / shown.baud, seed=seed,
        trace=trace,
    )


class BoardTerminal:
    """Serves a simulated board's UART on a pseudo-terminal.

    Parameters
    ----------
    board : VerilatedBoard
        The board.
    noise : Noise or None
        What happens to bytes on the line, both ways.

    Attributes
    ----------
    name : str
        The terminal to open, as one would open the board's serial port.
    """

    def __init__(self, board: VerilatedBoard, noise: Noise | None = None) -> None:
        self.board = board
        self._noise: Callable[[bytes], bytes] = noise or bytes
        # The board's end stays open here, so that clients may come and go.
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.name = os.ttyname(self._theirs)

    def serve(self, stop: threading.Event) -> None:
        """Run the board until ``stop`` is set."""
        active = time.monotonic()
        while not stop.is_set():
            idle = time.monotonic() > active + LINGER_SECONDS
            ready, _, _ = select.select([self._ours], [], [], IDLE_SECONDS if idle else 0)
            if ready:
                self.board.send(self._noise(os.read(self._ours, 1 << 16)))
            sent = self.board.run(CHUNK_CYCLES)
            if sent:
                # What no client reads is lost, as on a line.
                with suppress(BlockingIOError):
                    os.write(self._ours, self._noise(sent))
            if ready or sent or self.board.sending:
                active = time.monotonic()

    def close(self) -> None:
        """Remove the terminal."""
        os.close(self._ours)
        os.close(self._theirs)
