# SPDX-License-Identifier: Apache-2.0
"""A board's configuration, changed by the options that were given."""

from __future__ import annotations

import dataclasses

import click
from click.core import ParameterSource

from ..boards.board import Board
from ..hdl.config import Config

__all__ = ["board_config", "given"]


def given(name: str) -> bool:
    """Whether a parameter of the present command was on its command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def board_config(board: Board, config: Config) -> Config:
    """The configuration that the options of this command mean for a board.

    Parameters
    ----------
    board : Board
        Its own configuration is the default.
    config : Config
        What the options mean without a board.
    """
    if given("preset") or given("config_file"):
        return config if given("family") else config.replace(family=board.family)
    names = [item.name for item in dataclasses.fields(Config)]
    changes = {name: getattr(config, name) for name in names if given(name)}
    if changes.keys() & {"rows", "cols"} and "vector_lanes" not in changes and board.config.lanes:
        changes["vector_lanes"] = None
    return board.config.replace(**changes)
