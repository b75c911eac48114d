# SPDX-License-Identifier: Apache-2.0
"""A whole board at register-transfer level, with a UART at its pins."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from .build import build_library

__all__ = ["VerilatedBoard"]

_BUFFER_BYTES = 1 << 16


@functools.cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, u64, text = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
    signatures: dict[str, tuple[object, list[object]]] = {
        "weft_board_open": (pointer, [ctypes.c_double, u64, text]),
        "weft_board_close": (None, [pointer]),
        "weft_board_send": (None, [pointer, text, u64]),
        "weft_board_sending": (ctypes.c_int, [pointer]),
        "weft_board_run": (u64, [pointer, u64, pointer, u64]),
        "weft_board_cycles": (u64, [pointer]),
        "weft_board_framing_errors": (u64, [pointer]),
        "weft_board_stopped": (ctypes.c_int, [pointer]),
        "weft_board_leds": (ctypes.c_uint, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


class VerilatedBoard:
    """A board compiled by Verilator. Every bit on its UART is simulated.

    Parameters
    ----------
    verilog : str
        The board's Verilog.
    top : str
        Its top module, with ports ``clk``, ``rst``, ``uart_rx``, ``uart_tx`` and ``leds``.
    cycles_per_bit : float
        Clock cycles of a bit as the other side sends and expects them.
    seed : int
        Seed of uninitialized state.
    trace : Path or str, optional
        Writes a VCD waveform there.

    Raises
    ------
    BuildError, ToolError
        If the design cannot be compiled.
    """

    def __init__(
        self,
        verilog: str,
        top: str,
        *,
        cycles_per_bit: float,
        seed: int = 0,
        trace: Path | str | None = None,
    ) -> None:
        path = build_library(
            verilog, top, data_bytes=0, trace=trace is not None, harness=("board.cpp",)
        )
        self._library = _load(path)
        name = str(trace).encode() if trace is not None else b""
        self._handle: int | None = self._library.weft_board_open(
            cycles_per_bit, seed % 2**64, name
        )
        self._buffer = ctypes.create_string_buffer(_BUFFER_BYTES)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated."""
        return int(self._library.weft_board_cycles(self._handle))

    @property
    def leds(self) -> int:
        """The state of the board's lights, a bit each."""
        return int(self._library.weft_board_leds(self._handle))

    @property
    def framing_errors(self) -> int:
        """Bytes that the board sent without a stop bit."""
        return int(self._library.weft_board_framing_errors(self._handle))

    @property
    def stopped(self) -> bool:
        """A model in the design has found a rule broken and ended the simulation; it printed which.
        The board then does nothing any more."""
        return bool(self._library.weft_board_stopped(self._handle))

    @property
    def sending(self) -> bool:
        """Bytes are still on their way to the board."""
        return bool(self._library.weft_board_sending(self._handle))

    def send(self, data: bytes) -> None:
        """Queue bytes for the board's UART; they go out one after the other during `run`."""
        self._library.weft_board_send(self._handle, data, len(data))

    def run(self, cycles: int) -> bytes:
        """Run for some cycles, or until a message of the board has ended; what it sent."""
        size = self._library.weft_board_run(
            self._handle, cycles, ctypes.addressof(self._buffer), _BUFFER_BYTES
        )
        return self._buffer.raw[:size]

    def close(self) -> None:
        """Free the model; a waveform is complete only then."""
        if self._handle is not None:
            self._library.weft_board_close(self._handle)
            self._handle = None

    def __enter__(self) -> VerilatedBoard:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()
