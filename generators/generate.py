# SPDX-License-Identifier: Apache-2.0
"""All files of a configuration into a directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ..hdl.accelerator import Accelerator
from ..hdl.config import Config
from ..hdl.stream_array import StreamArray
from ..hdl.tech.technology import simulation_model
from .fusesoc import core_file
from .header import c_header
from .manifest import manifest, manifest_text
from .markdown import register_map
from .svd import svd
from .verilog import emit

__all__ = ["MODULES", "component_of", "generate", "generate_component"]

MODULES = {"accelerator": "weft_accelerator", "array": "weft_array"}
"""Module name by top."""


def component_of(config: Config, top: str) -> Any:
    """The component that a top, one of `MODULES`, is emitted from."""
    if top == "array":
        return StreamArray(config)
    return Accelerator(config)


def generate(config: Config, top: str, directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Write Verilog and everything that goes with it.

    The same configuration gives the same bytes. Every file is complete when it appears under its
    name, the manifest last; other files in the directory are left alone.

    Parameters
    ----------
    config : Config
        What to generate.
    top : str
        ``accelerator`` (AXI4 and AXI4-Lite ports) or ``array`` (bare, with AXI4-Stream ports).
    directory : path
        Where to; made if it does not exist.

    Returns
    -------
    dict
        The manifest, as in ``manifest.json``.

    Raises
    ------
    ValueError
        On an unknown top.
    EmissionError
        If Yosys is missing.
    OSError
        If the directory cannot be written.
    """
    if top not in MODULES:
        raise ValueError(f"top must be one of {', '.join(MODULES)}, not {top!r}")
    return generate_component(config, top, MODULES[top], component_of(config, top), directory)


def generate_component(
    config: Config, top: str, module: str, component: Any, directory: str | os.PathLike[str]
) -> dict[str, Any]:
    """Write a top that is not one of `MODULES`, as `generate` does.

    Parameters
    ----------
    config : Config
        What the accelerator inside is.
    top : str
        What the manifest calls it.
    module : str
        Name of its module.
    component : wiring.Component
        The top itself.
    directory : path
        Where to; made if it does not exist.
    """
    files = {f"{module}.v": emit(component, module), "config.yaml": config.to_yaml()}
    if top != "array":
        files["weft_registers.h"] = c_header(config)
        files["weft.svd"] = svd(config)
        files["registers.md"] = register_map(config)
    model = simulation_model(config.family)
    models = {f"{config.family}_models.v": model} if model else {}
    files |= models
    headers = [name for name in files if name.endswith(".h")]
    files["weft.core"] = core_file(
        config, module=module, headers=headers, models=list(models)
    )
    values = manifest(config, top=top, module=module, component=component, files=files)
    files["manifest.json"] = manifest_text(values)
    _write(files, Path(directory))
    return values


def _write(files: dict[str, str], directory: Path) -> None:
    """Write all files beside their places, then move each there."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".weft-") as staging:
        for name, text in files.items():
            (Path(staging) / name).write_bytes(text.encode())
        for name in files:
            os.replace(Path(staging) / name, directory / name)
