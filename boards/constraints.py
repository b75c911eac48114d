# SPDX-License-Identifier: Apache-2.0
"""A board's pins in the constraint format of its family."""

from __future__ import annotations

from collections.abc import Callable

from .board import Board, Pin

__all__ = ["constraints"]


def _lpf(port: str, pin: Pin) -> list[str]:
    settings = " ".join(f"{name}={value}" for name, value in pin.attributes.items())
    lines = [f'LOCATE COMP "{port}" SITE "{pin.site}";']
    return [*lines, f'IOBUF PORT "{port}" {settings};'] if settings else lines


def _pcf(port: str, pin: Pin) -> list[str]:
    settings = "".join(f"-{name} {value} " for name, value in pin.attributes.items())
    return [f"set_io {settings}{port} {pin.site}"]


def _cst(port: str, pin: Pin) -> list[str]:
    settings = " ".join(f"{name}={value}" for name, value in pin.attributes.items())
    lines = [f'IO_LOC "{port}" {pin.site};']
    return [*lines, f'IO_PORT "{port}" {settings};'] if settings else lines


def _pdc(port: str, pin: Pin) -> list[str]:
    settings = " ".join(f"{name}={value}" for name, value in pin.attributes.items())
    lines = [f"ldc_set_location -site {{{pin.site}}} [get_ports {port}]"]
    return [*lines, f"ldc_set_port -iobuf {{{settings}}} [get_ports {port}]"] if settings else lines


_FORMATS: dict[str, Callable[[str, Pin], list[str]]] = {
    "ecp5": _lpf, "ice40": _pcf, "gowin": _cst, "nexus": _pdc
}


def constraints(board: Board) -> str:
    """Text of LPF (ECP5), PCF (iCE40), CST (Gowin) or PDC (Nexus)."""
    one = _FORMATS[board.family]
    return "".join(f"{line}\n" for port, pin in board.pins.items() for line in one(port, pin))
