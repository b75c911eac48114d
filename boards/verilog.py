# SPDX-License-Identifier: Apache-2.0
"""The Verilog of a generic board."""

from __future__ import annotations

from ..generators.verilog import emit
from ..hdl.config import Config
from ..hdl.link.baud import Baud
from .top import BoardTop, ExternalMemory

__all__ = ["BOARD_MODULE", "board_component", "board_verilog"]

BOARD_MODULE = "weft_board"


def board_component(
    config: Config, *, clock_hz: int, baud: int, memory_bytes: int, single_port: bool = False,
    external: ExternalMemory | None = None,
) -> BoardTop:
    """A board with ports ``clk``, ``rst``, ``uart_rx``, ``uart_tx`` and ``leds``.

    Parameters
    ----------
    config : Config
        The accelerator.
    clock_hz : int
        Frequency of ``clk``.
    baud : int
        Baud rate of the host link.
    memory_bytes, single_port, external
        As in `BoardTop`.
    """
    return BoardTop(
        config, baud=Baud(clock_hz, baud), memory_bytes=memory_bytes, single_port=single_port,
        external=external,
    )


def board_verilog(
    config: Config, *, clock_hz: int, baud: int, memory_bytes: int, single_port: bool = False,
    external: ExternalMemory | None = None,
) -> str:
    """The Verilog of `board_component`, which has the same parameters."""
    component = board_component(
        config, clock_hz=clock_hz, baud=baud, memory_bytes=memory_bytes, single_port=single_port,
        external=external,
    )
    return emit(component, BOARD_MODULE)
