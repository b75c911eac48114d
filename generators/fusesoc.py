# SPDX-License-Identifier: Apache-2.0
"""A FuseSoC core file (CAPI2) around the generated Verilog."""

from __future__ import annotations

from collections.abc import Sequence

from ..hdl.config import Config
from .template import render
from .verilog import verilator_flags

__all__ = ["core_file"]


def core_file(
    config: Config, *, module: str, headers: Sequence[str] = (), models: Sequence[str] = ()
) -> str:
    """The core file of a generated directory.

    Parameters
    ----------
    config : Config
        The configuration.
    module : str
        Top module; its Verilog is ``<module>.v``.
    headers : sequence of str
        C headers beside it.
    models : sequence of str
        Simulation models of the blocks that it instantiates.
    """
    return render(
        "weft.core.j2",
        config=config,
        module=module,
        headers=headers,
        models=models,
        verilator_options=verilator_flags(),
    )
