# SPDX-License-Identifier: Apache-2.0
"""Model files to graphs: one module a format."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from ..graph import Graph, ModelError

__all__ = ["FORMATS", "load_model"]

FORMATS = {".tflite": ("tflite", "load_tflite"), ".onnx": ("onnx", "load_onnx")}
"""File name suffix to module of this package and function that reads a path."""


def load_model(path: str | os.PathLike[str]) -> Graph:
    """Read a model file of any known format.

    Raises
    ------
    ModelError
        If the format is unknown, its library is not installed, or the file is malformed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ModelError(f"{path}: the name must end with {' or '.join(FORMATS)}")
    module, function = FORMATS[suffix]
    try:
        reader = getattr(importlib.import_module(f".{module}", __name__), function)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path}: {error.name} is not installed; install weft[models]"
        ) from error
    return reader(path)
