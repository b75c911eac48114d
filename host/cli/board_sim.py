# SPDX-License-Identifier: Apache-2.0
"""`weft board-sim`."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import click

from ..boards.board import Board
from ..boards.registry import BOARDS, board_named
from ..hdl.config import Config
from ._board_config import board_config, given
from ._board_options import board_options, memory_option
from ._command import Output, subcommand
from ._options import config_options

__all__ = ["command"]


DECIDED = ("clock_hz", "memory_bytes", "single_port")
"""Options of the generic board that a named one decides."""


@subcommand(
    name="board-sim",
    short_help="Serve a simulated board on a pseudo-terminal.",
    epilog="""
    weft board-sim --board icebreaker
    weft board-sim --board colorlight-i9 --baud 5000000
    weft board-sim --preset tiny --clock-hz 25000000 --baud 3000000 --noise 0.001
    weft selftest --target serial:/dev/pts/3 --baud 1000000
    """,
)
@config_options
@board_options
@memory_option
@click.option("--board", "board_name", help=f"One of {', '.join(BOARDS)}: its whole design, with "
              "its configuration, clock, baud rate and memory but for what is given.")
@click.option("--noise", type=click.FloatRange(0, 1, max_open=True), default=0.0,
              show_default=True, help="Probability for each byte on the line to be lost, changed "
              "or preceded by another.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of noise and of uninitialized state.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True),
              help="Stop after this time; by default, on an interrupt from the keyboard.")
@click.option("--link", "link_path", type=click.Path(path_type=Path, dir_okay=False),
              help="Make a symbolic link to the terminal there, as a name that is known before.")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False),
              help="Write a VCD waveform there.")
def command(
    output: Output, config: Config, board_name: str | None, clock_hz: int, baud: int,
    memory_bytes: int, single_port: bool, memory: str, noise: float, seed: int,
    seconds: float | None, link_path: Path | None, trace: Path | None,
) -> dict[str, Any]:
    """Compile a board with Verilator and serve its UART on a pseudo-terminal.

    Without --board it is a generic one.

    Every bit on the line is simulated at the board's divisor. Open the terminal that is printed as
    one would open the board's serial port; any number of clients may come, one after the other.
    """
    from ..sim.line_noise import Noise
    from ._simulated_board import BoardTerminal, simulated_board, simulated_board_named

    if board_name is None and given("memory"):
        raise click.UsageError("--memory needs --board")
    if board_name is not None:
        named = _named(board_name).with_memory(memory)
        config = board_config(named, config)
        rate = baud if given("baud") else named.baud
        clock_hz, baud, memory_bytes = named.system_hz, rate, named.memory_bytes
    with output.progress("compiling the board"):
        if board_name is not None:
            board = simulated_board_named(named, config, baud=baud, seed=seed, trace=trace)
        else:
            board = simulated_board(
                config, clock_hz=clock_hz, baud=baud, memory_bytes=memory_bytes,
                single_port=single_port, seed=seed, trace=trace,
            )
    terminal = BoardTerminal(board, Noise(noise, seed) if noise else None)
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    if seconds is not None:
        timer = threading.Timer(seconds, stop.set)
        timer.daemon = True
        timer.start()
    began = time.perf_counter()
    try:
        if link_path is not None:
            link_path.symlink_to(terminal.name)
        output.console.print(f"serial:{terminal.name} at {baud} baud", soft_wrap=True)
        terminal.serve(stop)
        cycles, leds = board.cycles, board.leds
    finally:
        if link_path is not None:
            link_path.unlink(missing_ok=True)
        terminal.close()
        board.close()
    elapsed = time.perf_counter() - began
    output.console.print(f"{cycles} cycles, {cycles / elapsed:.0f} a second")
    return {
        "board": board_name, "target": f"serial:{terminal.name}", "baud": baud,
        "clock_hz": clock_hz, "memory_bytes": memory_bytes, "config": config.to_dict(),
        "cycles": cycles, "leds": leds,
        "cycles_per_second": round(cycles / elapsed),
    }


def _named(name: str) -> Board:
    """The board, if no option contradicts it."""
    for option in DECIDED:
        if given(option):
            flag = f"--{option.replace('_', '-')}"
            raise click.UsageError(f"--board and {flag} exclude each other")
    return board_named(name)
