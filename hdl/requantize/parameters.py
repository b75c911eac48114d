# SPDX-License-Identifier: Apache-2.0
"""The parameters of one lane, as LOAD writes them and as the parameter memory keeps them."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ..config import PARAMETER_LANE_BYTES

__all__ = ["LOADED_LANE", "kept_layout"]

LOADED_LANE = data.StructLayout(
    {
        "bias": signed(32),
        "multiplier": unsigned(32),
        "left": unsigned(5),
        "unused_left": unsigned(3),
        "right": unsigned(5),
        "unused_right": unsigned(3),
        "unused": unsigned(16),
    }
)
"""One lane's bytes in a parameter word: bias, Q31 multiplier or float32 scale, shifts."""

assert LOADED_LANE.size == 8 * PARAMETER_LANE_BYTES

_KEPT = {"tflite": ("bias", "multiplier", "left", "right"), "onnx": ("bias", "multiplier")}


def kept_layout(convention: str) -> data.StructLayout:
    """The members of `LOADED_LANE` that a convention uses.

    Parameters
    ----------
    convention : str
        ``"tflite"`` or ``"onnx"``.
    """
    return data.StructLayout({name: LOADED_LANE[name].shape for name in _KEPT[convention]})
