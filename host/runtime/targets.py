# SPDX-License-Identifier: Apache-2.0
"""Targets by name; each is imported when it is opened."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from ..hdl.config import Config
from .device import Device
from .errors import TargetError

__all__ = ["TARGETS", "open_device"]

TARGETS: dict[str, tuple[str, str]] = {
    "reference": ("reference", "ReferenceDevice"),
    "simulator": ("simulator", "SimulatorDevice"),
    "rtl": ("rtl", "RtlDevice"),
    "cocotb": ("cocotb", "CocotbDevice"),
}
"""Module and class by target name."""


def open_device(target: str, config: Config | None = None, **options: Any) -> Device:
    """A device for ``target``; see `weft.open`."""
    if not isinstance(target, str):
        raise TargetError(f"target must be a name ({', '.join(TARGETS)}), not {target!r}")
    kind_name, _, port = target.partition(":")
    on_board = kind_name == "serial"
    if on_board and not port:
        raise TargetError(f"target {target!r} names no port; write serial:/dev/ttyUSB0 or the like")
    if not on_board and target not in TARGETS:
        close = difflib.get_close_matches(target, TARGETS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise TargetError(
            f"target must be one of {', '.join(TARGETS)} or serial:PORT, not {target!r}{hint}"
        )
    if config is not None and not isinstance(config, Config):
        raise TargetError(f"config must be a weft.Config, not {type(config).__name__}")
    module, name = ("serial", "SerialDevice") if on_board else TARGETS[target]
    kind = getattr(importlib.import_module(f".{module}", __package__), name)
    try:
        device: Device = kind(port, config, **options) if on_board else kind(
            config or Config(), **options
        )
    except TypeError as error:
        if "unexpected keyword" in str(error):
            raise TargetError(f"target {target!r}: {error}") from error
        raise
    return device
