# SPDX-License-Identifier: Apache-2.0
"""Multiplexers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Mux

__all__ = ["choose"]


def choose(choices: list[Any], selector: Any) -> Any:
    """``choices[selector]`` by a balanced tree of multiplexers.

    Where there is no such choice, another one comes out.
    """
    choices = list(choices)
    for bit in selector:
        if len(choices) % 2:
            choices.append(choices[-1])
        choices = [
            Mux(bit, odd, even) for even, odd in zip(choices[::2], choices[1::2], strict=True)
        ]
    return choices[0]
