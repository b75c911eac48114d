# SPDX-License-Identifier: Apache-2.0
"""Simulation models of single cells out of a vendor library's file."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["cell_models"]


def cell_models(text: str, names: Sequence[str]) -> str:
    """The modules ``names`` of a Verilog text, without their specify blocks.

    Parameters
    ----------
    text : str
        Such as that of a file in Yosys' share folder.
    names : sequence of str

    Raises
    ------
    ValueError
        If it does not have one of them.
    """
    found = []
    for name in names:
        match = re.search(rf"^module {name}\b.*?^endmodule", text, re.M | re.S)
        if match is None:
            raise ValueError(f"there is no module {name}")
        found.append(re.sub(r"specify.*?endspecify", "", match[0], flags=re.S))
    return "\n".join(found)
