# SPDX-License-Identifier: Apache-2.0
"""What the subcommands for models share: their options, the model, its configuration."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..hdl.config import Config
from ._options import config_options

if TYPE_CHECKING:
    from ..compiler.network import CompiledModel
    from ..graph import Graph

__all__ = [
    "LoadedModel", "model_options", "open_model", "require_kernels", "share", "write_whole",
]

METHODS = ("minmax", "percentile", "entropy")


@dataclass
class LoadedModel:
    """A model, and the accelerator for it.

    Parameters
    ----------
    path : Path
        Its file.
    config : Config
        That of a compiled model, else the options'; the numeric convention follows the model
        unless an option chooses it.
    graph : Graph or None
        None if the file is a compiled model.
    compiled : CompiledModel or None
        None unless the file is a compiled model.
    notes : list of str
        What was decided for the user.
    """

    path: Path
    config: Config
    graph: Graph | None
    compiled: CompiledModel | None
    notes: list[str]

    def compile(self, *, per_layer: bool = False) -> CompiledModel:
        """The compiled model."""
        from ..compiler.network import compile_network

        if self.compiled is not None:
            if per_layer:
                raise click.UsageError(
                    f"{self.path} is compiled; layers run one by one need the model itself"
                )
            return self.compiled
        assert self.graph is not None
        return compile_network(self.graph, self.config, per_layer=per_layer)

    @property
    def source(self) -> Graph:
        """The graph with inputs and outputs."""
        graph = self.graph if self.compiled is None else self.compiled.graph
        assert graph is not None
        return graph


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument ``MODEL``, calibration options and those of `config_options`.

    The function gets ``model``, a function without parameters that returns a `LoadedModel`.
    """

    @functools.wraps(function)
    def run(
        *arguments: Any, model: Path, config: Config, calibration: Path | None, method: str,
        **values: Any,
    ) -> Any:
        given = click.get_current_context().params
        chosen = given.get("requantize") is not None or given.get("config_file") is not None
        load = functools.partial(open_model, model, config, keep_convention=chosen,
                                 calibration=calibration, method=method)
        return function(*arguments, model=load, **values)

    wrapped = config_options(run)
    wrapped = click.option(
        "--method", type=click.Choice(METHODS), default="minmax", show_default=True,
        help="How ranges come from the calibration samples.")(wrapped)
    wrapped = click.option(
        "--calibration", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Quantize a floating-point model with one input first; a NumPy file, samples along "
        "the first axis.")(wrapped)
    return click.argument("model", type=click.Path(path_type=Path))(wrapped)


def open_model(
    path: Path, config: Config, *, keep_convention: bool = False, calibration: Path | None = None,
    method: str = "minmax",
) -> LoadedModel:
    """Read a model and settle the configuration.

    Raises
    ------
    ModelError, ProgramError
        If the file cannot be read.
    TargetError
        If a compiled model is for another configuration than the options ask for.
    """
    from ..compiler.network import CompiledModel
    from ..runtime.errors import TargetError
    from ..runtime.model import load_model

    loaded = load_model(path)
    if isinstance(loaded, CompiledModel):
        if calibration is not None:
            raise click.UsageError(f"{path} is compiled and cannot be quantized any more")
        if config not in (Config(), loaded.config):
            raise TargetError(
                f"{path} was compiled for another configuration than the options give; leave them "
                "out or compile the model again"
            )
        return LoadedModel(path, loaded.config, None, loaded, [])
    notes = []
    if calibration is not None:
        loaded = _quantized(loaded, calibration, method, config.requantize)
        notes.append(f"quantized by {method} ranges of {calibration}")
    if loaded.convention != config.requantize and not keep_convention:
        config = config.replace(requantize=loaded.convention)
        notes.append(f"the vector unit rescales by the {loaded.convention} convention, as the "
                     "model does (--requantize chooses)")
    return LoadedModel(path, config, loaded, None, notes)


def _quantized(graph: Graph, path: Path, method: str, convention: str) -> Graph:
    from ..quantize import quantize
    from ._model_inputs import load_array

    samples = load_array(path)
    if len(graph.inputs) != 1:
        raise click.UsageError(f"--calibration needs a model with one input, not "
                               f"{len(graph.inputs)}")
    tensor = graph.tensors[graph.inputs[0]]
    if samples.ndim == 0 or not len(samples) or samples[0].size != tensor.elements:
        raise click.UsageError(
            f"each sample in {path} must have the {tensor.elements} elements of {tensor}; the "
            f"file's shape is {samples.shape}"
        )
    return quantize(
        graph, [[sample.reshape(tensor.shape).astype(tensor.dtype)] for sample in samples],
        method, convention=convention,
    )


def require_kernels(model: CompiledModel) -> None:
    """Raise `ModelError`, on one line, if the model has operators that nothing can run."""
    from ..graph import ModelError

    missing = [f"{item.name} ({item.kind}): {item.unsupported}"
               for item in model.graph.unsupported()]
    if missing:
        raise ModelError("the model has operators that cannot run: " + "; ".join(missing))


def share(part: float, whole: float) -> float | None:
    """``part / whole``; None if there is no whole."""
    return part / whole if whole else None


def write_whole(files: Mapping[Path, bytes]) -> None:
    """Write files so that each appears whole or not at all."""
    ready: list[tuple[str, Path]] = []
    try:
        for path, content in files.items():
            if not path.parent.is_dir():
                raise click.UsageError(f"there is no directory {path.parent}")
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            ready.append((name, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
        while ready:
            os.replace(*ready[0])
            ready.pop(0)
    finally:
        for name, _ in ready:
            os.unlink(name)
