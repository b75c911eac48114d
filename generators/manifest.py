# SPDX-License-Identifier: Apache-2.0
"""The manifest of a generated directory: what was generated, from what, with which ports."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Shape

from ..hdl.config import Config
from ..hdl.once import flat_ports
from .sizes import derived_figures
from .template import weft_version

__all__ = ["manifest", "manifest_text"]

FORMAT = 1
"""Raised when a key changes its meaning or goes."""


def manifest(
    config: Config, *, top: str, module: str, component: Any, files: Mapping[str, str]
) -> dict[str, Any]:
    """Describe a generated directory.

    Parameters
    ----------
    config : Config
        The configuration.
    top : str
        ``array``, ``accelerator`` or ``board``.
    module : str
        Name of the top module.
    component : wiring.Component
        The top component, for its ports.
    files : mapping of str to str
        Texts by file name; that of the Verilog is ``<module>.v``.

    Returns
    -------
    dict
        ``format``, ``generator``, ``version``, ``top``, ``module``, ``modules``, ``config``,
        ``derived``, ``ports``, ``files`` (bytes and SHA-256 of each).
    """
    ports = [
        {"name": "clk", "direction": "input", "width": 1},
        {"name": "rst", "direction": "input", "width": 1},
    ]
    for name, (value, is_input) in flat_ports(component).items():
        width = Shape.cast(value.shape()).width
        if width:
            direction = "input" if is_input else "output"
            ports.append({"name": name, "direction": direction, "width": width})
    return {
        "format": FORMAT,
        "generator": "weft",
        "version": weft_version(),
        "top": top,
        "module": module,
        "modules": re.findall(r"^module (\w+)", files[f"{module}.v"], re.M),
        "config": config.to_dict(),
        "derived": _derived(config, top, component),
        "ports": ports,
        "files": {
            name: {
                "bytes": len(text.encode()),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
            }
            for name, text in sorted(files.items())
        },
    }


def _derived(config: Config, top: str, component: Any) -> dict[str, Any]:
    if top != "array":
        return derived_figures(config)
    return {
        "macs_per_cycle": config.rows * config.cols,
        "partial_sum_width": config.partial_sum_width,
        "latency": component.latency,
    }


def manifest_text(values: dict[str, Any]) -> str:
    """A manifest as the text of its file."""
    return json.dumps(values, indent=2) + "\n"
