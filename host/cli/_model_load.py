# SPDX-License-Identifier: Apache-2.0
"""What the subcommands for models share: their options, the model, its configuration."""

from __future__ import annotations

import dataclasses
import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..hdl.config import Config
from ._board_options import memory_option
from ._model_prepare import Preparation, prepare_options, prepared, read_model
from ._options import config_options

if TYPE_CHECKING:
    from ..compiler.network import CompiledModel
    from ..graph import Graph

__all__ = [
    "LoadedModel", "model_options", "open_model", "optional_model_options", "require_kernels",
    "share", "write_whole",
]


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
    accuracy : dict or None
        Right answers before and after quantization, and samples.
    """

    path: Path
    config: Config
    graph: Graph | None
    compiled: CompiledModel | None
    notes: list[str]
    accuracy: dict[str, Any] | None = None

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
    """Add the argument ``MODEL``, options that change it and those of `config_options`.

    The function gets ``model``, a function without parameters that returns a `LoadedModel`.
    """
    wrapped = prepare_options(config_options(_loading(function)))
    return click.argument("model", type=click.Path(path_type=Path))(wrapped)


def optional_model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `model_options`, but ``MODEL`` may be left out; then ``model`` is None.

    The function also gets ``config``, and ``board``: with ``--board`` the configuration is that
    board's, changed by the options.
    """

    @functools.wraps(function)
    def run(
        *arguments: Any, config: Config, board_name: str | None, memory: str, **values: Any
    ) -> Any:
        from ..boards.registry import board_named
        from ._board_config import board_config, given

        board = None
        if board_name is None and given("memory"):
            raise click.UsageError("--memory needs --board")
        if board_name is not None:
            board = board_named(board_name).with_memory(memory)
            config = board_config(board, config)
        if values["model"] is None:
            for item in dataclasses.fields(Preparation):
                del values[item.name]
        else:
            values["model"] = _loader(values.pop("model"), config, values)
        return function(*arguments, config=config, board=board, **values)

    wrapped = memory_option(prepare_options(config_options(run)))
    board_option = click.option(
        "--board", "board_name", help="A board: its configuration, memory and device."
    )
    model = click.argument("model", type=click.Path(path_type=Path), required=False)
    return model(board_option(wrapped))


def _loader(
    path: Path, config: Config, values: dict[str, Any]
) -> Callable[[], LoadedModel]:
    """A function that loads a model; takes the options of `Preparation` out of ``values``."""
    given = click.get_current_context().params
    chosen = given.get("requantize") is not None or given.get("config_file") is not None
    options = Preparation(**{item.name: values.pop(item.name)
                             for item in dataclasses.fields(Preparation)})
    return functools.partial(open_model, path, config, options, keep_convention=chosen)


def _loading(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any, model: Path, config: Config, **values: Any) -> Any:
        load = _loader(model, config, values)
        return function(*arguments, model=load, **values)

    return run


def open_model(
    path: Path, config: Config, options: Preparation | None = None, *,
    keep_convention: bool = False,
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

    options = options or Preparation()
    loaded = read_model(path, options.constants)
    if isinstance(loaded, CompiledModel):
        if options != Preparation(method=options.method):
            raise click.UsageError(f"{path} is compiled and cannot be quantized any more")
        if config not in (Config(), loaded.config):
            raise TargetError(
                f"{path} was compiled for another configuration than the options give; leave them "
                "out or compile the model again"
            )
        return LoadedModel(path, loaded.config, None, loaded, [])
    graph, notes, accuracy = prepared(loaded, options, config.requantize)
    notes = [*loaded.notes, *notes]
    if graph.convention != config.requantize and not keep_convention:
        config = config.replace(requantize=graph.convention)
        notes.append(f"the vector unit rescales by the {graph.convention} convention, as the "
                     "model does (--requantize chooses)")
    return LoadedModel(path, config, graph, None, notes, accuracy)


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
            if path.is_dir():
                raise click.UsageError(f"{path} is a directory; name a file to write")
            try:
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            except OSError as error:
                raise click.UsageError(
                    f"{path} cannot be written ({error.strerror}); name a file in a directory "
                    "where you may write"
                ) from error
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
