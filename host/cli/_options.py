# SPDX-License-Identifier: Apache-2.0
"""The options that choose a configuration, the same for all subcommands."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..hdl.config import PRESETS, Config

__all__ = ["config_options"]


@functools.cache
def _descriptions() -> dict[str, str]:
    """What each parameter means, from the docstring of `Config`."""
    text = inspect.cleandoc(Config.__doc__ or "")
    found = re.findall(r"^(\w+) : [\w, ]+\n((?:    .*\n)+)", text, re.M)
    return {name: " ".join(body.split()).replace("`", "") for name, body in found}


def _help(item: dataclasses.Field[Any]) -> str:
    """What a parameter means; the description itself says where an absent default comes from."""
    text = _descriptions().get(item.name, "")
    return text if item.default is None else f"{text} [default: {item.default}]"


def config_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--preset``, ``--config`` and a flag for each parameter of `Config`.

    The function gets ``config``. A flag changes the preset or the file.
    """
    names = [item.name for item in dataclasses.fields(Config)]

    @functools.wraps(function)
    def run(*arguments: Any, preset: str | None, config_file: Path | None, **values: Any) -> Any:
        changes = {name: values.pop(name) for name in names}
        changes = {name: value for name, value in changes.items() if value is not None}
        if preset is not None and config_file is not None:
            raise click.UsageError("--preset and --config exclude each other")
        if config_file is not None:
            config = Config.from_yaml(config_file).replace(**changes)
        else:
            config = Config.preset(preset or "default", **changes)
        return function(*arguments, config=config, **values)

    for item in reversed(dataclasses.fields(Config)):
        kind = str if isinstance(item.default, str) else int
        run = click.option(
            f"--{item.name.replace('_', '-')}",
            item.name,
            type=kind,
            help=_help(item),
        )(run)
    run = click.option(
        "--config", "config_file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="YAML file with a configuration.",
    )(run)
    return click.option(
        "--preset", help=f"A configuration by name: {', '.join(PRESETS)}."
    )(run)
