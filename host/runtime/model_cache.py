# SPDX-License-Identifier: Apache-2.0
"""Models that a device has read and compiled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..compiler.network import CompiledModel, compile_network
from ..graph import Graph, ModelError
from .errors import OperandError
from .model import Model, load_model

if TYPE_CHECKING:
    from .device import ProgramDevice

__all__ = ["ModelCache"]


class ModelCache:
    """Models that a device has loaded and compiled, so that many samples cost one compilation."""

    def __init__(self) -> None:
        self._entries: dict[Any, tuple[Any, CompiledModel]] = {}
        self._files: dict[str, tuple[Any, Graph | CompiledModel]] = {}

    def load(self, model: Model) -> Graph | CompiledModel:
        """A model as an object, read once while its file stays as it is."""
        if isinstance(model, Graph | CompiledModel):
            return model
        if not isinstance(model, str | os.PathLike):
            raise OperandError(
                f"a model is a path, a Graph or a CompiledModel, not {type(model).__name__}"
            )
        name = os.fspath(model)
        try:
            status = os.stat(name)
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError as error:
            raise ModelError(f"{name}: {error.strerror or error}") from error
        if name not in self._files or self._files[name][0] != stamp:
            self._files[name] = stamp, load_model(name)
        return self._files[name][1]

    def compiled(self, model: Graph | CompiledModel, device: ProgramDevice, *,
                 per_layer: bool) -> CompiledModel:
        """A model compiled for a device."""
        if isinstance(model, CompiledModel):
            if per_layer:
                raise OperandError("a compiled model has its programs; per_layer needs the model")
            return model
        key = id(model), per_layer
        if key not in self._entries or self._entries[key][0] is not model:
            self._entries[key] = model, compile_network(model, device.config, per_layer=per_layer)
        return self._entries[key][1]
